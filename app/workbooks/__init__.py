"""Excel workbooks in and out: read without trusting the file, written without formulas."""

from __future__ import annotations

from app.workbooks.columns import CellValue, Column, Outcome, Row, WorkbookError
from app.workbooks.reading import read_rows
from app.workbooks.writing import write_rejected, write_rows

__all__ = [
    "CellValue",
    "Column",
    "Outcome",
    "Row",
    "WorkbookError",
    "read_rows",
    "write_rejected",
    "write_rows",
]
