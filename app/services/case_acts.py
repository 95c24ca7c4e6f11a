"""What the agency that has a case may write on it, and in which states: each act holds the case first.

Diagnosis, strategy, layered trainings and improvement are the agency's; the county sees them all and
confirms the visits in which its officer took part (notice 二（二）3).
"""

from __future__ import annotations

from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import select

from app.access import Actor
from app.errors import DomainError
from app.services import case_moves
from app.transactions import session, transaction
from models.base import Base
from models.cases import WORKED, Case, CaseAttendee, CaseState, CaseTraining, Finding, Visit

_ASSESSED = (CaseState.diagnosis, CaseState.planning)
_IMPROVED = (CaseState.improvement, CaseState.rectification)
_TAUGHT = (CaseState.planning, CaseState.training, *_IMPROVED)
ACTS: dict[str, tuple[CaseState, ...]] = {
    "diagnosis": _ASSESSED,
    "scores_before": _ASSESSED,
    "plan": (CaseState.planning,),
    "effects_before": (CaseState.diagnosis, CaseState.planning, CaseState.training, CaseState.improvement),
    "findings": (CaseState.diagnosis, *_TAUGHT),
    "trainings": _TAUGHT,
    "visits": WORKED,
    "scores_after": _IMPROVED,
    "effects_after": _IMPROVED,
    "summary": (CaseState.improvement,),
    "rectification": (CaseState.rectification,),
}
"""What its agency may write on a case, and in which states."""

Part = TypeVar("Part", Finding, CaseTraining, CaseAttendee, Visit)


def hold_for(case_id: UUID, act: str) -> Case:
    """Returns a case in reach, held for one of ACTS.

    Raises DomainError `not_found`, `case_state` or `correction_open`.
    """
    return case_moves.hold_in(case_id, *ACTS[act])


def hold_part(model: type[Part], part_id: UUID, act: str) -> tuple[Case, Part]:
    """Returns the case that something is part of, held for one of ACTS, and the part as it is then.

    Raises what `hold_for` raises.
    """
    case_id = session().execute(select(model.case_id).where(model.id == part_id)).scalar()
    if case_id is None:
        raise DomainError("not_found")
    case = hold_for(case_id, act)
    wanted = select(model).where(model.id == part_id).with_for_update()
    found = session().execute(wanted, execution_options={"populate_existing": True}).scalar()
    if found is None:
        raise DomainError("not_found")
    return case, found


@transaction("cases.work")
def open_for(_actor: Actor, case_id: UUID, act: str) -> Case:
    """Returns a case for the form of one of ACTS; raises what `hold_for` raises."""
    found = session().get(Case, case_id, populate_existing=True)
    if found is None:
        raise DomainError("not_found")
    case_moves.require_state(found, *ACTS[act])
    if found.paused_at is not None:
        raise DomainError("correction_open")
    session().expunge(found)  # it is shown again when the act that follows is refused and undone
    return found


@transaction("cases.work")
def open_part(actor: Actor, model: type[Base], part_id: UUID, act: str) -> tuple[Case, Any]:
    """Returns a part of a case and the case, for the form of one of ACTS; raises what `hold_for` raises."""
    found: Any = session().get(model, part_id, populate_existing=True)
    if found is None:
        raise DomainError("not_found")
    session().expunge(found)
    return open_for(actor, found.case_id, act), found


def require_times(of: CaseTraining | Visit) -> None:
    """Raises DomainError `validation_failed` unless it ends after it begins."""
    if of.ends_at <= of.starts_at:
        raise DomainError("validation_failed", fields={"ends_at": ["应晚于开始时间"]})


def acts_open(actor: Actor, case: Case) -> frozenset[str]:
    """Returns those of ACTS that the actor may do on a case as it stands."""
    if case.paused_at is not None or not works_on(actor, case):
        return frozenset()
    return frozenset(act for act, states in ACTS.items() if case.state in states)


def works_on(actor: Actor, case: Case) -> bool:
    """Tells whether the actor is of the agency that has the case."""
    if case.agency_id is None or not actor.may("cases.work"):
        return False
    return actor.acting("cases.work").reaches_agency(case.agency_id)
