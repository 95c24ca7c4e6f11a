"""Working days of China, with the days made up for (调休), and beyond the announced years."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import working_days
from models.base import BEIJING


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BEIJING)


@pytest.mark.parametrize(
    ("day", "working"),
    [
        ("2026-02-14", True),  # a Saturday made up for the Spring Festival
        ("2026-02-16", False),  # a Monday of it
        ("2026-02-28", True),  # a Saturday made up for it
        ("2026-05-09", True),  # a Saturday made up for Labour Day
        ("2026-09-20", True),  # a Sunday made up for the National Day
        ("2026-10-01", False),
        ("2026-10-08", True),
        ("2026-10-10", True),  # a Saturday made up for the National Day
        ("2026-11-25", True),
        ("2026-11-28", False),  # a plain Saturday
    ],
)
def test_holidays_and_made_up_days_of_2026(day: str, working: bool) -> None:
    assert working_days.is_working_day(date.fromisoformat(day)) is working


@pytest.mark.parametrize(
    ("moment", "days", "due"),
    [
        ("2026-09-30 15:00", 1, "2026-10-08 15:00"),  # over the National Day
        ("2026-10-08 15:00", 2, "2026-10-10 15:00"),  # the made-up Saturday counts
        ("2026-02-13 09:00", 1, "2026-02-14 09:00"),
        ("2026-02-14 09:00", 1, "2026-02-24 09:00"),
        ("2026-11-27 16:30", 3, "2026-12-02 16:30"),  # over a weekend
        ("2026-11-28 10:00", 0, "2026-11-30 10:00"),  # a Saturday counts from the Monday on
        ("2026-11-28 10:00", 1, "2026-12-01 10:00"),
    ],
)
def test_so_many_working_days_later(moment: str, days: int, due: str) -> None:
    assert working_days.after(at(moment), days) == at(due)


def test_beyond_the_announced_years_a_working_day_is_a_weekday() -> None:
    year = working_days.LAST_KNOWN + 1
    new_year = date(year, 1, 1)
    assert working_days.is_working_day(new_year) is (new_year.weekday() < 5)
    days = [date(year, 5, 1) + timedelta(days=number) for number in range(7)]
    assert sum(working_days.is_working_day(day) for day in days) == 5


def test_between_counts_the_days_that_were_gone_by() -> None:
    assert working_days.between(at("2026-09-30 10:00"), at("2026-10-10 09:00")) == 3
    assert working_days.between(at("2026-11-25 10:00"), at("2026-11-25 23:00")) == 0


@pytest.mark.parametrize(
    ("paused", "due", "resumed", "again"),
    [
        # Two days and an hour were left; they are left again, over the weekend and the holiday.
        ("2026-11-25 10:00", "2026-11-27 11:00", "2026-11-30 09:00", "2026-12-02 10:00"),
        ("2026-09-28 10:00", "2026-09-30 11:00", "2026-09-30 15:00", "2026-10-09 16:00"),
        # Paused on a Sunday: nothing of it was used.
        ("2026-11-29 10:00", "2026-12-01 10:00", "2026-12-05 10:00", "2026-12-08 10:00"),
    ],
)
def test_what_was_left_is_left_again(paused: str, due: str, resumed: str, again: str) -> None:
    left = working_days.left(at(paused), at(due))
    assert working_days.later(at(resumed), left) == at(again)


_moments = st.integers(0, 780_000).map(lambda minutes: at("2026-01-01 00:00") + timedelta(minutes=minutes))


@given(moment=_moments, hours=st.integers(0, 400))
def test_later_is_the_inverse_of_left(moment: datetime, hours: int) -> None:
    due = working_days.later(moment, timedelta(hours=hours))
    assert working_days.left(moment, due) == timedelta(hours=hours)
    assert due >= moment


@given(start=_moments, days=st.integers(0, 40))
def test_a_deadline_lies_as_many_working_days_ahead(start: datetime, days: int) -> None:
    due = working_days.after(start, days)
    assert working_days.is_working_day(due.date())
    first = working_days.after(start, 0)
    assert working_days.between(first, due) == days
