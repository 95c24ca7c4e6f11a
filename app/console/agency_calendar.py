"""Pages of an agency's calendar: an expert's month or week, the windows, and the absences."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from flask import Response, request, url_for

from app.access import Actor
from app.console.forms import Form
from app.console.frame import done, page, render, require
from app.services import absences, availability, booking_desk, slots, training_calendar
from app.services.availability import WEEKDAYS, clock
from models.base import midnight, now
from models.bookings import Meeting, Touched
from schemas import bookings as shapes

_MEETINGS = [(one.value, one.label) for one in Meeting]
_WEEKDAYS = [(str(number), name) for number, name in enumerate(WEEKDAYS)]
_BLANK = {
    "weekdays": ["0", "1", "2", "3", "4"],
    "from_minute": "09:00",
    "until_minute": "12:00",
    "meeting": Meeting.onsite,
    "minutes": 60,
    "buffer_before": 0,
    "buffer_after": 0,
    "lead_hours": 24,
    "lead_days": 30,
    "cancel_hours": 24,
}


# --- the calendar


@dataclass
class Day:
    """A day of an expert: what is booked or held, where they are away, and when they are free."""

    date: date
    bookings: list[dict[str, Any]] = field(default_factory=list)
    absences: list[Any] = field(default_factory=list)
    free: list[str] = field(default_factory=list)


@page("/agency-calendar", endpoint="agency_calendar")
@require("bookings.manage")
def calendar(actor: Actor) -> Response:
    """An expert's month, or week."""
    experts = availability.experts(actor)
    chosen = _chosen(actor, experts)
    if chosen is None:
        return render("bookings/no_experts.html")
    today = now().date()
    monday = _asked_week()
    if monday is not None:
        first, last = monday, monday + timedelta(days=6)
        steps = {"week": (first - timedelta(days=7), last + timedelta(days=1), today)}
        month = first
    else:
        month, end = training_calendar.month(*_asked_month(today))
        first, last = month - timedelta(days=month.weekday()), end + timedelta(days=6 - end.weekday())
        steps = {"month": (month - timedelta(days=1), end + timedelta(days=1), today)}
    [(by, days)] = steps.items()
    before, after, current = (_address(chosen.id, by, day) for day in days)
    shown = _days(actor, chosen, first, last)
    return render(
        "bookings/calendar.html",
        experts=experts,
        expert=chosen,
        by=by,
        month=month,
        first=first,
        last=last,
        weeks=[shown[start : start + 7] for start in range(0, len(shown), 7)],
        before=before,
        after=after,
        current=current,
        other=_address(chosen.id, "month" if by == "week" else "week", max(first, min(today, last))),
        today=today,
        empty=not any(day.bookings or day.absences or day.free for day in shown),
    )


def _chosen(actor: Actor, experts: list[Any]) -> Any:
    """The expert in the address, else whoever looks, else the first."""
    asked = request.args.get("expert", "")
    for one in experts:
        if str(one.id) == asked or (not asked and one.user_id == actor.user_id):
            return one
    return experts[0] if experts else None


def _asked_week() -> date | None:
    try:
        day = date.fromisoformat(request.args.get("week", ""))
    except ValueError:
        return None
    return day - timedelta(days=day.weekday()) if 2000 <= day.year <= 2099 else None


def _asked_month(today: date) -> tuple[int, int]:
    match = re.fullmatch(r"(20\d\d)-(0[1-9]|1[0-2])", request.args.get("month", ""))
    return (int(match[1]), int(match[2])) if match else (today.year, today.month)


def _address(expert_id: UUID, by: str, day: date) -> str:
    asked: dict[str, Any] = {by: f"{day:%Y-%m}" if by == "month" else day.isoformat()}
    return url_for("console.agency_calendar", expert=expert_id, **asked)


def _days(actor: Actor, expert: Any, first: date, last: date) -> list[Day]:
    bookings, away = booking_desk.agenda(actor, first, last, expert.id)
    free = slots.free(actor, expert.agency_id, first, last, expert_id=expert.id)
    days = {day: Day(day) for day in (first + timedelta(days=n) for n in range((last - first).days + 1))}
    times: dict[str, list[str]] = defaultdict(list)
    for item in free["items"]:
        for text in item["starts_at"]:
            times[text[:10]].append(text[11:16])
    for day in days.values():
        today, tomorrow = midnight(day.date), midnight(day.date + timedelta(days=1))
        day.bookings = [one for one in bookings if today <= one["starts_at"] < tomorrow]
        day.absences = [one for one in away if one.starts_at < tomorrow and one.ends_at > today]
        day.free = sorted(times[day.date.isoformat()])
    return list(days.values())


# --- windows


@page("/experts/<uuid:expert_id>/availability")
@require("bookings.manage")
def availabilities(actor: Actor, expert_id: UUID) -> Response:
    """When an expert can be booked, and when not."""
    return render(
        "bookings/availability.html",
        expert=availability.expert_of(actor, expert_id),
        windows=availability.windows(actor, expert_id),
        weekdays=WEEKDAYS,
        clock=clock,
        absences=absences.coming(actor, expert_id),
        today=now().date(),
    )


@page("/experts/<uuid:expert_id>/availability/new", methods=("GET", "POST"), endpoint="availability_new")
@require("bookings.manage")
def add(actor: Actor, expert_id: UUID) -> Any:
    """Adds a window on some weekdays."""
    availability.expert_of(actor, expert_id)  # somebody else's is refused before anything is typed
    form = Form(shapes.AvailabilityBody, {**_BLANK, "valid_from": now().date()})
    if form.submitted:
        with form:
            given = form.values()
            made = availability.add(actor, expert_id, given.pop("weekdays"), given)
            return done(f"已添加 {len(made)} 个时段，企业现在可以预约。", _windows(expert_id))
    return _window_form(actor, form, expert_id)


@page("/availability/<uuid:availability_id>/edit", methods=("GET", "POST"), endpoint="availability_edit")
@require("bookings.manage")
def edit(actor: Actor, availability_id: UUID) -> Any:
    """Changes a window; what is booked already stays."""
    given = availability.editable(actor, availability_id)
    expert_id, weekday = given["expert_id"], WEEKDAYS[given["weekday"]]
    times = {name: clock(given[name]) for name in ("from_minute", "until_minute")}
    form = Form(shapes.AvailabilityPatch, given | times)
    if form.submitted:
        with form:
            availability.change(actor, availability_id, form.values())
            return done("修改已保存；已有的预约不变。", _windows(expert_id))
    return _window_form(actor, form, expert_id, weekday=weekday)


def _window_form(actor: Actor, form: Form, expert_id: UUID, **values: Any) -> Response:
    return form.page(
        "bookings/availability_form.html",
        expert=availability.expert_of(actor, expert_id),
        meetings=_MEETINGS,
        weekdays=_WEEKDAYS,
        back=_windows(expert_id),
        **values,
    )


@page("/availability/<uuid:availability_id>/remove", methods=("POST",), endpoint="availability_remove")
@require("bookings.manage")
def remove(actor: Actor, availability_id: UUID) -> Any:
    """Removes a window."""
    expert_id = availability.remove(actor, availability_id)
    return done("时段已删除；已有的预约不变。", _windows(expert_id))


# --- absences


@page("/experts/<uuid:expert_id>/absences/new", methods=("GET", "POST"), endpoint="absence_new")
@require("bookings.manage")
def away(actor: Actor, expert_id: UUID) -> Any:
    """Adds an absence; where it touches bookings, shows which and asks what becomes of them."""
    expert = availability.expert_of(actor, expert_id)
    form = Form(shapes.AbsenceBody)
    touched: list[Any] = []
    if form.submitted:
        with form:
            given = form.values()
            touched = absences.touched(actor, expert_id, given["starts_at"], given["ends_at"])
            absences.add(actor, expert_id, **given)
            revoked = given["bookings"] == Touched.revoke and touched
            says = f"，已取消 {len(touched)} 个预约并通知企业" if revoked else ""
            return done(f"已登记不在岗{says}。", _windows(expert_id))
    return form.page(
        "bookings/absence_form.html",
        expert=expert,
        touched=touched,
        choices=[(one.value, one.label) for one in Touched],
        back=_windows(expert_id),
    )


@page("/absences/<uuid:absence_id>/remove", methods=("POST",), endpoint="absence_remove")
@require("bookings.manage")
def back_again(actor: Actor, absence_id: UUID) -> Any:
    """Takes an absence back."""
    expert_id = absences.remove(actor, absence_id)
    return done("已撤销，该时间重新开放预约。", _windows(expert_id))


def _windows(expert_id: UUID) -> str:
    return url_for("console.availabilities", expert_id=expert_id)
