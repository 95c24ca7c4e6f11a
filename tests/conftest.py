"""The application on the real engines, and a world of people to act in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from procrastinate.periodic import PeriodicDeferrer

from app import create_app, jobs
from app.transactions import db
from config.settings import Settings, settings, use
from models.base import set_clock
from tests.builders import World
from tests.phones import Phones, served
from wechat.client import MiniProgram
from wechat.official_account import OfficialAccount
from wechat.simulator import create_simulator
from wechat.simulator.accounts import MINI_PROGRAM_PUSH, OFFICIAL_ACCOUNT_PUSH
from wechat.tokens import TokenStore

OtherApp = Callable[..., FlaskClient]

pytest_plugins = ["tests.engines", "tests.leaks", "tests.wechat_simulator"]


def test_settings(database_url: str, redis_url: str, **changes: object) -> Settings:
    """Returns the settings that tests run with; `changes` replace some."""
    values = {
        "embedded": True,
        "database_url": database_url,
        "redis_url": redis_url,
        "wechat_mp_appid": "wx00000000000test",
        "wechat_mp_secret": "test-secret-of-the-mini-program",
        "wechat_mp_push_token": "test-push-token",
        "wechat_mp_aes_key": "B" * 42 + "A",
        "wechat_oa_appid": "wx000000official",
        "wechat_oa_secret": "test-secret-of-the-official-account",
        "wechat_oa_push_token": "test-push-token-of-the-official-account",
        "wechat_oa_aes_key": "C" * 42 + "A",
        "wechat_api_base": "http://127.0.0.1:9",
        "secret_key": "test-secret-key-test-secret-key-test",
        "data_keys": "k1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
        "public_url": "http://testserver",
        "rate_limit_user": "100000/minute",
        "rate_limit_address": "1000000/minute",
        "rate_limit_sign_in": "1000000/minute",
        "access_token_minutes": 7 * 24 * 60,  # so that a test may move the clock by days
        "quiet_from": "00:00",  # never quiet: tests run at all hours
        "quiet_until": "00:00",
    }
    return Settings(**{**values, **changes})  # type: ignore[arg-type]


test_settings.__test__ = False  # type: ignore[attr-defined]


def prepare_template(database_url: str) -> None:
    """Fills the template database by the real migrations and the reference data."""
    from flask_migrate import upgrade

    from app.access import SYSTEM
    from app.services import reference

    app = create_app(test_settings(database_url, "redis://127.0.0.1:9/0"))
    with app.app_context():
        upgrade()
        reference.load(SYSTEM)
        db.engine.dispose()


@pytest.fixture(scope="session", autouse=True)
def no_periodic_jobs() -> Iterator[None]:
    """No job comes by the wall clock: what a test gets must not depend on the minute it runs in.

    A test of a periodic job defers it.
    """

    async def never(_deferrer: PeriodicDeferrer) -> None:
        return

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PeriodicDeferrer, "worker", never)
        yield


@pytest.fixture(scope="session")
def app(database_url: str, redis_url: str) -> Iterator[Flask]:
    """The application of this test worker, on its own database."""
    app = create_app(test_settings(database_url, redis_url))
    app.config["PROPAGATE_EXCEPTIONS"] = True  # a crash shows itself instead of answering 500
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A client that speaks HTTP to the application."""
    return app.test_client()


@pytest.fixture
def world(app: Flask) -> World:
    """People, enterprises and trainings to act with; every test's are its own."""
    return World(app)


@pytest.fixture(autouse=True)
def real_time() -> Iterator[None]:
    """Whatever clock a test has set, the next one lives now."""
    set_clock(None)
    yield
    set_clock(None)


# --- the simulated WeChat platform: tests of the whole way use it, the others have no platform


@pytest.fixture(scope="session")
def platform(database_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Phones]:
    """The simulator of the platform, for the same account as the application's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INSTANCE_DIR", str(tmp_path_factory.mktemp("platform")))
        simulator = create_simulator(test_settings(database_url, redis_url))
    with served(simulator) as base:
        yield Phones(base, simulator)
        simulator.extensions["wechat_platform"].close()


@pytest.fixture(scope="session")
def app_with_platform(database_url: str, redis_url: str, platform: Phones) -> Iterator[Flask]:
    """The application with the simulated platform, whose pushes reach it; it waits half a second for it."""
    settings = test_settings(database_url, redis_url, wechat_api_base=platform.base)
    app = create_app(settings)
    app.config["PROPAGATE_EXCEPTIONS"] = True
    hasty: dict[str, Any] = {
        "tokens": TokenStore(app.extensions["redis"]),
        "api_base": platform.base,
        "timeout": (0.5, 0.5),
        "sleep": lambda _seconds: None,
    }
    app.extensions["mini_program"] = MiniProgram(settings.wechat_mp_appid, settings.wechat_mp_secret, **hasty)
    app.extensions["official_account"] = OfficialAccount(
        settings.wechat_oa_appid, settings.wechat_oa_secret, **hasty
    )
    with served(app) as base:
        platform.state.pushes.callback_url = f"{base}{MINI_PROGRAM_PUSH}"
        platform.state.accounts.official.pushes.callback_url = f"{base}{OFFICIAL_ACCOUNT_PUSH}"
        yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def run_jobs(app_with_platform: Flask) -> Callable[[], None]:
    """Runs the jobs that are due, as a worker process does, and returns when none is left."""
    return lambda: run_due(app_with_platform)


def run_due(app: Flask) -> None:
    """Runs the due jobs of an application.

    On a thread of its own, at the test's time: where there is a browser, its loop runs on the test's.
    """
    with ThreadPoolExecutor(1) as worker:
        worker.submit(copy_context().run, jobs.run, app, wait=False).result()


# --- beside the application of all tests


@pytest.fixture
def other_app(database_url: str, redis_url: str) -> Iterator[OtherApp]:
    """Makes the application once more, with some settings changed; gives a client of it."""
    usual, made = settings(), list[Flask]()

    def make(**changes: object) -> FlaskClient:
        urls: dict[str, Any] = {"database_url": database_url, "redis_url": redis_url}
        made.append(create_app(test_settings(**{**urls, **changes})))
        return made[-1].test_client()

    yield make
    use(usual)
    for app in made:
        with app.app_context():
            db.engine.dispose()
