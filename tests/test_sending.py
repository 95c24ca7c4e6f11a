"""Dispatch and the transactions of sending, from a notice to its outcome, without the platform."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from app.access import SYSTEM, Actor, Grant
from app.services import (
    deliveries,
    delivery_outcomes,
    dispatching,
    outgoing,
    sending,
    sending_pauses,
    sending_results,
    subscriptions,
)
from app.services.delivery_outcomes import Verdict
from app.services.outgoing import Message
from app.services.sending import Claim
from app.services.sending_results import Result
from models.base import now, set_clock
from models.campaigns import Campaign, CampaignState
from models.deliveries import Delivery, DeliveryState, SendingPause
from models.message_templates import Channel, MessageTemplate, TemplateState
from models.messages import Notice
from models.subscriptions import Follower, Subscription
from tests.builders import World
from tests.message_builders import campaign, notices, of_people, people, route, template
from tests.senders import nothing_else
from tests.statements import queries
from wechat.errors import WeChatError, classify

LEASE = timedelta(seconds=60)
BOTH = [Channel.subscribe, Channel.template]


@pytest.fixture(autouse=True)
def alone(world: World) -> None:
    """Nothing else is due; it is noon, when campaigns may go out."""
    nothing_else(world)
    noon = now().replace(hour=12)
    set_clock(lambda: noon)


def dispatch(world: World, limit: int = 1000) -> int:
    with world.app.app_context():
        return dispatching.dispatch(SYSTEM, limit)


def ready(world: World, worker: str = "w1", limit: int = 100) -> list[Message]:
    with world.app.app_context():
        return outgoing.prepare(SYSTEM, worker, BOTH, limit, LEASE)


def mark(world: World, messages: list[Message], worker: str = "w1", *results: Result) -> set[UUID]:
    claims = [Claim(one.id, one.attempts) for one in messages]
    with world.app.app_context():
        return sending.turn(SYSTEM, worker, list(results), claims, LEASE)


def record(world: World, messages: list[Message], *verdicts: Verdict, worker: str = "w1") -> None:
    results = [
        Result(one.id, one.attempts + 1, verdict) for one, verdict in zip(messages, verdicts, strict=True)
    ]
    with world.app.app_context():
        sending.turn(SYSTEM, worker, results, [], LEASE)


def recover(world: World) -> int:
    with world.app.app_context():
        return sending_results.recover(SYSTEM)


def answer(message: Message, errcode: int) -> Verdict:
    error = WeChatError(classify(errcode), errcode)
    return delivery_outcomes.refused(error, message.channel, message.attempts + 1, now())


def later(seconds: float) -> None:
    at = now() + timedelta(seconds=seconds)
    set_clock(lambda: at)


def sent(world: World, users: list[UUID]) -> list[Message]:
    """What is being sent to these people."""
    notices(world, users)
    dispatch(world)
    messages = ready(world)
    assert mark(world, messages) == {one.id for one in messages}
    return messages


# --- dispatch


def test_a_notice_goes_by_the_first_channel_that_reaches_the_person(world: World) -> None:
    first, second = template(world), template(world, Channel.template)
    route(world, first, second)
    [both] = people(world, 1, first, second)
    [follower] = people(world, 1, second)
    [subscriber] = people(world, 1, first)
    [spent] = people(world, 1, first, credits=0)
    notices(world, [both, follower, subscriber, spent])
    assert dispatch(world) == 4 and dispatch(world) == 0
    made = {one.user_id: one for one in of_people(world, [both, follower, subscriber, spent])}
    assert {id_: (one.channel, one.state) for id_, one in made.items()} == {
        both: (Channel.subscribe, DeliveryState.waiting),
        follower: (Channel.template, DeliveryState.waiting),
        subscriber: (Channel.subscribe, DeliveryState.waiting),
        spent: (Channel.subscribe, DeliveryState.refused),
    }
    assert made[spent].reason == "未订阅且未关注公众号" and made[spent].settled_at
    assert made[both].division_id == "js.xz"


def test_a_kind_without_a_route_stays_in_the_inbox(world: World) -> None:
    [person] = people(world, 1, template(world))
    notices(world, [person], kind="membership.approved")
    assert dispatch(world) == 1
    assert of_people(world, [person]) == []


def test_dispatch_takes_as_many_statements_for_many_as_for_one(app: Flask, world: World) -> None:
    one = template(world)
    route(world, one)
    counts = []
    for number in (1, 50):
        notices(world, people(world, number, one))
        with queries(app) as seen:
            assert dispatch(world) == number
        counts.append(len(seen))
    assert counts[0] == counts[1] <= 4


def accept(world: World, person: UUID, one: MessageTemplate, nonce: str) -> list[DeliveryState]:
    """The person allows a message by the template; returns the states of all theirs."""
    with world.app.app_context():
        subscriptions.report(Actor(person), {one.platform_id: "accept"}, nonce)
    return [row.state for row in of_people(world, [person])]


def test_what_the_person_allows_a_moment_later_goes_out_after_all(world: World) -> None:
    one = template(world)
    route(world, one)
    [person] = people(world, 1, one, credits=0)
    notices(world, [person])
    notices(world, [person])
    dispatch(world)
    assert ready(world) == []
    for nonce in ("popup-0001", "popup-0002"):  # what is allowed beyond the latest is for what comes
        assert accept(world, person, one, nonce) == [DeliveryState.refused, DeliveryState.waiting]
    assert len(ready(world)) == 1


def test_what_is_allowed_later_still_or_was_refused_by_the_platform_stays_so(world: World) -> None:
    one = template(world)
    route(world, one)
    [late] = people(world, 1, one, credits=0)
    notices(world, [late])
    dispatch(world)
    long_ago = now() - timedelta(minutes=11)
    with world.session() as session:
        session.execute(update(Notice).where(Notice.user_id == late).values(created_at=long_ago))
    assert accept(world, late, one, "popup-0001") == [DeliveryState.refused]
    [person] = people(world, 1, one)
    [message] = sent(world, [person])
    record(world, [message], answer(message, 43101))
    assert accept(world, person, one, "popup-0002") == [DeliveryState.refused]


def test_campaigns_go_by_their_own_channels_and_wait_while_paused(world: World) -> None:
    one = template(world, Channel.template)
    users = people(world, 3, one)
    made = campaign(world, users, one, state=CampaignState.paused)
    assert dispatch(world) == 0
    _move(world, made, CampaignState.running)
    assert dispatch(world) == 3
    rows = of_people(world, users)
    assert {(row.state, row.campaign_id, row.division_id) for row in rows} == {
        (DeliveryState.waiting, made.id, "js.xz.fengxian")
    }
    _move(world, made, CampaignState.paused)
    assert ready(world) == []
    _move(world, made, CampaignState.running)
    messages = ready(world)
    assert [one.values for one in messages] == [{"thing1": "质量提升培训"}] * 3
    _move(world, made, CampaignState.cancelled)
    assert mark(world, messages) == set()


def test_a_cancelled_campaign_settles_whom_it_had_not_reached(world: World) -> None:
    one = template(world)
    users = people(world, 3, one)
    campaign(world, users, one, state=CampaignState.cancelled)
    assert dispatch(world) == 3
    assert {row.state for row in of_people(world, users)} == {DeliveryState.cancelled}


def _move(world: World, made: Campaign, state: CampaignState) -> None:
    with world.session() as session:
        session.execute(update(Campaign).where(Campaign.id == made.id).values(state=state))


# --- claiming and marking


def test_of_one_person_one_message_is_under_way_at_a_time(world: World) -> None:
    one = template(world)
    route(world, one)
    [person] = people(world, 1, one, credits=3)
    notices(world, [person] * 3)
    dispatch(world)
    messages = ready(world)
    assert len(messages) == 1 and ready(world, "w2") == []
    mark(world, messages)
    assert ready(world) == []
    record(world, messages, delivery_outcomes.accepted("12345"))
    assert len(ready(world)) == 1


def test_automatic_notices_are_not_kept_waiting_by_a_campaign(world: World) -> None:
    one = template(world)
    route(world, one)
    campaign(world, people(world, 5, one), one)
    dispatch(world)
    users = people(world, 1, one)
    notices(world, users)
    dispatch(world)
    [message] = ready(world, limit=1)
    assert [row.id for row in of_people(world, users)] == [message.id]


def test_only_who_holds_the_lease_may_send(world: World) -> None:
    one = template(world)
    route(world, one)
    notices(world, people(world, 1, one))
    dispatch(world)
    messages = ready(world)
    assert mark(world, messages, "w2") == set()
    later(61)
    assert mark(world, messages) == set()  # the lease is over, though nobody has taken it yet
    again = ready(world, "w2")
    assert again == messages
    assert mark(world, messages) == set()
    assert mark(world, again, "w2") == {messages[0].id}


def test_a_turn_whose_commit_was_not_confirmed_is_taken_again(world: World) -> None:
    one = template(world)
    route(world, one)
    notices(world, people(world, 1, one))
    dispatch(world)
    messages = ready(world)
    assert mark(world, messages) == mark(world, messages) == {messages[0].id}
    result = Result(messages[0].id, 1, delivery_outcomes.accepted("77"))
    assert mark(world, [], "w1", result) == mark(world, [], "w1", result) == set()
    [row] = of_people(world, _users(world, messages))
    assert (row.state, row.message_id, row.attempts) == (DeliveryState.sent, 77, 1)
    assert _credits(world, row) == 0


def _users(world: World, messages: list[Message]) -> list[UUID]:
    with world.session() as session:
        found = select(Delivery.user_id).where(Delivery.id.in_([one.id for one in messages]))
        return list(session.execute(found).scalars())


def _credits(world: World, row: Delivery) -> int:
    with world.session() as session:
        return int(session.get(Subscription, (row.user_id, row.template_id)).credits)


def test_nothing_is_claimed_by_a_template_that_changed(world: World) -> None:
    one = template(world)
    route(world, one)
    notices(world, people(world, 1, one))
    dispatch(world)
    for state, number in ((TemplateState.changed, 0), (TemplateState.gone, 0), (TemplateState.active, 1)):
        with world.session() as session:
            changed = update(MessageTemplate).where(MessageTemplate.id == one.id)
            session.execute(changed.values(state=state))
        assert len(ready(world)) == number


def test_what_waits_goes_by_the_template_that_staff_put_in_its_place(world: World) -> None:
    one, other = template(world), template(world)
    route(world, one)
    [person] = people(world, 1, one, other)
    notices(world, [person])
    dispatch(world)
    route(world, other)
    recover(world)
    [message] = ready(world)
    assert message.template == other.platform_id


def test_what_does_not_fit_fails_with_the_reason_and_goes_nowhere(world: World) -> None:
    one = template(world, fields=[{"key": "number1", "label": "数量", "type": "number", "choices": []}])
    users = people(world, 1, one)
    campaign(
        world,
        users,
        one,
        templates={"subscribe": {"template_id": str(one.id), "fields": {"number1": "不是数字"}}},
    )
    dispatch(world)
    assert ready(world) == []
    [row] = of_people(world, users)
    assert row.state == DeliveryState.failed and "数量" in (row.reason or "") and row.attempts == 0


# --- outcomes


@pytest.mark.parametrize(
    ("errcode", "state", "seconds"),
    [
        (-1, DeliveryState.waiting, (1, 1.5)),
        (43108, DeliveryState.waiting, (3, 3.6)),
        (45011, DeliveryState.waiting, (60, 72)),
        (47003, DeliveryState.failed, None),
        (43101, DeliveryState.refused, None),
        (999999, DeliveryState.failed, None),
    ],
)
def test_each_answer_has_its_outcome(
    world: World, errcode: int, state: DeliveryState, seconds: tuple[float, float] | None
) -> None:
    one = template(world)
    route(world, one)
    messages = sent(world, people(world, 1, one))
    began = now()
    record(world, messages, answer(messages[0], errcode))
    [row] = of_people(world, _users(world, messages))
    assert (row.state, row.errcode) == (state, errcode)
    if seconds:
        assert seconds[0] <= (row.due_at - began).total_seconds() <= seconds[1] + 5
        assert row.settled_at is None and row.first_tried_at is None
    else:
        assert row.settled_at


def test_five_attempts_at_most(world: World) -> None:
    one = template(world)
    route(world, one)
    users = people(world, 1, one)
    messages = sent(world, users)
    for attempt in range(1, 6):
        assert messages[0].attempts == attempt - 1
        record(world, messages, answer(messages[0], -1))
        later(40)
        messages = ready(world)
        mark(world, messages)
    assert messages == []
    [row] = of_people(world, users)
    assert (row.state, row.attempts) == (DeliveryState.failed, 5)


def test_whoever_refuses_gets_it_by_the_next_channel(world: World) -> None:
    first, second = template(world), template(world, Channel.template)
    route(world, first, second)
    users = people(world, 1, first, second)
    messages = sent(world, users)
    record(world, messages, answer(messages[0], 43101))
    refused, waiting = of_people(world, users)
    assert (refused.state, refused.superseded) == (DeliveryState.refused, True)
    assert (waiting.channel, waiting.state) == (Channel.template, DeliveryState.waiting)
    assert _credits(world, refused) == 0
    messages = ready(world)
    mark(world, messages)
    record(world, messages, answer(messages[0], 43004))
    last = of_people(world, users)[1]
    assert (last.state, last.superseded) == (DeliveryState.refused, False)
    with world.session() as session:
        found = select(func.count()).select_from(Follower).where(Follower.openid == f"f{users[0].hex}")
        assert session.execute(found).scalar_one() == 0


def test_a_route_may_want_no_second_channel(world: World) -> None:
    first, second = template(world), template(world, Channel.template)
    route(world, first, second, next_when_refused=False)
    users = people(world, 1, first, second)
    messages = sent(world, users)
    record(world, messages, answer(messages[0], 43101))
    [row] = of_people(world, users)
    assert (row.state, row.superseded) == (DeliveryState.refused, False)


def test_a_result_counts_for_its_own_attempt_only(world: World) -> None:
    one = template(world)
    route(world, one)
    users = people(world, 1, one)
    messages = sent(world, users)
    stale = Result(messages[0].id, 1, delivery_outcomes.accepted("1"))
    record(world, messages, answer(messages[0], -1))
    later(5)
    messages = ready(world)
    mark(world, messages, "w1", stale)
    assert of_people(world, users)[0].state == DeliveryState.sending


# --- pauses


def test_the_day_s_quota_stops_the_channel_until_midnight_in_beijing(world: World) -> None:
    one, other = template(world), template(world, Channel.template)
    route(world, one, other)
    users = people(world, 2, one)
    followers = people(world, 1, other)
    city = world.staff("city_staff", "js.xz")
    messages = sent(world, users + followers)
    of_subscribe = [message for message in messages if message.channel == Channel.subscribe]
    record(world, of_subscribe, *(answer(message, 45009) for message in of_subscribe))
    [pause] = _pauses(world)
    assert (pause.channel, pause.template_id, pause.errcode) == (Channel.subscribe, None, 45009)
    assert f"{pause.until:%H:%M}" == "00:00" and timedelta() < pause.until - now() <= timedelta(days=1)
    assert _told(world, city.id) == ["微信消息已暂停发送"]
    assert ready(world) == []
    at = pause.until + timedelta(seconds=1)
    set_clock(lambda: at)
    assert len(ready(world)) == 2
    recover(world)
    assert [one.lifted_at for one in _pauses(world)] == [pause.until]


def _pauses(world: World) -> list[SendingPause]:
    with world.session() as session:
        return list(session.execute(select(SendingPause).order_by(SendingPause.id)).scalars())


def _told(world: World, user_id: UUID) -> list[str]:
    with world.session() as session:
        found = select(Notice.title).where(Notice.user_id == user_id, Notice.kind == "sending.paused")
        return list(session.execute(found).scalars())


@pytest.mark.parametrize(
    ("errcode", "of_template"), [(40037, True), (43116, True), (40164, False), (48001, False)]
)
def test_an_error_of_configuration_stops_the_one_template_or_account_and_nothing_else(
    world: World, errcode: int, of_template: bool
) -> None:
    one, other = template(world), template(world)
    route(world, one)
    users = people(world, 2, one)
    messages = sent(world, users)
    record(world, messages, answer(messages[0], errcode), delivery_outcomes.accepted("5"))
    [pause] = _pauses(world)
    assert (pause.template_id, pause.until) == (one.id if of_template else None, None)
    campaign(world, people(world, 1, other), other)
    dispatch(world)
    assert len(ready(world)) == (1 if of_template else 0)
    county = world.staff()
    with world.app.app_context():
        sending_pauses.lift(_actor(county.id), pause.id)
    assert len(ready(world)) == (1 if of_template else 2)


def _actor(user_id: UUID, division: str = "js.xz.fengxian", role: str = "county_staff") -> Actor:
    return Actor(user_id, (Grant(role, "division", division),))


def test_what_was_claimed_before_a_pause_is_given_back(world: World) -> None:
    one = template(world)
    route(world, one)
    users = people(world, 2, one)
    notices(world, users)
    dispatch(world)
    first, second = ready(world)
    mark(world, [first])
    assert mark(world, [second], "w1", Result(first.id, 1, answer(first, 40037))) == set()
    assert {row.state for row in of_people(world, users)} == {DeliveryState.waiting}


# --- what a crash leaves


def test_after_a_crash_nothing_goes_out_twice(world: World) -> None:
    """The race first: who calls before it marks, and dies after the call, lets it be sent again."""
    one = template(world)
    route(world, one)
    users = people(world, 1, one)
    notices(world, users)
    dispatch(world)
    called = [message.openid for message in ready(world)]  # the call is made, and then it dies
    later(61)
    recover(world)
    called += [message.openid for message in ready(world, "w2")]
    assert called == [f"o{users[0].hex}"] * 2

    with world.session() as session:
        session.execute(update(Delivery).values(state=DeliveryState.waiting))
    called = []
    messages = ready(world)
    if mark(world, messages):
        called += [message.openid for message in messages]  # the same, but marked
    later(61)
    assert recover(world) == 1
    assert ready(world, "w2") == [] and len(called) == 1
    [row] = of_people(world, users)
    assert row.state == DeliveryState.unknown and "结果不明" in (row.reason or "")


def test_a_result_that_comes_late_settles_what_was_taken_for_unknown(world: World) -> None:
    one = template(world)
    route(world, one)
    users = people(world, 1, one)
    messages = sent(world, users)
    later(61)
    recover(world)
    record(world, messages, delivery_outcomes.accepted("9"))
    [row] = of_people(world, users)
    assert (row.state, row.message_id) == (DeliveryState.sent, 9)


def test_a_template_message_comes_again_under_the_same_id_within_its_ten_minutes(world: World) -> None:
    one = template(world, Channel.template)
    route(world, one)
    users = people(world, 1, one)
    [before] = sent(world, users)
    later(61)
    recover(world)
    [again] = ready(world, "w2")
    assert again.client_id == before.client_id and again.attempts == 1
    mark(world, [again], "w2")
    lost = delivery_outcomes.lost(again.channel, 2, now(), "答复丢失")
    record(world, [again], lost, worker="w2")
    assert of_people(world, users)[0].state == DeliveryState.waiting
    later(9 * 60)
    assert ready(world, "w2") == []
    [row] = of_people(world, users)
    assert row.state == DeliveryState.unknown


def test_what_staff_send_anew_comes_under_another_id(world: World) -> None:
    one = template(world, Channel.template)
    route(world, one)
    users = people(world, 1, one)
    [before] = sent(world, users)
    record(world, [before], delivery_outcomes.accepted("11"))
    [row] = of_people(world, users)
    with world.app.app_context():
        deliveries.complete(SYSTEM, row.channel, 11, False, "failed: system failed")
        assert deliveries.retry(SYSTEM, [row.id]) == 1
    [again] = ready(world)
    assert again.client_id != before.client_id  # under the same one the platform would send nothing
    later(61)
    recover(world)
    assert [one.client_id for one in ready(world, "w2")] == [again.client_id]


def test_a_template_message_that_was_surely_not_sent_may_come_any_time(world: World) -> None:
    one = template(world, Channel.template)
    route(world, one)
    messages = sent(world, people(world, 1, one))
    record(world, messages, answer(messages[0], -1))
    later(3600)
    assert len(ready(world)) == 1


def test_turns_take_as_many_statements_for_many_as_for_one(app: Flask, world: World) -> None:
    one = template(world)
    route(world, one)
    counts = []
    for number in (1, 40):
        messages = sent(world, people(world, number, one))
        users = people(world, number, one)
        notices(world, users)
        dispatch(world)
        waiting = ready(world)
        results = [Result(m.id, 1, delivery_outcomes.accepted(str(n + 1))) for n, m in enumerate(messages)]
        with queries(app) as seen:
            assert len(mark(world, waiting, "w1", *results)) == number
        counts.append(len(seen))
    assert counts == [3, 3]
