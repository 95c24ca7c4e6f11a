"""A browser without a screen: signed in at the console, it opens pages and posts their forms."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from html import unescape
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app import tokens
from models.base import new_id, now
from models.people import SignIn, StaffAccount
from tests.builders import Person, World


@dataclass
class Browser:
    """A browser with its own cookies."""

    client: FlaskClient

    def get(self, path: str, **query: Any) -> TestResponse:
        """Opens a page."""
        return self.client.get(path, query_string=query)

    def post(self, path: str, **fields: Any) -> TestResponse:
        """Posts a form with the token that pages carry; a list posts a field several times."""
        return self.client.post(
            path, data=fields, headers={"X-CSRFToken": self.token}, content_type="multipart/form-data"
        )

    def follow(self, response: TestResponse) -> TestResponse:
        """Opens the page that a form led to."""
        assert response.status_code == 303, response.get_data(as_text=True)
        return self.client.get(response.headers["Location"])

    @property
    def token(self) -> str:
        """The token against forged forms, as a page carries it."""
        found = re.search(
            r'name="csrf-token" content="([^"]+)"',
            self.client.get("/console/sign-in", follow_redirects=True).get_data(as_text=True),
        )
        assert found
        return found[1]


@dataclass
class Desk(Browser):
    """Somebody who is signed in at a desk."""

    person: Person


def desk(world: World, role: str, scope_id: str = "js.xz.fengxian", *, name: str = "赵经办") -> Desk:
    """A member of staff with an account and one role, signed in past all steps."""
    kinds = {"agency_staff": "agency", "bank_officer": "bank"}
    person = world.person(phone=None, name=name, grants=[(role, kinds.get(role, "division"), scope_id)])
    return desk_of(world, person, scope_id if role not in kinds else "js.xz")


def desk_of(world: World, person: Person, division_id: str = "js.xz") -> Desk:
    """The person, signed in at the console by the back door."""
    sign_in_id = new_id()
    pair = tokens.issue(sign_in_id)
    row = {
        **tokens.columns(pair),
        "access_expires_at": now() + timedelta(minutes=30),
        "refresh_expires_at": now() + timedelta(hours=12),
    }
    with world.session() as session:
        session.add(SignIn(id=sign_in_id, user_id=person.id, client="console", **row))
        session.add(
            StaffAccount(
                user_id=person.id,
                division_id=division_id,
                login_name=f"u{new_id().hex[:16]}",
                password_hash="-",
                password_set_at=now(),
            )
        )
    client = world.app.test_client()
    with client.session_transaction() as cookie:
        cookie["token"] = pair.access_token
    return Desk(client, person)


def text_of(response: TestResponse) -> str:
    """Returns what a page says, without its markup."""
    page = re.sub(r"(?s)<(script|style|svg).*?</\1>", " ", response.get_data(as_text=True))
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", page)))
