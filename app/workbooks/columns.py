"""What a table in a workbook is made of, and how a workbook is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from enum import StrEnum

from models.labels import Labelled

CHINA = timezone(timedelta(hours=8))

ReadValue = str | int | date | datetime | None
CellValue = str | int | float | Decimal | bool | date | datetime | None


class Kind(StrEnum):
    """What the cells of a column hold."""

    TEXT = "text"
    INTEGER = "integer"
    DATE = "date"
    DATETIME = "datetime"


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its Chinese name in the header, its key in our rows, and what its cells hold."""

    name: str
    key: str
    required: bool = False
    kind: Kind = Kind.TEXT
    width: int = 18


@dataclass(frozen=True, slots=True)
class Row:
    """One row as read: the sheet's row number, values by key, what is wrong by key, and the text seen."""

    number: int
    values: dict[str, ReadValue]
    problems: dict[str, str] = field(default_factory=dict)
    original: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A row of an import, what became of it, and why if it was rejected."""

    row: Row
    result: Labelled
    reason: str = ""


MESSAGES = {
    "workbook_unreadable": "文件无法读取，请用 Excel 或 WPS 另存为 .xlsx 工作簿后再上传",
    "workbook_too_large": "文件过大，请拆分后分次上传",
    "workbook_too_long": "数据行数过多，请拆分后分次上传",
    "workbook_empty": "表中没有数据，请在表头下方填写后再上传",
    "workbook_header_missing": "表头不完整，请使用本系统下载的模板",
    "workbook_formula": "单元格含有公式，请复制后“选择性粘贴为数值”再上传",
    "workbook_merged_cells": "数据区有合并单元格，请取消合并并逐行填写",
    "workbook_macro": "文件含有宏，请另存为不含宏的 .xlsx 工作簿后再上传",
    "workbook_encrypted": "文件设有打开密码，请去除密码后再上传",
}


class WorkbookError(Exception):
    """A workbook is refused as a whole: stable `code`, Chinese `message_zh`, what it is about in `detail`."""

    def __init__(self, code: str, detail: Sequence[str] = ()) -> None:
        self.code = code
        self.detail = tuple(detail)
        self.message_zh = MESSAGES[code] + (f"：{'、'.join(self.detail)}" if self.detail else "")
        super().__init__(self.message_zh)
