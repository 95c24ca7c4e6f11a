"""Passwords of staff: what makes a good one, and how it is kept (GB/T 22239 身份鉴别)."""

from __future__ import annotations

import secrets
import string
from datetime import timedelta

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from app.errors import DomainError

LIFE = timedelta(days=180)

_hasher = PasswordHasher()
_NOBODYS_HASH = _hasher.hash(secrets.token_urlsafe(16))


def hashed(password: str) -> str:
    """Returns the argon2id hash of a password."""
    return _hasher.hash(password)


def matches(password_hash: str | None, password: str) -> bool:
    """Returns whether the password is the one; without a hash it is not, which takes as long to tell."""
    try:
        return _hasher.verify(password_hash or _NOBODYS_HASH, password) and password_hash is not None
    except VerifyMismatchError:
        return False


def check(password: str, login_name: str, old_hash: str) -> None:
    """Raises DomainError `password_too_weak` for one that the rules refuse, or that is the old one."""
    if not _strong(password, login_name) or matches(old_hash, password):
        error = DomainError("password_too_weak")
        raise DomainError("password_too_weak", fields={"new_password": [error.message]})


def generated() -> str:
    """Returns a good password that is typed from a screen: without the letters that people misread."""
    alphabet = "".join(sorted(set(string.ascii_letters + string.digits) - set("0OoIl1")))
    while True:
        password = "-".join("".join(secrets.choice(alphabet) for _ in range(5)) for _ in range(3))
        if _strong(password, ""):
            return password


def _strong(password: str, login_name: str) -> bool:
    classes = (str.islower, str.isupper, str.isdigit, lambda c: not c.isalnum())
    held = sum(any(test(character) for character in password) for test in classes)
    return len(password) >= 8 and held >= 3 and not (login_name and login_name.lower() in password.lower())
