"""Two at once at one person's messages: first with the guard off, to see the race; then each counts once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert

from app.access import SYSTEM, Actor
from app.services import campaign_progress, dispatching, sending_hours, subscriptions
from app.transactions import session
from config.settings import settings
from models.audit import AuditEvent
from models.deliveries import Delivery, DeliveryState
from models.message_templates import MessageTemplate
from models.subscriptions import Subscription
from tests.builders import World
from tests.message_builders import campaign, people, template
from tests.races import at_once
from tests.senders import nothing_else

ROUNDS = 25
"""A race may be won by luck, hardly so often."""
CROWD = 20


# --- the last campaign message of a week


@pytest.fixture
def reachable(world: World) -> MessageTemplate:
    """A template; nothing else is due."""
    nothing_else(world)
    return template(world)


def _two_dispatch(app: Flask, world: World, one: MessageTemplate) -> set[int]:
    """Two campaigns are dispatched at once to people who may have one more; returns how many anybody has."""
    users = people(world, CROWD, one, credits=5)
    most = settings().messages_per_week

    def dispatch() -> int:
        with app.app_context():
            return dispatching.dispatch(SYSTEM, CROWD)

    for _ in range(most - 1):
        campaign(world, users, one)
        assert dispatch() == CROWD
    for _ in range(2):
        campaign(world, users, one)
    assert at_once(dispatch, dispatch) == [CROWD, CROWD]
    while dispatch():
        pass
    counted = select(func.count()).where(Delivery.user_id.in_(users), Delivery.state == DeliveryState.waiting)
    with world.session() as behind:
        return set(behind.execute(counted.group_by(Delivery.user_id)).scalars())


def test_without_the_guard_somebody_gets_one_too_many(
    app: Flask, world: World, reachable: MessageTemplate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending_hours, "_ONE_AT_A_TIME", text("SELECT 1"))
    most = settings().messages_per_week
    rounds = (_two_dispatch(app, world, reachable) for _ in range(ROUNDS))
    assert any(most + 1 in found for found in rounds), "the race did not show"


def test_of_two_who_dispatch_at_once_one_gives_the_last_of_the_week(
    app: Flask, world: World, reachable: MessageTemplate
) -> None:
    for _ in range(5):
        assert _two_dispatch(app, world, reachable) == {settings().messages_per_week}


def test_what_is_dispatched_together_counts_too(app: Flask, world: World, reachable: MessageTemplate) -> None:
    users = people(world, 3, reachable, credits=5)
    made = [campaign(world, users, reachable) for _ in range(settings().messages_per_week + 2)]
    with app.app_context():
        while dispatching.dispatch(SYSTEM, 1000):
            pass
    found = select(Delivery.campaign_id, Delivery.state, func.count()).where(Delivery.user_id.in_(users))
    with world.session() as behind:
        rows = behind.execute(found.group_by(Delivery.campaign_id, Delivery.state)).all()
    states = {row[0]: (row[1].value, row[2]) for row in rows}
    # the campaigns that were prepared first
    assert [states[one.id] for one in made] == [("waiting", 3)] * 3 + [("skipped", 3)] * 2


# --- what a tap is worth


def _hold_nothing(key: dict[str, UUID]) -> None:
    """What everybody writes first: the row is there, whoever else is at it."""
    session().execute(insert(Subscription).values(**key).on_conflict_do_nothing())


def _two_tell(app: Flask, world: World, one: MessageTemplate) -> list[int]:
    """The client and the platform tell of one tap at once; returns what it was worth to each person."""
    # Nobody's first: the row that is there already is not in the way of the second.
    users = people(world, 4, one, credits=1)
    at = datetime.now(UTC)

    def by_client(user: UUID) -> Callable[[], None]:
        def tell() -> None:
            with app.app_context():
                subscriptions.report(Actor(user), {one.platform_id: "accept"}, "popup-0001")

        return tell

    def by_platform(user: UUID) -> Callable[[], None]:
        def tell() -> None:
            with app.app_context():
                subscriptions.on_answers(SYSTEM, f"o{user.hex}", at, [(one.platform_id, "accept")])

        return tell

    at_once(*(tell(user) for user in users for tell in (by_client, by_platform)))
    credits = select(Subscription.credits).where(Subscription.user_id.in_(users))
    with world.session() as behind:
        return [found - 1 for found in behind.execute(credits).scalars()]


def test_without_the_guard_one_tap_counts_twice(
    app: Flask, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscriptions, "_hold", _hold_nothing)
    one = template(world)
    rounds = (_two_tell(app, world, one) for _ in range(ROUNDS))
    assert any(2 in worth for worth in rounds), "the race did not show"


def test_two_who_tell_of_one_tap_at_once_count_it_once(app: Flask, world: World) -> None:
    one = template(world)
    for _ in range(5):
        assert _two_tell(app, world, one) == [1] * 4


# --- the end of a campaign


def test_of_many_who_finish_a_campaign_at_once_one_does(
    app: Flask, world: World, reachable: MessageTemplate
) -> None:
    made = campaign(world, people(world, 2, reachable, credits=0), reachable)
    with app.app_context():
        dispatching.dispatch(SYSTEM, 10)

    def finish() -> bool:
        with app.app_context():
            return made.id in campaign_progress.finish(SYSTEM)

    assert sum(at_once(finish, finish, finish, finish)) == 1
    assert not finish()
    found = select(func.count()).where(
        AuditEvent.subject_id == str(made.id), AuditEvent.verb == "campaign.finished"
    )
    with world.session() as behind:
        assert behind.execute(found).scalar_one() == 1
