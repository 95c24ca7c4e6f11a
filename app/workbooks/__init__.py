"""Excel workbooks in and out: read without trusting the file, written without formulas."""

from __future__ import annotations

import os

# lxml may be installed for another library's sake; openpyxl would take it and read with entities, where
# defusedxml refuses them. It asks once, when it is first imported.
os.environ["OPENPYXL_LXML"] = "False"

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
