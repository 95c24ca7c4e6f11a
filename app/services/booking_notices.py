"""What people are told of a booking, and the reminders a day and an hour before it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

from sqlalchemy import or_, select

from app import notices, outbox
from app.access import SYSTEM, Actor
from app.services import memberships
from app.transactions import session, transaction
from models.agencies import Agency, Expert
from models.base import now
from models.bookings import Booking, BookingState
from models.people import RoleGrant

LEADS = {timedelta(days=1): "明天", timedelta(hours=1): "一小时后"}
"""How long before a booking its people are reminded, the farthest first, and what they are told."""

CATCH_UP = timedelta(minutes=30)
"""How late a reminder may still come."""


def tell_both(booking: Booking, kind: str, title: str, **more: str) -> None:
    """Tells enterprise and agency of a booking, within the act under way."""
    _tell(booking, _of_enterprise(SYSTEM, booking) | _of_agency(SYSTEM, booking), kind, title, **more)


def tell_enterprise(booking: Booking, kind: str, title: str, **more: str) -> None:
    """Tells who booked, and the enterprise's owner."""
    _tell(booking, _of_enterprise(SYSTEM, booking), kind, title, **more)


def tell_agency(booking: Booking, kind: str, title: str, **more: str) -> None:
    """Tells the expert and the agency's desk."""
    _tell(booking, _of_agency(SYSTEM, booking), kind, title, **more)


def tell_expert_left(booking: Booking, expert_id: UUID) -> None:
    """Tells an expert that a booking went over to a colleague."""
    left = session().get(Expert, expert_id)
    if left is not None and left.user_id is not None:
        _tell(booking, {left.user_id}, "booking.changed", "预约已改由同事接待")


def place_of(booking: Booking) -> str:
    """Returns where to meet as notices tell it: the place, else how they meet."""
    return booking.place or booking.meeting.label


@transaction(None)
def remind(_system: Actor) -> None:
    """Reminds both sides of the bookings that are a day or an hour ahead.

    Whoever was reminded is not reminded again, and a booking made later than its reminder is due has none.
    """
    moment = now()
    for lead, ahead in LEADS.items():
        due = select(Booking).where(
            Booking.state == BookingState.booked,
            Booking.starts_at > max(moment, moment + lead - CATCH_UP),
            Booking.starts_at <= moment + lead,
            Booking.created_at <= Booking.starts_at - lead,
        )
        for booking in session().execute(due).scalars():
            people = _of_enterprise(SYSTEM, booking) | _of_expert(SYSTEM, booking)
            once = str(int(lead.total_seconds()))
            _tell(booking, people, "booking.reminder", f"预约提醒：{ahead}", once=once)


def _tell(
    booking: Booking, people: Collection[UUID], kind: str, title: str, *, once: str = "", **more: str
) -> None:
    agency, expert = _names(SYSTEM, booking)
    facts = {
        "enterprise": booking.enterprise_name,
        "agency": agency,
        "expert": expert,
        "time": notices.when(booking.starts_at),
        "place": place_of(booking),
        **more,
    }
    because = f"原因：{more['reason']}" if "reason" in more else ""
    body = (
        f"“{booking.enterprise_name}”预约{agency}{expert}：{facts['time']}，"
        f"{booking.meeting.label}{f'，{booking.place}' if booking.place else ''}。{because}"
    )
    # After each change it is another booking to tell of.
    key = f"{booking.revision}:{once}"
    outbox.notify_many(people, kind, booking, title, body, facts, once=key)


@transaction(None)
def _names(_system: Actor, booking: Booking) -> tuple[str, str]:
    both = select(Agency.name, Expert.name.label("expert")).join(Expert, Expert.agency_id == Agency.id)
    found = session().execute(both.where(Expert.id == booking.expert_id)).one()
    return found.name, found.expert


@transaction(None)
def _of_enterprise(_system: Actor, booking: Booking) -> set[UUID]:
    return {booking.created_by, *filter(None, [memberships.owner(SYSTEM, booking.enterprise_id)])}


@transaction(None)
def _of_expert(_system: Actor, booking: Booking) -> set[UUID]:
    found = select(Expert.user_id).where(Expert.id == booking.expert_id, Expert.user_id.is_not(None))
    return {one for one in session().execute(found).scalars() if one}


@transaction(None)
def _of_agency(_system: Actor, booking: Booking) -> set[UUID]:
    """Returns the expert, and those of the agency's people who are no experts themselves."""
    experts = select(Expert.user_id).where(
        Expert.agency_id == booking.agency_id, Expert.user_id == RoleGrant.user_id
    )
    theirs = select(RoleGrant.user_id).where(
        RoleGrant.role == "agency_staff",
        RoleGrant.scope_id == str(booking.agency_id),
        or_(~experts.exists(), experts.where(Expert.id == booking.expert_id).exists()),
    )
    return set(session().execute(theirs).scalars()) | _of_expert(SYSTEM, booking)
