"""What a value in a subscribe message may look like, by the prefix of its key.

https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/mp-message-management/subscribe-message/sendMessage.html
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

_HAN = "\u4e00-\u9fff"
_CLOCK = r"(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d)?"
_MONTH, _DAY = r"(?:0?[1-9]|1[0-2])", r"(?:0?[1-9]|[12]\d|3[01])"
_FULL_DATE = rf"(?:\d{{4}}年{_MONTH}月{_DAY}日|\d{{4}}([-/.]){_MONTH}\1{_DAY})"
_PART_DATE = rf"(?:\d{{4}}年{_MONTH}月|{_MONTH}月{_DAY}日|\d{{4}}[-/.]{_MONTH}|{_MONTH}[-/.]{_DAY})"
_TIME = re.compile(rf"(?:{_FULL_DATE}\s?)?{_CLOCK}")
_DATE = re.compile(rf"(?:{_FULL_DATE}|{_PART_DATE})(?:\s?{_CLOCK})?")


def _matches(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern)
    return lambda value: compiled.fullmatch(value) is not None


def _is_thing(value: str) -> bool:
    return len(value) <= 20 and not any(unicodedata.category(c) == "Cc" for c in value)


def _is_name(value: str) -> bool:
    if any(c.isdigit() or unicodedata.category(c) == "Cc" for c in value):
        return False
    return len(value) <= (10 if re.search(f"[{_HAN}]", value) else 20)


def _is_symbol(value: str) -> bool:
    return len(value) <= 5 and not any(c.isalnum() or c.isspace() for c in value)


def _spans(moment: re.Pattern[str]) -> Callable[[str], bool]:
    def check(value: str) -> bool:
        parts = value.split("~")
        return len(parts) <= 2 and all(moment.fullmatch(part.strip()) for part in parts)

    return check


_RULES: dict[str, Callable[[str], bool]] = {
    "thing": _is_thing,
    "character_string": _matches(r"[\x20-\x7e]{1,32}"),
    "number": lambda value: len(value) <= 32 and re.fullmatch(r"[0-9]+(\.[0-9]+)?", value) is not None,
    "letter": _matches(r"[A-Za-z]{1,32}"),
    "symbol": _is_symbol,
    "time": _spans(_TIME),
    "date": _spans(_DATE),
    "amount": _matches(r"[¥￥$€£]?[0-9]{1,10}(\.[0-9]+)?元?"),
    "phone_number": _matches(r"[0-9+\-() ]{1,17}"),
    "car_number": _matches(rf"[{_HAN}A-Z]?[A-Z0-9·]{{1,6}}[{_HAN}A-Z0-9]?"),
    "name": _is_name,
    "phrase": _matches(rf"[{_HAN}]{{1,5}}"),
}


def accepts(key: str, value: str, choices: list[str]) -> bool:
    """Tells whether a non-empty `value` fits the key, e.g. thing1; `choices` bind enum keys."""
    prefix = key.rstrip("0123456789")
    if prefix == "enum":
        return value in choices
    return _RULES.get(prefix, _is_thing)(value)
