"""Workbooks as people send them, for the tests of reading, refusing and writing."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

from app.workbooks import Column, WorkbookError, read_rows
from app.workbooks.columns import Kind

CODE = "91110000101623741K"
COLUMNS = [
    Column("统一社会信用代码", "credit_code", required=True),
    Column("企业名称", "name", required=True),
    Column("从业人员", "headcount", kind=Kind.INTEGER),
    Column("登记日期", "registered_on", kind=Kind.DATE),
    Column("开始时间", "starts_at", kind=Kind.DATETIME),
]
HEADER = [column.name for column in COLUMNS]


def workbook(*rows: list[Any], change: Callable[[Any], None] = lambda sheet: None) -> BytesIO:
    """A workbook made by openpyxl, as Excel would save it."""
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    for row in rows:
        sheet.append(row)
    change(sheet)
    stream = BytesIO()
    book.save(stream)
    stream.seek(0)
    return stream


def repacked(stream: BytesIO, changes: dict[str, bytes]) -> BytesIO:
    """The same package with parts replaced or added."""
    result = BytesIO()
    with zipfile.ZipFile(stream) as old, zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            if name not in changes:
                new.writestr(name, old.read(name))
        for name, content in changes.items():
            new.writestr(name, content)
    result.seek(0)
    return result


def part(stream: BytesIO, name: str) -> bytes:
    with zipfile.ZipFile(stream) as package:
        return package.read(name)


def refusal(stream: BytesIO | Path, max_rows: int = 20_000) -> WorkbookError:
    with pytest.raises(WorkbookError) as refused:
        read_rows(stream, COLUMNS, max_rows)
    assert refused.value.message_zh
    return refused.value
