"""Free slots: when the experts of an agency can be booked, computed from their windows whenever it is asked.

A window lays its slots out from its beginning, as far apart as a meeting and its buffers need, so that
whoever books one leaves the next one free. A slot is offered from `lead_days` until `lead_hours` ahead,
unless its time with the buffers touches an absence or what is booked or held already; never on a public
holiday. A window is in minutes of the day: Beijing's clock has no summer time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Date,
    DateTime,
    Uuid,
    and_,
    bindparam,
    cast,
    extract,
    or_,
    select,
    union_all,
)

from app import masks
from app.access import SYSTEM, Actor
from app.errors import DomainError
from app.prepared import Prepared
from app.transactions import session, transaction
from app.working_days import is_public_holiday
from models.agencies import Agency, Expert
from models.base import BEIJING, now
from models.bookings import LIMITS, Absence, Availability, Booking, BookingState, Meeting
from models.columns import as_text

MOST_DAYS = 42
"""The most days of one answer: as many as the calendar of a month shows in whole weeks."""

_DAY = 24 * 60 * 60
_BUFFER = timedelta(minutes=LIMITS["buffer_minutes"][1])
"""How far what is taken may stand out of the day that it begins or ends on."""
_REACH = 2 * _BUFFER + timedelta(minutes=LIMITS["minutes"][1])
"""How far from a slot a meeting may begin whose time and buffers touch those of the slot."""

_agency: Any = bindparam("agency", type_=Uuid)
_first, _last = bindparam("first", type_=Date), bindparam("last", type_=Date)
_since: Any = bindparam("since", type_=DateTime(True))
_until: Any = bindparam("until", type_=DateTime(True))
_now: Any = bindparam("now", callable_=now, type_=DateTime(True))

_EXPERTS = Prepared(
    select(Expert.id, Expert.name, Expert.title, Expert.fields)
    .select_from(Agency)
    .outerjoin(Expert, and_(Expert.agency_id == Agency.id, Expert.active, Agency.active))
    .where(Agency.id == _agency)
    .order_by(Expert.number)
)
_WINDOWS = Prepared(
    select(
        Availability.expert_id,
        Availability.expert_no,
        Availability.weekday,
        Availability.from_minute,
        Availability.until_minute,
        Availability.valid_from,
        Availability.valid_until,
        as_text(Availability.meeting),
        Availability.place,
        Availability.minutes,
        Availability.buffer_before,
        Availability.buffer_after,
        Availability.lead_hours,
        Availability.lead_days,
    )
    .join(Expert, Expert.id == Availability.expert_id)
    .where(
        Expert.agency_id == _agency,
        Expert.active,
        Availability.valid_from <= _last,
        or_(Availability.valid_until.is_(None), Availability.valid_until >= _first),
    )
    .order_by(Availability.expert_no, Availability.from_minute)
)


def _seconds(moment: Any) -> Any:
    return cast(extract("epoch", moment), BigInteger)


_taken = or_(
    Booking.state == BookingState.booked,
    Booking.state == BookingState.seen,
    Booking.state == BookingState.no_show,
    and_(Booking.state == BookingState.held, Booking.hold_expires_at > _now),
)
_BUSY = Prepared(
    union_all(
        select(Booking.expert_no, _seconds(Booking.blocked_from), _seconds(Booking.blocked_until)).where(
            Booking.agency_id == _agency, Booking.starts_at > _since, Booking.starts_at < _until, _taken
        ),
        select(Expert.number, _seconds(Absence.starts_at), _seconds(Absence.ends_at))
        .join(Absence, Absence.expert_id == Expert.id)
        .where(Expert.agency_id == _agency, Absence.ends_at > _since, Absence.starts_at < _until),
    )
)


@transaction("agencies.read")
def free(
    _actor: Actor,
    agency_id: UUID,
    first: date,
    last: date,
    *,
    expert_id: UUID | None = None,
    meeting: Meeting | None = None,
) -> dict[str, Any]:
    """Returns the experts of an agency and their free slots from one day to another, both included.

    `items` hold, for each window and day with anything free, when its slots begin, as texts: thousands of
    aware times would cost more than all the rest. Three statements, however many experts and days.
    Raises DomainError `not_found` (the agency) or `validation_failed` (the days).
    """
    if last < first:
        raise DomainError("validation_failed", fields={"to": ["不能早于开始日期"]})
    if (last - first).days >= MOST_DAYS:
        raise DomainError("validation_failed", fields={"to": [f"一次最多查询 {MOST_DAYS} 天"]})
    experts, windows, busy = _read(SYSTEM, agency_id, first, last)
    chosen = [
        one
        for one in windows
        if (expert_id is None or one.expert_id == expert_id) and (meeting is None or one.meeting == meeting)
    ]
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return {
        "experts": [
            {**one._asdict(), "name": masks.name(one.name)}
            for one in experts
            if expert_id is None or one.id == expert_id
        ],
        "items": list(_items(chosen, busy, days)),
    }


@transaction(None)
def _read(
    _system: Actor, agency_id: UUID, first: date, last: date
) -> tuple[Sequence[Any], Sequence[Any], Sequence[Any]]:
    experts = _EXPERTS(agency=agency_id)
    if not experts:
        raise DomainError("not_found")
    if experts[0].id is None:
        return [], [], []
    since, until = _midnight(first) - _REACH, _midnight(last) + timedelta(days=1) + _REACH
    windows = _WINDOWS(agency=agency_id, first=first, last=last)
    return experts, windows, _BUSY(agency=agency_id, since=since, until=until)


class _Laid:
    """A window with its slots laid out, in seconds from midnight, and as the texts of a time."""

    def __init__(self, window: Any, moment: datetime) -> None:
        self.window = window
        self.length = window.minutes * 60
        self.before, self.after = window.buffer_before * 60, window.buffer_after * 60
        self.earliest, self.latest = (at.timestamp() for at in _leads(window, moment))
        minutes = _grid(window)
        self.begins = [minute * 60 for minute in minutes]
        self.texts = [f"T{minute // 60:02}:{minute % 60:02}:00+08:00" for minute in minutes]

    def free(self, midnight: int, busy: Sequence[tuple[int, int]]) -> list[str]:
        """Returns the times of the slots that are free on a day."""
        earliest, latest = self.earliest - midnight, self.latest - midnight
        if not busy and earliest <= self.begins[0] and self.begins[-1] <= latest:
            return self.texts
        return [
            text
            for begin, text in zip(self.begins, self.texts, strict=True)
            if earliest <= begin <= latest
            and not any(
                since < midnight + begin + self.length + self.after and midnight + begin - self.before < until
                for since, until in busy
            )
        ]


def _items(windows: Iterable[Any], busy: Iterable[Any], days: Iterable[date]) -> Iterator[dict[str, Any]]:
    moment = now()
    on: dict[int, list[_Laid]] = defaultdict(list)
    for window in windows:
        on[window.weekday].append(_Laid(window, moment))
    taken = _by_day(busy)
    for day in days:
        if is_public_holiday(day):
            continue
        midnight, date_text = int(_midnight(day).timestamp()), day.isoformat()
        for laid in on[day.weekday()]:
            window = laid.window
            if not window.valid_from <= day <= (window.valid_until or day):
                continue
            times = laid.free(midnight, taken.get((window.expert_no, midnight), ()))
            if times:
                yield {
                    "expert_id": window.expert_id,
                    "date": date_text,
                    "meeting": window.meeting,
                    "place": window.place,
                    "minutes": window.minutes,
                    "starts_at": [date_text + text for text in times],
                }


def _by_day(busy: Iterable[Any]) -> dict[tuple[int, int], list[tuple[int, int]]]:
    """Returns what is taken by expert and midnight of each day that it may touch with its buffers."""
    buffer = int(_BUFFER.total_seconds())
    offset = int(_midnight(date(1970, 1, 1)).timestamp())
    found: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
    for number, since, until in busy:
        midnight = since - buffer - (since - buffer - offset) % _DAY
        while midnight < until + buffer:
            found[number, midnight].append((since, until))
            midnight += _DAY
    return found


# --- one slot


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
def offered(_system: Actor, agency_id: UUID, expert_id: UUID, starts_at: datetime) -> Slot:
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
    earliest, latest = _leads(window, now())
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
    return next((window for window in found if minute in _grid(window)), None)


def _grid(window: Any) -> range:
    """The minutes of the day at which the slots of a window begin."""
    pitch = window.buffer_before + window.minutes + window.buffer_after
    return range(window.from_minute, window.until_minute - window.minutes + 1, pitch)


def _leads(window: Any, moment: datetime) -> tuple[datetime, datetime]:
    """The first and the last moment at which a slot may begin."""
    return moment + timedelta(hours=window.lead_hours), moment + timedelta(days=window.lead_days)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), BEIJING)
