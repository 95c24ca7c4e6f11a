"""Deadlines of cases: at each the county is told, and the city when nothing was done for some days more.

How many working days a step has, and after how many more the city is told, is data: `step_deadlines`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update

from app import working_days
from app.access import SYSTEM, Actor
from app.services import case_moves
from app.transactions import session, transaction
from models.base import now
from models.cases import OPEN, Case, StepDeadline

COUNTY, CITY = 1, 2
"""How far word of an overdue step has gone: `Case.escalated`."""


@dataclass(frozen=True)
class Late:
    """A case whose step is overdue, and whom it is time to tell."""

    case_id: UUID
    due_at: datetime
    level: int


@transaction(None)
def to_escalate(_system: Actor) -> list[Late]:
    """Returns the overdue cases of which it is time to tell the county, or the city."""
    days = {row.state: row.city_after for row in session().execute(select(StepDeadline)).scalars()}
    late = (Case.state.in_(OPEN), Case.paused_at.is_(None), Case.due_at <= now(), Case.escalated < CITY)
    found = select(Case.id, Case.state, Case.due_at, Case.escalated).where(*late).order_by(Case.due_at)
    due = []
    for one in session().execute(found):
        if one.escalated < COUNTY:
            due.append(Late(one.id, one.due_at, COUNTY))
        elif working_days.after(one.due_at, days.get(one.state.value, 0)) <= now():
            due.append(Late(one.id, one.due_at, CITY))
    return due


@transaction(None)
def escalate(_system: Actor, late: Late) -> bool:
    """Tells the county or the city of an overdue step, once; returns whether this was the time.

    The one UPDATE decides: who moved the case meanwhile, or told of it, leaves nothing to tell.
    """
    still = (
        Case.id == late.case_id,
        Case.due_at == late.due_at,
        Case.paused_at.is_(None),
        Case.escalated == late.level - 1,
        Case.state.in_(OPEN),
    )
    told = update(Case).where(*still).values(escalated=late.level).returning(Case)
    options = {"synchronize_session": False, "populate_existing": True}
    case = session().execute(told, execution_options=options).scalar()
    if case is None:
        return False
    people = case_moves.county_staff if late.level == COUNTY else case_moves.city_staff
    _tell(case, late.level, people(SYSTEM, case.division_id))
    return True


def _tell(case: Case, level: int, people: Collection[UUID]) -> None:
    until = case_moves.when_due(case)
    body = (
        f"“{case.enterprise_name}”的帮扶项目 {case.number}“{case.state.label}”环节"
        f"应于 {until} 前办理，已逾期。"
        f"{'县局提醒后仍未办理，请督促。' if level == CITY else '请尽快办理或督促机构、企业办理。'}"
    )
    once = f"{int(case.state_since.timestamp())}:{level}"
    case_moves.tell(case, people, "case.overdue", "帮扶项目逾期", body, once=once, deadline=until)


def overdue_by(due_at: datetime | None) -> int:
    """Returns how many working days ago a step had to be done; 0 where it is not overdue, or since today."""
    return working_days.between(due_at, now()) if due_at and due_at < now() else 0
