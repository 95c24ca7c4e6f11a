"""Members of staff at the console's own sign-in pages, with an authenticator in their hands."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import unescape
from uuid import UUID

import pyotp
from flask import Flask
from werkzeug.test import TestResponse

from models.base import now
from tests.console_client import Browser, text_of

NEW = "Correct-horse-7"


@dataclass
class Staff:
    """An account and what its owner knows and holds."""

    id: UUID
    login_name: str
    password: str
    secret: str = field(default="", repr=False)
    recovery_codes: list[str] = field(default_factory=list, repr=False)

    def code(self, step: int = 0) -> str:
        """What the authenticator shows now, or some steps of 30 seconds earlier or later."""
        return pyotp.TOTP(self.secret).generate_otp(int(now().timestamp()) // 30 + step)


def browser(app: Flask) -> Browser:
    """A browser that nobody has signed in with."""
    return Browser(app.test_client())


def give_password(at: Browser, staff: Staff, password: str | None = None) -> TestResponse:
    """Posts the sign-in form."""
    given = staff.password if password is None else password
    return at.post("/console/sign-in", login_name=staff.login_name, password=given)


def set_password(at: Browser, new: str) -> TestResponse:
    """Posts the form of a new password."""
    return at.post("/console/sign-in/new-password", new_password=new, repeated=new)


def enrol(at: Browser, staff: Staff) -> TestResponse:
    """Takes an authenticator into use and keeps the recovery codes."""
    shown = text_of(at.get("/console/sign-in/authenticator"))
    found = re.search(r"密钥： ?((?:[A-Z2-7]{4} ){7}[A-Z2-7]{4})", shown)
    assert found, shown
    staff.secret = found[1].replace(" ", "")
    answer = at.post("/console/sign-in/authenticator", code=staff.code())
    staff.recovery_codes = re.findall(r"<code>(\w{5}-\w{5})</code>", unescape(answer.get_data(as_text=True)))
    return answer


def first_sign_in(at: Browser, staff: Staff, new: str = NEW) -> Staff:
    """Goes all the way from a one-time password to the console."""
    assert to(give_password(at, staff)) == "/console/sign-in/new-password"
    assert to(set_password(at, new)) == "/console/sign-in/authenticator"
    staff.password = new
    assert enrol(at, staff).status_code == 200
    assert inside(at)
    return staff


def sign_in(at: Browser, staff: Staff) -> TestResponse:
    """Signs somebody in who has done so before; gives the last answer."""
    assert to(give_password(at, staff)) == "/console/sign-in/code"
    return at.post("/console/sign-in/code", code=staff.code())


def inside(at: Browser) -> bool:
    """Tells whether the browser is signed in."""
    return at.get("/console/account").status_code == 200


def to(answer: TestResponse) -> str:
    """Where an answer leads, "" when it leads nowhere."""
    return str(answer.headers.get("Location", "")) if answer.status_code == 303 else ""
