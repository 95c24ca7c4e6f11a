"""Nothing twice, nothing lost: a campaign of 20,000 through kills, restarts and two machines at once."""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import pytest
from flask_migrate import upgrade
from sqlalchemy import select

from app import create_app
from app.access import SYSTEM, Actor, Grant
from app.engines import _postgres, _redis
from app.services import deliveries, reference
from app.transactions import db
from config.settings import ROOT, Settings, settings, use
from models.campaigns import Campaign
from models.deliveries import TERMINAL, Delivery, DeliveryState
from models.message_templates import Channel
from tests.builders import World
from tests.conftest import test_settings as settings_for
from tests.engines import free_port
from tests.message_builders import (
    campaign,
    known_people,
    of_people,
    people,
    settled,
    states,
    template,
    template_of_platform,
)
from tests.senders import (
    FakePlatform,
    Simulator,
    configured,
    fake_platform,
    nothing_else,
    sender,
    simulator,
    until,
)

pytestmark = pytest.mark.slow

SUBSCRIBERS, FOLLOWERS, KILLS = 14_000, 6_000, 10
TYPES = {"thing", "time"}
STAFF = Grant("county_staff", "division", "js.xz.fengxian")


@pytest.fixture
def platform(world: World, tmp_path: Path) -> Iterator[FakePlatform]:
    """The platform, which takes thirty milliseconds; nothing of other tests is due."""
    nothing_else(world)
    with fake_platform(tmp_path, 30) as running:
        yield running


def crowd(world: World, subscribers: int, followers: int) -> tuple[Campaign, list[UUID]]:
    """A campaign to people of whom each is reached by one of the two channels."""
    first, second = template(world), template(world, Channel.template)
    users = people(world, subscribers, first) + people(world, followers, second)
    return campaign(world, users, first, second), users


def rows_of(world: World, users: list[UUID]) -> list[Delivery]:
    """All their deliveries."""
    found = []
    for place in range(0, len(users), 5000):
        found += of_people(world, users[place : place + 5000])
    return found


def outcomes_of(world: World, users: list[UUID], got: Mapping[UUID, bool]) -> list[Delivery]:
    """Everybody has one outcome, and the platform's log agrees with it; returns what is unknown."""
    rows = rows_of(world, users)
    assert sorted(row.user_id for row in rows) == sorted(users)
    assert {row.state for row in rows} <= {DeliveryState.sent, DeliveryState.unknown} <= set(TERMINAL)
    unknown = [row for row in rows if row.state == DeliveryState.unknown]
    assert {row.channel for row in unknown} <= {Channel.subscribe}  # the other is recognised by its id
    doubtful = {row.user_id for row in unknown}
    assert [row.user_id for row in rows if not got[row.user_id] and row.user_id not in doubtful] == []
    return unknown


def check(world: World, platform: FakePlatform, made: Campaign, users: list[UUID], in_flight: int) -> None:
    """Everybody has one outcome; the platform's log agrees, and holds nobody twice."""
    accepted = {one.openid[1:] for one in platform.log()}
    unknown = outcomes_of(world, users, {one: one.hex in accepted for one in users})
    assert platform.twice() == {}
    assert len(unknown) <= in_flight
    assert states(world, made).get(DeliveryState.unknown, 0) == len(unknown)


def test_ten_kills_during_a_campaign_of_20_000(world: World, tmp_path: Path) -> None:
    nothing_else(world)
    with simulator(tmp_path, 30) as platform:
        made, openids = _known_crowd(world, platform)
        chance, in_flight = random.Random(), set[tuple[UUID, int]]()
        for _ in range(KILLS):
            goal = platform.count() + chance.randrange(1, 1500)
            with sender(configured(platform), tmp_path) as running:
                until(lambda goal=goal: platform.count() >= goal)  # type: ignore[misc]
                time.sleep(chance.uniform(0, 0.2))
                running.kill()
            in_flight |= _sending(world)
        assert not settled(world, made), "the kills came too late"
        with sender(configured(platform), tmp_path):
            until(lambda: settled(world, made), seconds=400, every=0.5)
            assert len(in_flight) <= KILLS * settings().sender_threads
            got = platform.openids()
            unknown = outcomes_of(world, list(openids), {one: name in got for one, name in openids.items()})
            assert platform.twice() == []
            assert len(unknown) <= len(in_flight)
            _resolve(world, platform, made, openids, unknown)


def _known_crowd(world: World, platform: Simulator) -> tuple[Campaign, dict[UUID, str]]:
    """A campaign to people whom the platform knows, each reached by one of the channels; and who they are."""
    library = [(Channel.subscribe, "subscribe", "priTmplId"), (Channel.template, "official", "template_id")]
    templates = []
    for channel, name, key in library:
        rows = json.loads((ROOT / f"wechat/simulator/{name}_templates.json").read_text())
        row = next(one for one in rows if set(re.findall(r"{{([a-z]+)", one["content"])) <= TYPES)
        templates.append(template_of_platform(world, channel, row[key], row["content"]))
    first, second = templates
    # Several times each: a second message would be accepted, and be seen.
    subscribers = platform.crowd(SUBSCRIBERS, {first.platform_id: 5})
    followers = platform.crowd(FOLLOWERS, {}, follows=True)
    users = known_people(world, subscribers, first) + known_people(world, followers, second)
    openids = [one["openid"] for one in subscribers] + [one["official_openid"] for one in followers]
    return campaign(world, users, first, second), dict(zip(users, openids, strict=True))


def _sending(world: World) -> set[tuple[UUID, int]]:
    """The calls that were in flight: the delivery and the number of the attempt."""
    found = select(Delivery.id, Delivery.attempts).where(Delivery.state == DeliveryState.sending)
    with world.session() as session:
        return {(row.id, row.attempts) for row in session.execute(found)}


def _resolve(
    world: World,
    platform: Simulator,
    made: Campaign,
    openids: dict[UUID, str],
    unknown: list[Delivery],
) -> None:
    """Staff settle what is unknown: what the platform's log holds arrived, the rest is sent again."""
    got = platform.openids()
    with world.app.app_context():
        for row in unknown:
            deliveries.resolve_unknown(Actor(None, (STAFF,)), row.id, openids[row.user_id] in got)
    until(lambda: settled(world, made), every=0.5)
    assert platform.twice() == []
    assert platform.count() == len(openids)
    assert states(world, made).keys() <= {DeliveryState.sent, DeliveryState.delivered}


def test_two_machines_send_each_message_once(world: World, platform: FakePlatform, tmp_path: Path) -> None:
    made, users = crowd(world, 3_000, 1_000)
    one = configured(platform, sender_threads=16)
    other = configured(platform, sender_threads=24, port=8123, log_level="WARNING")
    with sender(one, tmp_path), sender(other, tmp_path):
        until(lambda: settled(world, made), every=0.2)
    check(world, platform, made, users, 0)


class Engines:
    """Private engines whose Redis and PostgreSQL may be restarted one at a time."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self._directory, self._port, self._stack = directory, free_port(), stack
        self._parts: dict[str, ExitStack] = {}
        self.start("redis")
        socket = self.start("postgres")
        self.database_url = f"postgresql+psycopg://postgres@/tizhitong?host={socket}"
        self.redis_url = f"redis://127.0.0.1:{self._port}/0"

    def start(self, name: str) -> Any:
        part = self._parts[name] = self._stack.enter_context(ExitStack())
        if name == "redis":
            return part.enter_context(_redis(self._directory, self._port))
        return part.enter_context(_postgres(self._directory, durable=False))[1]

    def stop(self, name: str) -> None:
        self._parts[name].close()


@contextmanager
def private_world() -> Iterator[tuple[World, Engines]]:
    """The application on engines of its own."""
    usual = settings()
    with ExitStack() as stack:
        # Short: the socket's path, which must stay the same, is in it.
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="tz-", dir="/tmp")))
        engines = Engines(directory, stack)
        app = create_app(settings_for(engines.database_url, engines.redis_url))
        with app.app_context():
            upgrade()
            reference.load(SYSTEM)
        try:
            yield World(app), engines
        finally:
            use(usual)
            with app.app_context():
                db.engine.dispose()


def _through(
    world: World, directory: Path, configuration: Settings, platform: FakePlatform, act: Any
) -> None:
    """Runs a campaign, and the act in the middle of it, and checks that nothing is twice or lost."""
    made, users = crowd(world, 2_500, 500)
    with sender(configuration, directory):
        until(lambda: len(platform.log()) > 500)
        act()
        reached = len(platform.log())
        until(lambda: settled(world, made), every=0.5)
    assert reached < len(users)
    check(world, platform, made, users, configuration.sender_threads)


def test_redis_restarted_empty_in_the_middle(platform: FakePlatform, tmp_path: Path) -> None:
    with private_world() as (world, engines):

        def act() -> None:
            engines.stop("redis")
            before = len(platform.log())
            until(lambda: len(platform.log()) > before + 100)  # it goes on without
            engines.start("redis")

        _through(world, tmp_path, configured(platform), platform, act)


def test_the_database_restarted_in_the_middle(platform: FakePlatform, tmp_path: Path) -> None:
    with private_world() as (world, engines):

        def act() -> None:
            engines.stop("postgres")
            engines.start("postgres")
            with world.app.app_context():
                db.engine.dispose()

        _through(world, tmp_path, configured(platform, sender_lease_seconds=20), platform, act)
        assert _unknown(world) == 0  # what was in flight is recorded when the database is back


def _unknown(world: World) -> int:
    with world.session() as session:
        return int(session.query(Delivery).filter_by(state=DeliveryState.unknown).count())
