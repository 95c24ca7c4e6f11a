"""Offers 派单: a case is offered to agencies; the first that accepts has it.

Every act about an offer holds its case first. Of two agencies that accept at once the second finds the
offer closed; of two cases that one agency accepts with room for one, the one UPDATE of its row decides.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import select, update

from app import audit, notices, outbox, working_days
from app.access import SYSTEM, Actor
from app.errors import DomainError
from app.services import booking_moves, case_moves
from app.services.enterprises import signed_in
from app.transactions import session, transaction
from models.agencies import Agency, Expert
from models.base import now
from models.bookings import BookingState
from models.cases import LIMITS, Case, CaseOffer, CaseState, OfferState
from models.lifecycle import move

ANSWER_WITHIN = 2
"""Working days for an answer where config/reference/step-deadlines.json says nothing."""


@transaction("cases.route")
def offer(actor: Actor, case_id: UUID, agency_ids: Collection[UUID]) -> Case:
    """Offers a case to one agency or to several at once; their staff are told until when to answer.

    Raises DomainError `not_found`, `case_state`, `correction_open`, `offers_number` or
    `agency_unavailable`.
    """
    case = case_moves.hold_in(case_id, CaseState.routing)
    make(actor, case, agency_ids)
    return case


def make(actor: Actor, case: Case, agency_ids: Collection[UUID]) -> None:
    """Does what `offer` says with a held case in 待派机构, in the act that is under way."""
    chosen = list(dict.fromkeys(agency_ids))
    least, most = LIMITS["offers"]
    if not least <= len(chosen) <= most:
        raise DomainError(
            "offers_number", most=most, fields={"agency_ids": [f"请选择 {least}–{most} 家机构"]}
        )
    there = select(Agency.id).where(Agency.id.in_(chosen), Agency.active)
    if len(session().execute(there).all()) < len(chosen):
        raise DomainError("agency_unavailable", fields={"agency_ids": ["有机构已不参与帮扶，请重新选择"]})
    days = case_moves.working_days_for(CaseState.offered)
    answer_by = working_days.after(now(), ANSWER_WITHIN if days is None else days)
    for agency_id in chosen:
        session().add(
            CaseOffer(
                case_id=case.id,
                agency_id=agency_id,
                state=OfferState.waiting,
                offered_by=signed_in(actor),
                offered_at=now(),
                answer_by=answer_by,
            )
        )
    case_moves.advance(actor, case, CaseState.offered)
    until = notices.when(answer_by)
    body = f"“{case.enterprise_name}”的帮扶项目 {case.number} 派给本机构，请于 {until} 前接单或拒单。"
    people = case_moves.agency_staff(SYSTEM, chosen)
    once = case_moves.once(case.state_since)
    case_moves.tell(case, people, "case.offered", "新的派单", body, once=once, deadline=until)
    outbox.defer("cases.expire_offers", at=answer_by, case_id=str(case.id))


@transaction("cases.route")
def recall(actor: Actor, case_id: UUID, reason: str) -> Case:
    """Takes all offers back, so that it is routed anew; raises DomainError `not_found` or `case_state`."""
    case = case_moves.hold_in(case_id, CaseState.offered)
    case_moves.advance(actor, case, CaseState.routing, reason)
    return case


# --- what an agency answers


@transaction("cases.work")
def accept(actor: Actor, offer_id: UUID) -> Case:
    """Takes a case for the agency; what else was offered of it is closed.

    Raises DomainError `not_found`, `offer_over` (answered, taken back, or somebody was quicker) or
    `agency_full` (as many cases under way as it has room for).
    """
    case, mine = _hold_waiting(offer_id)
    _take_room(mine.agency_id)
    _answer(mine, OfferState.accepted)
    case.agency_id = mine.agency_id
    case.expert_id = _own_expert(actor, mine.agency_id)
    case_moves.advance(actor, case, CaseState.diagnosis)
    return case


def _own_expert(actor: Actor, agency_id: UUID) -> UUID | None:
    """Returns the expert that the actor is, if any: whoever accepts in the field leads the case.

    Held until the act is over: an expert who is being taken out of service now does not lead it.
    """
    own = (Expert.agency_id == agency_id, Expert.active, Expert.user_id == actor.user_id)
    return session().execute(select(Expert.id).where(*own).with_for_update(read=True)).scalar()


def _take_room(agency_id: UUID) -> None:
    """Counts one more case under way, where there is room for it; raises DomainError `agency_full`."""
    room = (Agency.id == agency_id, Agency.active, Agency.under_way < Agency.capacity)
    taken = update(Agency).where(*room).values(under_way=Agency.under_way + 1).returning(Agency.id)
    if session().execute(taken, execution_options={"synchronize_session": False}).first() is None:
        raise DomainError("agency_full")


@transaction("cases.work")
def decline(actor: Actor, offer_id: UUID, reason: str) -> None:
    """Declines a case; the last to do so sends it back to be routed again, which the county is told.

    Raises DomainError `not_found` or `offer_over`.
    """
    case, mine = _hold_waiting(offer_id)
    _answer(mine, OfferState.declined, reason)
    audit.record(actor, "case.offer_declined", case, reason=reason, agency=str(mine.agency_id))
    booking_moves.end_with_case(SYSTEM, case.id, BookingState.revoked, reason, of=mine.agency_id)
    body = f"有机构未承接“{case.enterprise_name}”的帮扶项目 {case.number}。原因：{reason}"
    county = case_moves.county_staff(SYSTEM, case.division_id)
    once = case_moves.once(now())
    case_moves.tell(case, county, "case.offer_declined", "派单被拒", body, once=once, reason=reason)
    _back_if_none_waits(actor, case, "机构均未接单")


def _hold_waiting(offer_id: UUID) -> tuple[Case, CaseOffer]:
    """Returns an offer in reach that can be answered now, and its case, both held."""
    of = select(CaseOffer.case_id).where(CaseOffer.id == offer_id)
    case_id = session().execute(of).scalar()
    if case_id is None:
        raise DomainError("not_found")
    case = case_moves.hold_any(SYSTEM, case_id)
    wanted = select(CaseOffer).where(CaseOffer.id == offer_id)
    mine = session().execute(wanted, execution_options={"populate_existing": True}).scalar_one()
    if mine.state != OfferState.waiting:
        raise DomainError("offer_over", state=mine.state.label)
    if mine.answer_by <= now():
        raise DomainError("offer_over", state=OfferState.expired.label)
    return case, mine


def _answer(offered: CaseOffer, state: OfferState, reason: str | None = None) -> None:
    move(offered, state)
    offered.reason, offered.answered_at = reason, now()
    session().flush()


def _back_if_none_waits(actor: Actor, case: Case, reason: str) -> None:
    if not _waiting(SYSTEM, case.id):
        case_moves.advance(actor, case, CaseState.routing, reason)


@transaction(None)
def _waiting(_system: Actor, case_id: UUID) -> list[CaseOffer]:
    waiting = (CaseOffer.case_id == case_id, CaseOffer.state == OfferState.waiting)
    wanted = select(CaseOffer).where(*waiting).order_by(CaseOffer.id)
    return list(session().execute(wanted, execution_options={"populate_existing": True}).scalars())


# --- what nobody answers


@transaction(None)
def overdue(_system: Actor) -> list[UUID]:
    """Returns the cases with an offer whose time is up."""
    late = (CaseOffer.state == OfferState.waiting, CaseOffer.answer_by <= now())
    return list(session().execute(select(CaseOffer.case_id).where(*late).distinct()).scalars())


@transaction(None)
def expire(system: Actor, case_id: UUID) -> int:
    """Ends the offers of a case that nobody answered in time; the last one sends it back to the queue.

    Returns how many ended. A job whose case was answered, recalled or withdrawn finds nothing to do.
    """
    case = case_moves.hold(case_id)
    late = [one for one in _waiting(system, case_id) if one.answer_by <= now()]
    for one in late:
        _answer(one, OfferState.expired)
        audit.record(system, "case.offer_expired", case, agency=str(one.agency_id))
    if late:
        _back_if_none_waits(system, case, "机构逾期未答复")
    return len(late)


# --- what is shown

_LISTED: tuple[Any, ...] = (
    CaseOffer.id,
    CaseOffer.case_id,
    CaseOffer.agency_id,
    CaseOffer.state,
    CaseOffer.offered_at,
    CaseOffer.answer_by,
    Case.number,
    Case.enterprise_name,
    Case.division_id,
    Case.need,
    Case.wanted,
    Case.scheme,
)


@transaction("cases.work")
def to_answer(_actor: Actor) -> list[Any]:
    """Returns the offers that wait for an answer of the actor's agency, the most urgent first.

    What is asked for is told; whom to call there, only whoever accepts.
    """
    waiting = (CaseOffer.state == OfferState.waiting, CaseOffer.answer_by > now())
    mine = select(CaseOffer.id).where(*waiting)
    return _described(SYSTEM, list(session().execute(mine).scalars()))


@transaction(None)
def _described(_system: Actor, offer_ids: Collection[UUID]) -> list[Any]:
    found = select(*_LISTED).join(Case, Case.id == CaseOffer.case_id).where(CaseOffer.id.in_(offer_ids))
    return list(session().execute(found.order_by(CaseOffer.answer_by, CaseOffer.id)))


@transaction("cases.route")
def of_case(_actor: Actor, case_id: UUID) -> list[Any]:
    """Returns all offers of a case in reach with the names of the agencies, the latest first."""
    columns = (CaseOffer.state, CaseOffer.reason, CaseOffer.offered_at, CaseOffer.answer_by)
    found = select(*columns, Agency.name).join(Agency, Agency.id == CaseOffer.agency_id)
    of = found.where(CaseOffer.case_id == case_id)
    return list(session().execute(of.order_by(CaseOffer.offered_at.desc(), Agency.name)))
