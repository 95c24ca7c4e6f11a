"""Cursor pagination: pages that do not shift while rows are added."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import literal, tuple_

from app.errors import DomainError
from app.transactions import session


@dataclass(frozen=True)
class Page:
    """One page of rows; `next` is the cursor of the following one, None on the last."""

    items: Sequence[Any]
    next: str | None


def paginate(
    statement: Any, keys: Sequence[Any], cursor: str | None, limit: int, *, newest: bool = False
) -> Page:
    """Returns the page after `cursor`, ordered by `keys` (selected columns, unique together).

    Args:
        newest: order descending.

    Raises DomainError `invalid_cursor`.
    """
    if cursor:
        values = tuple_(
            *(literal(value, key.type) for key, value in zip(keys, _decode(cursor, keys), strict=True))
        )
        here = tuple_(*keys)
        statement = statement.where(here < values if newest else here > values)
    order = [key.desc() for key in keys] if newest else list(keys)
    rows = session().execute(statement.order_by(*order).limit(limit + 1)).all()
    more = len(rows) > limit
    return Page(rows[:limit], _encode(rows[limit - 1], keys) if more else None)


def _encode(row: Any, keys: Sequence[Any]) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([getattr(row, key.key) for key in keys])).decode()


def _decode(cursor: str, keys: Sequence[Any]) -> list[Any]:
    readers: dict[type, Any] = {UUID: UUID, datetime: datetime.fromisoformat}
    try:
        values = orjson.loads(base64.urlsafe_b64decode(cursor))
        kinds = [key.type.python_type for key in keys]
        return [readers.get(kind, kind)(value) for kind, value in zip(kinds, values, strict=True)]
    except (ValueError, TypeError, AttributeError, binascii.Error):
        raise DomainError("invalid_cursor") from None
