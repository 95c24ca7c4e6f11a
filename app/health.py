"""/healthz: this process answers. /readyz: what it needs answers too, and the queue moves."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import redis
from alembic.script import ScriptDirectory
from flask import Flask, Response, current_app, jsonify
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from app.api.frame import public
from app.transactions import db
from config.settings import ROOT

QUEUE_AGE_LIMIT = 300
"""Seconds that the oldest due job may wait before the service calls itself not ready."""


def init_app(app: Flask) -> None:
    """Adds the two health routes."""
    app.add_url_rule("/healthz", view_func=healthz)
    app.add_url_rule("/readyz", view_func=readyz)


@public
def healthz(_actor: Any) -> Response:
    """Returns 200 as long as this process answers."""
    return jsonify({"status": "ok"})


@public
def readyz(_actor: Any) -> tuple[Response, int]:
    """Returns 200 when database, Redis, migrations and queue are well, else 503, with each one's state."""
    checks: dict[str, Callable[[], Any]] = {
        "database": _database,
        "redis": _redis,
        "migrations": _migrations,
        "queue_age_seconds": _queue_age,
    }
    states: dict[str, Any] = {}
    for name, check in checks.items():
        try:
            states[name] = check()
        except (SQLAlchemyError, redis.RedisError):
            states[name] = "unavailable"
    queue_age = states["queue_age_seconds"]
    ready = (
        states["database"] == states["redis"] == "ok"
        and states["migrations"] == "at head"
        and not isinstance(queue_age, str)
        and queue_age <= QUEUE_AGE_LIMIT
    )
    return jsonify({"status": "ready" if ready else "not ready", **states}), 200 if ready else 503


def _scalar(statement: str) -> Any:
    # These look at the engine room, not at anybody's rows: they run beside the session and its guard.
    with db.engine.connect() as connection:
        return connection.execute(text(statement)).scalar()


def _database() -> str:
    _scalar("SELECT 1")
    return "ok"


def _redis() -> str:
    current_app.extensions["redis"].ping()
    return "ok"


@cache
def _head() -> str | None:
    return ScriptDirectory(str(ROOT / "migrations")).get_current_head()


def _migrations() -> str:
    return "at head" if _scalar("SELECT version_num FROM alembic_version") == _head() else "behind"


def _queue_age() -> int:
    return int(
        _scalar(
            "SELECT coalesce(extract(epoch FROM now() - min(coalesce(job.scheduled_at, event.at))), 0) "
            "FROM procrastinate_jobs job "
            "LEFT JOIN procrastinate_events event ON event.job_id = job.id AND event.type = 'deferred' "
            "WHERE job.status = 'todo' AND coalesce(job.scheduled_at, event.at) <= now()"
        )
    )
