"""Calendar files (.ics) of trainings and bookings, for the phone's or the office's calendar (RFC 5545)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from icalendar import Alarm, Calendar, Event, vText, vUri

from models.bookings import BookingState

PRODUCT = "-//tizhitong//calendar//ZH-CN"
ALARMS = ((timedelta(days=-1), "明天开始"), (timedelta(hours=-1), "一小时后开始"))


@dataclass(frozen=True, slots=True)
class CalendarSession:
    """One session 场次: a stable id, aware times, and its own name and place where they differ."""

    id: str
    starts_at: datetime
    ends_at: datetime
    name: str = ""
    place: str = ""
    cancelled: bool = False


def calendar_file(
    title: str,
    sessions: Sequence[CalendarSession],
    uid_domain: str,
    organiser: str,
    place: str,
    url: str,
    sequence: int,
    cancelled: bool,
    *,
    stamp: datetime,
    organised_by: str = "主办单位",
) -> bytes:
    """Return the .ics of a training: one event per session, in UTC, with alarms a day and an hour before.

    The UIDs depend only on session id and domain and `sequence` grows with each change, so importing again
    replaces; with `cancelled` the events are withdrawn. `stamp` is the moment of the last change,
    `organised_by` what the organiser is called.
    """
    calendar = Calendar()
    calendar.add("prodid", PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    calendar.add("method", "CANCEL" if cancelled else "PUBLISH")
    for session in sessions:
        withdrawn = cancelled or session.cancelled
        name = f"{title}（{session.name}）" if session.name else title
        event = Event()
        event.add("uid", f"{session.id}@{uid_domain}")
        event.add("dtstamp", stamp.astimezone(UTC))
        event.add("dtstart", session.starts_at.astimezone(UTC))
        event.add("dtend", session.ends_at.astimezone(UTC))
        event.add("sequence", sequence)
        event.add("status", "CANCELLED" if withdrawn else "CONFIRMED")
        event.add("summary", f"【已取消】{name}" if withdrawn else name)
        event.add("location", session.place or place)
        event.add("description", f"{organised_by}：{organiser}\n详情：{url}")
        # RFC 5546 asks a published event for an organiser; a bureau has no mail address to give.
        owner = vUri(url)
        owner.params["CN"] = vText(organiser)
        event["organizer"] = owner
        event.add("url", url)
        if not withdrawn:
            for trigger, words in ALARMS:
                event.add_component(_alarm(trigger, f"{title}{words}"))
        calendar.add_component(event)
    return bytes(calendar.to_ical())


WITHDRAWN = (BookingState.cancelled, BookingState.revoked, BookingState.excused)


def booking_file(booking: Any, uid_domain: str, url: str, *, stamp: datetime) -> bytes:
    """Return the .ics of a booking; one that was taken back withdraws its event."""
    cancelled = booking["state"] in WITHDRAWN
    one = CalendarSession(str(booking["id"]), booking["starts_at"], booking["ends_at"])
    return calendar_file(
        f"{booking['agency_name']} {booking['expert_name']}：帮扶预约（{booking['meeting'].label}）",
        [one],
        uid_domain,
        booking["agency_name"],
        booking["place"] or booking["meeting"].label,
        url,
        booking["revision"] + cancelled,
        cancelled,
        stamp=stamp,
        organised_by="帮扶机构",
    )


def _alarm(trigger: timedelta, words: str) -> Alarm:
    alarm = Alarm()
    alarm.add("action", "DISPLAY")
    alarm.add("trigger", trigger)
    alarm.add("description", words)
    return alarm
