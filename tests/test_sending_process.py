"""`flask sender` as a process: what it sends, how it stops, and what a kill leaves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import delete, func, select, update

from config.settings import Settings, settings
from models.campaigns import Campaign
from models.deliveries import Delivery, DeliveryState, SendingPause
from models.message_templates import Channel
from models.messages import Notice
from tests.builders import World
from tests.message_builders import campaign, of_people, people, template
from tests.senders import FakePlatform, SenderProcess, fake_platform, sender, until


@pytest.fixture
def platform(world: World, tmp_path: Path) -> Iterator[FakePlatform]:
    """The platform; nothing of other tests is due, and nothing is paused."""
    with world.session() as session:
        session.execute(update(Notice).where(Notice.dispatched_at.is_(None)).values(dispatched_at=func.now()))
        session.execute(delete(Delivery))
        session.execute(delete(SendingPause))
    with fake_platform(tmp_path, 5) as running:
        yield running


def configured(platform: FakePlatform, **changes: object) -> Settings:
    values = {"wechat_api_base": platform.base, "sender_lease_seconds": 3, "send_rate": 5000}
    return replace(settings(), **{**values, **changes})


def states(world: World, made: Campaign) -> dict[DeliveryState, int]:
    found = select(Delivery.state, func.count()).where(Delivery.campaign_id == made.id)
    with world.session() as session:
        return {state: number for state, number in session.execute(found.group_by(Delivery.state))}


def settled(world: World, made: Campaign) -> bool:
    """Whether every recipient has an outcome."""
    open_ = {DeliveryState.waiting, DeliveryState.claimed, DeliveryState.sending}
    found = states(world, made)
    return sum(found.values()) == made.recipients and not open_ & found.keys()


def test_a_campaign_goes_out_and_the_process_stops_in_order(
    world: World, platform: FakePlatform, tmp_path: Path
) -> None:
    one = template(world)
    users = people(world, 300, one)
    made = campaign(world, users, one)
    with sender(configured(platform), tmp_path) as running:
        until(lambda: settled(world, made))
        assert running.stop() == 0
    assert states(world, made) == {DeliveryState.sent: 300}
    assert sorted(one.openid for one in platform.log()) == sorted(f"o{id_.hex}" for id_ in users)
    assert "sender stopped" in running.log.read_text()


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
