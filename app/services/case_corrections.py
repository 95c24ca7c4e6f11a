"""Corrections 补正: what is asked of the enterprise stops the clock of its case until it has answered.

What was left of the step's time, in working days, is left again afterwards; a step that was overdue
already stays overdue.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from app import audit, working_days
from app.access import SYSTEM, Actor
from app.errors import DomainError
from app.services import case_moves
from app.services.enterprises import signed_in
from app.transactions import session, transaction
from models.base import now
from models.cases import WORKED, Case, CaseState, Correction

CORRECTABLE = (
    CaseState.requested,
    CaseState.routing,
    *(state for state in WORKED if state != CaseState.evaluation),
)
"""Where a correction can be asked: not while agencies answer an offer, nor while the enterprise rates."""


@transaction("cases.correct")
def ask(actor: Actor, case_id: UUID, asked: str) -> Case:
    """Asks the enterprise for something, once at a time: by the county, or the agency that has the case.

    Raises DomainError `not_found`, `case_state` or `correction_open`.
    """
    case = case_moves.hold_in(case_id, *CORRECTABLE)
    case.paused_at = now()
    session().add(
        Correction(case_id=case.id, asked=asked, asked_by=signed_in(actor), asked_at=case.paused_at)
    )
    audit.record(actor, "case.correction_asked", case, reason=asked)
    body = f"“{case.enterprise_name}”的帮扶项目 {case.number} 需要补正：{asked}"
    people = case_moves.enterprise_people(SYSTEM, case)
    once = case_moves.once(case.paused_at)
    case_moves.tell(case, people, "case.correction_asked", "帮扶项目需要补正", body, once=once, reason=asked)
    return case


@transaction("cases.write")
def answer(actor: Actor, case_id: UUID, text: str) -> Case:
    """Answers what was asked; the clock goes on. Raises DomainError `not_found` or `correction_none`."""
    case, correction = _hold_open(case_id)
    correction.answer = text
    _end(actor, case, correction)
    audit.record(actor, "case.correction_answered", case)
    body = f"“{case.enterprise_name}”已答复帮扶项目 {case.number} 的补正要求：{text}"
    people = case_moves.concerned(SYSTEM, case) - {actor.user_id}
    once = case_moves.once(correction.asked_at)
    case_moves.tell(case, people, "case.correction_answered", "补正已答复", body, once=once)
    return case


@transaction("cases.correct")
def take_back(actor: Actor, case_id: UUID) -> Case:
    """Asks no longer; the clock goes on. Raises DomainError `not_found` or `correction_none`."""
    case, correction = _hold_open(case_id)
    _end(actor, case, correction)
    audit.record(actor, "case.correction_taken_back", case)
    body = f"帮扶项目 {case.number} 的补正要求已收回，无需再答复。"
    people = case_moves.enterprise_people(SYSTEM, case)
    once = case_moves.once(correction.asked_at)
    case_moves.tell(case, people, "case.correction_taken_back", "补正要求已收回", body, once=once)
    return case


def _hold_open(case_id: UUID) -> tuple[Case, Correction]:
    case = case_moves.hold(case_id)
    found = session().execute(open_one(case_id)).scalar()
    if found is None:
        raise DomainError("correction_none")
    return case, found


def open_one(case_id: UUID) -> Any:
    """Returns the statement that finds what a case's enterprise has to answer."""
    return select(Correction).where(Correction.case_id == case_id, Correction.ended_at.is_(None))


def _end(actor: Actor, case: Case, correction: Correction) -> None:
    moment, paused_at = now(), correction.asked_at
    correction.ended_at, correction.ended_by = moment, actor.user_id
    case.paused_seconds += int((moment - paused_at).total_seconds())
    case.due_at = moved_on(case.due_at, paused_at, moment)
    case.paused_at = None
    session().flush()


def moved_on(due_at: datetime | None, paused_at: datetime, moment: datetime) -> datetime | None:
    """Returns the deadline of a step whose clock stood still from `paused_at` until `moment`."""
    if due_at is None or due_at <= paused_at:
        return due_at
    return working_days.later(moment, working_days.left(paused_at, due_at))
