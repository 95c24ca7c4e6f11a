"""/healthz and /readyz: what they say when something that the program needs is away."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from tests.builders import World
from tests.conftest import OtherApp
from tests.engines import free_port


@pytest.fixture
def idle(world: World) -> None:
    """No job of another test is waiting."""
    with world.session() as session:
        session.execute(text("DELETE FROM procrastinate_jobs WHERE status = 'todo'"))


def test_all_is_well(client: FlaskClient, idle: None) -> None:
    assert client.get("/healthz").json == {"status": "ok"}
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json == {
        "status": "ready",
        "database": "ok",
        "redis": "ok",
        "migrations": "at head",
        "queue_age_seconds": 0,
    }


def test_without_redis_nobody_is_turned_away_but_we_are_not_ready(
    world: World, other_app: OtherApp, idle: None
) -> None:
    person = world.person()
    client = other_app(redis_url=f"redis://127.0.0.1:{free_port()}/0", rate_limit_user="1/day")
    for _ in range(2):
        assert client.get("/api/v1/people/me", headers=person.headers).status_code == 200
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json["status"]) == (503, "not ready")
    assert (answer.json["redis"], answer.json["database"]) == ("unavailable", "ok")
    assert client.get("/healthz").status_code == 200


def test_without_the_database_we_are_alive_and_not_ready(other_app: OtherApp) -> None:
    client = other_app(database_url=f"postgresql://postgres@127.0.0.1:{free_port()}/nowhere")
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert {answer.json[name] for name in ("database", "migrations", "queue_age_seconds")} == {"unavailable"}
    assert answer.json["redis"] == "ok" and client.get("/healthz").status_code == 200


def test_a_database_behind_the_program_is_not_ready(client: FlaskClient, world: World, idle: None) -> None:
    def version(number: str) -> str:
        with world.session() as session:
            former: str = session.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
            session.execute(text("UPDATE alembic_version SET version_num = :number"), {"number": number})
        return former

    head = version("0000")
    try:
        answer = client.get("/readyz")
        assert (answer.status_code, answer.json["migrations"]) == (503, "behind")
    finally:
        version(head)


def test_a_queue_that_stands_still_is_not_ready(client: FlaskClient, world: World, idle: None) -> None:
    with world.session() as session:
        session.execute(
            text(
                "INSERT INTO procrastinate_jobs (queue_name, task_name, scheduled_at)"
                " VALUES ('default', 'people.close_account', now() - interval '10 minutes')"
            )
        )
    answer = client.get("/readyz")
    assert answer.status_code == 503 and 600 <= answer.json["queue_age_seconds"] < 700
    with world.session() as session:
        session.execute(text("DELETE FROM procrastinate_jobs WHERE task_name = 'people.close_account'"))


def test_the_migrations_make_what_the_models_say(app: Flask) -> None:
    told = app.test_cli_runner().invoke(args=["db", "check"])
    assert told.exit_code == 0, told.output
