"""Writing a table as an .xlsx workbook that cannot run anything when opened."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import IO, Any

import xlsxwriter

from app.workbooks.cells import EXACT_DIGITS
from app.workbooks.columns import CHINA, CellValue, Column, Kind, Row, WorkbookError

MAX_CELL_TEXT = 32_767
LAST_SHEET_ROW = 1_048_575
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
FONT = {"font_name": "微软雅黑", "font_size": 10, "valign": "vcenter"}
CELL = FONT | {"border": 1, "border_color": "#D0D5DD"}


def write_rows(
    stream: IO[bytes], title: str, columns: Sequence[Column], rows: Iterable[Mapping[str, CellValue]]
) -> int:
    """Write a titled table with a frozen, filterable header and return the number of rows.

    Text is always a string cell, whatever it begins with; aware times are shown in +08:00. `rows` may be a
    generator: one row is held in memory. WorkbookError workbook_too_long beyond what a sheet can hold.
    """
    with xlsxwriter.Workbook(stream, {"constant_memory": True}) as workbook:
        sheet = workbook.add_worksheet(_sheet_name(title))
        formats = {
            "title": workbook.add_format(FONT | {"bold": True, "font_size": 14, "align": "center"}),
            "header": workbook.add_format(
                CELL | {"bold": True, "bg_color": "#E8EEF7", "align": "center", "text_wrap": True}
            ),
            "text": workbook.add_format(CELL | {"text_wrap": True, "num_format": "@"}),
            # Excel itself marks such text so; without it, editing the cell would make it a formula.
            "quoted": workbook.add_format(
                CELL | {"text_wrap": True, "num_format": "@", "quote_prefix": True}
            ),
            "number": workbook.add_format(CELL),
            "date": workbook.add_format(CELL | {"num_format": "yyyy-mm-dd", "align": "center"}),
            "datetime": workbook.add_format(CELL | {"num_format": "yyyy-mm-dd hh:mm", "align": "center"}),
        }
        _page(sheet, columns)
        sheet.set_row(0, 28)
        if len(columns) > 1:
            sheet.merge_range(0, 0, 0, len(columns) - 1, "", formats["title"])
        sheet.write_string(0, 0, title, formats["title"])
        for place, column in enumerate(columns):
            sheet.write_string(1, place, column.name, formats["header"])
        line = 1
        for line, row in enumerate(rows, start=2):
            if line > LAST_SHEET_ROW:
                raise WorkbookError("workbook_too_long")
            for place, column in enumerate(columns):
                _write(sheet, line, place, row.get(column.key), formats)
        sheet.autofilter(1, 0, line, len(columns) - 1)
    return line - 1


def write_rejected(
    stream: IO[bytes], title: str, columns: Sequence[Column], rejected: Iterable[tuple[Row, str]]
) -> int:
    """Write rows that were not taken over, as they were filled in, with the row number and 原因."""
    told = [
        Column("原行号", "_number", kind=Kind.INTEGER, width=8),
        *columns,
        Column("原因", "_reason", width=40),
    ]
    rows: Iterable[dict[str, CellValue]] = (
        {**row.original, "_number": row.number, "_reason": reason} for row, reason in rejected
    )
    return write_rows(stream, title, told, rows)


def _sheet_name(title: str) -> str:
    return re.sub(r"[\[\]:*?/\\']", " ", title).strip()[:31] or "数据"


def _page(sheet: Any, columns: Sequence[Column]) -> None:
    for place, column in enumerate(columns):
        sheet.set_column(place, place, column.width)
    sheet.freeze_panes(2, 0)
    sheet.set_landscape()
    sheet.set_paper(9)
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(0, 1)
    sheet.set_footer("&C第 &P 页，共 &N 页")


def _write(sheet: Any, line: int, place: int, value: CellValue, formats: Mapping[str, object]) -> None:
    if value is None or value == "":
        sheet.write_blank(line, place, None, formats["text"])
    elif isinstance(value, bool):
        sheet.write_string(line, place, "是" if value else "否", formats["text"])
    elif isinstance(value, int | float | Decimal) and abs(value) < 10**EXACT_DIGITS:
        sheet.write_number(line, place, value, formats["number"])
    elif isinstance(value, datetime):
        local = value.astimezone(CHINA).replace(tzinfo=None)
        sheet.write_datetime(line, place, local, formats["datetime"])
    elif isinstance(value, date):
        sheet.write_datetime(line, place, value, formats["date"])
    else:
        text = str(value)[:MAX_CELL_TEXT]
        sheet.write_string(
            line, place, text, formats["quoted" if text.startswith(FORMULA_STARTS) else "text"]
        )
