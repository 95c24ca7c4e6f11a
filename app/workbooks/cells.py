"""From a cell as a spreadsheet holds it to the value that was meant."""

from __future__ import annotations

import re
import unicodedata
from datetime import date, datetime, time
from decimal import Decimal

from openpyxl.utils.datetime import from_excel

from app.workbooks.columns import CHINA, Kind, ReadValue

# Excel keeps 15 significant digits: an 18-digit number typed into a number cell is already spoilt.
EXACT_DIGITS = 15
LAST_SERIAL = 2_958_465

FULL_WIDTH = {
    code: code - 0xFEE0
    for start, end in ((0xFF10, 0xFF19), (0xFF21, 0xFF3A), (0xFF41, 0xFF5A))
    for code in range(start, end + 1)
}
DATE_TEXT = re.compile(
    r"(\d{4})(?:[-/.](\d{1,2})[-/.](\d{1,2})|年(\d{1,2})月(\d{1,2})日?|(\d{2})(\d{2}))"
    r"(?:[T ]*(\d{1,2}):(\d{2})(?::(\d{2})(?:\.0+)?)?)?"
)


class CellProblem(ValueError):
    """A cell cannot be what its column needs; the argument is the Chinese reason."""


def clean_text(text: str) -> str:
    """Return NFC text with single spaces, no invisible characters, and half-width letters and digits."""
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    composed = unicodedata.normalize("NFC", text).translate(FULL_WIDTH)
    if not composed.isprintable():
        spaced = (" " if char.isspace() else char for char in composed)
        composed = "".join(char for char in spaced if unicodedata.category(char)[0] != "C")
    return " ".join(composed.split())


def shown(value: object) -> str:
    """Return a cell as text, for showing it back to the person who filled it in."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else format(value, ".15g")
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(" ", "minutes")
    return clean_text(str(value))


def read_cell(value: object, seen: str, kind: Kind, epoch: datetime) -> ReadValue:
    """Return the value meant by a cell, None for a blank one; CellProblem with a Chinese reason.

    `seen` is the cell as `shown`; `epoch` is where the workbook begins to count its days.
    """
    if not seen:
        return None
    if kind is Kind.TEXT:
        return _text(value, seen)
    if kind is Kind.INTEGER:
        return _integer(value, seen)
    moment = _moment(value, seen, epoch)
    return moment.date() if kind is Kind.DATE else moment


def _text(value: object, seen: str) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) >= 10**EXACT_DIGITS:
        raise CellProblem("数字超过 15 位，Excel 已丢失末尾数字，请把单元格设为文本格式后重新填写")
    return seen


def _integer(value: object, seen: str) -> int:
    if isinstance(value, bool):
        raise CellProblem("应为整数")
    if isinstance(value, int | float):
        if abs(value) >= 10**EXACT_DIGITS or value != int(value):
            raise CellProblem("应为整数")
        return int(value)
    digits = seen.replace(",", "").replace("，", "").replace(" ", "")
    if not re.fullmatch(r"-?[0-9]{1,15}(\.0+)?", digits):
        raise CellProblem("应为整数")
    return int(Decimal(digits))


def _moment(value: object, seen: str, epoch: datetime) -> datetime:
    """Return the moment meant, in +08:00."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=CHINA)
    if isinstance(value, date):
        return datetime.combine(value, time(), CHINA)
    if isinstance(value, int | float) and not isinstance(value, bool) and 1 <= value <= LAST_SERIAL:
        serial = from_excel(value, epoch)
        if isinstance(serial, datetime):
            return serial.replace(tzinfo=CHINA)
    match = DATE_TEXT.fullmatch(seen)
    if match:
        year, month, day, *clock = (int(group) for group in match.groups() if group is not None)
        hour, minute, second = [*clock, 0, 0, 0][:3]
        try:
            return datetime(year, month, day, hour, minute, second, tzinfo=CHINA)
        except ValueError:
            pass
    raise CellProblem("应为日期，如 2026-11-23")
