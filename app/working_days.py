"""Working days of China: weekends, the State Council's holidays, and the days made up for them (调休)."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import chinese_calendar

from models.base import BEIJING

LAST_KNOWN = max(chinese_calendar.constants.workdays).year
"""The last year whose holidays are announced; from then on a working day is a weekday."""


def is_working_day(day: date) -> bool:
    """Returns whether the day is one; beyond the announced years, whether it is a weekday."""
    try:
        return bool(chinese_calendar.is_workday(day))
    except NotImplementedError:
        return day.weekday() < 5


def after(moment: datetime, days: int) -> datetime:
    """Returns the moment so many working days later, at the same time of day in Beijing.

    A moment outside working days counts from the next one on; `days` may be 0.
    """
    there = moment.astimezone(BEIJING)
    while not is_working_day(there.date()):
        there += timedelta(days=1)
    for _ in range(days):
        there += timedelta(days=1)
        while not is_working_day(there.date()):
            there += timedelta(days=1)
    return there


def between(start: datetime, end: datetime) -> int:
    """Returns how many working days lie after the day of `start`, up to and with the day of `end`."""
    day, last = start.astimezone(BEIJING).date(), end.astimezone(BEIJING).date()
    count = 0
    while day < last:
        day += timedelta(days=1)
        count += is_working_day(day)
    return count
