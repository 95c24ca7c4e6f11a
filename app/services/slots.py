"""Free slots: when the experts of an agency can be booked, computed from their windows whenever it is asked.

A window lays its slots out from its beginning, as far apart as a meeting and its buffers need, so that
whoever books one leaves the next one free. A slot is offered from `lead_days` until `lead_hours` ahead,
unless its time with the buffers touches an absence or what is booked or held already; never on a public
holiday. A window is in minutes of the day: Beijing's clock has no summer time.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
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
    func,
    or_,
    select,
    union_all,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by

from app import masks
from app.access import SYSTEM, Actor
from app.errors import DomainError
from app.prepared import Prepared
from app.transactions import transaction
from app.working_days import is_public_holiday
from models.agencies import Agency, Expert
from models.base import midnight, now
from models.bookings import LIMITS, Absence, Availability, Booking, BookingState, Meeting
from models.columns import as_text

MOST_DAYS = 42
"""The most days of one answer: as many as the calendar of a month shows in whole weeks."""

_REACH = timedelta(minutes=LIMITS["minutes"][1] + 2 * LIMITS["buffer_minutes"][1])
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
# The windows that an expert has alike, whatever their weekday and hours, in one row.
_alike = (
    Availability.minutes,
    Availability.buffer_before,
    Availability.buffer_after,
    Availability.lead_hours,
    Availability.lead_days,
    Availability.valid_from,
    Availability.valid_until,
)
_shown = (Availability.expert_id, Availability.meeting, Availability.place)


def _in_order(column: Any, *order: Any) -> Any:
    return func.array_agg(aggregate_order_by(column, *order)).label(column.key)


_hours = (Availability.weekday, Availability.from_minute)
_WINDOWS = Prepared(
    select(
        Availability.expert_no,
        Availability.expert_id,
        as_text(Availability.meeting),
        Availability.place,
        *_alike,
        *(_in_order(column, *_hours) for column in (*_hours, Availability.until_minute)),
    )
    .join(Expert, Expert.id == Availability.expert_id)
    .where(
        Expert.agency_id == _agency,
        Expert.active,
        Availability.valid_from <= _last,
        or_(Availability.valid_until.is_(None), Availability.valid_until >= _first),
    )
    .group_by(Availability.expert_no, *_shown, *_alike)
    .order_by(Availability.expert_no, func.min(Availability.from_minute))
)


def _seconds(moment: Any, name: str) -> Any:
    return cast(extract("epoch", moment), BigInteger).label(name)


_occupying = or_(
    Booking.state == BookingState.booked,
    Booking.state == BookingState.seen,
    Booking.state == BookingState.no_show,
    and_(Booking.state == BookingState.held, Booking.hold_expires_at > _now),
)
_taken = union_all(
    select(
        Booking.expert_no.label("number"),
        _seconds(Booking.blocked_from, "since"),
        _seconds(Booking.blocked_until, "until"),
    ).where(Booking.agency_id == _agency, Booking.starts_at > _since, Booking.starts_at < _until, _occupying),
    select(Expert.number, _seconds(Absence.starts_at, "since"), _seconds(Absence.ends_at, "until"))
    .join(Absence, Absence.expert_id == Expert.id)
    .where(Expert.agency_id == _agency, Absence.ends_at > _since, Absence.starts_at < _until),
).subquery()
_TAKEN = Prepared(
    select(
        _taken.c.number, *(_in_order(column, _taken.c.since) for column in (_taken.c.since, _taken.c.until))
    ).group_by(_taken.c.number)
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

    Each of `items` is an expert in one way to meet, with when its slots begin, as texts: thousands of aware
    times would cost more than all the rest. Three statements, however many experts and days.
    Raises DomainError `not_found` (the agency) or `validation_failed` (the days).
    """
    if last < first:
        raise DomainError("validation_failed", fields={"to": ["不能早于开始日期"]})
    if (last - first).days >= MOST_DAYS:
        raise DomainError("validation_failed", fields={"to": [f"一次最多查询 {MOST_DAYS} 天"]})
    experts, windows, taken = _read(SYSTEM, agency_id, first, last)
    chosen = [
        one
        for one in windows
        if (expert_id is None or one.expert_id == expert_id) and (meeting is None or one.meeting == meeting)
    ]
    return {
        "experts": [
            {**one._asdict(), "name": masks.name(one.name)}
            for one in experts
            if expert_id is None or one.id == expert_id
        ],
        "items": _items(chosen, taken, _open_days(first, last)),
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
    since, until = midnight(first) - _REACH, midnight(last) + timedelta(days=1) + _REACH
    windows = _WINDOWS(agency=agency_id, first=first, last=last)
    return experts, windows, _TAKEN(agency=agency_id, since=since, until=until)


def _open_days(first: date, last: date) -> list[date]:
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return [day for day in days if not is_public_holiday(day)]


def _items(windows: Iterable[Any], taken: Iterable[Any], days: Sequence[date]) -> list[dict[str, Any]]:
    moment = now()
    of = {one.number: list(zip(one.since, one.until, strict=True)) for one in taken}
    known: dict[str, _Laid] = {}  # many experts have the same hours
    items = []
    for window in windows:
        key = str(window[_ALIKE])
        laid = known.get(key)
        if laid is None:
            laid = known[key] = _lay_out(window, days, moment)
        begins = laid.free(of.get(window.expert_no, ()))
        if begins:
            items.append(
                {
                    "expert_id": window.expert_id,
                    "meeting": window.meeting,
                    "place": window.place,
                    "minutes": window.minutes,
                    "starts_at": begins,
                }
            )
    return items


_ALIKE = slice(4, None)
"""What of a row of windows decides about its slots."""


@dataclass(frozen=True, slots=True)
class _Laid:
    """The slots of some windows in the order of time: when they begin, in seconds and as texts, and how
    long each needs, in seconds."""

    begins: list[int]
    texts: list[str]
    before: int
    length: int

    def free(self, taken: Iterable[tuple[int, int]]) -> list[str]:
        """Returns the slots whose time, with the buffers, nothing touches that is taken, in its order."""
        free: list[str] = []
        place = 0
        for since, until in taken:
            first = bisect_right(self.begins, since - self.length)
            if first > place:
                free += self.texts[place:first]
            place = max(place, bisect_left(self.begins, until + self.before))
        return free + self.texts[place:]


def _lay_out(window: Any, days: Iterable[date], moment: datetime) -> _Laid:
    earliest, latest = (at.timestamp() for at in leads(window, moment))
    hours: dict[int, list[range]] = defaultdict(list)
    for weekday, begins, ends in zip(window.weekday, window.from_minute, window.until_minute, strict=True):
        hours[weekday].append(grid(window, begins, ends))
    slots = [
        (begin, f"{day}T{minute // 60:02}:{minute % 60:02}:00+08:00")
        for day in days
        if window.valid_from <= day <= (window.valid_until or day)
        for began in [int(midnight(day).timestamp())]
        for laid in hours[day.weekday()]
        for minute in laid
        if earliest <= (begin := began + minute * 60) <= latest
    ]
    return _Laid(
        begins=[begin for begin, _ in slots],
        texts=[text for _, text in slots],
        before=window.buffer_before * 60,
        length=(window.minutes + window.buffer_after) * 60,
    )


def grid(window: Any, begins: int, ends: int) -> range:
    """Returns the minutes of the day at which the slots of a window begin."""
    pitch = window.buffer_before + window.minutes + window.buffer_after
    return range(begins, ends - window.minutes + 1, pitch)


def leads(window: Any, moment: datetime) -> tuple[datetime, datetime]:
    """Returns the first and the last moment at which a slot may begin."""
    return moment + timedelta(hours=window.lead_hours), moment + timedelta(days=window.lead_days)
