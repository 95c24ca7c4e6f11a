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


def is_public_holiday(day: date) -> bool:
    """Returns whether the day is a holiday of the State Council's; beyond the announced years it is none."""
    try:
        free, name = chinese_calendar.get_holiday_detail(day)
    except NotImplementedError:
        return False
    return bool(free and name)


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


def left(moment: datetime, due: datetime) -> timedelta:
    """Returns how much of the time from `moment` to `due` lies in working days; none when it is over."""
    here, there = moment.astimezone(BEIJING), due.astimezone(BEIJING)
    found = timedelta()
    while here < there:
        midnight = _next_day(here)
        if is_working_day(here.date()):
            found += min(midnight, there) - here
        here = midnight
    return found


def later(moment: datetime, time: timedelta) -> datetime:
    """Returns the moment when so much time of working days, of 24 hours each, has gone by."""
    here = moment.astimezone(BEIJING)
    while True:
        midnight = _next_day(here)
        if is_working_day(here.date()):
            if here + time <= midnight:
                return here + time
            time -= midnight - here
        here = midnight


def _next_day(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
