"""The simulated people: who they are to each mini-program, and what they allowed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Person:
    """One WeChat user; `credits` counts one-time subscriptions, `standing` lists long-term ones."""

    id: str
    name: str
    phone: str
    cancelled: bool = False
    credits: dict[str, int] = field(default_factory=dict)
    standing: list[str] = field(default_factory=list)


class People:
    """Everybody the platform knows, kept in one JSON file so that they survive a restart.

    Openids and unionids are not stored: they follow from the file's random salt, so that the same
    person is the same user to the application after a restart, and a different one in another copy.
    """

    def __init__(self, path: Path, appid: str) -> None:
        self._path = path
        self._appid = appid
        stored: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}
        self._salt = bytes.fromhex(stored.get("salt") or secrets.token_hex(16))
        self.pages: list[str] = stored.get("pages", [])
        self._people = {row["id"]: Person(**row) for row in stored.get("people", [])}
        self._by_openid = {self.openid(person): person for person in self._people.values()}

    def __iter__(self) -> Iterator[Person]:
        return iter(self._people.values())

    def get(self, person_id: str) -> Person | None:
        """Returns the person with this number, or None."""
        return self._people.get(person_id)

    def create(self, name: str) -> Person:
        """Adds a person with a random mobile number of their own and saves."""
        taken = {person.phone for person in self}
        phone = _random_phone()
        while phone in taken:
            phone = _random_phone()
        person = Person(id=f"p{len(self._people) + 1}", name=name, phone=phone)
        self._people[person.id] = person
        self._by_openid[self.openid(person)] = person
        self.save()
        return person

    def by_openid(self, openid: str) -> Person | None:
        """Returns the living user of our mini-program with this openid, or None."""
        person = self._by_openid.get(openid)
        return person if person and not person.cancelled else None

    def openid(self, person: Person, appid: str | None = None) -> str:
        """Returns the person's openid in that mini-program (ours by default)."""
        return self._identifier(f"{appid or self._appid}|{person.id}")

    def unionid(self, person: Person) -> str:
        """Returns the id shared by all mini-programs of the same Open Platform account."""
        return self._identifier(f"unionid|{person.id}")

    def _identifier(self, text: str) -> str:
        digest = hmac.new(self._salt, text.encode(), hashlib.sha256).digest()
        return "o" + base64.urlsafe_b64encode(digest).decode()[:27]

    def save(self) -> None:
        """Writes the file as a whole, readable by its owner only."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        content = {
            "salt": self._salt.hex(),
            "pages": self.pages,
            "people": [asdict(person) for person in self],
        }
        draft = self._path.with_suffix(".draft")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as f:
            json.dump(content, f, ensure_ascii=False, indent=1)
        draft.replace(self._path)


def _random_phone() -> str:
    return "138" + "".join(secrets.choice("0123456789") for _ in range(8))
