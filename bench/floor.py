"""The floor: a bare Flask application that runs the program's own SQL through psycopg, and nothing else.

No JSON is checked, nobody is asked for a permission, nothing is decrypted. What it runs is a plan that
`bench.recording` took from the program; each request brings the values that differ ("given").
"""

from __future__ import annotations

import hashlib
import os
import pickle
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
from flask import Flask, Response, request
from psycopg import Connection
from psycopg_pool import ConnectionPool
from uuid_utils.compat import uuid7

BEIJING = ZoneInfo("Asia/Shanghai")

FORMS: dict[str, Callable[[Any], Any]] = {
    "as it is": lambda value: value,
    "id": lambda value: UUID(str(value)),
    "text": str,
    "digest": lambda value: hashlib.sha256(str(value).encode()).digest(),
}
"""How a value that a request or an earlier row brings becomes a parameter."""


@dataclass
class Run:
    """One request: what was given, the rows so far, and the values made for it."""

    given: dict[str, str]
    rows: list[list[tuple[Any, ...]]] = field(default_factory=list)
    made: dict[int, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Given:
    """A value that the request brings."""

    name: str
    form: str

    def __call__(self, run: Run) -> Any:
        return FORMS[self.form](run.given[self.name])


@dataclass(frozen=True)
class FromRow:
    """A value of the first row of an earlier statement."""

    step: int
    column: int
    form: str

    def __call__(self, run: Run) -> Any:
        return FORMS[self.form](run.rows[self.step][0][self.column])


@dataclass(frozen=True)
class Fresh:
    """A value made for the request, the same wherever `number` stands."""

    number: int
    kind: str
    size: float = 0

    def __call__(self, run: Run) -> Any:
        value = run.made.get(self.number)
        if value is None:
            value = run.made[self.number] = _MAKERS[self.kind](self.size)
        return value


_MAKERS: dict[str, Callable[[float], Any]] = {
    "id": lambda _: uuid7(),
    "id as text": lambda _: str(uuid7()),
    "time": lambda seconds: datetime.now(BEIJING) + timedelta(seconds=seconds),
    "bytes": lambda size: os.urandom(int(size)),
    "letters": lambda size: os.urandom(int(size)).hex()[: int(size)].upper(),
}


@dataclass(frozen=True)
class Several:
    """A list or a mapping with slots inside."""

    parts: Any

    def __call__(self, run: Run) -> Any:
        if isinstance(self.parts, dict):
            return {name: filled(part, run) for name, part in self.parts.items()}
        return [filled(part, run) for part in self.parts]


@dataclass(frozen=True)
class Wrapped:
    """A value that psycopg is told the type of (JSON, binary)."""

    kind: Any
    part: Any

    def __call__(self, run: Run) -> Any:
        return self.kind(filled(self.part, run))


SLOTS = (Given, FromRow, Fresh, Several, Wrapped)


def filled(part: Any, run: Run) -> Any:
    """Returns the value of a slot, or the constant itself."""
    return part(run) if isinstance(part, SLOTS) else part


@dataclass(frozen=True)
class Step:
    """A statement, its parameters, whether it asks for rows and found some, and whether a COMMIT follows."""

    sql: str
    constants: dict[str, Any]
    slots: dict[str, Any]
    asks: bool
    found: bool
    commits: bool


Plan = list[list[Step]]
"""The courses that one kind of request may take; they part where a statement finds rows or none."""


def replay(connection: Connection[Any], plan: Plan, given: dict[str, str]) -> list[tuple[Any, ...]]:
    """Runs one request's statements and returns the last rows; raises LookupError off every course."""
    run, courses = Run(given), plan
    last: list[tuple[Any, ...]] = []
    while len(run.rows) < len(courses[0]):
        place = len(run.rows)
        step = courses[0][place]
        parameters = {**step.constants, **{name: slot(run) for name, slot in step.slots.items()}}
        cursor = connection.execute(step.sql.encode(), parameters)
        rows = cursor.fetchall() if step.asks else []
        run.rows.append(rows)
        last = rows or last
        courses = [course for course in courses if course[place].found == bool(rows)]
        if not courses:
            raise LookupError(f"statement {place} found {len(rows)} rows, as in no recorded request")
        if step.commits:
            connection.commit()
    return last


def create_app(file: str) -> Flask:
    """Returns the application that runs the plans in `file`, a route for each."""
    conninfo, options, threads, plans = pickle.loads(Path(file).read_bytes())
    pool = ConnectionPool(conninfo, kwargs=options, min_size=threads, max_size=threads + 4, open=True)
    app = Flask("floor")

    @app.route("/<kind>", methods=["POST"])
    def answer(kind: str) -> Response:
        given = orjson.loads(request.get_data())
        with pool.connection() as connection:
            rows = replay(connection, plans[kind], given)
        return Response(orjson.dumps(rows, default=bytes.hex), mimetype="application/json")

    return app
