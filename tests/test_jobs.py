"""Background jobs: enqueued with the act, taken back with it, and run by a real worker."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from procrastinate import PsycopgConnector
from procrastinate.periodic import PeriodicDeferrer
from sqlalchemy import make_url, text

from app import outbox
from app.access import SYSTEM
from app.jobs import jobs
from app.transactions import begin
from models.base import now
from models.people import User, UserState
from models.trainings import Training
from tests.builders import World, party
from tests.conftest import run_due


def waiting_jobs(world: World, task: str) -> int:
    with world.session() as session:
        counted = session.execute(
            text("SELECT count(*) FROM procrastinate_jobs WHERE task_name = :task AND status = 'todo'"),
            {"task": task},
        )
        number: int = counted.scalar_one()
        return number


def test_a_rollback_takes_the_job_back(app: Flask, world: World) -> None:
    before = waiting_jobs(world, "pushes.handle")
    with pytest.raises(ZeroDivisionError), app.app_context(), begin(SYSTEM):  # noqa: PT012
        outbox.defer("pushes.handle", channel="subscribe", name="x", openid="y", revoked=[])
        _ = 1 / 0
    assert waiting_jobs(world, "pushes.handle") == before


def test_the_worker_closes_accounts_and_ends_offers(app: Flask, client: FlaskClient, world: World) -> None:
    leaver = world.person()
    assert client.post("/api/v1/people/me/closure", headers=leaver.headers).json["state"] == "closing"
    training = world.training(capacity=1, offer_minutes=20)
    first, second = world.person(), world.person()
    for person in (first, second):
        client.post(
            f"/api/v1/trainings/{training.id}/signups",
            json=party(world.enterprise(owner=person)),
            headers=person.headers,
        )
    [seated] = client.get("/api/v1/signups", headers=first.headers).json["items"]
    client.post(f"/api/v1/signups/{seated['id']}/cancel", headers=first.headers)
    with world.session() as session:  # a week and half an hour go by
        session.get(User, leaver.id).closing_at = now() - timedelta(seconds=1)
        session.execute(text("UPDATE signups SET offer_expires_at = now() WHERE state = 'offered'"))
        session.execute(text("UPDATE procrastinate_jobs SET scheduled_at = now() WHERE status = 'todo'"))
    run_due(app)
    with world.session() as session:
        user = session.get(User, leaver.id)
        assert (user.state, user.phone, user.mp_openid, user.name) == (UserState.closed, None, None, None)
        assert session.get(Training, training.id).taken == 0
    [offered] = client.get("/api/v1/signups", headers=second.headers).json["items"]
    assert offered["state"] == "expired"
    assert waiting_jobs(world, "people.close_account") == waiting_jobs(world, "signups.expire_offers") == 0


def test_periodic_jobs_end_what_a_lost_job_left(app: Flask, client: FlaskClient, world: World) -> None:
    leaver = world.person()
    client.post("/api/v1/people/me/closure", headers=leaver.headers)
    with world.session() as session:
        session.get(User, leaver.id).closing_at = now() - timedelta(seconds=1)
        session.execute(text("DELETE FROM procrastinate_jobs WHERE status = 'todo'"))
    tasks = ("people.close_due_accounts", "signups.expire_overdue_offers", "housekeeping.forget")
    for task in tasks:
        with app.app_context(), begin(SYSTEM):
            outbox.defer(task, timestamp=int(now().timestamp()))
    run_due(app)
    assert all(waiting_jobs(world, task) == 0 for task in tasks)
    with world.session() as session:
        assert session.get(User, leaver.id).state == UserState.closed


def test_periodic_work_is_deferred_once_however_many_workers_there_are(app: Flask, world: World) -> None:
    run_due(app)  # registers every job
    tick = 4_000_000_000  # nobody else's
    url = make_url(app.config["SETTINGS"].database_url).set(drivername="postgresql")

    async def workers() -> None:
        connector = PsycopgConnector(conninfo=url.render_as_string(hide_password=False))
        with jobs.replace_connector(connector):
            async with jobs.open_async():
                due = [(one, tick) for one in jobs.periodic_registry.periodic_tasks.values()]
                deferrers = [PeriodicDeferrer(jobs.periodic_registry) for _ in range(3)]
                await asyncio.gather(*(one.defer_jobs(due) for one in deferrers))

    asyncio.run(workers())
    with world.session() as session:
        mine = {"tick": tick}
        found = text(
            "SELECT task_name FROM procrastinate_jobs WHERE args @> jsonb_build_object('timestamp', :tick)"
        )
        names = list(session.execute(found, mine).scalars())
        session.execute(text("DELETE FROM procrastinate_periodic_defers WHERE defer_timestamp = :tick"), mine)
        session.execute(
            text("DELETE FROM procrastinate_jobs WHERE args @> jsonb_build_object('timestamp', :tick)"), mine
        )
    assert sorted(names) == sorted(one.task.name for one in jobs.periodic_registry.periodic_tasks.values())
    assert "campaigns.catch_up" in names


def test_a_queue_that_does_not_move_is_not_ready(app: Flask, client: FlaskClient, world: World) -> None:
    with app.app_context(), begin(SYSTEM):
        outbox.defer(
            "pushes.handle",
            channel="subscribe",
            name="user_authorization_revoke",
            openid="nobody",
            revoked=["8"],
        )
    with world.session() as session:
        session.execute(text("UPDATE procrastinate_events SET at = now() - interval '10 minutes'"))
    assert client.get("/readyz").status_code == 503
    run_due(app)
    assert client.get("/readyz").status_code == 200
