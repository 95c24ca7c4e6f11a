"""How a case moves: one transition at a time, each a row, each told to those concerned.

Whoever moves a case holds its row first, so that of two people who decide at once the second sees what
the first has done. Lock order: case, then its offers and corrections, then agency.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, literal, or_, select, update
from sqlalchemy.exc import IntegrityError

from app import audit, notices, outbox, working_days
from app.access import SYSTEM, Actor
from app.errors import DomainError
from app.services import booking_moves, memberships
from app.transactions import session, transaction
from models.agencies import Agency
from models.base import now
from models.bookings import BookingState
from models.cases import (
    OPEN,
    WORKED,
    Case,
    CaseOffer,
    CaseState,
    CaseTransition,
    Correction,
    OfferState,
    StepDeadline,
)
from models.lifecycle import move
from models.people import RoleGrant

EARLY = (CaseState.refused, CaseState.withdrawn, CaseState.terminated)
"""How a case ends without having been finished: also while it waits for a correction."""

_UNSYNCHRONISED = {"synchronize_session": False}


def hold(case_id: UUID) -> Case:
    """Returns a case in reach as it is now, held until the act is over; raises DomainError `not_found`."""
    wanted = select(Case).where(Case.id == case_id).with_for_update()
    found = session().execute(wanted, execution_options={"populate_existing": True}).scalar()
    if found is None:
        raise DomainError("not_found")
    return found


@transaction(None)
def hold_any(_system: Actor, case_id: UUID) -> Case:
    """Returns a case as `hold` does, whoever's it is: for what the program does by itself."""
    return hold(case_id)


def hold_in(case_id: UUID, *states: CaseState) -> Case:
    """Returns a case as `hold` does, which must be in one of the states and not wait for a correction.

    Raises DomainError `not_found`, `case_state` or `correction_open`.
    """
    case = hold(case_id)
    require_state(case, *states)
    if case.paused_at is not None:
        raise DomainError("correction_open")
    return case


def require_state(case: Case, *states: CaseState) -> None:
    """Raises DomainError `case_state` unless the case is in one of the states."""
    if case.state not in states:
        raise DomainError("case_state", state=case.state.label)


def start(actor: Actor, case: Case, *, tells: bool = True) -> None:
    """Writes a new case, within the act under way; its index decides that it is the one open case.

    Raises DomainError `case_open`, whose details name the other.
    """
    try:
        with session().begin_nested():
            session().add(case)
    except IntegrityError:
        other = _open_case(SYSTEM, case.enterprise_id)
        raise DomainError(
            "case_open", number=other.number, state=other.state.label, id=str(other.id)
        ) from None
    _enter(actor, case, None, None)
    if tells:
        _tell_moved(actor, case, None)


@transaction(None)
def _open_case(_system: Actor, enterprise_id: UUID) -> Case:
    open_ = (Case.enterprise_id == enterprise_id, Case.state.in_(OPEN))
    return session().execute(select(Case).where(*open_)).scalar_one()


def advance(
    actor: Actor, case: Case, target: CaseState, reason: str | None = None, *, tells: bool = True
) -> None:
    """Moves a held case on, within the act under way; tells those concerned.

    Offers that still wait and a correction that is still open end with the step they belong to; bookings to
    come end with the case, or when another agency has it. Raises IllegalMove, or DomainError
    `correction_open` while the enterprise has a correction to make.
    """
    if case.paused_at is not None and target not in EARLY:
        raise DomainError("correction_open")
    was = case.state
    move(case, target)
    if case.paused_at is not None:
        _end_correction(SYSTEM, case.id, actor.user_id)
    _enter(actor, case, was, reason)
    if was == CaseState.offered:
        _close_offers(SYSTEM, case)
    if was in WORKED and target not in WORKED and case.agency_id:
        leave = update(Agency).where(Agency.id == case.agency_id).values(under_way=Agency.under_way - 1)
        session().execute(leave, execution_options=_UNSYNCHRONISED)
    if target in EARLY:
        over = BookingState.cancelled if target == CaseState.withdrawn else BookingState.revoked
        booking_moves.end_with_case(SYSTEM, case.id, over, f"帮扶项目{case.state.label}")
    if was == CaseState.offered and target == CaseState.diagnosis:
        other = "帮扶项目由其他机构承接"
        booking_moves.end_with_case(SYSTEM, case.id, BookingState.revoked, other, but=case.agency_id)
    if tells:
        _tell_moved(actor, case, reason)


def _enter(actor: Actor, case: Case, was: CaseState | None, reason: str | None) -> None:
    """Writes the transition into the state that the case is in, and sets its clock."""
    moment, paused = now(), case.paused_seconds
    if case.paused_at is not None:
        paused += int((moment - case.paused_at).total_seconds())
    session().add(
        CaseTransition(
            case_id=case.id,
            from_state=was.value if was else None,
            to_state=case.state,
            by_user_id=actor.user_id,
            reason=reason,
            paused_seconds=paused,
            at=moment,
        )
    )
    case.state_since, case.state_reason = moment, reason if case.state in EARLY else None
    case.paused_at, case.paused_seconds, case.escalated = None, 0, 0
    days = working_days_for(case.state)
    case.due_at = None if days is None else working_days.after(moment, days)
    if case.state == CaseState.closed:
        case.closed_at = moment
    audit.record(actor, f"case.{case.state}", case, **({"reason": reason} if reason else {}))
    session().flush()


def working_days_for(state: CaseState) -> int | None:
    """Returns how many working days a step has; None for one without a deadline."""
    deadline = session().get(StepDeadline, state.value)
    return deadline.working_days if deadline else None


@transaction(None)
def _end_correction(_system: Actor, case_id: UUID, user_id: UUID | None) -> None:
    ended = update(Correction).where(Correction.case_id == case_id, Correction.ended_at.is_(None))
    session().execute(ended.values(ended_at=now(), ended_by=user_id), execution_options=_UNSYNCHRONISED)


@transaction(None)
def _close_offers(_system: Actor, case: Case) -> None:
    """Ends the offers of a case that still wait, and tells those agencies that there is nothing to answer."""
    waiting = (CaseOffer.case_id == case.id, CaseOffer.state == OfferState.waiting)
    closed = update(CaseOffer).where(*waiting).values(state=OfferState.closed, answered_at=now())
    agencies = session().execute(closed.returning(CaseOffer.agency_id), execution_options=_UNSYNCHRONISED)
    body = f"“{case.enterprise_name}”的帮扶项目 {case.number} 已由其他机构承接或已收回，不需再答复。"
    people = agency_staff(SYSTEM, set(agencies.scalars()))
    tell(case, people, "case.offer_closed", "派单已收回", body, once=once(case.state_since))


def _tell_moved(actor: Actor, case: Case, reason: str | None) -> None:
    people = concerned(SYSTEM, case) - {actor.user_id}
    because = f"原因：{reason}" if reason else ""
    until = f"本环节请于 {when_due(case)} 前办理。" if case.due_at else ""
    body = f"“{case.enterprise_name}”的帮扶项目 {case.number} 现为“{case.state.label}”。{because}{until}"
    tell(case, people, "case.moved", f"帮扶项目：{case.state.label}", body, once=once(case.state_since))


def once(moment: datetime) -> str:
    """Returns what tells one notice of a kind about a case from the next: when it was."""
    return f"{moment.timestamp():.3f}"


def tell(
    case: Case,
    people: Collection[UUID | None],
    kind: str,
    title: str,
    body: str,
    *,
    once: str = "",
    **more: str,
) -> None:
    """Leaves a notice about a case for people, within the act under way."""
    facts = {"enterprise": case.enterprise_name, "case": case.number, "state": case.state.label, **more}
    outbox.notify_many([one for one in people if one], kind, case, title, body, facts, once=once)


@transaction(None)
def concerned(_system: Actor, case: Case) -> set[UUID | None]:
    """Returns whom a case concerns: its enterprise's people, its agency's staff, the county's."""
    agency = {case.agency_id} if case.agency_id else set()
    people = county_staff(SYSTEM, case.division_id) | agency_staff(SYSTEM, agency)
    return enterprise_people(SYSTEM, case) | people


@transaction(None)
def enterprise_people(_system: Actor, case: Case) -> set[UUID | None]:
    """Returns who asked for a case, and the owner of its enterprise."""
    return {case.created_by, memberships.owner(SYSTEM, case.enterprise_id)}


@transaction(None)
def agency_staff(_system: Actor, agency_ids: Collection[UUID]) -> set[UUID]:
    """Returns the staff of agencies."""
    scopes = [str(one) for one in agency_ids]
    held = and_(RoleGrant.role == "agency_staff", RoleGrant.scope_id.in_(scopes))
    return set(session().execute(select(RoleGrant.user_id).where(held)).scalars()) if scopes else set()


@transaction(None)
def county_staff(_system: Actor, division_id: str) -> set[UUID]:
    """Returns the staff of the county bureau to which a division belongs."""
    return _staff_above("county_staff", division_id)


@transaction(None)
def city_staff(_system: Actor, division_id: str) -> set[UUID]:
    """Returns the staff of the city bureau to which a division belongs."""
    return _staff_above("city_staff", division_id)


def _staff_above(role: str, division_id: str) -> set[UUID]:
    """Returns who holds the role in a division or in one above it."""
    here = literal(division_id)
    above: ColumnElement[bool] = or_(
        here == RoleGrant.scope_id, here.startswith(RoleGrant.scope_id.concat("."), autoescape=False)
    )
    held = select(RoleGrant.user_id).where(RoleGrant.role == role, above)
    return set(session().execute(held).scalars())


def when_due(case: Case) -> str:
    """Returns a case's deadline as notices tell it."""
    return notices.when(case.due_at) if case.due_at else "不限"
