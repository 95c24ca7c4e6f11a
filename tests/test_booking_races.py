"""Two who book one expert at once: first with the constraint off, to show the fault, then with it on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import delete, func, select
from sqlalchemy.schema import AddConstraint, DropConstraint

from models.agencies import Expert
from models.base import now
from models.bookings import OCCUPYING, Booking, BookingState
from models.enterprises import Enterprise
from tests.booking_builders import (
    at,
    bookable,
    booked,
    booking,
    form,
    free,
    hold,
    owner_of,
    post,
    starts,
    working_day,
)
from tests.builders import Person, World
from tests.races import at_once

ROUNDS = 8
_bookings: Any = Booking.__table__
GUARD = next(c for c in _bookings.constraints if c.name == "ex_bookings_expert")


@contextmanager
def unguarded(world: World) -> Iterator[None]:
    """The table without its exclusion constraint; what was booked twice meanwhile goes with it."""
    with world.session() as session:
        session.connection().execute(DropConstraint(GUARD))
        before = set(session.execute(select(Booking.id)).scalars())
    try:
        yield
    finally:
        with world.session() as session:
            session.execute(delete(Booking).where(Booking.id.not_in(before)))
            session.connection().execute(AddConstraint(GUARD))


def taken_at(world: World, one: Expert, start: datetime) -> int:
    """How often the expert's time is taken."""
    with world.session() as session:
        found = select(func.count()).select_from(Booking)
        here = (Booking.expert_id == one.id, Booking.state.in_(OCCUPYING))
        over = (Booking.blocked_from < start + timedelta(minutes=60), Booking.blocked_until > start)
        count: int = session.execute(found.where(*here, *over)).scalar_one()
        return count


def rush(app: Flask, world: World, one: Expert, start: datetime, people: int = 4) -> list[str]:
    """So many enterprises that hold the same slot at once, and book it; returns what became of each."""

    def act(owner: Person, enterprise: Enterprise) -> str:
        client = app.test_client()
        held = hold(client, owner, enterprise, one, start)
        if held.status_code != 201:
            return str(held.json["code"])
        made = post(client, owner, held.json["id"], "book", **form())
        return str(made.json["state"] if made.status_code == 200 else made.json["code"])

    parties = [owner_of(world) for _ in range(people)]
    return at_once(*(partial(act, *party) for party in parties))


def test_without_the_constraint_an_expert_is_booked_twice(app: Flask, world: World) -> None:
    _, one = bookable(world)
    start = at(working_day(), 9)
    with unguarded(world):
        became = rush(app, world, one, start)
        assert became.count("booked") > 1, "the fault did not show: the test below proves nothing"
        assert taken_at(world, one, start) > 1


def test_with_it_one_of_all_has_the_slot(app: Flask, world: World) -> None:
    _, one = bookable(world)
    for number in range(ROUNDS):
        start = at(working_day(number), 9)
        became = rush(app, world, one, start)
        assert sorted(became) == ["booked", "slot_taken", "slot_taken", "slot_taken"]
        assert taken_at(world, one, start) == 1


def test_of_two_that_move_to_one_slot_at_once_one_does(app: Flask, client: FlaskClient, world: World) -> None:
    of, one = bookable(world)
    for number in range(ROUNDS):
        day = working_day(number)
        parties = [owner_of(world) for _ in range(2)]
        made = [
            booked(client, *party, one, at(day, hour)) for party, hour in zip(parties, (9, 10), strict=True)
        ]
        later = at(day, 11).isoformat()
        answers = at_once(
            *(
                partial(post, app.test_client(), owner, each["id"], "change", starts_at=later)
                for (owner, _), each in zip(parties, made, strict=True)
            )
        )
        assert sorted(answer.status_code for answer in answers) == [200, 409]
        assert taken_at(world, one, at(day, 11)) == 1
        assert len(starts(free(client, world.person(), of, day, day))) == 1


def test_two_of_one_enterprise_who_hold_at_once_hold_one_slot(app: Flask, world: World) -> None:
    _, one = bookable(world)
    for number in range(ROUNDS):
        owner, enterprise = owner_of(world)
        day = working_day(number)
        asked = (partial(hold, app.test_client(), owner, enterprise, one, at(day, hour)) for hour in (9, 10))
        answers = at_once(*asked)
        assert {answer.status_code for answer in answers} <= {201, 409}
        with world.session() as session:
            held = select(func.count()).select_from(Booking)
            theirs = (Booking.enterprise_id == enterprise.id, Booking.state == BookingState.held)
            assert session.execute(held.where(*theirs)).scalar_one() == 1


def test_many_who_end_the_same_holds_do_not_wait_for_each_other(app: Flask, world: World) -> None:
    _, one = bookable(world)
    for number in range(ROUNDS):
        day = working_day(number)
        parties = [owner_of(world) for _ in range(3)]
        # Everybody holds a slot whose time is up, and asks for another's.
        for (_, enterprise), hour in zip(parties, (9, 10, 11), strict=True):
            booking(
                world,
                one,
                enterprise,
                at(day, hour),
                state=BookingState.held,
                hold_expires_at=now() - timedelta(seconds=1),
            )
        asked = (
            partial(hold, app.test_client(), *party, one, at(day, hour))
            for party, hour in zip(parties, (10, 11, 9), strict=True)
        )
        answers = at_once(*asked)
        assert [answer.status_code for answer in answers] == [201, 201, 201]
