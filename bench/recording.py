"""Takes the floor's plan from the program: the SQL of real requests, and where its values come from.

Some requests of a kind are recorded. A parameter that is the same in all of them is a constant; one that
differs must be a value that the request brings, a value of an earlier row, or one that is made anew
(an id, a time, ciphertext). So floor and program never run different SQL.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import psycopg
from psycopg.types.json import Json, Jsonb
from sqlalchemy import Engine, event

from bench.floor import FORMS, SLOTS, Fresh, FromRow, Given, Several, Step, Wrapped
from models.base import now

WRAPPERS = (Json, Jsonb, psycopg.Binary)


@dataclass
class Recorded:
    """A statement that the program ran."""

    sql: str
    parameters: dict[str, Any]
    asks: bool
    rows: list[tuple[Any, ...]]
    commits: bool = False


@dataclass(frozen=True)
class Recording:
    """What one request brought, when it came, and what was run for it."""

    given: dict[str, str]
    at: datetime
    statements: list[Recorded]


@contextmanager
def recording(engine: Engine, given: dict[str, str]) -> Iterator[Recording]:
    """Records what runs on the engine in the block; raises TypeError for executemany."""
    record = Recording(given, now(), [])

    def ran(_c: Any, cursor: Any, sql: str, parameters: Any, _x: Any, _many: bool) -> None:
        if not isinstance(parameters, dict):
            raise TypeError(f"not one set of named parameters: {sql}")
        asks = cursor.description is not None
        rows = cursor.fetchall() if asks else []
        if rows:
            cursor.scroll(0, mode="absolute")  # the program has yet to read them
        values = {name: _plain(value) for name, value in parameters.items()}
        record.statements.append(Recorded(sql, values, asks, rows))

    def committed(_c: Any) -> None:
        record.statements[-1].commits = True

    event.listen(engine, "after_cursor_execute", ran)
    event.listen(engine, "commit", committed)
    try:
        yield record
    finally:
        event.remove(engine, "after_cursor_execute", ran)
        event.remove(engine, "commit", committed)


def course(recordings: Sequence[Recording]) -> list[Step]:
    """Returns the steps that all the recordings took; raises ValueError where one is not explained."""
    for name in recordings[0].given:
        if len({r.given[name] for r in recordings}) < len(recordings):
            raise ValueError(f"{name} must differ, or its parameters look constant")
    shapes = {tuple((s.sql, bool(s.rows), s.commits) for s in r.statements) for r in recordings}
    if len(shapes) != 1:
        raise ValueError("requests of one kind ran different statements")
    learner = _Learner(recordings)
    steps = []
    for place, told in enumerate(recordings[0].statements):
        parameters = {
            name: learner.explain([r.statements[place].parameters[name] for r in recordings], place)
            for name in told.parameters
        }
        slots = {name: part for name, part in parameters.items() if isinstance(part, SLOTS)}
        constants = {name: part for name, part in parameters.items() if name not in slots}
        steps.append(Step(told.sql, constants, slots, told.asks, bool(told.rows), told.commits))
    return steps


class _Learner:
    """Finds where values come from, one per recording at a time."""

    def __init__(self, recordings: Sequence[Recording]) -> None:
        self._recordings = recordings
        self._made: list[list[Any]] = []

    def explain(self, values: list[Any], place: int) -> Any:
        """Returns the constant, or the slot, that explains these values of the statement at `place`."""
        kind = type(values[0])
        if any(type(value) is not kind for value in values):
            raise ValueError(f"values of different types: {values}")
        if kind in WRAPPERS:
            part = self.explain([value.obj for value in values], place)
            return Wrapped(kind, part) if isinstance(part, SLOTS) else values[0]
        if kind is dict:
            named = {name: self.explain([value[name] for value in values], place) for name in values[0]}
            return Several(named) if any(isinstance(p, SLOTS) for p in named.values()) else values[0]
        if kind is list:
            parts = [self.explain(list(items), place) for items in zip(*values, strict=True)]
            return Several(parts) if any(isinstance(p, SLOTS) for p in parts) else values[0]
        if all(value == values[0] for value in values):
            return values[0]
        return self._given(values) or self._from_row(values, place) or self._fresh(values)

    def _given(self, values: list[Any]) -> Given | None:
        for name in self._recordings[0].given:
            for form in FORMS:
                if all(
                    _is(form, r.given[name], value) for r, value in zip(self._recordings, values, strict=True)
                ):
                    return Given(name, form)
        return None

    def _from_row(self, values: list[Any], place: int) -> FromRow | None:
        for step in range(place):
            found = [r.statements[step].rows for r in self._recordings]
            for column in range(len(found[0][0]) if all(found) else 0):
                for form in ("as it is", "text"):
                    if all(
                        _is(form, rows[0][column], value) for rows, value in zip(found, values, strict=True)
                    ):
                        return FromRow(step, column, form)
        return None

    def _fresh(self, values: list[Any]) -> Fresh:
        if values not in self._made:
            self._made.append(values)
        number, value = self._made.index(values), values[0]
        if isinstance(value, UUID):
            return Fresh(number, "id")
        if isinstance(value, bytes):
            return Fresh(number, "bytes", len(value))
        if isinstance(value, datetime):
            return Fresh(number, "time", round((value - self._recordings[0].at).total_seconds()))
        if isinstance(value, str):
            return Fresh(number, "id as text") if _is_id(value) else Fresh(number, "letters", len(value))
        raise ValueError(f"no source for {values}")


def _plain(value: Any) -> Any:
    """Returns the value without the program's own types, which the floor does not know."""
    if isinstance(value, WRAPPERS):
        return type(value)(_plain(value.obj))
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return str(value) if isinstance(value, StrEnum) else value


def _is(form: str, source: Any, value: Any) -> bool:
    try:
        made = FORMS[form](source)
    except ValueError:
        return False
    return type(made) is type(value) and bool(made == value)


def _is_id(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
