"""The calendar of trainings: a month at a time."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Any

from flask import Response, request, url_for

from app.access import SYSTEM, Actor
from app.console.frame import page, render, require
from app.services import reference, training_calendar
from models.base import now
from models.trainings import Mode

_MODES = {one.value: one for one in Mode}


@page("/calendar", endpoint="calendar")
@require("trainings.desk")
def calendar(actor: Actor) -> Response:
    """The sessions of a month, day by day, in whole weeks."""
    first, last = training_calendar.month(*_asked())
    monday = first - timedelta(days=first.weekday())
    sunday = last + timedelta(days=6 - last.weekday())
    division = request.args.get("division", "")
    mode = request.args.get("mode", "")
    days = training_calendar.days(actor, monday, sunday, division=division or None, mode=_MODES.get(mode))
    divisions = reference.divisions(SYSTEM)

    def month(of: date) -> Any:
        return url_for(".calendar", month=f"{of:%Y-%m}", division=division or None, mode=mode or None)

    return render(
        "trainings/calendar.html",
        first=first,
        weeks=[days[start : start + 7] for start in range(0, len(days), 7)],
        before=month(first - timedelta(days=1)),
        after=month(last + timedelta(days=1)),
        this_month=month(now().date()),
        today=now().date(),
        empty=not any(day.sessions for day in days),
        asked={"division": division, "mode": mode},
        modes=[(one.value, one.label) for one in Mode],
        divisions=divisions,
        names={one.id: one.short_name for one in divisions},
    )


def _asked() -> tuple[int, int]:
    """The year and month in the address, else the present one."""
    match = re.fullmatch(r"(20\d\d)-(0[1-9]|1[0-2])", request.args.get("month", ""))
    return (int(match[1]), int(match[2])) if match else (now().year, now().month)
