"""pytest plugin: real engines for a run, and a database and a cache of its own for each test worker.

The process that leads the run starts private engines (or uses those that TEST_DATABASE_URL and
TEST_REDIS_URL name), fills one template database through `tests.conftest.prepare_template`, and
every worker works on a copy of it.
"""

from __future__ import annotations

import io
import os
import socket
import tempfile
from collections.abc import Generator, Iterator
from contextlib import ExitStack, redirect_stdout
from importlib import import_module
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
from sqlalchemy.engine import URL, make_url

from app.engines import engines

PREFIX = "tizhitong_test_"
TEMPLATE = PREFIX + "template"
_urls = pytest.StashKey[dict[str, str]]()
_started = pytest.StashKey[ExitStack]()


def free_port() -> int:
    """Returns a port on 127.0.0.1 that nobody listened on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def pytest_sessionstart(session: pytest.Session) -> None:
    """Starts the engines where the run is led: before the workers (xdist starts them last)."""
    config = session.config
    if hasattr(config, "workerinput"):
        config.stash[_urls] = config.workerinput["engines"]
        return
    if config.option.collectonly:
        return
    with ExitStack() as stack:
        given = {name: os.environ.get(f"TEST_{name}") for name in ("DATABASE_URL", "REDIS_URL")}
        if all(given.values()):
            urls = {"database": str(given["DATABASE_URL"]), "redis": str(given["REDIS_URL"])}
        elif any(given.values()):
            raise pytest.UsageError("TEST_DATABASE_URL and TEST_REDIS_URL go together")
        else:
            directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="tizhitong-tests-"))
            started = stack.enter_context(engines(Path(directory), free_port(), durable=False))
            urls = {"database": started.database_url, "redis": started.redis_url}
        config.stash[_urls] = urls
        _prepare(stack, make_url(urls["database"]))
        config.stash[_started] = stack.pop_all()


def _prepare(stack: ExitStack, url: URL) -> None:
    """Makes the template; one run at a time on one server, whose databases go when it ends."""
    server = stack.enter_context(_connect(url))
    server.execute("SELECT pg_advisory_lock(hashtext(%s))", [PREFIX])
    _drop_all(server)
    stack.callback(_drop_all, server)
    server.execute(f"CREATE DATABASE {TEMPLATE} TEMPLATE template0 ENCODING 'UTF8'")
    prepare_template = import_module("tests.conftest").prepare_template
    with redirect_stdout(io.StringIO()):  # its log belongs to no test
        prepare_template(_named(url, TEMPLATE))


def _drop_all(server: psycopg.Connection[Any]) -> None:
    found = server.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [PREFIX])
    for (name,) in found.fetchall():
        server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def _connect(url: URL) -> psycopg.Connection[Any]:
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(plain, autocommit=True)


def _named(url: URL, database: str) -> str:
    return url.set(drivername="postgresql+psycopg", database=database).render_as_string(hide_password=False)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tells a worker of xdist where the engines are."""
    node.workerinput["engines"] = node.config.stash.get(_urls, {})


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stops the engines."""
    if _started in config.stash:
        config.stash[_started].close()


def pytest_report_header(config: pytest.Config) -> str | None:
    """Names the engines, as a failure may be theirs."""
    if _started not in config.stash:
        return None
    urls = config.stash[_urls]
    with _connect(make_url(urls["database"])) as server, redis.Redis.from_url(urls["redis"]) as cache:
        try:
            cache_name = f"Redis {cache.info('server')['redis_version']}"
        except redis.ResponseError:
            cache_name = "fakeredis"  # which has no INFO
        return f"engines: PostgreSQL {server.info.server_version // 10000}, {cache_name}"


def _worker(config: pytest.Config) -> int:
    """Returns the worker's number from 1 on, or 0 when the leading process runs the tests itself."""
    if hasattr(config, "workerinput"):
        return 1 + int(config.workerinput["workerid"].removeprefix("gw"))
    return 0


@pytest.fixture(scope="session")
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of this worker's own database: migrated, with the reference data."""
    url, name = make_url(request.config.stash[_urls]["database"]), f"{PREFIX}{_worker(request.config)}"
    with _connect(url) as server:
        server.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        server.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    return _named(url, name)


@pytest.fixture(scope="session")
def redis_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of this worker's own Redis database, empty at the start and left empty."""
    url = make_url(request.config.stash[_urls]["redis"]).set(database=str(_worker(request.config)))
    plain = url.render_as_string(hide_password=False)
    with redis.Redis.from_url(plain) as cache:
        cache.flushdb()
        yield plain
        cache.flushdb()


def _failed_if_skipped(report: Any) -> Any:
    """In CI everything is there to be tested: a skipped test is a test that nobody runs."""
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome, report.longrepr = "failed", f"skipped, which CI does not allow: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turns a skipped test into a failure in CI."""
    report = _failed_if_skipped((yield))
    assert isinstance(report, pytest.TestReport)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turns a skipped module into a failure in CI."""
    report = _failed_if_skipped((yield))
    assert isinstance(report, pytest.CollectReport)
    return report
