"""Checks on an uploaded file before a spreadsheet library is let near it."""

from __future__ import annotations

import re
from io import BytesIO
from typing import BinaryIO
from xml.parsers import expat

from app import packages
from app.packages import PackageError
from app.workbooks.columns import WorkbookError

MAX_FILE_BYTES = 10 * 1024 * 1024
MAX_SHEET_ROW = 1_048_576

MERGE_RANGE = re.compile(r"[A-Z]{1,3}[0-9]{1,7}:[A-Z]{1,3}[0-9]{1,7}")


def load_bytes(stream: BinaryIO) -> BytesIO:
    """Return the whole upload in memory; WorkbookError workbook_too_large beyond 10 MiB."""
    content = stream.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise WorkbookError("workbook_too_large", [f"上限 {MAX_FILE_BYTES // 1024 // 1024} MB"])
    return BytesIO(content)


def check_package(content: BytesIO) -> None:
    """Refuse what is not a plain .xlsx package: encrypted, with macros, or unpacking to too much."""
    try:
        # Sheets are read as a stream; openpyxl holds everything else (shared strings, styles) in memory.
        packages.check(content, may_be_large=lambda name: name.startswith("xl/worksheets/"))
    except PackageError as error:
        raise WorkbookError(f"workbook_{error.fault}") from error


class SheetSurvey:
    """One streaming pass over a sheet's XML: merged ranges, and a stop at too many filled rows.

    openpyxl's read-only mode neither tells merged cells nor stops early, and materialises every row number
    up to the one a hostile file names.
    """

    def __init__(self, max_filled_rows: int) -> None:
        self.merged: list[str] = []
        self._limit = max_filled_rows
        self._filled = 0
        self._row_is_filled = False

    def run(self, xml: BinaryIO) -> list[str]:
        """Return merged ranges; WorkbookError workbook_too_long or workbook_unreadable (a DTD, bad rows)."""
        parser = expat.ParserCreate()
        parser.StartElementHandler = self._start
        parser.StartDoctypeDeclHandler = self._doctype
        parser.ParseFile(xml)
        return self.merged

    def _doctype(self, *_: object) -> None:
        raise WorkbookError("workbook_unreadable")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        name = tag.rpartition(":")[2]
        if name == "row":
            self._row_is_filled = False
            number = attributes.get("r", "1")
            if not number.isdecimal() or len(number) > 7 or int(number) > MAX_SHEET_ROW:
                raise WorkbookError("workbook_unreadable")
        elif name in ("v", "t") and not self._row_is_filled:
            self._row_is_filled = True
            self._filled += 1
            if self._filled > self._limit:
                raise WorkbookError("workbook_too_long")
        elif name == "mergeCell" and MERGE_RANGE.fullmatch(attributes.get("ref", "")):
            self.merged.append(attributes["ref"])
