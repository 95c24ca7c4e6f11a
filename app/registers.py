"""Registers (台账): lists that staff search, sort, page through, and take out as a workbook.

A `Register` is said once, in the services of its domain: the statement, the columns that people see, the
filters and the orders. The console draws its page from it and the export writes its workbook from it, so
that what is taken out is exactly what is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import chain
from typing import Any

from sqlalchemy import ColumnElement, Integer, bindparam, func, select

from app.access import SYSTEM, Actor
from app.pagination import holds, like
from app.prepared import Prepared
from app.services import reference
from app.transactions import begin
from app.workbooks import Column
from models.base import division_patterns, in_divisions, midnight
from models.labels import Labelled

PAGE_SIZES = (20, 50, 100, 200)
COUNTED = 10_000
"""Rows are counted, and pages turned, up to here; whoever looks for more narrows the search."""

Choices = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Filter:
    """One field of the filter bar, on a bound parameter of its own name.

    Args:
        kind: how it is asked for: text, choice, date or division.
        read: the bound value of what was typed; raises ValueError with the Chinese reason.
        choices: value and label, for a choice; or what returns them where they are data.
    """

    name: str
    label: str
    condition: ColumnElement[bool]
    read: Callable[[str], Any]
    kind: str = "text"
    choices: Choices | Callable[[], Choices] = ()
    hint: str = ""


def contains(name: str, label: str, column: Any, hint: str = "") -> Filter:
    """Rows whose column holds the text, whatever its case."""
    return Filter(name, label, holds(column, name), like, hint=hint)


def starts(name: str, label: str, column: Any, hint: str = "") -> Filter:
    """Rows whose column starts with the text."""
    return Filter(
        name, label, holds(column, name), lambda text: like(text.strip().upper(), start=True), hint=hint
    )


def choice(name: str, label: str, column: Any, kind: type[Labelled]) -> Filter:
    """Rows with one value of an enumeration."""

    def read(text: str) -> Any:
        if text not in [one.value for one in kind]:
            raise ValueError("没有这个选项")
        return next(one for one in kind if one.value == text)

    return Filter(
        name, label, column == bindparam(name), read, "choice", [(one.value, one.label) for one in kind]
    )


def named(name: str, label: str, column: Any, choices: Mapping[str, str]) -> Filter:
    """Rows with one of the values that have a name: value → label."""

    def read(text: str) -> str:
        if text not in choices:
            raise ValueError("没有这个选项")
        return text

    return Filter(name, label, column == bindparam(name), read, "choice", list(choices.items()))


def division(name: str, label: str, column: Any) -> Filter:
    """Rows of a division and of those below it."""
    return Filter(
        name, label, in_divisions(column, name), lambda text: division_patterns((text,)), "division"
    )


def since(name: str, label: str, column: Any) -> Filter:
    """Rows from a day on."""
    return Filter(name, label, column >= bindparam(name), _day_of, "date")


def until(name: str, label: str, column: Any) -> Filter:
    """Rows up to the end of a day."""
    return Filter(
        name, label, column < bindparam(name), lambda text: _day_of(text) + timedelta(days=1), "date"
    )


def _day_of(text: str) -> datetime:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise ValueError("日期不正确") from None
    if not 2000 <= day.year <= 2100:
        raise ValueError("年份应在 2000–2100 之间")
    return midnight(day)


def read(
    filters: Sequence[Filter], asked: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, str], dict[str, str]]:
    """Returns what an address asks for: the bound values, what was typed, and what was not understood."""
    values: dict[str, Any] = {}
    typed: dict[str, str] = {}
    problems: dict[str, str] = {}
    for one in filters:
        text = asked.get(one.name, "").strip()[:100].replace("\0", "")
        if not text:
            continue
        typed[one.name] = text
        try:
            values[one.name] = one.read(text)
        except ValueError as reason:
            problems[one.name] = str(reason)
    return values, typed, problems


@dataclass(frozen=True)
class Listed:
    """One page of a register, and what was asked for.

    `rows` hold the values of the columns, and of whatever else the statement selects; `total` is at most
    COUNTED, and `more` says that there are more than that.
    """

    columns: tuple[Column, ...]
    rows: list[dict[str, Any]]
    total: int
    more: bool
    number: int
    size: int
    sort: str
    asked: dict[str, str]
    problems: dict[str, str] = field(default_factory=dict)

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // self.size))

    @property
    def query(self) -> dict[str, str]:
        """What stands in the address: the filters and the order, without the page."""
        return {**self.asked, "sort": self.sort}


_registers: dict[str, Register] = {}


class Register:
    """A list that staff work with.

    Args:
        name: "enterprises.pool": the domain's word first; the export is known by it.
        title: what stands above the list and in the workbook.
        permission: under which the rows are reached.
        statement: a SELECT on mapped classes; its parameters are those of `of`.
        columns: what people see, by the keys of the statement's columns.
        key: the unique column that decides between equal rows.
        sorts: what a list may be ordered by, by the key of the column that shows it.
        default: the order otherwise; a minus in front: descending.
        show: what of a row is shown otherwise than it is stored, such as masks and names; on all the
            rows of a page or chunk at once, so that it may look things up for them together.
        of: how the parameters of the statement are read from text, such as {"training": UUID}.
        more: columns that depend on those parameters, such as one for each session of a training.
        within: for rows that belong to the people they tell of: raises DomainError unless what the
            parameters name is in the actor's reach; with it, all rows are.
    """

    def __init__(
        self,
        name: str,
        title: str,
        permission: str,
        statement: Any,
        columns: Sequence[Column],
        *,
        key: Any,
        sorts: Mapping[str, Any],
        default: str,
        filters: Sequence[Filter] = (),
        show: Callable[[list[dict[str, Any]]], list[dict[str, Any]]] | None = None,
        of: Mapping[str, Callable[[str], Any]] | None = None,
        more: Callable[..., Sequence[Column]] | None = None,
        within: Callable[..., Any] | None = None,
    ) -> None:
        self.name, self.title, self.permission, self.columns = name, title, permission, tuple(columns)
        self.filters = tuple(filters)
        self.sorts, self.default, self.of = dict(sorts), default, dict(of or {})
        self._statement, self._key, self._show, self._more = statement, key, show, more
        self._within = within
        self._prepared: dict[Any, Prepared] = {}
        _registers[name] = self

    def page(self, actor: Actor, asked: Mapping[str, str], **of: Any) -> Listed:
        """Returns the page that the address asks for: filters by name, `sort`, `page` and `size`.

        What cannot be understood does not filter, and is told in `problems`.
        Raises DomainError `permission_denied`.
        """
        sort = asked.get("sort", "")
        sort = sort if sort.removeprefix("-") in self.sorts else self.default
        size = _number(asked.get("size"), PAGE_SIZES[1])
        size = size if size in PAGE_SIZES else PAGE_SIZES[1]
        with begin(actor.acting(self.permission)), self._reached(**of):
            values, typed, problems = read(self.filters, asked)
            count = self._counting(frozenset(values)).first(**values, **of, most=COUNTED + 1)[0]
            total = min(count, COUNTED)
            number = min(max(_number(asked.get("page"), 1), 1), max(1, -(-total // size)))
            found = self._listing(frozenset(values), sort)(
                **values, **of, limit=min(size, COUNTED), offset=(number - 1) * size
            )
            rows = self.shown(found)
            columns = self.columns_of(**of)
        return Listed(columns, rows, total, count > COUNTED, number, size, sort, typed, problems)

    def rows(self, asked: Mapping[str, str], **of: Any) -> tuple[int, Iterator[dict[str, Any]]]:
        """Returns how many rows the address asks for and all of them, in the act that is under way."""
        sort = asked.get("sort", "")
        sort = sort if sort.removeprefix("-") in self.sorts else self.default
        values, _, _ = read(self.filters, asked)
        listing = self._listing(frozenset(values), sort)
        with self._reached(**of):
            total = self._counting(frozenset(values)).first(**values, **of, most=None)[0]
            chunks = listing.chunks(500, **values, **of, limit=None, offset=0)
            first = next(chunks, [])  # runs the statement
        return total, (row for chunk in chain([first], chunks) for row in self.shown(chunk))

    @contextmanager
    def _reached(self, **of: Any) -> Iterator[None]:
        """Runs the block as whoever reaches the rows."""
        if self._within is None:
            yield
        else:
            self._within(**of)
            with begin(SYSTEM):
                yield

    def columns_of(self, **of: Any) -> tuple[Column, ...]:
        """Returns the columns of one of its lists, in the act that is under way."""
        return (*self.columns, *self._more(**of)) if self._more else self.columns

    def shown(self, rows: Sequence[Any]) -> list[dict[str, Any]]:
        """Returns rows as people see them: labels for values, names for divisions."""
        dicts = [row._asdict() for row in rows]
        if any("division_id" in row for row in dicts):
            names = reference.division_names(SYSTEM)
            for row in dicts:
                row["division"] = names.get(row["division_id"] or "", "")
        return self._show(dicts) if self._show else dicts

    def _filtered(self, shape: frozenset[str]) -> Any:
        return self._statement.where(*(one.condition for one in self.filters if one.name in shape))

    def _counting(self, shape: frozenset[str]) -> Prepared:
        if shape not in self._prepared:
            most = bindparam("most", type_=Integer)
            some = self._filtered(shape).with_only_columns(self._key).limit(most).subquery()
            self._prepared[shape] = Prepared(select(func.count()).select_from(some))
        return self._prepared[shape]

    def _listing(self, shape: frozenset[str], sort: str) -> Prepared:
        if (shape, sort) not in self._prepared:
            column = self.sorts[sort.removeprefix("-")]
            order = (
                (column.desc().nulls_last(), self._key.desc())
                if sort.startswith("-")
                else (column.asc().nulls_last(), self._key)
            )
            statement = self._filtered(shape).order_by(*order)
            self._prepared[shape, sort] = Prepared(
                statement.limit(bindparam("limit", type_=Integer)).offset(bindparam("offset", type_=Integer))
            )
        return self._prepared[shape, sort]


def register(name: str) -> Register | None:
    """Returns the register of that name, if there is one."""
    return _registers.get(name)


def _number(text: str | None, otherwise: int) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 8 else otherwise
