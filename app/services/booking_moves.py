"""What becomes of bookings: lapsed holds, and what the agency says of a booking (见面、未到、请假、取消)."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import and_, or_, select, update

from app import audit
from app.access import SYSTEM, Actor
from app.errors import DomainError
from app.services import booking_notices
from app.transactions import session, transaction
from models.base import now
from models.bookings import Booking, BookingState
from models.lifecycle import move


def hold_row(booking_id: UUID) -> Booking:
    """Returns a booking in reach as it is now, held until the act is over; raises DomainError `not_found`."""
    wanted = select(Booking).where(Booking.id == booking_id).with_for_update()
    found = session().execute(wanted, execution_options={"populate_existing": True}).scalar()
    if found is None:
        raise DomainError("not_found")
    return found


def overdue(booking: Booking) -> bool:
    """Returns whether a booking is a hold whose time is up."""
    return booking.hold_expires_at is not None and booking.hold_expires_at <= now()


@transaction(None)
def lapse(_system: Actor, *, expert_id: UUID | None = None, enterprise_id: UUID | None = None) -> int:
    """Ends the holds whose time is up, and returns how many.

    Args:
        expert_id: only those of this expert.
        enterprise_id: what this enterprise holds ends too, whatever its time.
    """
    over = Booking.hold_expires_at <= now()
    if expert_id is not None:
        over = and_(over, Booking.expert_id == expert_id)
    if enterprise_id is not None:
        over = or_(over, Booking.enterprise_id == enterprise_id)
    # In one order, so that two that end the same holds do not wait for each other.
    held = select(Booking.id).where(Booking.state == BookingState.held, over).order_by(Booking.id)
    ended = (
        update(Booking)
        .where(Booking.id.in_(held.with_for_update()))
        .values(state=BookingState.lapsed, hold_expires_at=None)
        .returning(Booking.id)
    )
    return len(session().execute(ended, execution_options={"synchronize_session": False}).all())


@transaction("bookings.manage")
def revoke(actor: Actor, booking_id: UUID, reason: str) -> Booking:
    """Takes a booking back on the agency's side, before it begins; the enterprise is told why.

    Raises DomainError `not_found` or `booking_begun`, IllegalMove.
    """
    booking = hold_row(booking_id)
    revoke_held(actor, booking, reason)
    return booking


def revoke_held(actor: Actor, booking: Booking, reason: str) -> None:
    """Does what `revoke` says with a booking that is held, in the act that is under way."""
    move(booking, BookingState.revoked)
    if now() >= booking.starts_at:
        raise DomainError("booking_begun")
    booking.state_reason = reason
    audit.record(actor, "booking.revoked", booking, reason=reason)
    session().flush()
    booking_notices.tell_enterprise(booking, "booking.revoked", "机构取消预约", reason=reason)


@transaction("bookings.manage")
def excuse(actor: Actor, booking_id: UUID, reason: str) -> Booking:
    """Notes that the enterprise has excused itself, whatever the deadline; it is told that this was noted.

    Raises DomainError `not_found`, IllegalMove.
    """
    booking = hold_row(booking_id)
    move(booking, BookingState.excused)
    booking.state_reason = reason
    audit.record(actor, "booking.excused", booking, reason=reason)
    session().flush()
    booking_notices.tell_enterprise(booking, "booking.excused", "已登记请假", reason=reason)
    return booking


@transaction("bookings.manage")
def see(actor: Actor, booking_id: UUID) -> Booking:
    """Notes that they met, once it has begun.

    Raises DomainError `not_found` or `booking_ahead`, IllegalMove.
    """
    booking = _begun(booking_id, BookingState.seen)
    audit.record(actor, "booking.seen", booking)
    return booking


@transaction("bookings.manage")
def miss(actor: Actor, booking_id: UUID) -> Booking:
    """Notes that the enterprise did not come, once it has begun; it is told so.

    Raises DomainError `not_found` or `booking_ahead`, IllegalMove.
    """
    booking = _begun(booking_id, BookingState.no_show)
    audit.record(actor, "booking.no_show", booking)
    session().flush()
    booking_notices.tell_enterprise(booking, "booking.no_show", "预约未到")
    return booking


def _begun(booking_id: UUID, target: BookingState) -> Booking:
    booking = hold_row(booking_id)
    move(booking, target)
    if now() < booking.starts_at:
        raise DomainError("booking_ahead")
    return booking


@transaction("bookings.manage")
def reveal_contact(actor: Actor, booking_id: UUID) -> tuple[str, str]:
    """Returns name and telephone of whom to ask for, and leaves word of who saw them (PIPL 51, 54).

    Raises DomainError `not_found`, also where there is no contact.
    """
    found = session().execute(select(Booking).where(Booking.id == booking_id)).scalar()
    if found is None or not (found.contact_name and found.contact_phone):
        raise DomainError("not_found")
    audit.record(actor, "personal.revealed", found, what="phone")
    return found.contact_name, found.contact_phone


@transaction(None)
def end_with_case(
    system: Actor,
    case_id: UUID,
    target: BookingState,
    reason: str,
    *,
    of: UUID | None = None,
    but: UUID | None = None,
) -> None:
    """Takes back the bookings to come of a case that is over or goes to another agency, and tells both sides.

    Args:
        target: cancelled where the enterprise ended it, else revoked.
        of, but: only those with this agency; all but those with this one.
    """
    coming = select(Booking).where(
        Booking.case_id == case_id, Booking.state == BookingState.booked, Booking.starts_at > now()
    )
    if of is not None:
        coming = coming.where(Booking.agency_id == of)
    if but is not None:
        coming = coming.where(Booking.agency_id != but)
    # The case is held already. Whoever holds one of these wants nothing of it: only booking does, and what is
    # about to be booked is not among them.
    ordered = coming.order_by(Booking.id).with_for_update()
    for booking in session().execute(ordered, execution_options={"populate_existing": True}).scalars().all():
        move(booking, target)
        booking.state_reason = reason
        audit.record(system, f"booking.{target}", booking, reason=reason)
        session().flush()
        booking_notices.tell_both(booking, f"booking.{target}", "预约随帮扶项目取消", reason=reason)


@transaction(None)
def move_to(_system: Actor, keep_id: UUID, drop_id: UUID) -> int:
    """Hands the bookings of an enterprise that was merged over to the other; returns how many."""
    lapse(SYSTEM, enterprise_id=drop_id)
    moved = update(Booking).where(Booking.enterprise_id == drop_id).values(enterprise_id=keep_id)
    found = session().execute(moved.returning(Booking.id), execution_options={"synchronize_session": False})
    return len(found.all())
