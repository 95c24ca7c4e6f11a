"""Background jobs on procrastinate: rows in our own PostgreSQL, enqueued by `outbox.defer`.

Every job is idempotent, for it may run again after a crash.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from importlib import import_module
from typing import Any

import procrastinate
from flask import Flask
from procrastinate import PsycopgConnector, RetryStrategy
from sqlalchemy.engine import make_url

from app.transactions import db
from config.settings import settings

DOMAINS = (
    "bookings",
    "campaigns",
    "cases",
    "certificates",
    "enterprises",
    "evidence",
    "housekeeping",
    "messages",
    "people",
    "pushes",
    "reminders",
    "signups",
    "transfers",
)

jobs = procrastinate.App(connector=PsycopgConnector())
_flask: list[Flask] = []


def task(name: str, *, cron: str | None = None) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Registers a job: run in a thread, within the application, tried again with growing pauses.

    With `cron` it is deferred once for the whole fleet at those times (of UTC).
    """

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        @wraps(function)
        def run(timestamp: int = 0, **kwargs: Any) -> None:  # the time of a periodic deferral
            with _flask[0].app_context():
                try:
                    function(**kwargs)
                finally:
                    db.session.remove()

        registered: Any = jobs.task(
            name=name, queue="default", retry=RetryStrategy(max_attempts=12, exponential_wait=3)
        )(run)
        if cron:
            jobs.periodic(cron=cron)(registered)
        return function

    return decorate


def run(flask: Flask, *, wait: bool = True) -> None:
    """Runs this process's worker until it is told to stop; jobs under way are finished first.

    Without `wait` it ends when no job is due.
    """
    _flask[:] = [flask]
    for domain in DOMAINS:
        import_module(f"app.jobs.{domain}")
    url = make_url(settings().database_url).set(drivername="postgresql")
    connector = PsycopgConnector(conninfo=url.render_as_string(hide_password=False))
    with jobs.replace_connector(connector):
        jobs.run_worker(concurrency=4, delete_jobs="successful", shutdown_graceful_timeout=20, wait=wait)
