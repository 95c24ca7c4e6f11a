"""Deliveries after the call: what the platform pushes about them, and what staff decide."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from app.access import SYSTEM, Actor, Grant
from app.errors import DomainError
from app.services import deliveries
from models.audit import AuditEvent
from models.base import new_id, now
from models.deliveries import Delivery, DeliveryState
from models.message_templates import Channel, MessageTemplate
from tests.builders import World
from tests.message_builders import KIND, notices, of_people, people, route, template

CITY = Actor(None, (Grant("city_staff", "division", "js.xz"),))
COUNTY = Actor(None, (Grant("county_staff", "division", "js.xz.fengxian"),))
OTHER = Actor(None, (Grant("county_staff", "division", "js.xz.peixian"),))


def fresh_number() -> int:
    """A number of a message that no other test uses."""
    return new_id().int >> 66


def delivery(world: World, one: MessageTemplate, **values: Any) -> Delivery:
    """A delivery to a person of its own, sent a moment ago."""
    route(world, one)
    users = people(world, 1, one)
    [notice] = notices(world, users)
    made = {
        "notice_id": notice,
        "user_id": users[0],
        "kind": KIND,
        "channel": one.channel,
        "template_id": one.id,
        "division_id": "js.xz.fengxian",
        "state": DeliveryState.sent,
        "due_at": now(),
        "attempts": 1,
        "first_tried_at": now(),
    }
    with world.session() as session:
        row = Delivery(**{**made, **values})
        session.add(row)
    return row


def complete(world: World, row: Delivery, number: int, ok: bool, reason: str = "", **who: str) -> bool:
    with world.app.app_context():
        return deliveries.complete(SYSTEM, row.channel, number, ok, reason, **who)


def now_of(world: World, row: Delivery) -> Delivery:
    [found] = [one for one in of_people(world, [row.user_id]) if one.id == row.id]
    return found


@pytest.mark.parametrize(
    ("ok", "reason", "state"),
    [
        (True, "", DeliveryState.delivered),
        (False, "failed:userblock", DeliveryState.refused),
        (False, "failed:systemfailed", DeliveryState.failed),
    ],
)
def test_what_the_platform_tells_completes_a_delivery_once(
    world: World, ok: bool, reason: str, state: DeliveryState
) -> None:
    number = fresh_number()
    row = delivery(world, template(world), message_id=number)
    assert complete(world, row, number, ok, reason)
    assert now_of(world, row).state == state
    assert complete(world, row, number, not ok, "failed:systemfailed")  # told otherwise, later
    assert now_of(world, row).state == state
    assert not complete(world, row, number + 1, True)


@pytest.mark.parametrize("channel", list(Channel))
def test_a_message_whose_answer_was_lost_is_known_by_the_person_and_the_template(
    world: World, channel: Channel
) -> None:
    one = template(world, channel)
    row = delivery(world, one, state=DeliveryState.unknown)
    openid = f"{'o' if channel == Channel.subscribe else 'f'}{row.user_id.hex}"
    number = fresh_number()
    assert not complete(world, row, number, True, openid=openid, template="TPL-other")
    assert complete(world, row, number, True, openid=openid, template=one.platform_id)
    found = now_of(world, row)
    assert (found.state, found.message_id) == (DeliveryState.delivered, number)


def test_of_two_in_question_none_is_guessed(world: World) -> None:
    one = template(world)
    row = delivery(world, one, state=DeliveryState.unknown)
    [notice] = notices(world, [row.user_id])
    with world.session() as session:
        session.add(
            Delivery(
                notice_id=notice,
                user_id=row.user_id,
                kind=KIND,
                channel=row.channel,
                template_id=one.id,
                state=DeliveryState.unknown,
                due_at=now(),
                first_tried_at=now(),
            )
        )
    openid = f"o{row.user_id.hex}"
    assert not complete(world, row, fresh_number(), True, openid=openid, template=one.platform_id)


def test_staff_resolve_what_is_unknown_in_their_reach(world: World) -> None:
    row = delivery(world, template(world), state=DeliveryState.unknown)
    with world.app.app_context():
        with pytest.raises(DomainError, match="not_found"):
            deliveries.resolve_unknown(OTHER, row.id, True)
        deliveries.resolve_unknown(COUNTY, row.id, True)
        with pytest.raises(DomainError, match="not_found"):
            deliveries.resolve_unknown(COUNTY, row.id, False)
    assert now_of(world, row).state == DeliveryState.delivered
    again = delivery(world, template(world), state=DeliveryState.unknown, division_id="js.xz", attempts=3)
    with world.app.app_context():
        with pytest.raises(DomainError, match="not_found"):
            deliveries.resolve_unknown(COUNTY, again.id, False)  # an automatic notice is the city's
        deliveries.resolve_unknown(CITY, again.id, False)
    found = now_of(world, again)
    assert (found.state, found.attempts, found.first_tried_at) == (DeliveryState.waiting, 0, None)
    with world.session() as session:
        verbs = select(AuditEvent.verb, AuditEvent.detail).where(AuditEvent.subject_id == str(again.id))
        assert session.execute(verbs).all() == [("delivery.resolved", {"outcome": "sent_again"})]


def test_only_what_failed_in_passing_is_retried(world: World) -> None:
    failed = {"state": DeliveryState.failed, "attempts": 5}
    one = template(world)
    busy = delivery(world, one, **failed, errcode=-1)
    lost = delivery(world, one, **failed)
    refused = delivery(world, one, **{**failed, "errcode": 47003})
    unfit = delivery(world, one, **{**failed, "attempts": 0})
    elsewhere = delivery(world, one, **failed, errcode=-1, division_id="js.xz.peixian")
    rows = [busy, lost, refused, unfit, elsewhere]
    with world.app.app_context():
        assert deliveries.retry(COUNTY, [row.id for row in rows]) == 2
        assert deliveries.retry(COUNTY, [row.id for row in rows]) == 0
    states = [now_of(world, row).state for row in rows]
    assert states == [DeliveryState.waiting] * 2 + [DeliveryState.failed] * 3


def test_nobody_else_decides(world: World) -> None:
    row = delivery(world, template(world), state=DeliveryState.unknown)
    person = world.person()
    with world.app.app_context(), pytest.raises(DomainError, match="permission_denied"):
        deliveries.resolve_unknown(Actor(person.id), row.id, True)
