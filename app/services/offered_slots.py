"""One slot, as whoever books it asks for it: whether it is offered, and what a booking keeps of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import and_, or_, select

from app.access import SYSTEM, Actor
from app.errors import DomainError
from app.services.slots import grid, leads
from app.transactions import session, transaction
from app.working_days import is_public_holiday
from models.agencies import Agency, Expert
from models.base import BEIJING, now
from models.bookings import Absence, Availability, Meeting


@dataclass(frozen=True, slots=True)
class Slot:
    """A slot that is offered, with what a booking keeps of it."""

    expert_id: UUID
    expert_no: int
    starts_at: datetime
    ends_at: datetime
    blocked_from: datetime
    blocked_until: datetime
    meeting: Meeting
    place: str
    cancel_deadline: datetime


@transaction(None)
def find(_system: Actor, agency_id: UUID, expert_id: UUID, starts_at: datetime) -> Slot:
    """Returns a slot that is offered, its expert held until the act is over: whoever takes an expert's time
    holds the expert first, so that nobody waits in a ring. Whether it is free the bookings' constraint says.

    Raises DomainError `expert_not_of_agency`, `slot_past`, `slot_not_offered`, `slot_too_soon` or
    `slot_too_far`.
    """
    expert = hold_expert(SYSTEM, expert_id, agency_id)
    if starts_at <= now():
        raise DomainError("slot_past", fields={"starts_at": ["该时段已过"]})
    window = _window_of(expert, starts_at)
    if window is None:
        raise DomainError("slot_not_offered", fields={"starts_at": ["不在该专家的可预约时段内"]})
    earliest, latest = leads(window, now())
    if starts_at < earliest:
        raise DomainError("slot_too_soon", fields={"starts_at": ["距开始时间太近"]}, hours=window.lead_hours)
    if starts_at > latest:
        raise DomainError("slot_too_far", fields={"starts_at": ["距今天太远"]}, days=window.lead_days)
    ends_at = starts_at + timedelta(minutes=window.minutes)
    slot = Slot(
        expert_id=expert.id,
        expert_no=expert.number,
        starts_at=starts_at,
        ends_at=ends_at,
        blocked_from=starts_at - timedelta(minutes=window.buffer_before),
        blocked_until=ends_at + timedelta(minutes=window.buffer_after),
        meeting=window.meeting,
        place=window.place,
        cancel_deadline=starts_at - timedelta(hours=window.cancel_hours),
    )
    away = select(Absence.id).where(
        Absence.expert_id == expert.id,
        Absence.starts_at < slot.blocked_until,
        Absence.ends_at > slot.blocked_from,
    )
    if session().execute(away.limit(1)).first():
        raise DomainError("slot_not_offered", fields={"starts_at": ["专家此时不在岗"]})
    return slot


@transaction(None)
def hold_expert(_system: Actor, expert_id: UUID, agency_id: UUID) -> Expert:
    """Returns an expert of the agency, held until the act is over.

    Raises DomainError `expert_not_of_agency`.
    """
    held = select(Expert).where(Expert.id == expert_id).with_for_update(key_share=True)
    expert = session().execute(held, execution_options={"populate_existing": True}).scalar()
    if expert is None or expert.agency_id != agency_id:
        raise DomainError("expert_not_of_agency", fields={"expert_id": ["不是该机构的专家"]})
    return expert


def _window_of(expert: Expert, starts_at: datetime) -> Availability | None:
    there = starts_at.astimezone(BEIJING)
    day, minute = there.date(), there.hour * 60 + there.minute
    if is_public_holiday(day) or there.second or there.microsecond:
        return None
    windows = (
        select(Availability)
        .join(Agency, and_(Agency.id == Availability.agency_id, Agency.active))
        .where(
            Availability.expert_id == expert.id,
            Availability.weekday == day.weekday(),
            Availability.valid_from <= day,
            or_(Availability.valid_until.is_(None), Availability.valid_until >= day),
        )
    )
    found = session().execute(windows).scalars() if expert.active else ()
    return next(
        (one for one in found if minute in grid(one, one.from_minute, one.until_minute)),
        None,
    )
