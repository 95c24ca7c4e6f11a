"""Bookings as a desk sees them: the register, one booking with its history, and an agency's agenda."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select

from app import masks
from app import registers as find
from app.access import SYSTEM, Actor
from app.errors import DomainError
from app.registers import Register
from app.services import audit_trail
from app.services.bookings import LISTED
from app.transactions import session, transaction
from app.workbooks import Column
from app.workbooks.columns import Kind
from models.agencies import Agency, Expert
from models.base import midnight
from models.bookings import OCCUPYING, PASSING, Absence, Booking, BookingState, Meeting

AT_MOST = 2000
"""The most bookings of one agenda; a month of fifty experts holds some hundreds."""


def _show(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            **row,
            "contact_name": masks.name(row["contact_name"]),
            "contact_phone": masks.phone(row["contact_phone"]),
        }
        for row in rows
    ]


_states = find.choice("state", "状态", Booking.state, BookingState)
REGISTER = Register(
    "bookings.desk",
    "预约",
    "bookings.desk",
    LISTED.where(*(Booking.state != state for state in PASSING)),
    [
        Column("时间", "starts_at", kind=Kind.DATETIME),
        Column("企业", "enterprise_name", width=32),
        Column("辖区", "division", width=12),
        Column("帮扶机构", "agency_name", width=26),
        Column("专家", "expert_name", width=10),
        Column("方式", "meeting", width=10),
        Column("状态", "state", width=12),
        Column("联系人", "contact_name", width=10),
        Column("手机号", "contact_phone", width=14),
        Column("改约次数", "revision", kind=Kind.INTEGER, width=8),
        Column("原因", "state_reason", width=24),
    ],
    key=Booking.id,
    sorts={
        "starts_at": Booking.starts_at,
        "enterprise_name": Booking.enterprise_name,
        "agency_name": Agency.name,
    },
    default="-starts_at",
    filters=(
        find.contains("enterprise", "企业名称", Booking.enterprise_name, "名称中的字"),
        find.contains("agency", "机构名称", Agency.name, "名称中的字"),
        replace(_states, choices=[(one.value, one.label) for one in BookingState if one not in PASSING]),
        find.choice("meeting", "方式", Booking.meeting, Meeting),
        find.division("division", "辖区", Booking.division_id),
        find.since("from", "不早于", Booking.starts_at),
        find.until("to", "不晚于", Booking.starts_at),
    ),
    show=_show,
)


@transaction("bookings.desk")
def details(_actor: Actor, booking_id: UUID) -> dict[str, Any]:
    """Returns a booking in reach, its contact masked; raises DomainError `not_found`."""
    found = session().execute(LISTED.where(Booking.id == booking_id)).all()
    if not found:
        raise DomainError("not_found")
    return REGISTER.shown(found)[0]


@transaction("bookings.desk")
def history(actor: Actor, booking_id: UUID) -> list[audit_trail.Happened]:
    """Returns what happened to a booking, newest first; raises DomainError `not_found`."""
    details(actor, booking_id)
    return audit_trail.history(SYSTEM, Booking, booking_id, _detail)


def _detail(detail: dict[str, Any]) -> str:
    return "；".join(str(detail[name]) for name in ("time", "reason") if detail.get(name))


@transaction("bookings.manage")
def agenda(
    actor: Actor, first: date, last: date, expert_id: UUID | None = None
) -> tuple[list[dict[str, Any]], list[Any]]:
    """Returns what is booked or held, and the absences, from one day to another, both included.

    Of the expert named; else of the actor, who is an expert in the field; else of the whole agency.
    """
    of = expert_id or _own_expert(actor)
    since, until = midnight(first), midnight(last + timedelta(days=1))
    bookings = LISTED.where(
        Booking.starts_at < until, Booking.ends_at > since, Booking.state.in_(OCCUPYING)
    ).order_by(Booking.starts_at)
    absences = (
        select(Absence.id, Absence.expert_id, Absence.starts_at, Absence.ends_at, Absence.reason)
        .where(Absence.starts_at < until, Absence.ends_at > since)
        .order_by(Absence.starts_at)
    )
    if of is not None:
        bookings, absences = bookings.where(Booking.expert_id == of), absences.where(Absence.expert_id == of)
    found = session().execute(bookings.limit(AT_MOST)).all()
    return REGISTER.shown(found), list(session().execute(absences.limit(AT_MOST)))


def _own_expert(actor: Actor) -> UUID | None:
    own = select(Expert.id).where(
        Expert.user_id == actor.user_id,
        Expert.active,
        Expert.agency_id.in_(actor.reach["reach_agencies"]),
    )
    return session().execute(own).scalar()
