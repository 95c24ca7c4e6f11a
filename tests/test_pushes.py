"""What became of a message, as the platform tells it: late, early, twice, or of nothing of ours."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text, update

from app import jobs
from models.base import new_id, now
from models.deliveries import Delivery, DeliveryState
from models.message_templates import Channel, MessageTemplate
from models.messages import Notice
from models.people import User
from models.subscriptions import Follower
from tests.builders import Person, World
from tests.platform_pushes import ADDRESSES, push, sealed
from tests.template_builders import fresh_template


class Told:
    """A person with a message on a channel, of which the platform tells."""

    def __init__(self, app: Flask, world: World, channel: Channel, **values: Any) -> None:
        self.app, self.world, self.channel = app, world, channel
        self.person: Person = world.person()
        self.template: MessageTemplate = fresh_template(world, channel)
        self.number = int(new_id().int % 2**62)
        with world.session() as session:
            user = session.get(User, self.person.id)
            self.openid = user.mp_openid
            if channel == Channel.template:
                user.unionid, self.openid = f"u{new_id().hex}", f"o{new_id().hex}"
                session.add(Follower(openid=self.openid, unionid=user.unionid))
        self.first = self.message(**values)

    def message(self, state: DeliveryState = DeliveryState.sent, number: int | None = None) -> Delivery:
        with self.world.session() as session:
            notice = Notice(
                user_id=self.person.id,
                kind="signup.confirmed",
                title="报名已通过",
                body="请准时参加。",
                subject_type="signups",
                subject_id=new_id(),
                dedupe_key=new_id().hex,
            )
            session.add(notice)
            session.flush()
            delivery = Delivery(
                notice_id=notice.id,
                user_id=self.person.id,
                kind=notice.kind,
                channel=self.channel,
                template_id=self.template.id,
                state=state,
                due_at=now(),
                first_tried_at=now(),
                message_id=number,
            )
            session.add(delivery)
        return delivery

    def tells(self, number: int, status: str = "success") -> int:
        query, body = self.sealed(number, status)
        address = ADDRESSES["oa" if self.channel == Channel.template else "mp"]
        return self.app.test_client().post(address, query_string=query, data=body).status_code

    def sealed(self, number: int, status: str = "success") -> tuple[dict[str, str], bytes]:
        if self.channel == Channel.template:
            return sealed(self.app, "oa", "TEMPLATESENDJOBFINISH", self.openid, MsgID=number, Status=status)
        item = {
            "TemplateId": self.template.platform_id,
            "MsgID": str(number),
            "ErrorCode": "0" if status == "success" else "20014",
            "ErrorStatus": status,
        }
        return sealed(self.app, "mp", "subscribe_msg_sent_event", self.openid, List=item)

    def state(self, delivery: Delivery | None = None) -> tuple[DeliveryState, str | None]:
        with self.world.session() as session:
            found = session.get(Delivery, (delivery or self.first).id)
            return found.state, found.reason


@pytest.mark.parametrize("channel", list(Channel))
def test_a_result_completes_the_message_of_its_number(app: Flask, world: World, channel: Channel) -> None:
    told = Told(app, world, channel, number=(number := int(new_id().int % 2**62)))
    other = told.message(number=number + 1)
    assert told.tells(number) == 200
    assert told.state() == (DeliveryState.delivered, None)
    assert told.state(other)[0] == DeliveryState.sent
    assert told.tells(number, "failed: system failed") == 200  # told otherwise afterwards
    assert told.state()[0] == DeliveryState.delivered


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("success", DeliveryState.delivered),
        ("failed:user block", DeliveryState.refused),
        ("failed: system failed", DeliveryState.failed),
        ("failed:freq limit", DeliveryState.failed),
    ],
)
def test_what_the_official_account_tells(app: Flask, world: World, status: str, state: DeliveryState) -> None:
    number = int(new_id().int % 2**62)
    told = Told(app, world, Channel.template, number=number)
    told.tells(number, status)
    assert told.state()[0] == state


def test_a_result_completes_the_only_message_whose_answer_was_lost(app: Flask, world: World) -> None:
    told = Told(app, world, Channel.subscribe, state=DeliveryState.unknown)
    told.tells(told.number)
    assert told.state()[0] == DeliveryState.delivered


def test_a_result_before_our_own_record_waits_for_it(app: Flask, world: World) -> None:
    told = Told(app, world, Channel.subscribe, state=DeliveryState.unknown)
    another = told.message(DeliveryState.unknown)  # two in question: which of them is not known yet
    assert told.tells(told.number) == 200
    assert told.state()[0] == told.state(another)[0] == DeliveryState.unknown
    with world.session() as session:  # now the answer of the call is recorded
        session.execute(
            update(Delivery)
            .where(Delivery.id == another.id)
            .values(state=DeliveryState.sent, message_id=told.number)
        )
        session.execute(text("UPDATE procrastinate_jobs SET scheduled_at = now() WHERE status = 'todo'"))
    jobs.run(app, wait=False)
    assert told.state(another)[0] == DeliveryState.delivered
    assert told.state()[0] == DeliveryState.unknown


@pytest.mark.parametrize("channel", list(Channel))
def test_what_is_forged_cut_off_or_told_again_changes_nothing(
    app: Flask, world: World, channel: Channel
) -> None:
    number = int(new_id().int % 2**62)
    told = Told(app, world, channel, number=number)
    client, account = app.test_client(), "mp" if channel == Channel.subscribe else "oa"
    ours, theirs = ADDRESSES[account], ADDRESSES["oa" if account == "mp" else "mp"]
    failed, success = told.sealed(number, "failed: system failed"), told.sealed(number)
    query, body = failed
    for address, given, sent in (
        (ours, {**query, "msg_signature": "0" * 40}, body),
        (ours, {**query, "timestamp": str(int(query["timestamp"]) - 3600)}, body),
        (ours, query, body[: len(body) // 2]),
        (ours, query, success[1]),  # the signature of one with the body of another
        (theirs, query, body),
    ):
        assert client.post(address, query_string=given, data=sent).status_code in (400, 403)
    assert told.state()[0] == DeliveryState.sent
    query, body = success
    for _ in range(3):  # as when the platform did not hear our answer
        assert client.post(ours, query_string=query, data=body).data == b"success"
        assert told.state() == (DeliveryState.delivered, None)
    assert client.post(ours, query_string=failed[0], data=failed[1]).data == b"success"
    assert told.state() == (DeliveryState.delivered, None)


def test_a_result_of_nothing_of_ours_is_given_up(app: Flask, world: World) -> None:
    told = Told(app, world, Channel.subscribe, number=1)
    told.tells(told.number)
    push(app, "mp", "subscribe_msg_sent_event", told.openid, List={"TemplateId": "T", "MsgID": "9" * 40})
    push(app, "mp", "subscribe_msg_sent_event", told.openid, List={"TemplateId": "T"})
    for _ in range(9):
        with world.session() as session:
            due = "UPDATE procrastinate_jobs SET scheduled_at = now() WHERE status = 'todo'"
            session.execute(text(due))
        jobs.run(app, wait=False)
    with world.session() as session:
        left = "SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'pushes.complete'"
        assert session.execute(text(left)).scalar_one() == 0
    assert told.state()[0] == DeliveryState.sent
