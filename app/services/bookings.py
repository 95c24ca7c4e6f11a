"""Bookings 预约: an enterprise holds a slot while it fills in the form, books it, moves it, takes it back.

That an expert is never booked twice is the constraint on the table: a slot is taken by one INSERT or UPDATE
that it refuses. Lock order: expert, then booking, then case, then agency.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from app import audit, notices
from app.access import SYSTEM, Actor
from app.errors import DomainError
from app.pagination import Listing, Page
from app.prepared import Prepared
from app.services import booking_moves, booking_notices, cases, enterprises, offered_slots
from app.services.offered_slots import Slot
from app.transactions import session, transaction
from models.agencies import Agency, Expert
from models.base import new_id, now
from models.bookings import HOLD_MINUTES, PASSING, Booking, BookingState, Meeting
from models.cases import OPEN, Case
from models.enterprises import EnterpriseState
from models.lifecycle import move

# Two constraints may refuse it: the expert is taken, or the enterprise holds another slot.
_HOLD = Prepared(insert(Booking).on_conflict_do_nothing().returning(Booking.id))


@transaction("bookings.write")
def hold(actor: Actor, agency_id: UUID, enterprise_id: UUID, expert_id: UUID, starts_at: datetime) -> Any:
    """Keeps a slot for HOLD_MINUTES while the enterprise fills in the form, and gives up what it held before.

    Raises DomainError `not_found`, `enterprise_not_reviewed`, `case_with_other_agency`, `hold_exists`,
    `slot_taken` or what `offered_slots.find` raises.
    """
    enterprise = enterprises.find(enterprise_id)
    if enterprise.state != EnterpriseState.reviewed:
        raise DomainError("enterprise_not_reviewed", state=enterprise.state.label)
    _require_its_agency(enterprise_id, agency_id)
    slot = offered_slots.find(SYSTEM, agency_id, expert_id, starts_at)
    booking_moves.lapse(SYSTEM, expert_id=expert_id, enterprise_id=enterprise_id)
    booking_id = new_id()
    taken = _HOLD.first(
        id=booking_id,
        agency_id=agency_id,
        enterprise_id=enterprise_id,
        enterprise_name=enterprise.name,
        division_id=enterprise.division_id,
        created_by=enterprises.signed_in(actor),
        need="",
        state=BookingState.held,
        hold_expires_at=now() + timedelta(minutes=HOLD_MINUTES),
        revision=0,
        **_of_slot(slot),
    )
    if taken is None:
        held = select(Booking.id).where(
            Booking.enterprise_id == enterprise_id, Booking.state == BookingState.held
        )
        raise DomainError("hold_exists" if session().execute(held).first() else "slot_taken")
    subject = (Booking.__tablename__, booking_id)
    audit.record(actor, "booking.held", subject, division=enterprise.division_id)
    return _details(booking_id)


@transaction("bookings.write")
def book(
    actor: Actor,
    booking_id: UUID,
    *,
    need: str,
    contact_name: str,
    contact_phone: str,
    place: str | None = None,
) -> Any:
    """Books the slot that is held, in the open case of the enterprise; without one it opens a case.

    Both sides are told. Raises DomainError `not_found`, `hold_lapsed`, `case_with_other_agency`,
    `validation_failed` (where to come to) or what `cases.open_for_booking` raises; IllegalMove.
    """
    booking = booking_moves.hold_row(booking_id)
    if booking.state == BookingState.lapsed or booking_moves.overdue(booking):
        raise DomainError("hold_lapsed")
    _require_its_agency(booking.enterprise_id, booking.agency_id)
    move(booking, BookingState.booked)
    booking.hold_expires_at = None
    booking.place = _where(booking.meeting, booking.place, place)
    booking.need, booking.contact_name, booking.contact_phone = need, contact_name, contact_phone
    wish = cases.Wish(need, contact_name, contact_phone, wanted=[])
    booking.case_id = cases.open_for_booking(actor, booking, wish)
    audit.record(actor, "booking.made", booking)
    session().flush()
    booking_notices.tell_both(booking, "booking.made", "预约成功")
    return _details(booking_id)


@transaction("bookings.write")
def change(
    actor: Actor,
    booking_id: UUID,
    starts_at: datetime,
    *,
    expert_id: UUID | None = None,
    place: str | None = None,
) -> Any:
    """Moves a booking to another slot of the agency, until its deadline; it keeps its id, and both are told.

    Raises DomainError `not_found`, `illegal_move`, `booking_deadline_passed`, `slot_taken`,
    `validation_failed` (where to come to) or what `offered_slots.find` raises.
    """
    found = _find(booking_id)
    _require_changeable(found)
    wanted = expert_id or found.expert_id
    # Both, in one order: of two bookings that change places neither waits for what the other gives back.
    for one in sorted({wanted, found.expert_id}):
        offered_slots.hold_expert(SYSTEM, one, found.agency_id)
    slot = offered_slots.find(SYSTEM, found.agency_id, wanted, starts_at)
    booking = booking_moves.hold_row(booking_id)
    _require_changeable(booking)
    if (slot.expert_id, slot.starts_at) == (booking.expert_id, booking.starts_at):
        return _details(booking_id)
    booking_moves.lapse(SYSTEM, expert_id=slot.expert_id)
    kept = booking.place if booking.meeting == Meeting.onsite else None
    given = _where(slot.meeting, slot.place, place or kept)
    before = {one: getattr(booking, one) for one in ("starts_at", "expert_id")}
    try:
        with session().begin_nested():
            for name, value in _of_slot(slot).items():
                setattr(booking, name, value)
            booking.place = given
            booking.revision += 1
            session().flush()
    except IntegrityError:
        raise DomainError("slot_taken") from None
    audit.record(actor, "booking.changed", booking, time=notices.when(before["starts_at"]))
    if booking.expert_id != before["expert_id"]:
        booking_notices.tell_expert_left(booking, before["expert_id"])
    booking_notices.tell_both(booking, "booking.changed", "预约已改时间")
    return _details(booking_id)


@transaction("bookings.write")
def cancel(actor: Actor, booking_id: UUID, reason: str | None = None) -> Any:
    """Takes a booking back, until its deadline, and tells the agency; or gives up a slot that is only held.

    Raises DomainError `not_found` or `booking_deadline_passed`, IllegalMove.
    """
    booking = booking_moves.hold_row(booking_id)
    if booking.state == BookingState.held:
        move(booking, BookingState.lapsed)
        booking.hold_expires_at = None
        audit.record(actor, "booking.released", booking)
    else:
        move(booking, BookingState.cancelled)
        _require_in_time(booking)
        booking.state_reason = reason
        audit.record(actor, "booking.cancelled", booking, **({"reason": reason} if reason else {}))
        session().flush()
        booking_notices.tell_agency(
            booking, "booking.cancelled", "企业取消预约", reason=reason or "未说明原因"
        )
    session().flush()
    return _details(booking_id)


def _require_its_agency(enterprise_id: UUID, agency_id: UUID) -> None:
    """Raises DomainError `case_with_other_agency` where another agency works on the enterprise's case."""
    theirs = (
        select(Agency.name)
        .join(Case, Case.agency_id == Agency.id)
        .where(Case.enterprise_id == enterprise_id, Case.state.in_(OPEN), Case.agency_id != agency_id)
    )
    other = session().execute(theirs).scalar()
    if other is not None:
        raise DomainError("case_with_other_agency", agency=other)


def _require_changeable(booking: Booking) -> None:
    if booking.state != BookingState.booked:
        raise DomainError("illegal_move", current=booking.state.label, target="改约")
    _require_in_time(booking)


def _require_in_time(booking: Booking) -> None:
    if now() >= booking.cancel_deadline:
        raise DomainError("booking_deadline_passed", deadline=notices.when(booking.cancel_deadline))


def _of_slot(slot: Slot) -> dict[str, Any]:
    return {name: getattr(slot, name) for name in slot.__dataclass_fields__}


def _where(meeting: Meeting, place: str, given: str | None) -> str:
    """Returns where to meet: the window says so, except that an expert who comes must be told where to."""
    if place or meeting != Meeting.onsite:
        return place
    if not given:
        raise DomainError("validation_failed", fields={"place": ["专家上门，请填写企业的详细地址"]})
    return given


# --- looking


LISTED = (
    select(
        Booking.id,
        Booking.agency_id,
        Agency.name.label("agency_name"),
        Booking.expert_id,
        Expert.name.label("expert_name"),
        Booking.enterprise_id,
        Booking.enterprise_name,
        Booking.division_id,
        Booking.case_id,
        Booking.starts_at,
        Booking.ends_at,
        Booking.meeting,
        Booking.place,
        Booking.need,
        Booking.contact_name,
        Booking.contact_phone,
        Booking.state,
        Booking.state_reason,
        Booking.hold_expires_at,
        Booking.cancel_deadline,
        Booking.revision,
        Booking.created_at,
    )
    .join(Agency, Agency.id == Booking.agency_id)
    .join(Expert, Expert.id == Booking.expert_id)
)
"""Bookings with the names of agency and expert, as every list shows them."""
_OWN_LIST = Listing(
    LISTED,
    [Booking.id],
    newest=True,
    enterprise=Booking.enterprise_id == bindparam("enterprise"),
    state=Booking.state == bindparam("state"),
)


@transaction("bookings.read")
def list_own(
    _actor: Actor,
    cursor: str | None,
    limit: int,
    enterprise_id: UUID | None = None,
    state: BookingState | None = None,
) -> Page:
    """Returns the bookings of the actor's enterprises, newest first."""
    return _OWN_LIST.page(cursor, limit, enterprise=enterprise_id, state=state)


@transaction("bookings.read")
def get(_actor: Actor, booking_id: UUID) -> Any:
    """Returns one booking of the actor's enterprises; raises DomainError `not_found`."""
    return _details(booking_id)


@transaction("bookings.read")
def made(_actor: Actor, booking_id: UUID) -> Mapping[str, Any]:
    """Returns one booking that was made, not only held; raises DomainError `not_found`."""
    found = _details(booking_id)
    if found.state in PASSING:
        raise DomainError("not_found")
    return dict(found._mapping)


def _details(booking_id: UUID) -> Any:
    found = session().execute(LISTED.where(Booking.id == booking_id)).first()
    if found is None:
        raise DomainError("not_found")
    return found


def _find(booking_id: UUID) -> Booking:
    found = session().execute(select(Booking).where(Booking.id == booking_id)).scalar()
    if found is None:
        raise DomainError("not_found")
    return found
