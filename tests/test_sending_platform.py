"""The platform on a bad day: slow, answering pages, busy, hanging up after it accepted; and Redis away."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from limits import RateLimitItemPerHour

from app.access import SYSTEM
from app.jobs import pace
from app.jobs.pace import Pace
from app.jobs.sender import Sender, wechat_calls
from app.services import delivery_outcomes, dispatching
from config.settings import settings
from models.base import now, set_clock
from models.campaigns import Campaign
from models.deliveries import DeliveryState
from models.message_templates import Channel
from tests.builders import World
from tests.message_builders import campaign, of_people, people, settled, states, template
from tests.senders import FakePlatform, configured, fake_platform, nothing_else, until
from wechat.client import MiniProgram
from wechat.official_account import OfficialAccount
from wechat.tokens import TokenStore

THREADS = 4


@pytest.fixture
def platform(world: World, tmp_path: Path) -> Iterator[FakePlatform]:
    """The platform; nothing of other tests is due."""
    nothing_else(world)
    with fake_platform(tmp_path) as running:
        yield running


@contextmanager
def sending(world: World, platform: FakePlatform, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A sender in this process that waits a fifth of a second for an answer, and not at all otherwise."""
    tokens = TokenStore(world.app.extensions["redis"])
    given = configured(platform, sender_threads=THREADS)
    accounts = {
        "mini_program": MiniProgram("wx-mini", "secret", tokens, platform.base, (1.0, 0.2)),
        "official_account": OfficialAccount("wx-official", "secret", tokens, platform.base, (1.0, 0.2)),
    }
    for name, account in accounts.items():
        monkeypatch.setitem(world.app.extensions, name, account)
    monkeypatch.setattr(delivery_outcomes, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(pace, "FIRST_REST", 0.01)
    monkeypatch.setattr(pace, "LONGEST_REST", 0.05)
    running = Sender(world.app, wechat_calls(world.app, given), given)
    thread = threading.Thread(target=running.run)
    thread.start()
    try:
        yield
    finally:
        running.stop()
        thread.join()
        for account in accounts.values():
            account.close()


def recipients(world: World, channel: Channel, number: int = 20) -> tuple[Campaign, list[UUID]]:
    one = template(world, channel)
    users = people(world, number, one)
    made = campaign(world, users, one)
    noon = now().replace(hour=12) - timedelta(days=1)  # when campaigns may go out
    set_clock(lambda: noon)
    with world.app.app_context():
        dispatching.dispatch(SYSTEM, 1000)
    set_clock(None)
    return made, users


@pytest.mark.parametrize(("kind", "accepted"), [("slow", True), ("html", False), ("drop", True)])
def test_a_subscribe_message_whose_answer_is_lost_is_unknown_and_not_sent_again(
    world: World, platform: FakePlatform, monkeypatch: pytest.MonkeyPatch, kind: str, accepted: bool
) -> None:
    made, _ = recipients(world, Channel.subscribe)
    platform.fails(kind, 3, value=0.5)
    with sending(world, platform, monkeypatch):
        until(lambda: settled(world, made))
    assert states(world, made) == {DeliveryState.sent: 17, DeliveryState.unknown: 3}
    until(lambda: len(platform.log()) >= (20 if accepted else 17))
    assert platform.twice() == {}


@pytest.mark.parametrize("channel", list(Channel))
def test_a_platform_that_is_slow_within_our_patience_costs_time_and_nothing_else(
    world: World, platform: FakePlatform, monkeypatch: pytest.MonkeyPatch, channel: Channel
) -> None:
    made, users = recipients(world, channel)
    platform.fails("slow", 100, value=0.03, interface=channel.value)
    with sending(world, platform, monkeypatch):
        until(lambda: settled(world, made))
    assert states(world, made) == {DeliveryState.sent: 20}
    assert {row.attempts for row in of_people(world, users)} == {1} and platform.twice() == {}


@pytest.mark.parametrize("kind", ["slow", "html", "drop"])
def test_a_template_message_whose_answer_is_lost_comes_again_and_arrives_once(
    world: World, platform: FakePlatform, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    made, users = recipients(world, Channel.template)
    platform.fails(kind, 3, value=0.5, interface="template")
    with sending(world, platform, monkeypatch):
        until(lambda: settled(world, made))
    assert states(world, made) == {DeliveryState.sent: 20}
    assert sorted(row.attempts for row in of_people(world, users))[-3:] == [2, 2, 2]
    until(lambda: len(platform.log()) >= 20)
    assert platform.twice() == {}


def test_a_platform_that_is_busy_for_a_while_costs_nobody_the_message(
    world: World, platform: FakePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, _ = recipients(world, Channel.subscribe, 200)
    platform.fails("errcode", 30, value=-1)  # a hundred and seventy are not even tried meanwhile
    with sending(world, platform, monkeypatch):
        until(lambda: settled(world, made))
    assert states(world, made) == {DeliveryState.sent: 200}
    assert platform.twice() == {}


# --- the pace


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at

    def run(self, seconds: float, act: Callable[[], int], step: float = 0.005) -> int:
        """Returns the sum of what the act returns, at every step of so many seconds."""
        total = 0
        for _ in range(round(seconds / step)):
            self.at += step
            total += act()
        return total


NOWHERE = "redis://127.0.0.1:9/0"


def test_a_process_alone_keeps_to_the_rate_evenly_while_redis_is_away() -> None:
    clock = Clock()
    one = Pace("even", 500, NOWHERE, clock)
    assert one.take(1000) <= 2 * (500 // pace.SHARES)
    assert 490 <= clock.run(1, lambda: one.take(1000)) <= 510
    assert 48 <= clock.run(0.1, lambda: one.take(1000)) <= 52


def test_all_processes_together_keep_to_the_rate(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    # Redis counts by its own clock: its window must not end while the test runs.
    monkeypatch.setattr(pace, "RateLimitItemPerSecond", RateLimitItemPerHour)
    clock = Clock()
    one, other = (Pace(f"shared-{id(clock)}", 100, settings().redis_url, clock) for _ in range(2))
    took = clock.run(5, lambda: one.take(100) + other.take(100), step=0.05)
    assert took == 100


def test_a_channel_that_does_not_answer_rests_and_is_tried_with_single_calls() -> None:
    clock = Clock()
    one = Pace("resting", 500, NOWHERE, clock)
    for _ in range(pace.MOST_IN_VAIN):
        one.note(answered=False)
    tried = clock.run(70, lambda: one.take(100))
    assert 5 <= tried <= 7  # after 1, 2, 4, 8, 16 and 30 seconds
    one.note(answered=True)
    assert clock.run(1, lambda: one.take(1000)) >= 490
