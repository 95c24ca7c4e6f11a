"""Free slots against a plain model: minute by minute, what nobody may overlap."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from models.base import set_clock
from models.bookings import BookingState, Meeting
from tests.agency_builders import agency, expert
from tests.booking_builders import absence, at, booking, free, hold, owner_of, starts, window
from tests.builders import Person, World
from tests.places import undone

MONDAY = date(2026, 11, 2)
"""No public holiday is near."""

DAYS = [MONDAY + timedelta(days=n) for n in range(8)]
NOW = at(MONDAY, 8)


@pytest.fixture(autouse=True)
def real_time() -> Iterator[None]:
    yield
    set_clock(None)


@dataclass(frozen=True)
class Window:
    weekday: int
    begins: int
    ends: int
    minutes: int
    before: int
    after: int
    lead_hours: int
    lead_days: int
    first: int
    last: int | None

    def slots(self, day: date) -> list[datetime]:
        """As an official would lay them out with a pencil."""
        number = DAYS.index(day)
        if day.weekday() != self.weekday or number < self.first:
            return []
        if self.last is not None and number > self.last:
            return []
        found, minute = [], self.begins
        while minute + self.minutes <= self.ends:
            found.append(at(day, 0) + timedelta(minutes=minute))
            minute += self.before + self.minutes + self.after
        return [
            slot
            for slot in found
            if NOW + timedelta(hours=self.lead_hours) <= slot <= NOW + timedelta(days=self.lead_days)
        ]

    def blocked(self, slot: datetime) -> tuple[datetime, datetime]:
        return (
            slot - timedelta(minutes=self.before),
            slot + timedelta(minutes=self.minutes + self.after),
        )


@dataclass(frozen=True)
class Taken:
    """A time of the expert's from some minute of the eight days on: booked, held or away."""

    begins: int
    minutes: int
    buffer: int
    how: str

    @property
    def counts(self) -> bool:
        return self.how not in ("cancelled", "hold over")

    @property
    def blocked(self) -> tuple[datetime, datetime]:
        start = at(MONDAY, 0) + timedelta(minutes=self.begins)
        end = start + timedelta(minutes=self.minutes)
        buffer = timedelta(0) if self.how == "away" else timedelta(minutes=self.buffer)
        return start - buffer, end + buffer


def overlap(one: tuple[datetime, datetime], other: tuple[datetime, datetime]) -> bool:
    (since, until), (start, end) = one, other
    return since < end and start < until


def model(windows: list[Window], taken: list[Taken]) -> list[datetime]:
    return sorted(
        slot
        for one in windows
        for day in DAYS
        for slot in one.slots(day)
        if not any(overlap(one.blocked(slot), other.blocked) for other in taken if other.counts)
    )


QUARTERS = st.integers(0, 95).map(lambda n: n * 15)
WINDOWS = st.lists(
    st.builds(
        Window,
        weekday=st.sampled_from([0, 0, 1, 6]),
        begins=QUARTERS,
        ends=st.integers(1, 96).map(lambda n: n * 15),
        minutes=st.sampled_from([15, 30, 45, 60, 240]),
        before=st.sampled_from([0, 0, 10, 240]),
        after=st.sampled_from([0, 0, 15, 240]),
        lead_hours=st.sampled_from([0, 1, 24, 48]),
        lead_days=st.sampled_from([1, 3, 7, 30]),
        first=st.sampled_from([0, 0, 0, 1]),
        last=st.sampled_from([None, None, 0, 6]),
    ).filter(
        lambda one: one.begins + one.minutes <= one.ends and (one.last is None or one.first <= one.last)
    ),
    min_size=1,
    max_size=3,
)
TAKEN = st.lists(
    st.builds(
        Taken,
        begins=st.integers(-960, 8 * 1440).map(lambda n: n - n % 5),
        minutes=st.sampled_from([15, 60, 480]),
        buffer=st.sampled_from([0, 30, 240]),
        how=st.sampled_from(["booked", "booked", "held", "hold over", "cancelled", "away"]),
    ),
    max_size=4,
)


def keeps_apart(taken: list[Taken]) -> bool:
    """Whether the bookings do not overlap one another, as the database demands."""
    times = [one.blocked for one in taken if one.how in ("booked", "held", "hold over")]
    return not any(overlap(one, other) for n, one in enumerate(times) for other in times[n + 1 :])


def arranged(world: World, one: Any, enterprise: Any, taken: list[Taken]) -> None:
    for each in taken:
        start = at(MONDAY, 0) + timedelta(minutes=each.begins)
        end = start + timedelta(minutes=each.minutes)
        if each.how == "away":
            absence(world, one, start, end)
            continue
        state = {"cancelled": BookingState.cancelled, "booked": BookingState.booked}
        buffer = timedelta(minutes=each.buffer)
        over = NOW + timedelta(minutes=0 if each.how == "hold over" else 1)
        booking(
            world,
            one,
            # Whoever fills in a form holds one slot: each of these is somebody's own.
            enterprise() if each.how in ("held", "hold over") else enterprise.shared,
            start,
            minutes=each.minutes,
            state=state.get(each.how, BookingState.held),
            hold_expires_at=over if each.how in ("held", "hold over") else None,
            blocked_from=start - buffer,
            blocked_until=end + buffer,
            created_by=enterprise.owner.id,
        )


class Enterprises:
    """One for all bookings, and fresh ones for holds."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.owner, self.shared = owner_of(world)

    def __call__(self) -> Any:
        return self._world.enterprise()


def disjoint(windows: list[Window]) -> bool:
    """Whether no two windows overlap on a weekday, as the database demands: here whatever their days."""
    return not any(
        one.weekday == other.weekday and one.begins < other.ends and other.begins < one.ends
        for n, one in enumerate(windows)
        for other in windows[n + 1 :]
    )


def laid(world: World, one: Any, each: Window) -> None:
    window(
        world,
        one,
        each.weekday,
        from_minute=each.begins,
        until_minute=each.ends,
        minutes=each.minutes,
        buffer_before=each.before,
        buffer_after=each.after,
        lead_hours=each.lead_hours,
        lead_days=each.lead_days,
        valid_from=DAYS[each.first],
        valid_until=None if each.last is None else DAYS[each.last],
        meeting=Meeting.phone,
    )


@pytest.fixture
def asker(world: World) -> Person:
    set_clock(lambda: NOW)
    return world.person()


SETTINGS = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate, Phase.shrink],
)


@SETTINGS
@given(windows=WINDOWS, taken=TAKEN, data=st.data())
def test_what_is_free_is_what_the_model_says(
    app: Flask,
    client: FlaskClient,
    world: World,
    asker: Person,
    windows: list[Window],
    taken: list[Taken],
    data: st.DataObject,
) -> None:
    assume(disjoint(windows) and keeps_apart(taken))
    set_clock(lambda: NOW)
    with undone(app):
        of = agency(world)
        one, colleague = expert(world, of), expert(world, of)
        for each in windows:
            laid(world, one, each)
        enterprises = Enterprises(world)
        arranged(world, one, enterprises, taken)
        # What a colleague has to do is nobody else's.
        booking(world, colleague, enterprises.shared, at(MONDAY, 0), minutes=1440, created_by=asker.id)
        answer = free(client, asker, of, DAYS[0], DAYS[-1])
        assert starts(answer) == model(windows, taken)
        some = data.draw(st.sampled_from(DAYS))
        of_a_day = [slot for slot in starts(answer) if slot.date() == some]
        assert starts(free(client, asker, of, some, some)) == of_a_day


@SETTINGS
@given(windows=WINDOWS, taken=TAKEN, data=st.data())
def test_what_is_free_can_be_held_and_nothing_else(
    app: Flask,
    client: FlaskClient,
    world: World,
    asker: Person,
    windows: list[Window],
    taken: list[Taken],
    data: st.DataObject,
) -> None:
    assume(disjoint(windows) and keeps_apart(taken))
    set_clock(lambda: NOW)
    with undone(app):
        of = agency(world)
        one = expert(world, of)
        for each in windows:
            laid(world, one, each)
        enterprises = Enterprises(world)
        arranged(world, one, enterprises, taken)
        offered = set(model(windows, taken))
        laid_out = {slot for each in windows for day in DAYS for slot in each.slots(day)}
        some = [*sorted(laid_out), at(DAYS[0], 9, 7), at(DAYS[1], 10)]
        wanted = data.draw(st.sampled_from(some))
        answer = hold(client, enterprises.owner, enterprises.shared, one, wanted)
        assert (answer.status_code == 201) == (wanted in offered), answer.json
