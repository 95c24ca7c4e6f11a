"""Somebody at a desk, for the tour: a browser that opens the pages of the console and posts their forms."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser
from typing import Any

import pyotp
import requests


class Desk:
    """A browser with its own cookies, somebody's password, and the authenticator in their hands."""

    def __init__(self, web: str) -> None:
        self.web = web
        self.http = requests.Session()
        self.http.trust_env = False
        self.http.headers["Connection"] = "close"  # a server may end an idle one at any moment
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

    def filled(self, page: requests.Response) -> dict[str, Any]:
        """Returns what a browser would post of the form that a page is about, left as it stands."""
        form = _Form()
        form.feed(page.text)
        return form.values

    def told(self) -> str:
        """What the page of the console says that was just done."""
        found = re.search(r'class="alert[^>]*>.*?<span>(.*?)</span>', self.open("/").text, re.DOTALL)
        return unescape(found[1]) if found else ""


def led_to(answer: requests.Response) -> str:
    """Returns the path to which a form led, without its query."""
    return answer.headers.get("Location", "").partition("?")[0]


class _Form(HTMLParser):
    """The fields of a page's main form, `class="… form"`, with what stands in them."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, Any] = {}
        self._inside, self._select, self._text = False, "", ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        name, kind = given.get("name", ""), given.get("type", "")
        if tag == "form":
            self._inside = "form" in given.get("class", "").split()
        elif not self._inside:
            return
        elif tag == "select":
            self._select = name
            self.values.setdefault(name, "")
        elif tag == "option" and "selected" in given:
            self.values[self._select] = given.get("value", "")
        elif tag == "textarea":
            self._text = name
        elif tag == "input" and kind == "checkbox":
            self.values.setdefault(name, []).extend([given["value"]] if "checked" in given else [])
        elif tag == "input" and (kind != "radio" or "checked" in given):
            self.values[name] = given.get("value", "")

    def handle_data(self, data: str) -> None:
        if self._text:
            self.values[self._text] = self.values.get(self._text, "") + data

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._text = ""
        elif tag == "form":
            self._inside = False
