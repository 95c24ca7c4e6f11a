"""Absences 不可预约: times in which an expert is away, and what becomes of the bookings that lie in them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, select, update

from app import audit
from app.access import SYSTEM, Actor
from app.errors import DomainError
from app.services import availability, booking_moves, offered_slots
from app.transactions import session, transaction
from models.base import now
from models.bookings import Absence, Booking, BookingState, Touched

LONGEST = timedelta(days=366)


@transaction("bookings.manage")
def coming(actor: Actor, expert_id: UUID) -> list[Any]:
    """Returns the absences of an expert that are not over; raises DomainError `not_found`."""
    availability.expert_of(actor, expert_id)
    found = select(Absence.id, Absence.starts_at, Absence.ends_at, Absence.reason)
    ahead = found.where(Absence.expert_id == expert_id, Absence.ends_at > now())
    return list(session().execute(ahead.order_by(Absence.starts_at)))


@transaction("bookings.manage")
def touched(actor: Actor, expert_id: UUID, starts_at: datetime, ends_at: datetime) -> list[Any]:
    """Returns the bookings to come that lie in such an absence; raises DomainError `not_found`."""
    availability.expert_of(actor, expert_id)
    return _touched(expert_id, starts_at, ends_at)


@transaction("bookings.manage")
def add(
    actor: Actor,
    expert_id: UUID,
    starts_at: datetime,
    ends_at: datetime,
    reason: str,
    bookings: Touched | None = None,
) -> Absence:
    """Adds an absence; slots that are only held in it are let go.

    Args:
        bookings: what becomes of the bookings that lie in it.

    Raises DomainError `not_found`, `validation_failed` or, where there are such bookings and it is not said
    what becomes of them, `absence_touches_bookings`.
    """
    _check(starts_at, ends_at)
    expert = availability.expert_of(actor, expert_id)
    # Nobody books meanwhile: what is touched is known until this commits.
    offered_slots.hold_expert(SYSTEM, expert.id, expert.agency_id)
    there = _touched(expert_id, starts_at, ends_at)
    if there and bookings is None:
        raise DomainError(
            "absence_touches_bookings",
            fields={"bookings": ["请选择怎样处理这些预约"]},
            count=len(there),
        )
    if bookings == Touched.revoke:
        for booking in there:
            held = booking_moves.hold_row(booking.id)
            if held.state == BookingState.booked:  # else the enterprise took it back a moment ago
                booking_moves.revoke_held(actor, held, f"专家有事：{reason}" if reason else "专家有事")
    held_in = update(Booking).where(*_in(expert_id, starts_at, ends_at), Booking.state == BookingState.held)
    session().execute(
        held_in.values(state=BookingState.lapsed, hold_expires_at=None),
        execution_options={"synchronize_session": False},
    )
    absence = Absence(
        agency_id=expert.agency_id, expert_id=expert_id, starts_at=starts_at, ends_at=ends_at, reason=reason
    )
    session().add(absence)
    session().flush()
    audit.record(actor, "absence.added", absence, expert=str(expert_id))
    return absence


@transaction("bookings.manage")
def remove(actor: Actor, absence_id: UUID) -> UUID:
    """Takes an absence back and returns whose it was; raises DomainError `not_found`."""
    absence = session().execute(select(Absence).where(Absence.id == absence_id)).scalar()
    if absence is None:
        raise DomainError("not_found")
    audit.record(actor, "absence.removed", absence, expert=str(absence.expert_id))
    session().delete(absence)
    return absence.expert_id


def _check(starts_at: datetime, ends_at: datetime) -> None:
    wrong: dict[str, list[str]] = {}
    if ends_at <= starts_at:
        wrong["ends_at"] = ["须晚于开始时间"]
    elif ends_at <= now():
        wrong["ends_at"] = ["这段时间已经过去"]
    elif ends_at - starts_at > LONGEST:
        wrong["ends_at"] = ["一次最长一年；长期离岗请停用该专家"]
    if wrong:
        raise DomainError("validation_failed", fields=wrong)


def _in(expert_id: UUID, starts_at: datetime, ends_at: datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        Booking.expert_id == expert_id,
        Booking.blocked_from < ends_at,
        Booking.blocked_until > starts_at,
    )


def _touched(expert_id: UUID, starts_at: datetime, ends_at: datetime) -> list[Any]:
    found = select(Booking.id, Booking.starts_at, Booking.enterprise_name, Booking.meeting)
    ahead = (Booking.state == BookingState.booked, Booking.starts_at > now())
    there = found.where(*_in(expert_id, starts_at, ends_at), *ahead)
    return list(session().execute(there.order_by(Booking.starts_at)))
