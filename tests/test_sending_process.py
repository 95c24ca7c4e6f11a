"""`flask sender` as a process: what it sends, how it stops, and that a kill sends nothing twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from models.campaigns import CampaignState
from models.deliveries import DeliveryState
from tests.builders import World
from tests.campaign_builders import state_of
from tests.message_builders import campaign, people, settled, states, template
from tests.senders import FakePlatform, configured, fake_platform, nothing_else, sender, until


@pytest.fixture
def platform(world: World, tmp_path: Path) -> Iterator[FakePlatform]:
    """The platform, which takes ten milliseconds; nothing of other tests is due."""
    nothing_else(world)
    with fake_platform(tmp_path, 10) as running:
        yield running


def test_a_campaign_goes_out_and_the_process_stops_in_order(
    world: World, platform: FakePlatform, tmp_path: Path
) -> None:
    one = template(world)
    users = people(world, 300, one)
    made = campaign(world, users, one)
    with sender(configured(platform), tmp_path) as running:
        until(lambda: settled(world, made))
        until(lambda: state_of(world, made.id) == CampaignState.done)  # no job runs here
        assert running.stop() == 0
    assert states(world, made) == {DeliveryState.sent: 300}
    assert sorted(one.openid for one in platform.log()) == sorted(f"o{id_.hex}" for id_ in users)
    assert "sender stopped" in running.log.read_text()


def test_a_campaign_that_nobody_can_be_sent_ends_with_its_dispatch(
    world: World, platform: FakePlatform, tmp_path: Path
) -> None:
    one = template(world)
    made = campaign(world, people(world, 3, one, credits=0), one)
    inbox_only = campaign(world, people(world, 3, one))
    with sender(configured(platform), tmp_path):
        until(lambda: {state_of(world, each.id) for each in (made, inbox_only)} == {CampaignState.done})
    assert states(world, made) == {DeliveryState.refused: 3} and platform.log() == []


def test_told_to_stop_it_finishes_what_is_in_flight_and_gives_the_rest_back(
    world: World, platform: FakePlatform, tmp_path: Path
) -> None:
    one = template(world)
    made = campaign(world, people(world, 2000, one), one)
    with sender(configured(platform), tmp_path) as running:
        until(lambda: len(platform.log()) > 100)
        assert running.stop() == 0
    found = states(world, made)
    assert found.keys() <= {DeliveryState.sent, DeliveryState.waiting}
    assert found[DeliveryState.sent] == len(platform.log()) < 2000


def test_whoever_marks_after_the_call_sends_twice_when_killed(
    world: World, platform: FakePlatform, tmp_path: Path
) -> None:
    one = template(world)
    made = campaign(world, people(world, 1500, one), one)
    with sender(configured(platform), tmp_path, module="tests.unguarded_sender") as running:
        until(lambda: len(platform.log()) > 50)
        running.kill()
    with sender(configured(platform), tmp_path):
        until(lambda: settled(world, made))
    assert len(platform.twice()) > 0


def test_whoever_marks_before_the_call_does_not(world: World, platform: FakePlatform, tmp_path: Path) -> None:
    one = template(world)
    made = campaign(world, people(world, 1500, one), one)
    with sender(configured(platform), tmp_path) as running:
        until(lambda: len(platform.log()) > 50)
        running.kill()
    in_flight = states(world, made).get(DeliveryState.sending, 0)
    with sender(configured(platform), tmp_path):
        until(lambda: settled(world, made))
    found = states(world, made)
    assert platform.twice() == {} and found.get(DeliveryState.unknown, 0) <= in_flight <= 32
    assert found[DeliveryState.sent] + found.get(DeliveryState.unknown, 0) == 1500
