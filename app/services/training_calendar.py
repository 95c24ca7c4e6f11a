"""The calendar of trainings: which sessions are on which day, by Beijing time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import select

from app.access import Actor
from app.transactions import session, transaction
from models.base import BEIJING, division_patterns, in_divisions, midnight
from models.trainings import Mode, Training, TrainingSession, TrainingState

AT_MOST = 1000
"""The most sessions of one calendar; a month of a city holds some dozens."""


@dataclass(frozen=True)
class Day:
    """A day and the sessions that are on it, in the order of their start."""

    date: date
    sessions: Sequence[Any]


@transaction("trainings.desk")
def days(
    _actor: Actor, first: date, last: date, *, division: str | None = None, mode: Mode | None = None
) -> list[Day]:
    """Returns every day from `first` to `last` with the sessions in reach; one over midnight is on both.

    Args:
        division: of organisers in this division or below it.
    """
    since, until = midnight(first), midnight(last + timedelta(days=1))
    found = (
        select(
            TrainingSession.id,
            TrainingSession.number,
            TrainingSession.title.label("session_title"),
            TrainingSession.starts_at,
            TrainingSession.ends_at,
            Training.id.label("training_id"),
            Training.title,
            Training.state,
            Training.mode,
            Training.place,
            Training.division_id,
            Training.capacity,
            Training.taken,
        )
        .join(Training, Training.id == TrainingSession.training_id)
        .where(
            TrainingSession.starts_at < until,
            TrainingSession.ends_at > since,
            Training.state != TrainingState.discarded,
        )
        .order_by(TrainingSession.starts_at, TrainingSession.id)
        .limit(AT_MOST)
    )
    given: dict[str, Any] = {}
    if division:
        found = found.where(in_divisions(Training.division_id, "division"))
        given["division"] = division_patterns((division,))
    if mode:
        found = found.where(Training.mode == mode)
    on: dict[date, list[Any]] = defaultdict(list)
    for one in session().execute(found, given):
        day = max(_date(one.starts_at), first)
        while day <= last and midnight(day) < one.ends_at:
            on[day].append(one)
            day += timedelta(days=1)
    length = (last - first).days + 1
    return [Day(day, on[day]) for day in (first + timedelta(days=n) for n in range(length))]


def month(year: int, number: int) -> tuple[date, date]:
    """Returns the first and the last day of a month."""
    first = date(year, number, 1)
    return first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)


def _date(moment: datetime) -> date:
    return moment.astimezone(BEIJING).date()
