"""The steps of a case that the agency takes forward, and what each requires to have been done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Uuid, bindparam, func, or_, select

from app import audit
from app.access import Actor
from app.errors import DomainError
from app.prepared import Prepared
from app.services import case_moves
from app.transactions import session, transaction
from models.agencies import Expert
from models.cases import (
    WORKED,
    Aspect,
    Case,
    CaseAttendee,
    CaseScore,
    CaseState,
    Finding,
    FindingState,
    Phase,
    Purpose,
    Visit,
)

NEXT: dict[CaseState, CaseState] = {
    CaseState.diagnosis: CaseState.planning,
    CaseState.planning: CaseState.training,
    CaseState.training: CaseState.improvement,
    CaseState.improvement: CaseState.evaluation,
    CaseState.evaluation: CaseState.closed,
    CaseState.rectification: CaseState.revisit,
    CaseState.revisit: CaseState.closed,
}
"""Where a step leads when all that it requires is there."""
AGENCY_STEPS = (
    CaseState.diagnosis,
    CaseState.planning,
    CaseState.training,
    CaseState.improvement,
    CaseState.rectification,
)
"""The steps that the agency takes forward; closing is the county's."""


@dataclass(frozen=True)
class Requirement:
    """What must be there before a case goes on, and whether it is."""

    label: str
    met: bool


_case: Any = bindparam("case", type_=Uuid)


def _count(model: Any, *conditions: Any) -> Any:
    counted = select(func.count()).select_from(model).where(model.case_id == _case, *conditions)
    return counted.scalar_subquery()


_DONE = Prepared(
    select(
        _count(CaseScore, CaseScore.phase == Phase.before).label("before"),
        _count(CaseScore, CaseScore.phase == Phase.after).label("after"),
        _count(CaseAttendee, CaseAttendee.attended).label("attended"),
        _count(
            Finding, or_(Finding.state == FindingState.open, Finding.state == FindingState.under_way)
        ).label("unfinished"),
        _count(Visit, Visit.confirmed_at.is_not(None)).label("visited"),
        _count(Visit, Visit.purpose == Purpose.revisit, Visit.confirmed_at >= bindparam("since")).label(
            "revisited"
        ),
    )
)
_all = len(Aspect)

# By the state that is left: what is asked of the case's own row, and of the counts of what belongs to it.
_ASKED: dict[CaseState, tuple[tuple[str, Callable[[Case, Any], bool]], ...]] = {
    CaseState.diagnosis: (
        ("填写诊断表", lambda case, _: case.diagnosis is not None),
        ("六个方面的帮扶前评分", lambda _, done: done.before == _all),
    ),
    CaseState.planning: (
        ("选定工作策略", lambda case, _: case.strategy is not None),
        ("选定提升方面", lambda case, _: bool(case.aspects)),
        ("写明选定理由", lambda case, _: bool(case.strategy_reason)),
        ("填写提升方案", lambda case, _: bool(case.plan)),
    ),
    CaseState.training: (("至少办一次培训并登记到场人员", lambda _, done: done.attended > 0),),
    CaseState.improvement: (
        ("六个方面的帮扶后评分", lambda _, done: done.after == _all),
        ("问题清单全部完成", lambda _, done: done.unfinished == 0),
        ("至少一次走访经县局人员确认参与", lambda _, done: done.visited > 0),
    ),
    CaseState.evaluation: (("企业已评价", lambda case, _: case.rating is not None),),
    CaseState.rectification: (("填写整改情况", lambda case, _: bool(case.rectification)),),
    CaseState.revisit: (("回访经县局人员确认参与", lambda _, done: done.revisited > 0),),
}


def requirements(case: Case) -> list[Requirement]:
    """Returns what the next step requires, in the reach of the running act; nothing when none follows."""
    asked = _ASKED.get(case.state, ())
    done = _DONE.first(case=case.id, since=case.state_since) if asked else None
    return [Requirement(label, met(case, done)) for label, met in asked]


def require_complete(case: Case) -> None:
    """Raises DomainError `case_incomplete`, which says what is missing before the next step."""
    missing = [one.label for one in requirements(case) if not one.met]
    if missing:
        target = NEXT[case.state].label
        raise DomainError("case_incomplete", target=target, missing="；".join(missing))


@transaction("cases.work")
def appoint(actor: Actor, case_id: UUID, expert_id: UUID) -> Case:
    """Names the expert who leads a case; raises DomainError `not_found`, `case_state`, `correction_open` or
    `expert_not_of_agency`."""
    case = case_moves.hold_in(case_id, *WORKED)
    of_agency = (Expert.id == expert_id, Expert.agency_id == case.agency_id, Expert.active)
    if session().execute(select(Expert.id).where(*of_agency)).first() is None:
        raise DomainError("expert_not_of_agency", fields={"expert_id": ["应为承接机构的专家"]})
    case.expert_id = expert_id
    audit.record(actor, "case.expert_appointed", case)
    return case


@transaction("cases.work")
def advance(actor: Actor, case_id: UUID) -> Case:
    """Takes a step forward that is the agency's to take.

    Raises DomainError `not_found`, `case_state`, `correction_open` or `case_incomplete`.
    """
    case = case_moves.hold_in(case_id, *AGENCY_STEPS)
    require_complete(case)
    # What was put right stays in the record, however often it is to be put right.
    said = case.rectification if case.state == CaseState.rectification else None
    case_moves.advance(actor, case, NEXT[case.state], said[:500] if said else None)
    return case
