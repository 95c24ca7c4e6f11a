"""Statements of hot paths: narrowed by the guard and compiled once, then run without the ORM between.

Running a statement through the ORM costs more than PostgreSQL takes for it. A `Prepared` is written on
mapped classes like any other statement, passes the same guard, runs on the connection of the act that is
under way, and gives back rows of columns. It does not flush what the session holds, and loads no objects.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ARRAY, Dialect, bindparam, func
from sqlalchemy import column as named

from app.access import acting_in, narrowed
from app.transactions import session

Process = Callable[[Any], Any]
_NUMERIC = 1700
"""PostgreSQL's number of the type: only numbers ask what the database sends, and read this right."""


@dataclass(frozen=True)
class _Compiled:
    sql: str
    required: frozenset[str]
    constants: dict[str, Any]
    called: dict[str, Callable[[], Any]]
    writers: dict[str, Process]
    readers: list[tuple[int, Process]]
    row: Any

    def read(self, row: Any) -> Any:
        """Returns a row with its values in our types."""
        values = list(row)
        for place, reader in self.readers:
            values[place] = reader(values[place])
        return self.row(*values)


def rows_given(name: str, **columns: Any) -> Any:
    """Returns rows that a statement is given: each column as an array, in the parameter of its plural.

    `rows_given("told", id=Uuid, reason=Text)` takes the parameters `ids` and `reasons`.
    """
    arrays = (bindparam(f"{one}s", type_=ARRAY(kind)) for one, kind in columns.items())
    rows = func.unnest(*arrays).table_valued(*(named(one, kind) for one, kind in columns.items()), name=name)
    return rows.render_derived()


class Prepared:
    """A statement with bound parameters, or an INSERT whose columns are the names it is called with."""

    def __init__(self, statement: Any) -> None:
        self._statement = statement
        self._compiled: dict[Any, _Compiled] = {}

    def __call__(self, **values: Any) -> Sequence[Any]:
        """Returns the rows; raises NoActor outside every business act."""
        ready, result = self._run(values, {})
        if not result.returns_rows:
            return []
        rows = result.fetchall()
        return [ready.read(row) for row in rows] if ready.readers else rows

    def chunks(self, size: int, **values: Any) -> Iterator[list[Any]]:
        """Returns the rows, `size` of them at a time, as the database hands them over."""
        ready, result = self._run(values, {"stream_results": True})
        for rows in result.partitions(size):
            yield [ready.read(row) for row in rows]

    def _run(self, values: Mapping[str, Any], options: Mapping[str, Any]) -> tuple[_Compiled, Any]:
        current = session()
        actor = acting_in(current)
        connection = current.connection()
        kind = (actor.everything, actor.for_staff)
        ready = self._compiled.get(kind)
        if ready is None:
            statement = narrowed(self._statement, actor)
            ready = self._compiled[kind] = _compile(statement, connection.dialect, values)
        given = values if actor.everything else {**values, **actor.reach}
        if not (ready.required <= given.keys() and values.keys() <= ready.constants.keys()):
            raise TypeError(f"parameters are {sorted(ready.required)}, not {sorted(values)}")
        parameters = {**ready.constants, **{name: make() for name, make in ready.called.items()}}
        for name in given.keys() & parameters.keys():
            writer, value = ready.writers.get(name), given[name]
            parameters[name] = value if writer is None or value is None else writer(value)
        return ready, connection.exec_driver_sql(ready.sql, parameters, execution_options=options)

    def first(self, **values: Any) -> Any:
        """Returns the first row, None if there is none; raises NoActor."""
        rows = self(**values)
        return rows[0] if rows else None


def _compile(statement: Any, dialect: Dialect, values: Mapping[str, Any]) -> _Compiled:
    keys = list(values) if statement.is_insert else None
    compiled = statement.compile(dialect=dialect, column_keys=keys)
    if compiled.post_compile_params:
        raise TypeError("a prepared statement has no IN list: write = ANY(array), or single comparisons")
    required = dict.fromkeys(name for name, bind in compiled.binds.items() if bind.required)
    writers = {}
    for name, bind in compiled.binds.items():
        writer = bind.type.dialect_impl(dialect).bind_processor(dialect)
        if writer is not None:
            writers[name] = writer
    constants = {
        name: writers[name](value) if name in writers and value is not None else value
        for name, value in compiled.construct_params(required).items()
    }
    columns = list(getattr(statement, "exported_columns", []))
    readers = []
    for place, column in enumerate(columns):
        reader = column.type.dialect_impl(dialect).result_processor(dialect, _NUMERIC)
        if reader is not None:
            readers.append((place, reader))
    return _Compiled(
        sql=compiled.string,
        required=frozenset(required),
        constants=constants,
        called={name: bind.callable for name, bind in compiled.binds.items() if bind.callable},
        writers=writers,
        readers=readers,
        row=namedtuple("Row", [column.key for column in columns], rename=True),
    )
