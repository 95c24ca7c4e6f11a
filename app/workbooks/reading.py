"""Reading a table out of an uploaded .xlsx workbook."""

from __future__ import annotations

import re
import unicodedata
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from openpyxl import load_workbook
from openpyxl.utils import range_boundaries

from app.workbooks.cells import CellProblem, read_cell, shown
from app.workbooks.columns import Column, ReadValue, Row, WorkbookError
from app.workbooks.intake import SheetSurvey, check_package, load_bytes

HEADER_WITHIN_ROWS = 10
MAX_COLUMNS = 256
NAMED_AT_MOST = 5


def read_rows(source: str | Path | BinaryIO, columns: Sequence[Column], max_rows: int = 20_000) -> list[Row]:
    """Return the filled rows under the header of the first visible sheet; WorkbookError when refused.

    The header is found by the columns' names within the first ten rows; other columns are ignored. A cell
    that does not fit its column, or a blank one where a value is required, is told in `Row.problems`.
    """
    if isinstance(source, str | Path):
        with Path(source).open("rb") as file:
            content = load_bytes(file)
    else:
        content = load_bytes(source)
    check_package(content)
    with _parsing():
        return _read(content, columns, max_rows)


@contextmanager
def _parsing() -> Iterator[None]:
    """Turn whatever a parser throws at a broken file into one refusal, and keep its warnings quiet."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except WorkbookError:
            raise
        # openpyxl lets KeyError, TypeError, BadZipFile, ParseError, EntitiesForbidden and more through.
        except Exception as error:
            raise WorkbookError("workbook_unreadable") from error


def _read(content: BytesIO, columns: Sequence[Column], max_rows: int) -> list[Row]:
    workbook = load_workbook(content, read_only=True, keep_links=False)
    try:
        sheet: Any = next((s for s in workbook.worksheets if s.sheet_state == "visible"), None)
        if sheet is None:
            raise WorkbookError("workbook_empty")
        with sheet._get_source() as xml:
            merged = SheetSurvey(max_rows + HEADER_WITHIN_ROWS).run(xml)
        # The dimension stated in the file may be wrong; read what is there.
        sheet.reset_dimensions()
        lines = enumerate(sheet.iter_rows(max_col=MAX_COLUMNS), start=1)
        header_number, places = _find_header(lines, columns)
        _refuse_merged(merged, header_number)
        rows: list[Row] = []
        formulas: list[str] = []
        for number, cells in lines:
            formulas += (cells[place].coordinate for place in places if cells[place].data_type == "f")
            row = _row(number, [(column, cells[place]) for place, column in places.items()], workbook.epoch)
            if any(row.original.values()):
                rows.append(row)
            if len(formulas) >= NAMED_AT_MOST:
                break
            if len(rows) > max_rows:
                raise WorkbookError("workbook_too_long", [f"上限 {max_rows} 行"])
        if formulas:
            raise WorkbookError("workbook_formula", formulas[:NAMED_AT_MOST])
        if not rows:
            raise WorkbookError("workbook_empty")
        return rows
    finally:
        workbook.close()


def _header_name(text: str) -> str:
    """Return a header without spaces, line breaks, width variants and the star of required columns."""
    return re.sub(r"[\s*]", "", unicodedata.normalize("NFKC", text))


def _find_header(
    lines: Iterator[tuple[int, Sequence[Any]]], columns: Sequence[Column]
) -> tuple[int, dict[int, Column]]:
    """Return the header's row number and the columns by their place in the row."""
    wanted = {_header_name(column.name): column for column in columns}
    missing = [column.name for column in columns if column.required]
    for number, cells in lines:
        names = [_header_name(cell.value) if isinstance(cell.value, str) else "" for cell in cells]
        found = {place: wanted[name] for place, name in enumerate(names) if name in wanted}
        lacking = [column.name for column in columns if column.required and column not in found.values()]
        if found and not lacking:
            twice = [column.name for column in columns if list(found.values()).count(column) > 1]
            if twice:
                raise WorkbookError("workbook_header_missing", [f"“{name}”出现两次" for name in twice])
            return number, found
        # Name what the likeliest header row lacks, not what a title row lacks.
        if found and len(lacking) < len(missing):
            missing = lacking
        if number >= HEADER_WITHIN_ROWS:
            break
    raise WorkbookError("workbook_header_missing", [f"缺少“{name}”" for name in missing])


def _refuse_merged(merged: Sequence[str], header_number: int) -> None:
    """Refuse merged cells from the header down; a merged title above it is usual and harmless."""
    reaching = [ref for ref in merged if int(range_boundaries(ref)[3] or 0) >= header_number]
    if reaching:
        raise WorkbookError("workbook_merged_cells", reaching[:NAMED_AT_MOST])


def _row(number: int, cells: Sequence[tuple[Column, Any]], epoch: Any) -> Row:
    values: dict[str, ReadValue] = {}
    problems: dict[str, str] = {}
    original: dict[str, str] = {}
    for column, cell in cells:
        values[column.key] = None
        seen = original[column.key] = shown(cell.value)
        try:
            if cell.data_type == "e":
                raise CellProblem(f"单元格是错误值 {cell.value}")
            values[column.key] = read_cell(cell.value, seen, column.kind, epoch)
            if column.required and values[column.key] is None:
                raise CellProblem("不能为空")
        except CellProblem as problem:
            problems[column.key] = f"{column.name}：{problem}"
    return Row(number, values, problems, original)
