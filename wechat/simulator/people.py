"""The simulated people: who they are to each account, and what they allowed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from wechat.simulator.store import Store


@dataclass
class Person:
    """One WeChat user; `credits` counts one-time subscriptions, `standing` lists long-term ones.

    `followed_at` (epoch seconds) is set while the person follows the Official Account, `blocks` when its
    messages are refused all the same.
    """

    id: str
    name: str
    phone: str
    cancelled: bool = False
    credits: dict[str, int] = field(default_factory=dict)
    standing: list[str] = field(default_factory=list)
    followed_at: int | None = None
    blocks: bool = False


class People:
    """Everybody the platform knows, kept in the store so that they survive a restart.

    Openids and unionids are not stored: they follow from the store's random salt, so that the same person
    is the same user to the application after a restart, and a different one in another copy. All accounts
    given (the first is the mini-program) belong to one Open Platform account, unless it is unbound.
    """

    def __init__(self, store: Store, appids: list[str]) -> None:
        self._store = store
        self._appids = appids
        if store.fact("salt") is None:
            store.keep("salt", secrets.token_hex(16))
        self._salt = bytes.fromhex(store.fact("salt"))
        self._bound: bool = store.fact("bound") is not False
        self._pages: list[str] = store.fact("pages") or []
        self._people: dict[str, Person] = {}
        self._by_openid: dict[tuple[str, str], Person] = {}
        self._phones: set[str] = set()
        for row in store.execute("SELECT value FROM people ORDER BY rowid"):
            self._add(Person(**json.loads(row["value"])))

    def __iter__(self) -> Iterator[Person]:
        return iter(self._people.values())

    def get(self, person_id: str) -> Person | None:
        """Returns the person with this number, or None."""
        return self._people.get(person_id)

    def create(self, name: str, **traits: Any) -> Person:
        """Adds a person with a random mobile number of their own and keeps them."""
        phone = _random_phone()
        while phone in self._phones:
            phone = _random_phone()
        person = Person(id=f"p{len(self._people) + 1}", name=name, phone=phone, **traits)
        self._add(person)
        self.save(person)
        return person

    def by_openid(self, openid: object, appid: str | None = None) -> Person | None:
        """Returns the living user of that account (our mini-program by default) with this openid, or None."""
        person = self._by_openid.get((appid or self._appids[0], str(openid)))
        return person if person and not person.cancelled else None

    def openid(self, person: Person, appid: str | None = None) -> str:
        """Returns the person's openid in that account (our mini-program by default)."""
        return self._identifier(f"{appid or self._appids[0]}|{person.id}")

    def unionid(self, person: Person) -> str:
        """Returns the id shared by all accounts of the same Open Platform account."""
        return self._identifier(f"unionid|{person.id}")

    def union(self, person: Person) -> dict[str, str]:
        """Returns the field that tells the unionid, which only accounts bound to the Open Platform see."""
        return {"unionid": self.unionid(person)} if self._bound else {}

    def bind(self, bound: bool) -> None:
        """Binds the accounts to the Open Platform, or unbinds them."""
        self._bound = bound
        self._store.keep("bound", bound)

    @property
    def pages(self) -> list[str]:
        """The pages of the published mini-program; none means that any page passes."""
        return self._pages

    def publish(self, pages: list[str]) -> None:
        """Publishes a mini-program with these pages."""
        self._pages = pages
        self._store.keep("pages", pages)

    def save(self, person: Person) -> None:
        """Keeps what has changed about a person."""
        value = json.dumps(vars(person), ensure_ascii=False)
        # An upsert and not a replacement: the order of the rows is the order in which people came.
        statement = "INSERT INTO people VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET value = excluded.value"
        self._store.execute(statement, person.id, value)

    def _add(self, person: Person) -> None:
        self._people[person.id] = person
        self._phones.add(person.phone)
        for appid in self._appids:
            self._by_openid[appid, self.openid(person, appid)] = person

    def _identifier(self, text: str) -> str:
        digest = hmac.new(self._salt, text.encode(), hashlib.sha256).digest()
        return "o" + base64.urlsafe_b64encode(digest).decode()[:27]


def _random_phone() -> str:
    return f"138{secrets.randbelow(10**8):08d}"
