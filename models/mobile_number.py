"""Mobile numbers of mainland China, by which people are found."""

from __future__ import annotations

import re

import phonenumbers


class MobileNumberError(ValueError):
    """A text is no mobile number of the mainland; the argument is the Chinese reason."""


def check(text: str) -> str:
    """Return the eleven digits of the number, or raise MobileNumberError."""
    try:
        number = phonenumbers.parse(text, "CN")
    except phonenumbers.NumberParseException:
        raise MobileNumberError("手机号不正确") from None
    digits = str(number.national_number)
    if number.country_code != 86 or not re.fullmatch(r"1[3-9]\d{9}", digits):
        raise MobileNumberError("手机号不正确")
    return digits
