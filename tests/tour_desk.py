"""Somebody at a desk, for the tour: a browser that opens the pages of the console and posts their forms."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pyotp
import requests


class Desk:
    """A browser with its own cookies, somebody's password, and the authenticator in their hands."""

    def __init__(self, web: str) -> None:
        self.web = web
        self.http = requests.Session()
        self.http.trust_env = False
        self.secret = ""
        self.recovery_codes: list[str] = []

    def open(self, path: str) -> requests.Response:
        """Returns a page."""
        return self.http.get(f"{self.web}/console{path}", timeout=30)

    def post(self, path: str, **fields: Any) -> requests.Response:
        """Posts a form with the token of the sign-in page, or of the page it leads to; leads nowhere."""
        found = re.search(r'name="csrf-token" content="([^"]+)"', self.open("/sign-in").text)
        assert found
        headers = {"X-CSRFToken": found[1], "Referer": f"{self.web}/console/"}
        return self.http.post(
            f"{self.web}/console{path}", data=fields, headers=headers, timeout=30, allow_redirects=False
        )

    def code(self) -> str:
        """What the authenticator shows; its secret is read from the page that shows it."""
        if not self.secret:
            found = re.search(r'class="secret">([A-Z2-7 ]+)<', self.open("/sign-in/authenticator").text)
            assert found
            self.secret = found[1].replace(" ", "")
        return pyotp.TOTP(self.secret).now()

    def told(self) -> str:
        """What the page of the console says that was just done."""
        found = re.search(r'class="alert[^>]*>.*?<span>(.*?)</span>', self.open("/").text, re.DOTALL)
        return unescape(found[1]) if found else ""


def led_to(answer: requests.Response) -> str:
    """Returns the path to which a form led, without its query."""
    return answer.headers.get("Location", "").partition("?")[0]
