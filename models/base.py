"""The base class of all models, their keys and times, and how a row declares whose it is."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any, ClassVar
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    DateTime,
    MetaData,
    Text,
    Uuid,
    any_,
    bindparam,
    literal_column,
    or_,
    select,
)
from sqlalchemy.orm import DeclarativeBase, MappedAsDataclass
from uuid_utils.compat import uuid7

BEIJING = ZoneInfo("Asia/Shanghai")

_clock: contextvars.ContextVar[Callable[[], datetime] | None] = contextvars.ContextVar("clock", default=None)


def now() -> datetime:
    """Returns the current time, aware, at +08:00; tests inject a clock with `set_clock`."""
    clock = _clock.get()
    return clock() if clock else datetime.now(BEIJING)


def set_clock(clock: Callable[[], datetime] | None) -> None:
    """Makes `now()` answer from `clock` in this context; None restores the real one."""
    _clock.set(clock)


@contextmanager
def at(moment: datetime) -> Iterator[None]:
    """Runs the block as if it were that moment: a demonstration tells what began weeks ago."""
    token = _clock.set(lambda: moment)
    try:
        yield
    finally:
        _clock.reset(token)


def midnight(day: date) -> datetime:
    """Returns when a day begins in Beijing."""
    return datetime.combine(day, time(), BEIJING)


def new_id() -> UUID:
    """Returns a UUIDv7: keys sort by the time they were made, so that indexes grow at one end."""
    return uuid7()


# A random UUID with the milliseconds in front and the version raised from 4 to 7.
NEW_ID: Any = literal_column(
    "encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid()) placing"
    " substring(int8send(floor(extract(epoch from clock_timestamp()) * 1000)::bigint) from 3)"
    " from 1 for 6), 52, 1), 53, 1), 'hex')::uuid",
    Uuid(),
)
"""`new_id()` for rows that the database makes: one INSERT … SELECT for many."""


class Base(MappedAsDataclass, DeclarativeBase, kw_only=True):
    """Base of all models; `__scope__` says whose a row is, None that it is everybody's to read."""

    __scope__: ClassVar[Scope | None]

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {datetime: DateTime(timezone=True), UUID: Uuid, str: Text}


@dataclass(frozen=True)
class Scope:
    """The columns that say whose a row is; a row is in reach when any one of them is.

    The condition's SQL is the same for every actor (the reach travels in bound parameters), so
    that a narrowed statement is compiled once.

    Args:
        division: column with the division's dotted path; a grant on a division reaches its subtree.
        enterprise, training, agency, user: columns with those ids.
        through: column with the id of a row of another model, as whose row this one is in reach too.
        public: condition under which anybody may see the row, except acting as staff.
    """

    division: str | None = None
    enterprise: str | None = None
    training: str | None = None
    agency: str | None = None
    user: str | None = None
    through: tuple[str, type[Base]] | None = None
    public: Callable[[Any], ColumnElement[bool]] | None = None

    def condition(self, model: Any, *, for_staff: bool) -> ColumnElement[bool]:
        """Returns the condition that narrows `model` to what an actor reaches."""
        terms: list[ColumnElement[bool]] = []
        if self.user:
            terms.append(getattr(model, self.user) == bindparam("reach_user", type_=Uuid))
        if self.training:
            terms.append(getattr(model, self.training) == _any("reach_trainings", Uuid()))
        if self.enterprise:
            terms.append(getattr(model, self.enterprise) == _any("reach_enterprises", Uuid()))
        if self.agency:
            terms.append(getattr(model, self.agency) == _any("reach_agencies", Uuid()))
        if self.through:
            column, owner = self.through
            # An alias of the bare table: the guard would narrow the mapped class once more.
            table = owner.__table__.alias()
            reached = owner.__scope__.condition(table.c, for_staff=for_staff)  # type: ignore[union-attr]
            terms.append(getattr(model, column).in_(select(table.c.id).where(reached)))
        if self.division:
            terms.append(in_divisions(getattr(model, self.division), "reach_divisions"))
        if self.public and not for_staff:
            terms.append(self.public(model))
        return or_(*terms)


def _any(name: str, item: Any) -> Any:
    return any_(bindparam(name, type_=ARRAY(item)))


def in_divisions(column: Any, name: str) -> ColumnElement[bool]:
    """Returns the condition that a division is one of those given as `division_patterns(…)`."""
    condition: ColumnElement[bool] = column.op("~~", is_comparison=True)(_any(name, Text()))
    return condition


def division_patterns(divisions: tuple[str, ...]) -> list[str]:
    """Returns the LIKE patterns that match the divisions and everything below them."""
    return [pattern for division in divisions for pattern in (division, f"{division}.%")]
