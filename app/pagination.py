"""Lists in pages: cursors that do not shift while rows are added, and filters that are named once."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import ColumnElement, Integer, bindparam, tuple_

from app.errors import DomainError
from app.prepared import Prepared

_READERS: dict[type, Any] = {UUID: UUID, datetime: datetime.fromisoformat}


@dataclass(frozen=True)
class Page:
    """One page of rows; `next` is the cursor of the following one, None on the last."""

    items: Sequence[Any]
    next: str | None


class Listing:
    """A list: its statement, the selected columns that order it (unique together), and its filters.

    Each filter is a condition on a bound parameter of its own name, and holds only when a value is
    given. Every combination that is asked for is compiled once.
    """

    def __init__(
        self, statement: Any, keys: Sequence[Any], *, newest: bool = False, **filters: ColumnElement[bool]
    ) -> None:
        self._statement, self._keys, self._newest, self._filters = statement, keys, newest, filters
        self._prepared: dict[frozenset[str], Prepared] = {}

    def page(self, cursor: str | None, limit: int, **values: Any) -> Page:
        """Returns the page after `cursor`; values that are None do not filter.

        Raises DomainError `invalid_cursor`.
        """
        given = {name: value for name, value in values.items() if value is not None}
        if cursor:
            given |= self._decode(cursor)
        shape = frozenset(given)
        prepared = self._prepared.get(shape)
        if prepared is None:
            prepared = self._prepared[shape] = self._prepare(shape)
        rows = prepared(limit=limit + 1, **given)
        more = len(rows) > limit
        return Page(rows[:limit], self._encode(rows[limit - 1]) if more else None)

    def _prepare(self, shape: frozenset[str]) -> Prepared:
        conditions = [self._filters[name] for name in sorted(shape & self._filters.keys())]
        if "after0" in shape:
            here, after = tuple_(*self._keys), tuple_(*self._after())
            conditions.append(here < after if self._newest else here > after)
        order = [key.desc() for key in self._keys] if self._newest else self._keys
        statement = self._statement.where(*conditions).order_by(*order)
        return Prepared(statement.limit(bindparam("limit", type_=Integer)))

    def _after(self) -> list[Any]:
        return [bindparam(f"after{place}", type_=key.type) for place, key in enumerate(self._keys)]

    def _encode(self, row: Any) -> str:
        return base64.urlsafe_b64encode(orjson.dumps([getattr(row, key.key) for key in self._keys])).decode()

    def _decode(self, cursor: str) -> dict[str, Any]:
        try:
            values = orjson.loads(base64.urlsafe_b64decode(cursor))
            kinds = [key.type.python_type for key in self._keys]
            read = [_READERS.get(kind, kind)(value) for kind, value in zip(kinds, values, strict=True)]
        except (ValueError, TypeError, AttributeError, binascii.Error):
            raise DomainError("invalid_cursor") from None
        return {f"after{place}": value for place, value in enumerate(read)}


def holds(column: Any, name: str) -> ColumnElement[bool]:
    """Returns the filter `name`: the column holds the text, whatever its case; give it `like(text)`."""
    condition: ColumnElement[bool] = column.ilike(bindparam(name), escape="/")
    return condition


def like(text: str | None, *, start: bool = False) -> str | None:
    """Returns the LIKE pattern of a text that a column holds, or starts with; None for none."""
    if not text:
        return None
    escaped = text.replace("/", "//").replace("%", "/%").replace("_", "/_")
    return f"{escaped}%" if start else f"%{escaped}%"
