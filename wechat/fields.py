"""The values of a message's fields: what each type allows, and how a text is brought into its form.

A type is the key without its number: thing of thing1. Where the platform's own counting is not known
(emoji), the stricter one is taken. WeChat: 订阅消息参数值内容限制说明.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence

ELLIPSIS = "…"
_HAN = "\u4e00-\u9fff"
_CLOCK = r"(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d)?"
_MONTH, _DAY = r"(?:0?[1-9]|1[0-2])", r"(?:0?[1-9]|[12]\d|3[01])"
_FULL_DATE = rf"(?:\d{{4}}年{_MONTH}月{_DAY}日|\d{{4}}(?:-{_MONTH}-|/{_MONTH}/|\.{_MONTH}\.){_DAY})"
_PART_DATE = rf"(?:\d{{4}}年{_MONTH}月|{_MONTH}月{_DAY}日|\d{{4}}[-/.]{_MONTH}|{_MONTH}[-/.]{_DAY})"
_TIME = rf"(?:{_FULL_DATE}\s?)?{_CLOCK}"
_DATE = rf"(?:{_FULL_DATE}|{_PART_DATE})(?:\s?{_CLOCK})?"
_PLACEHOLDER = re.compile(r"([^{}\n]*)\{\{\s*(\w+)\.DATA\s*\}\}")
_OPENING = "（(《〈“‘「『【[<"
_CLOSING = dict(zip(_OPENING, "）)》〉”’」』】]>", strict=True))
_LOOSE = "，,。.；;：:、！!？?·—-～~/ "


def parse_template(content: str) -> list[tuple[str, str, str]]:
    """Return (label, key, type) for each field of a template's content, in order."""
    return [
        (label.strip(" \t：:"), key, key.rstrip("0123456789"))
        for label, key in _PLACEHOLDER.findall(content.replace("\r", "\n"))
    ]


def tidy(kind: str, text: str) -> str:
    """Bring `text` into the form of its type as far as that changes no meaning; `problems` tells the rest.

    Control characters and runs of blanks become one blank. Long things and names are shortened with “…”,
    numbers, times and the like are freed of full-width characters and separators.
    """
    text = " ".join("".join(c if _is_plain(c) else " " for c in unicodedata.normalize("NFC", text)).split())
    if kind in _FORMS:
        # Freed of what does not belong, it may begin or end with a blank again.
        text = _FORMS[kind](text).strip()
    if kind in ("thing", "short_thing"):
        return shorten(text, _LONGEST[kind])
    if kind == "name":
        return shorten(text, _name_length(text))
    return text


def problems(kind: str, text: str, choices: Sequence[str] = ()) -> str | None:
    """Return in a sentence why the platform refuses `text` for that type, or None.

    `choices` are the values of an enum; a const that names some is bound to them too. A type that is not
    documented is held to the rules of a thing.
    """
    if not text.strip():
        return "内容不能为空"
    if not all(_is_plain(c) for c in text):
        return "不能有换行或控制字符"
    if kind in ("enum", "const") and (choices or kind == "enum"):
        return None if text in choices else f"只能是：{'、'.join(choices)}"
    check, reason = _RULES.get(kind, _RULES["thing"])
    return None if check(text) else reason


def shorten(text: str, longest: int) -> str:
    """Return `text`, cut to `longest` with “…” where it hurts least: no half word, number, pair or emoji."""
    if units(text) <= longest:
        return text
    cut = len(text)
    while units(text[:cut]) > longest - 1:
        cut -= 1
    while cut and _joins(text, cut):
        cut -= 1
    for back in (_before_word(text, cut), _before_bracket(text, cut)):
        # A name of one long word, or a bracket that opens at once, is better cut than lost.
        if back >= max(1, longest // 2):
            cut = min(cut, back)
    kept = text[:cut].rstrip(_LOOSE + _OPENING)
    return (kept or text[:cut].rstrip()) + ELLIPSIS


def units(text: str) -> int:
    """Return the length as the strictest counter has it: an emoji counts two."""
    return len(text) + sum(c > "\uffff" for c in text)


def _is_plain(c: str) -> bool:
    return c.isprintable() or unicodedata.category(c) not in ("Cc", "Cs", "Zl", "Zp")


def _joins(text: str, cut: int) -> bool:
    """Tells whether what stands before and after `cut` is one character to the eye."""
    after, before = text[cut : cut + 1], text[cut - 1]
    return (
        before == "\u200d"
        or after == "\u200d"
        or unicodedata.category(after or "x") in ("Mn", "Me", "Mc")
        or "\U0001f3fb" <= after <= "\U0001f3ff"
    )


def _before_word(text: str, cut: int) -> int:
    def is_word(c: str) -> bool:
        return c.isascii() and c.isalnum()

    start = cut
    if is_word(text[cut : cut + 1] or " "):
        while start and is_word(text[start - 1]):
            start -= 1
    return start


def _before_bracket(text: str, cut: int) -> int:
    opened: list[tuple[str, int]] = []
    for at, c in enumerate(text[:cut]):
        if c in _CLOSING:
            opened.append((c, at))
        elif opened and c == _CLOSING[opened[-1][0]]:
            opened.pop()
    return opened[0][1] if opened else cut


def _half_width(text: str) -> str:
    return "".join(chr(ord(c) - 0xFEE0) if "\uff01" <= c <= "\uff5e" else c for c in text).replace("￥", "¥")


def _number(text: str) -> str:
    return re.sub(r"(?<=\d)[,\s](?=\d{3}(?!\d))", "", _half_width(text))


def _moment(text: str) -> str:
    text = re.sub(r"\s*(?:~|～|〜|至|到|--|—+|–)\s*", "~", _half_width(text))
    return re.sub(r"(?<=\d)T(?=\d)", " ", re.sub(r"\s*:\s*", ":", text))


def _compact(text: str) -> str:
    return _half_width(text).replace(" ", "")


def _bare_phrase(text: str) -> str:
    return "".join(c for c in text if c.isalnum())


_FORMS: dict[str, Callable[[str], str]] = {
    "character_string": _half_width,
    "number": _number,
    "amount": lambda text: _number(text).replace(" ", ""),
    "letter": _compact,
    "symbol": lambda text: text.replace(" ", ""),
    "time": _moment,
    "date": _moment,
    "phone_number": _half_width,
    "car_number": lambda text: _compact(text).upper(),
    "phrase": _bare_phrase,
}


def _matches(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern, re.ASCII)
    return lambda text: compiled.fullmatch(text) is not None


def _spans(moment: str) -> Callable[[str], bool]:
    one = _matches(moment)

    def check(text: str) -> bool:
        parts = text.split("~")
        return len(parts) <= 2 and all(one(part.strip()) for part in parts)

    return check


def _name_length(text: str) -> int:
    return 10 if re.search(f"[{_HAN}]", text) else 20


def _is_name(text: str) -> bool:
    return not any(c.isdigit() for c in text) and units(text) <= _name_length(text)


def _is_symbol(text: str) -> bool:
    return units(text) <= 5 and not any(c.isalnum() or c.isspace() for c in text)


_LONGEST = {"thing": 20, "short_thing": 10}
_RULES: dict[str, tuple[Callable[[str], bool], str]] = {
    "thing": (lambda text: units(text) <= _LONGEST["thing"], "最多 20 个字"),
    "short_thing": (lambda text: units(text) <= _LONGEST["short_thing"], "最多 10 个字"),
    "const": (lambda text: units(text) <= _LONGEST["thing"], "最多 20 个字"),
    "character_string": (_matches(r"[\x20-\x7e]{1,32}"), "只能是字母、数字和符号，最多 32 个"),
    "number": (
        lambda text: len(text) <= 32 and _matches(r"[0-9]+(\.[0-9]+)?")(text),
        "只能是数字，可带小数，最多 32 位",
    ),
    "letter": (_matches(r"[A-Za-z]{1,32}"), "只能是字母，最多 32 个"),
    "symbol": (_is_symbol, "只能是符号，最多 5 个"),
    "time": (_spans(_TIME), "应为 24 小时制的时间，可带年月日，例如 2026年3月5日 14:00"),
    "date": (_spans(_DATE), "应为日期，可带时间，例如 2026年3月5日"),
    "amount": (_matches(r"[¥￥$€£]?[0-9]{1,10}(\.[0-9]+)?元?"), "应为金额，最多 10 位数字，例如 1200.00元"),
    "phone_number": (_matches(r"[0-9+\-() ]{1,17}"), "应为电话号码，最多 17 位数字和符号"),
    "car_number": (_matches(rf"[{_HAN}A-Z]?[A-Z0-9·]{{1,6}}[{_HAN}A-Z0-9]?"), "应为车牌号码，最多 8 位"),
    "name": (_is_name, "最多 10 个汉字或 20 个字母，不能有数字"),
    "phrase": (_matches(rf"[{_HAN}]{{1,5}}"), "只能是汉字，最多 5 个"),
}
