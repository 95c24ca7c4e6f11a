"""The unified social credit code 统一社会信用代码 (GB 32100-2015)."""

from __future__ import annotations

import unicodedata

from stdnum.cn import uscc

CHARACTERS = frozenset("0123456789ABCDEFGHJKLMNPQRTUWXY")
LETTER_PREFIXES = frozenset({"A1", "N1", "N2", "N3", "Y1"})

MESSAGES = {
    "credit_code_length": "统一社会信用代码应为 18 位",
    "credit_code_characters": "统一社会信用代码只含数字和大写字母（不含 I、O、S、V、Z），第 3 至 8 位为数字",
    "credit_code_prefix": "统一社会信用代码前两位（登记管理部门和机构类别）不正确",
    "credit_code_check_digit": "统一社会信用代码校验位不正确，请对照营业执照核对",
}


class CreditCodeError(ValueError):
    """A text is not a lawful credit code; `code` is a stable reason, `message` its Chinese wording."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.message = MESSAGES[code]
        super().__init__(self.message)


def normalise(text: str) -> str:
    """Return the text in half-width capitals, without spaces and invisible characters."""
    folded = unicodedata.normalize("NFKC", text).upper()
    # "C" categories are control and format characters: zero-width spaces come with copies from web pages.
    return "".join(char for char in folded if not char.isspace() and unicodedata.category(char)[0] != "C")


def check_digit(first17: str) -> str:
    """Return the 18th character for the first seventeen; CreditCodeError for other input."""
    if len(first17) != 17:
        raise CreditCodeError("credit_code_length")
    if not CHARACTERS.issuperset(first17):
        raise CreditCodeError("credit_code_characters")
    return uscc.calc_check_digit(first17)


def check(code: str) -> str:
    """Return the normalised code, or raise CreditCodeError with the first thing wrong."""
    number = normalise(code)
    if len(number) != 18:
        raise CreditCodeError("credit_code_length")
    if not CHARACTERS.issuperset(number) or not number[2:8].isdigit():
        raise CreditCodeError("credit_code_characters")
    # python-stdnum's own validate() insists on two leading digits and refuses lawful letter prefixes.
    prefix = number[:2]
    if prefix not in LETTER_PREFIXES and not (prefix.isdigit() and "0" not in prefix):
        raise CreditCodeError("credit_code_prefix")
    if number[17] != check_digit(number[:17]):
        raise CreditCodeError("credit_code_check_digit")
    return number
