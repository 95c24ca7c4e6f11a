"""Checks on an uploaded file before a spreadsheet library is let near it."""

from __future__ import annotations

import re
import zipfile
from io import BytesIO
from typing import BinaryIO
from xml.parsers import expat

from app.workbooks.columns import WorkbookError

MAX_FILE_BYTES = 10 * 1024 * 1024
MAX_UNPACKED_BYTES = 128 * 1024 * 1024
# Everything but sheets (shared strings, styles) is held in memory by openpyxl.
MAX_PART_BYTES = 32 * 1024 * 1024
# Sheets of repeated rows compress about 60:1; only a bomb comes near deflate's limit of 1032:1.
MAX_RATIO = 200
RATIO_FREE_BYTES = 1024 * 1024
MAX_PARTS = 2000
MAX_SHEET_ROW = 1_048_576

OLE_MAGIC = bytes.fromhex("d0cf11e0a1b11ae1")
ENCRYPTED_PACKAGE = "EncryptedPackage".encode("utf-16-le")
MERGE_RANGE = re.compile(r"[A-Z]{1,3}[0-9]{1,7}:[A-Z]{1,3}[0-9]{1,7}")


def load_bytes(stream: BinaryIO) -> BytesIO:
    """Return the whole upload in memory; WorkbookError workbook_too_large beyond 10 MiB."""
    content = stream.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise WorkbookError("workbook_too_large", [f"上限 {MAX_FILE_BYTES // 1024 // 1024} MB"])
    return BytesIO(content)


def check_package(content: BytesIO) -> None:
    """Refuse what is not a plain .xlsx package: encrypted, with macros, or unpacking to too much."""
    head = content.getvalue()
    if head.startswith(OLE_MAGIC):
        encrypted = ENCRYPTED_PACKAGE in head
        raise WorkbookError("workbook_encrypted" if encrypted else "workbook_unreadable")
    try:
        with zipfile.ZipFile(content) as package:
            parts = package.infolist()
            _check_sizes(parts, len(head))
            if any(part.flag_bits & 1 for part in parts):
                raise WorkbookError("workbook_encrypted")
            names = {part.filename.lower() for part in parts}
            if any(name.endswith("vbaproject.bin") or name.startswith("xl/macrosheets/") for name in names):
                raise WorkbookError("workbook_macro")
            if b"macroEnabled" in package.read("[Content_Types].xml"):
                raise WorkbookError("workbook_macro")
    except WorkbookError:
        raise
    except Exception as error:
        raise WorkbookError("workbook_unreadable") from error
    content.seek(0)


def _check_sizes(parts: list[zipfile.ZipInfo], packed: int) -> None:
    # Sizes come from the directory; zipfile never unpacks more of a part than its directory entry states.
    unpacked = sum(part.file_size for part in parts)
    bombed = unpacked > RATIO_FREE_BYTES and unpacked > MAX_RATIO * packed
    swollen = any(
        part.file_size > MAX_PART_BYTES
        for part in parts
        if not part.filename.lower().startswith("xl/worksheets/")
    )
    if len(parts) > MAX_PARTS or unpacked > MAX_UNPACKED_BYTES or bombed or swollen:
        raise WorkbookError("workbook_too_large")


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
