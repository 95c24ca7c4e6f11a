"""Many processes at one training: first the race with the guard off, then exactness with it on."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from typing import Any
from uuid import UUID

from flask import Flask
from sqlalchemy import func, select

from app import create_app
from app.services import seats
from app.transactions import db, session
from models.signups import SEATED, Signup, SignupState
from models.trainings import EnterpriseSeats, Training
from tests.builders import Person, World, party
from tests.conftest import test_settings

PROCESSES, CAPACITY, EACH = 4, 10, 8


def _count_then_insert(training_id: UUID, _seats: int) -> int | None:
    """What everybody writes first: count the seats taken, and take one if there is room."""
    taken = select(func.count()).select_from(Signup)
    held = (
        session()
        .execute(taken.where(Signup.training_id == training_id, Signup.state.in_(SEATED)).execution_options())
        .scalar_one()
    )
    capacity = session().execute(select(Training.capacity).where(Training.id == training_id)).scalar_one()
    return None if held < capacity else held - capacity + 1


def _attempts(urls: tuple[str, str], guarded: bool, training_id: str, people: list[Any]) -> list[str]:
    """Runs in a process of its own: each person signs one attendee up."""
    if not guarded:
        seats.take = _count_then_insert  # type: ignore[assignment]
    app = create_app(test_settings(*urls))
    client = app.test_client()
    states = []
    for headers, body in people:
        answer = client.post(f"/api/v1/trainings/{training_id}/signups", json=body, headers=headers)
        states.append(answer.json["items"][0]["state"] if answer.status_code == 201 else answer.json["code"])
    with app.app_context():
        db.engine.dispose()
    return states


def _rush(urls: tuple[str, str], world: World, training: Training, *, guarded: bool) -> Counter[str]:
    def one(person: Person) -> tuple[dict[str, str], dict[str, Any]]:
        return person.headers, party(world.enterprise(owner=person))

    parties = [[one(world.person()) for _ in range(EACH)] for _ in range(PROCESSES)]
    with ProcessPoolExecutor(PROCESSES, multiprocessing.get_context("spawn")) as pool:
        runs = [pool.submit(_attempts, urls, guarded, str(training.id), people) for people in parties]
        return Counter(state for run in runs for state in run.result(timeout=120))


def test_without_the_guard_a_training_is_overbooked(
    app: Flask, world: World, database_url: str, redis_url: str
) -> None:
    for _attempt in range(5):  # a race may be won by luck, hardly five times
        training = world.training(capacity=CAPACITY)
        states = _rush((database_url, redis_url), world, training, guarded=False)
        if states["confirmed"] > CAPACITY:
            return
    raise AssertionError("the race did not show: the exactness test below proves nothing")


def test_with_it_every_seat_is_taken_once(
    app: Flask, world: World, database_url: str, redis_url: str
) -> None:
    training = world.training(capacity=CAPACITY)
    states = _rush((database_url, redis_url), world, training, guarded=True)
    attempts = PROCESSES * EACH
    assert states == {"confirmed": CAPACITY, "waiting": attempts - CAPACITY}
    with world.session() as behind:
        row = behind.get(Training, training.id)
        numbers = behind.execute(
            select(Signup.waiting_no)
            .where(Signup.training_id == training.id, Signup.state == SignupState.waiting)
            .order_by(Signup.waiting_no)
        ).scalars()
        held = behind.execute(
            select(func.sum(EnterpriseSeats.taken)).where(EnterpriseSeats.training_id == training.id)
        ).scalar_one()
        assert (row.taken, row.waiting, held) == (CAPACITY, attempts - CAPACITY, attempts)
        assert list(numbers) == list(range(1, attempts - CAPACITY + 1))
