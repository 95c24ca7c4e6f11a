"""The board of cases: a column for each state of those that are not over, the most urgent first.

One statement counts and picks the cards of all columns, so that ten thousand cases cost what ten do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import bindparam, func, or_, select

from app import registers
from app.access import SYSTEM, Actor
from app.prepared import Prepared
from app.registers import Filter
from app.services import reference
from app.services.case_register import IN_DIVISION, LATE, OF_AGENCY, OVERDUE_ONLY, clock
from app.transactions import transaction
from models.agencies import Agency
from models.cases import OPEN, Case, CaseState

CARDS = 20
"""How many cards a column shows; the rest is in the register."""
FILTERS: tuple[Filter, ...] = (IN_DIVISION, OF_AGENCY, OVERDUE_ONLY)


@dataclass(frozen=True)
class Column:
    """One state: how many cases are in it, how many of those are overdue, and the first cards."""

    state: CaseState
    total: int = 0
    late: int = 0
    cards: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Board:
    """The board for what was asked; what could not be understood is in `problems`."""

    columns: list[Column]
    asked: dict[str, str]
    problems: dict[str, str]

    @property
    def total(self) -> int:
        return sum(column.total for column in self.columns)


_in_state: dict[str, Any] = {"partition_by": Case.state}
_prepared: dict[frozenset[str], Prepared] = {}


def _statement(shape: frozenset[str]) -> Prepared:
    if shape not in _prepared:
        place = func.row_number().over(order_by=(Case.due_at.asc().nulls_last(), Case.id), **_in_state)
        cards = (
            select(
                Case.id,
                Case.number,
                Case.enterprise_name,
                Case.division_id,
                Agency.name.label("agency"),
                Case.state,
                Case.due_at,
                Case.paused_at,
                place.label("place"),
                func.count().over(**_in_state).label("total"),
                func.count().filter(LATE).over(**_in_state).label("late"),
            )
            .outerjoin(Agency, Agency.id == Case.agency_id)
            .where(or_(*(Case.state == state for state in OPEN)))
            .where(*(one.condition for one in FILTERS if one.name in shape))
            .subquery()
        )
        first = select(cards).where(cards.c.place <= bindparam("cards")).order_by(cards.c.place)
        _prepared[shape] = Prepared(first)
    return _prepared[shape]


@transaction("cases.desk")
def board(_actor: Actor, asked: Mapping[str, str]) -> Board:
    """Returns the cases in reach by state, narrowed by FILTERS as the address gives them."""
    values, typed, problems = registers.read(FILTERS, asked)
    columns = {state: Column(state) for state in OPEN}
    names = reference.division_names(SYSTEM)
    for row in _statement(frozenset(values))(**values, cards=CARDS):
        known = columns[row.state]
        column = columns[row.state] = Column(row.state, row.total, row.late, known.cards)
        card = row._asdict()
        column.cards.append(card | {"division": names.get(row.division_id, ""), "clock": clock(card)})
    return Board(list(columns.values()), typed, problems)
