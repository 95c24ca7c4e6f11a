"""Campaigns: from the draft to the outcomes, with the rules that hold on the way."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select

from app.access import SYSTEM, Actor
from app.errors import DomainError
from app.services import (
    campaign_moves,
    campaign_preparing,
    campaign_progress,
    campaigns,
    sending,
    sending_hours,
)
from config.settings import settings, use
from models.audit import AuditEvent
from models.base import now, set_clock
from models.campaigns import CampaignState
from models.deliveries import DeliveryState
from models.lifecycle import IllegalMove
from models.message_templates import Channel, TemplateState
from models.messages import Notice
from models.people import User
from models.subscriptions import Follower
from tests import campaign_builders as build
from tests.builders import World
from tests.conftest import test_settings
from tests.statements import queries


@pytest.fixture
def author(world: World) -> Any:
    return world.staff()


@pytest.fixture
def few_need_approval(app: Flask) -> Any:
    """Already three recipients are many."""
    usual = settings()
    use(test_settings(usual.database_url, usual.redis_url, campaign_approval_above=2))
    yield
    use(usual)


@pytest.fixture
def quiet_nights(app: Flask) -> Any:
    """Campaigns wait at night, as they do without tests."""
    usual = settings()
    use(test_settings(usual.database_url, usual.redis_url, quiet_from="22:00", quiet_until="08:00"))
    yield
    use(usual)


def verbs(world: World, campaign_id: Any) -> list[str]:
    with world.session() as session:
        found = select(AuditEvent.verb).where(AuditEvent.subject_id == str(campaign_id))
        return list(session.execute(found.order_by(AuditEvent.id)).scalars())


def test_a_small_campaign_goes_from_the_draft_to_its_end(app: Flask, world: World, author: Any) -> None:
    staff = build.actor_of(author)
    made = build.template(world)
    people, enterprises = build.owners(world, 3)
    build.subscribed(world, people[0], made)
    build.subscribed(world, people[1], made)
    training = world.training()
    with app.app_context():
        campaign = campaigns.create(staff, "补报名提醒")
        campaigns.set_credit_codes(staff, campaign.id, [one.credit_code for one in enterprises])
        texts = {"subscribe": {"template_id": made.id, "fields": {**build.TEXTS, "thing1": "长" * 30}}}
        campaigns.set_content(staff, campaign.id, "补报名", "还有名额。", training.id, texts)
        preview = campaigns.preview(staff, campaign.id)
        assert (preview.people, preview.enterprises, preview.inbox_only) == (3, 3, 1)
        assert preview.reached == {Channel.subscribe: 2}
        assert {one.name for one in preview.sample} == {"王*明"}
        assert campaign_moves.submit(staff, campaign.id) == CampaignState.scheduled
    build.run(world, campaign.id)
    assert build.state_of(world, campaign.id) == CampaignState.running
    assert sorted(build.told(world, campaign.id)) == sorted(one.id for one in people)
    with world.session() as session:
        notice = session.execute(select(Notice).where(Notice.campaign_id == campaign.id).limit(1)).scalar()
        assert (notice.subject_type, notice.subject_id) == ("trainings", training.id)
        assert (notice.title, notice.body, notice.facts) == ("补报名", "还有名额。", None)
    build.dispatched(world)
    expected = {people[0].id: "waiting", people[1].id: "waiting", people[2].id: "refused"}
    assert build.states_of(world, campaign.id) == expected
    with app.app_context():
        assert campaign.id not in campaign_progress.finish(SYSTEM)
        build.settle(world, campaign.id, DeliveryState.delivered, *people[:2])
        assert campaign.id in campaign_progress.finish(SYSTEM)
        found = campaign_progress.progress(staff, campaign.id)
    assert found.outcomes == {DeliveryState.delivered: 2, DeliveryState.refused: 1}
    assert (found.written, found.settled, found.pending, found.read) == (3, 3, 0, 0)
    assert verbs(world, campaign.id) == [
        "campaign.created",
        "campaign.listed",
        "campaign.changed",
        "campaign.submitted",
        "campaign.started",
        "campaign.prepared",
        "campaign.finished",
    ]


def test_an_inbox_only_campaign_ends_when_everybody_has_it(app: Flask, world: World, author: Any) -> None:
    _, enterprises = build.owners(world, 2)
    campaign = build.campaign(world, author, **build.listed(enterprises))
    with app.app_context():
        campaign_moves.submit(build.actor_of(author), campaign.id)
    build.run(world, campaign.id)
    build.dispatched(world)
    with app.app_context():
        assert campaign.id in campaign_progress.finish(SYSTEM)
        found = campaign_progress.progress(build.actor_of(author), campaign.id)
    assert (found.written, found.settled, found.outcomes) == (2, 2, {})


# --- who may


@pytest.mark.usefixtures("few_need_approval")
def test_many_recipients_need_a_second_person(app: Flask, world: World, author: Any) -> None:
    staff, other = build.actor_of(author), build.actor_of(world.staff())
    _, enterprises = build.owners(world, 3)
    campaign = build.campaign(world, author, **build.listed(enterprises))
    with app.app_context():
        assert campaign_moves.submit(staff, campaign.id) == CampaignState.approving
        with pytest.raises(DomainError, match="campaign_own"):
            campaign_moves.approve(staff, campaign.id)
        with pytest.raises(DomainError, match="campaign_own"):
            campaign_moves.return_(staff, campaign.id, "不妥")
        assert not campaign_moves.start(SYSTEM, campaign.id)
        campaign_moves.return_(other, campaign.id, "标题不清楚")
        returned = campaigns.get(staff, campaign.id)
        assert (returned.state, returned.state_reason) == (CampaignState.draft, "标题不清楚")
        campaign_moves.submit(staff, campaign.id)
        campaign_moves.withdraw(staff, campaign.id)
        campaign_moves.submit(staff, campaign.id)
        campaign_moves.approve(other, campaign.id)
        assert campaigns.get(staff, campaign.id).approved_by == other.user_id
        with pytest.raises(IllegalMove):
            campaign_moves.approve(other, campaign.id)


def test_only_its_author_writes_a_campaign(app: Flask, world: World, author: Any) -> None:
    """Else somebody could write, have it submitted by the author, and approve what they wrote themselves."""
    other = build.actor_of(world.staff())
    campaign = build.campaign(world, author)
    with app.app_context():
        for act in (
            lambda: campaigns.set_audience(other, campaign.id, "x", {"by": "conditions", "who": "owners"}),
            lambda: campaigns.set_content(other, campaign.id, "x", "x", None, {}),
            lambda: campaigns.set_credit_codes(other, campaign.id, []),
            lambda: campaign_moves.submit(other, campaign.id),
            lambda: campaign_moves.withdraw(other, campaign.id),
        ):
            with pytest.raises(DomainError, match="campaign_not_yours"):
                act()


def test_a_campaign_of_another_county_is_out_of_reach(app: Flask, world: World, author: Any) -> None:
    campaign = build.campaign(world, author)
    elsewhere = build.actor_of(world.staff(division="js.xz.peixian"), division="js.xz.peixian")
    city = build.actor_of(world.staff("city_staff", "js.xz"), "city_staff", "js.xz")
    with app.app_context():
        for act in (
            lambda: campaigns.get(elsewhere, campaign.id),
            lambda: campaigns.preview(elsewhere, campaign.id),
            lambda: campaign_moves.cancel(elsewhere, campaign.id, "x"),
            lambda: campaign_moves.pause(elsewhere, campaign.id),
            lambda: campaign_progress.progress(elsewhere, campaign.id),
            lambda: campaign_progress.retry(elsewhere, campaign.id),
        ):
            with pytest.raises(DomainError, match="not_found"):
                act()
        assert campaigns.get(city, campaign.id).id == campaign.id
        with pytest.raises(DomainError, match="permission_denied"):
            campaigns.get(Actor(world.person().id), campaign.id)


# --- what is refused


def test_an_incomplete_draft_is_not_submitted(app: Flask, world: World, author: Any) -> None:
    staff = build.actor_of(author)
    made = build.template(world)
    _, enterprises = build.owners(world, 1)
    broken = build.by_template(made, time2="明天下午", thing1="")
    campaign = build.campaign(world, author, title="", templates=broken, **build.listed(enterprises))
    with app.app_context(), pytest.raises(DomainError, match="campaign_incomplete") as refused:
        campaign_moves.submit(staff, campaign.id)
    assert set(refused.value.fields) == {
        "title",
        "templates.subscribe.fields.thing1",
        "templates.subscribe.fields.time2",
    }


def test_a_template_that_changed_is_not_submitted(app: Flask, world: World, author: Any) -> None:
    made = build.template(world, state=TemplateState.changed)
    _, enterprises = build.owners(world, 1)
    values = build.listed(enterprises)
    campaign = build.campaign(world, author, templates=build.by_template(made), **values)
    with app.app_context(), pytest.raises(DomainError, match="campaign_incomplete") as refused:
        campaign_moves.submit(build.actor_of(author), campaign.id)
    assert list(refused.value.fields) == ["templates.subscribe.template_id"]


def test_nobody_and_the_past_are_refused(app: Flask, world: World, author: Any) -> None:
    staff = build.actor_of(author)
    nobody = build.campaign(world, author, **build.listed([]))
    _, enterprises = build.owners(world, 1)
    campaign = build.campaign(world, author, **build.listed(enterprises))
    with app.app_context():
        with pytest.raises(DomainError, match="campaign_empty"):
            campaign_moves.submit(staff, nobody.id)
        for at in (now() - timedelta(minutes=1), now() + timedelta(days=61)):
            with pytest.raises(DomainError, match="validation_failed"):
                campaign_moves.submit(staff, campaign.id, at)


def test_a_campaign_that_grew_before_its_start_waits_for_a_second_person(
    app: Flask, world: World, author: Any, few_need_approval: None
) -> None:
    people, enterprises = build.owners(world, 3)
    small = {"state": CampaignState.scheduled, "recipients": 2, **build.listed(enterprises)}
    campaign = build.campaign(world, author, **small)
    build.run(world, campaign.id)
    assert build.told(world, campaign.id) == []
    with app.app_context():
        kept = campaigns.get(build.actor_of(author), campaign.id)
        assert (kept.state, kept.recipients, kept.state_reason) == ("approving", 3, campaign_moves.GREW)
        campaign_moves.approve(build.actor_of(world.staff()), campaign.id)
    build.run(world, campaign.id)
    assert sorted(build.told(world, campaign.id)) == sorted(one.id for one in people)
    expected = ["campaign.held", "campaign.approved", "campaign.started", "campaign.prepared"]
    assert verbs(world, campaign.id) == expected


def test_a_submitted_campaign_is_not_changed_any_more(app: Flask, world: World, author: Any) -> None:
    staff = build.actor_of(author)
    _, enterprises = build.owners(world, 1)
    campaign = build.campaign(world, author, **build.listed(enterprises))
    with app.app_context():
        campaign_moves.submit(staff, campaign.id, now() + timedelta(days=1))
        with pytest.raises(DomainError, match="campaign_not_draft"):
            campaigns.set_content(staff, campaign.id, "x", "x", None, {})
        with pytest.raises(DomainError, match="campaign_not_draft"):
            campaigns.set_credit_codes(staff, campaign.id, [])


# --- time


def test_a_scheduled_campaign_starts_at_its_time_and_not_before(
    app: Flask, world: World, author: Any
) -> None:
    _, enterprises = build.owners(world, 1)
    campaign = build.campaign(world, author, **build.listed(enterprises))
    with app.app_context():
        campaign_moves.submit(build.actor_of(author), campaign.id, now() + timedelta(hours=2))
        build.run(world, campaign.id)
        assert build.state_of(world, campaign.id) == CampaignState.scheduled
        assert (campaign.id, CampaignState.scheduled) not in campaign_moves.overdue(SYSTEM)
        later = now() + timedelta(hours=2, seconds=1)
        set_clock(lambda: later)
        assert (campaign.id, CampaignState.scheduled) in campaign_moves.overdue(SYSTEM)
        build.run(world, campaign.id)
    assert build.state_of(world, campaign.id) == CampaignState.running


@pytest.mark.parametrize(
    ("ready", "due"),
    [
        ("2026-11-25T21:59:59+08:00", "2026-11-25T21:59:59+08:00"),
        ("2026-11-25T22:00:00+08:00", "2026-11-26T08:00:00+08:00"),
        ("2026-11-26T00:30:00+08:00", "2026-11-26T08:00:00+08:00"),
        ("2026-11-26T07:59:59+08:00", "2026-11-26T08:00:00+08:00"),
        ("2026-11-26T08:00:00+08:00", "2026-11-26T08:00:00+08:00"),
        ("2026-11-25T16:00:00+00:00", "2026-11-26T08:00:00+08:00"),
    ],
)
@pytest.mark.usefixtures("quiet_nights")
def test_what_is_ready_in_the_quiet_hours_waits_for_their_end(ready: str, due: str) -> None:
    assert sending_hours.due_at(datetime.fromisoformat(ready)) == datetime.fromisoformat(due)


@pytest.mark.usefixtures("quiet_nights")
def test_what_was_held_up_until_the_quiet_hours_waits_for_their_end(
    app: Flask, world: World, author: Any
) -> None:
    """A pause that is lifted late, or a quota that ends at midnight."""
    moment = now().replace(hour=21, minute=30)
    set_clock(lambda: moment)
    made = build.template(world)
    [person], enterprises = build.owners(world, 1)
    build.subscribed(world, person, made)
    values = {"templates": build.by_template(made), **build.listed(enterprises)}
    campaign = build.campaign(world, author, state=CampaignState.scheduled, **values)
    build.run(world, campaign.id)
    build.dispatched(world)

    def claimed() -> bool:
        with app.app_context():
            rows = sending.claim(SYSTEM, "night", [Channel.subscribe], 10_000, timedelta(minutes=1))
            sending.release(SYSTEM, "night", [row.delivery_id for row in rows])
        return person.id in {row.user_id for row in rows}

    assert claimed()
    moment = moment.replace(hour=23)
    assert not claimed()
    moment = (moment + timedelta(days=1)).replace(hour=8, minute=0)
    assert claimed()


def test_whoever_had_three_campaigns_in_a_week_is_left_alone(app: Flask, world: World, author: Any) -> None:
    made = build.template(world)
    [person], enterprises = build.owners(world, 1)
    build.subscribed(world, person, made)
    values = {"templates": build.by_template(made), **build.listed(enterprises)}
    sent = []
    for _ in range(4):
        campaign = build.campaign(world, author, **values)
        with app.app_context():
            campaign_moves.submit(build.actor_of(author), campaign.id)
        build.run(world, campaign.id)
        build.dispatched(world)
        build_state = build.states_of(world, campaign.id)[person.id]
        sent.append(build_state.value)
        if build_state == DeliveryState.waiting:
            build.settle(world, campaign.id, DeliveryState.delivered, person)
    assert sent == ["waiting", "waiting", "waiting", "skipped"]
    with world.session() as session:
        assert person.id in set(
            session.execute(select(Notice.user_id).where(Notice.campaign_id == campaign.id)).scalars()
        )
    later = now() + timedelta(days=7, minutes=1)
    set_clock(lambda: later)
    campaign = build.campaign(world, author, **values)
    with app.app_context():
        campaign_moves.submit(build.actor_of(author), campaign.id)
    build.run(world, campaign.id)
    build.dispatched(world)
    assert build.states_of(world, campaign.id)[person.id] == DeliveryState.waiting


# --- under way


def test_preparing_is_resumed_where_it_was_paused_and_writes_nobody_twice(
    app: Flask, world: World, author: Any
) -> None:
    staff = build.actor_of(author)
    people, enterprises = build.owners(world, 5)
    campaign = build.campaign(world, author, **build.listed(enterprises))
    with app.app_context():
        campaign_moves.submit(staff, campaign.id)
        campaign_moves.start(SYSTEM, campaign.id)
        last = campaign_preparing._write(SYSTEM, campaign.id, UUID(int=0), 2)
        assert len(build.told(world, campaign.id)) == 2
        campaign_moves.pause(staff, campaign.id)
        assert last is not None
        assert campaign_preparing._write(SYSTEM, campaign.id, last, 2) is None
        campaign_preparing.prepare(campaign.id)
        assert build.state_of(world, campaign.id) == CampaignState.paused
        campaign_moves.resume(staff, campaign.id)
        assert build.state_of(world, campaign.id) == CampaignState.preparing
        campaign_preparing.prepare(campaign.id, 2)
        campaign_preparing.prepare(campaign.id, 2)
        assert build.state_of(world, campaign.id) == CampaignState.running
        campaign_moves.pause(staff, campaign.id)
        campaign_moves.resume(staff, campaign.id)
        assert build.state_of(world, campaign.id) == CampaignState.running
    assert sorted(build.told(world, campaign.id)) == sorted(one.id for one in people)


def test_pausing_gives_back_what_a_worker_has_not_sent(app: Flask, world: World, author: Any) -> None:
    made = build.template(world)
    people, enterprises = build.owners(world, 2)
    for one in people:
        build.subscribed(world, one, made)
    values = {"templates": build.by_template(made), **build.listed(enterprises)}
    campaign = build.campaign(world, author, **values)
    with app.app_context():
        campaign_moves.submit(build.actor_of(author), campaign.id)
    build.run(world, campaign.id)
    build.dispatched(world)
    build.settle(world, campaign.id, DeliveryState.claimed, people[0], worker="w1", lease_until=now())
    build.settle(world, campaign.id, DeliveryState.sending, people[1], worker="w1", lease_until=now())
    with app.app_context():
        campaign_moves.pause(build.actor_of(author), campaign.id)
    assert build.states_of(world, campaign.id) == {people[0].id: "waiting", people[1].id: "sending"}


def test_cancelling_ends_what_waits_and_lets_finish_what_is_on_its_way(
    app: Flask, world: World, author: Any
) -> None:
    made = build.template(world)
    people, enterprises = build.owners(world, 4)
    for one in people:
        build.subscribed(world, one, made)
    values = {"templates": build.by_template(made), **build.listed(enterprises)}
    campaign = build.campaign(world, author, **values)
    staff = build.actor_of(author)
    with app.app_context():
        campaign_moves.submit(staff, campaign.id)
    build.run(world, campaign.id)
    build.dispatched(world)
    build.settle(world, campaign.id, DeliveryState.claimed, people[1])
    build.settle(world, campaign.id, DeliveryState.sending, people[2])
    build.settle(world, campaign.id, DeliveryState.sent, people[3])
    with app.app_context():
        campaign_moves.cancel(staff, campaign.id, "培训延期")
        for act in (campaign_moves.pause, campaign_moves.resume, campaign_progress.retry):
            with pytest.raises(IllegalMove):
                act(staff, campaign.id)
    expected = ["cancelled", "cancelled", "sending", "sent"]
    assert [build.states_of(world, campaign.id)[one.id] for one in people] == expected


def test_what_failed_in_passing_is_tried_again_and_nothing_else(
    app: Flask, world: World, author: Any
) -> None:
    made = build.template(world)
    people, enterprises = build.owners(world, 3)
    for one in people:
        build.subscribed(world, one, made)
    values = {"templates": build.by_template(made), **build.listed(enterprises)}
    campaign = build.campaign(world, author, **values)
    staff = build.actor_of(author)
    with app.app_context():
        campaign_moves.submit(staff, campaign.id)
    build.run(world, campaign.id)
    build.dispatched(world)
    build.settle(world, campaign.id, DeliveryState.failed, people[0], errcode=-1, attempts=5)
    build.settle(world, campaign.id, DeliveryState.failed, people[1], errcode=47003, attempts=1)
    build.settle(world, campaign.id, DeliveryState.delivered, people[2])
    with app.app_context():
        campaign_progress.finish(SYSTEM)
        assert build.state_of(world, campaign.id) == CampaignState.done
        assert campaign_progress.progress(staff, campaign.id).passing == 1
        assert campaign_progress.retry(staff, campaign.id) == 1
        assert build.state_of(world, campaign.id) == CampaignState.running
        with pytest.raises(DomainError, match="campaign_nothing_to_retry"):
            campaign_progress.retry(staff, campaign.id)
    expected = ["waiting", "failed", "delivered"]
    assert [build.states_of(world, campaign.id)[one.id] for one in people] == expected


# --- how much it asks of the database


def test_preparing_and_looking_take_few_statements(app: Flask, world: World, author: Any) -> None:
    made = build.template(world)
    account = build.template(world, Channel.template)
    _, enterprises = build.owners(world, 12)
    both = {**build.by_template(made), **build.by_template(account)}
    campaign = build.campaign(world, author, templates=both, **build.listed(enterprises))
    staff = build.actor_of(author)
    with app.app_context():
        with queries(app) as seen:
            assert campaigns.preview(staff, campaign.id).people == 12
        assert len(seen) <= 5, seen
        campaign_moves.submit(staff, campaign.id)
        campaign_moves.start(SYSTEM, campaign.id)
        with queries(app) as seen:
            campaign_preparing.prepare(campaign.id, 4)
        # Two a chunk, three chunks and the empty one; the end and its audit row.
        assert len(seen) <= 2 * 4 + 2, seen
        with queries(app) as seen:
            campaign_progress.progress(staff, campaign.id)
        assert len(seen) <= 3, seen


def test_the_official_account_reaches_its_followers(app: Flask, world: World, author: Any) -> None:
    account = build.template(world, Channel.template)
    people, enterprises = build.owners(world, 2)
    with world.session() as session:
        session.get(User, people[0].id).unionid = f"u-{people[0].id}"
        session.add(Follower(openid=f"oa-{people[0].id}", unionid=f"u-{people[0].id}"))
    values = {"templates": build.by_template(account), **build.listed(enterprises)}
    campaign = build.campaign(world, author, **values)
    with app.app_context():
        preview = campaigns.preview(build.actor_of(author), campaign.id)
    assert (preview.reached, preview.inbox_only) == ({Channel.template: 1}, 1)
