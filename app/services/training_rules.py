"""What makes a training sound: defaults, limits, and rules between its fields.

A training is a mapping of the model's columns, with `sessions` a list of mappings in order of time.
"""

from __future__ import annotations

import re
from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import String

from app.errors import DomainError
from models.base import now
from models.trainings import LIMITS, REMIND_BEFORE, Audience, Mode, Provider, Training, TrainingSession

CHECKIN_BEFORE = timedelta(minutes=60)
"""How long before its start check-in to a session opens, unless said otherwise."""

SPAN = timedelta(days=366)
"""The longest that a training may take; the list of coming trainings counts on it."""

DEADLINES = {"change_deadline": "更换参训人截止", "cancel_deadline": "取消报名截止"}
REQUIRED = (
    "title",
    "mode",
    "provider",
    "audience",
    "organiser",
    "division_id",
    "capacity",
    "seats_per_enterprise",
    "opens_at",
    "closes_at",
)
# What may still change when people have signed up.
CHANGEABLE = frozenset(
    {"title", "description", "place", "online_url", "capacity", "opens_at", "closes_at", "sessions"}
    | {"remind_before", *DEADLINES}
)

Values = dict[str, Any]
Problems = dict[str, list[str]]

_HTTPS = re.compile(r"https://[^\s/]+\.[^\s/]+\S*", re.IGNORECASE)


def complete(given: Values) -> Values:
    """Returns the training with its defaults filled in and its start and end derived from the sessions."""
    values: Values = {"description": "", "place": None, "online_url": None, "needs_approval": False}
    values |= {"offer_minutes": None, "certificate_percent": 100, "remind_before": REMIND_BEFORE, **given}
    values["remind_before"] = sorted(set(values["remind_before"]), reverse=True)
    for name in DEADLINES:
        values[name] = values.get(name) or values.get("closes_at")
    values["open_to"] = sorted(set(values.get("open_to") or [values.get("division_id")]) - {None})
    values["sessions"] = [
        _session(number, session) for number, session in enumerate(values.get("sessions") or [], 1)
    ]
    if values["sessions"]:
        values["starts_at"] = min(session["starts_at"] for session in values["sessions"])
        values["ends_at"] = max(session["ends_at"] for session in values["sessions"])
    return values


def as_typed(values: Values) -> Values:
    """Returns a complete training as a person types it: what follows from something else is left out."""
    typed = dict(values)
    for name in DEADLINES:
        typed[name] = None if values[name] == values["closes_at"] else values[name]
    typed["sessions"] = []
    for session in values["sessions"]:
        given = {name: session[name] for name in ("title", "starts_at", "ends_at")}
        default = _session(session["number"], given | {"title": None})
        kept = {name: None if session[name] == default[name] else session[name] for name in _FOLLOWING}
        typed["sessions"].append(given | kept)
    return typed


_FOLLOWING = ("title", "checkin_from", "checkin_until")


def suggestion(division_id: str | None, organiser: str) -> Values:
    """Returns what a new training begins with: a morning in two weeks, sign-up until the evening before."""
    starts = (now() + timedelta(days=14)).replace(hour=9, minute=0, second=0, microsecond=0)
    return {
        "mode": Mode.onsite,
        "provider": Provider.own,
        "audience": Audience.quality_lead,
        "organiser": organiser,
        "division_id": division_id,
        "open_to": [division_id],
        "capacity": 50,
        "seats_per_enterprise": 2,
        "certificate_percent": 100,
        "remind_before": REMIND_BEFORE,
        "opens_at": now().replace(second=0, microsecond=0),
        "closes_at": (starts - timedelta(days=1)).replace(hour=18),
        "sessions": [{"starts_at": starts, "ends_at": starts + timedelta(hours=3)}],
    }


def _session(number: int, given: Values) -> Values:
    return {
        "number": number,
        "title": given.get("title") or f"第{number}场",
        "starts_at": given["starts_at"],
        "ends_at": given["ends_at"],
        "checkin_from": given.get("checkin_from") or given["starts_at"] - CHECKIN_BEFORE,
        "checkin_until": given.get("checkin_until") or given["ends_at"],
    }


def check(values: Values) -> None:
    """Checks a completed training.

    Raises DomainError `validation_failed`, or `session_times_invalid` when nothing but the sessions is
    wrong, with every problem at its field.
    """
    problems: Problems = defaultdict(list)
    for name in REQUIRED:
        if values.get(name) in (None, ""):
            problems[name].append("必填")
    _check_sizes(values, problems)
    _check_place(values, problems)
    _check_times(values, problems)
    _refuse(problems)


def _check_sizes(values: Values, problems: Problems) -> None:
    _check_lengths(Training, values, "", problems)
    for place, session in enumerate(values["sessions"]):
        _check_lengths(TrainingSession, session, f"sessions.{place}.", problems)
    for name, (low, high) in LIMITS.items():
        size = len(values["sessions"]) if name == "sessions" else values.get(name)
        if size is not None and not low <= size <= high:
            problems[name].append(f"应在 {low} 与 {high} 之间")
    least, most = LIMITS["lead_minutes"]
    if any(not least <= lead <= most for lead in values["remind_before"]):
        problems["remind_before"].append(f"应在开始前 {lead_text(least)}至 {lead_text(most)}之间")
    if len(values["remind_before"]) > LIMITS["reminders"][1]:
        problems["remind_before"].append(f"最多 {LIMITS['reminders'][1]} 次")


def lead_text(minutes: int) -> str:
    """Returns how long before a session a reminder comes, in the largest unit that fits."""
    for size, unit in ((1440, "天"), (60, "小时")):
        if minutes % size == 0:
            return f"{minutes // size} {unit}"
    return f"{minutes} 分钟"


def _check_lengths(model: Any, values: Values, prefix: str, problems: Problems) -> None:
    for column in model.__table__.columns:
        value = values.get(column.key)
        limit = column.type.length if isinstance(column.type, String) else None
        if isinstance(value, str) and limit is not None and len(value) > limit:
            problems[prefix + column.key].append(f"不能超过 {limit} 个字")


def _check_place(values: Values, problems: Problems) -> None:
    if values.get("mode") == Mode.onsite and not values["place"]:
        problems["place"].append("线下培训须填写地点")
    if values.get("mode") == Mode.online and not values["online_url"]:
        problems["online_url"].append("线上培训须填写线上地址")
    if values["online_url"] and not _HTTPS.fullmatch(values["online_url"]):
        problems["online_url"].append("线上地址应以 https:// 开头")


def _check_times(values: Values, problems: Problems) -> None:
    opens, closes = values.get("opens_at"), values.get("closes_at")
    if opens and closes and closes <= opens:
        problems["closes_at"].append("报名截止须晚于报名开始")
    _check_sessions(values["sessions"], problems)
    starts = values.get("starts_at")
    if starts is None:
        return
    for name, label in {"closes_at": "报名截止", **DEADLINES}.items():
        # A deadline that was left to follow the end of sign-up is not to blame for it.
        follows = name in DEADLINES and values[name] == closes
        if values.get(name) and values[name] > starts and not follows:
            problems[name].append(f"{label}不得晚于首场开始时间")
    if values["ends_at"] - starts > SPAN:
        problems["sessions"].append("首场开始至末场结束不得超过一年")


def _check_sessions(sessions: list[Values], problems: Problems) -> None:
    previous_end: datetime | None = None
    for place, session in enumerate(sessions):
        at = f"sessions.{place}"
        if session["ends_at"] <= session["starts_at"]:
            problems[f"{at}.ends_at"].append("场次结束须晚于开始")
        if previous_end and session["starts_at"] < previous_end:
            problems[f"{at}.starts_at"].append("与上一场重叠，或未按时间先后填写")
        if session["checkin_until"] <= session["checkin_from"]:
            problems[f"{at}.checkin_until"].append("签到结束须晚于签到开始")
        if session["checkin_from"] > session["ends_at"]:
            problems[f"{at}.checkin_from"].append("签到开始不得晚于场次结束")
        if session["checkin_until"] < session["starts_at"]:
            problems[f"{at}.checkin_until"].append("签到结束不得早于场次开始")
        previous_end = max(session["ends_at"], previous_end or session["ends_at"])


def check_change(before: Values, after: Values) -> None:
    """Checks a change of a published training: only what CHANGEABLE names, and nothing that has begun.

    Raises DomainError `validation_failed` or `session_times_invalid`.
    """
    problems: Problems = defaultdict(list)
    for name, value in before.items():
        derived = name in ("starts_at", "ends_at")
        if name not in CHANGEABLE and not derived and after[name] != value:
            problems[name].append("培训发布后不能修改")
    moment, old, new = now(), before["sessions"], after["sessions"]
    begun = sum(session["starts_at"] <= moment for session in old)
    if len(new) < begun:
        problems["sessions"].append("已开始的场次不能删除")
    for place, session in enumerate(new):
        kept = place < len(old) and session["starts_at"] == old[place]["starts_at"]
        if place < begun and not kept:
            problems[f"sessions.{place}.starts_at"].append("该场次已开始，不能更改开始时间")
        elif not kept and session["starts_at"] <= moment:
            problems[f"sessions.{place}.starts_at"].append("开始时间须晚于现在")
    _refuse(problems)


def schedule(values: Values) -> Any:
    """Returns what people must be told of when it changes: where, when, and which sessions."""
    sessions = [
        (session["title"], session["starts_at"], session["ends_at"]) for session in values["sessions"]
    ]
    return values["place"], values["online_url"], sessions


def _refuse(problems: Problems) -> None:
    if problems:
        only_sessions = all(name.startswith("sessions.") for name in problems)
        raise DomainError(
            "session_times_invalid" if only_sessions else "validation_failed", fields=dict(problems)
        )
