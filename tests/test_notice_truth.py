"""What a notice told, held against what is so: by a plain model, and while it changes."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, select, update

from app.access import SYSTEM
from app.notices import KINDS, to_json, when
from app.services import dispatching, notice_truth, outgoing
from models.base import new_id, now, set_clock
from models.deliveries import Delivery, DeliveryState
from models.message_templates import Channel, NoticeRoute, TemplateUse
from models.messages import Notice
from models.signups import Signup, SignupState
from models.subscriptions import Subscription
from models.trainings import Training, TrainingState
from tests.builders import Person, World, fresh_phone
from tests.message_builders import template
from tests.statements import queries
from tests.training_requests import hours, patch, post, published, sign_up

PLACE = "丰县政务服务中心三楼"


@pytest.fixture(autouse=True)
def real_time() -> Iterator[None]:
    yield
    set_clock(None)


# --- a plain model


@dataclass(frozen=True)
class Situation:
    """What a notice told, and what has become of it."""

    kind: str
    cancelled: bool
    begins_in: int  # hours; the training takes two, and a reminder is of its only session
    time_moved: bool
    place_moved: bool
    state: SignupState
    state_told: SignupState
    who: str  # maker, attendee, or somebody who was the attendee
    offer_over: bool

    @property
    def truth(self) -> str:
        return KINDS[self.kind].truth

    def verdict(self) -> str | None:
        if not self.truth:
            return None
        if self.cancelled:
            return "培训已取消"
        if self.truth != "reminder" and self.begins_in <= -2:
            return "培训已结束"
        if self.time_moved:
            return "培训时间已调整"
        if self.place_moved:
            return "培训地点已调整"
        return {"training": self.of_training, "reminder": self.of_reminder}.get(self.truth, self.of_signup)()

    def of_training(self) -> str | None:
        return None

    def of_reminder(self) -> str | None:
        if self.begins_in <= 0:
            return "该场次已开始"
        comes = self.state == SignupState.confirmed and self.who != "former"
        return None if comes else "报名已不是“已通过”"

    def of_signup(self) -> str | None:
        if self.who == "former":
            return "参训人已更换"
        if self.state != self.state_told:
            return f"报名现为“{self.state.label}”"
        return "候补名额的确认时限已过" if self.truth == "offer" and self.offer_over else None


TOLD = ("signup.received", "signup.offered", "signup.refused", "training.reminder", "training.changed")
SITUATIONS = st.builds(
    Situation,
    kind=st.sampled_from(TOLD),
    cancelled=st.integers(0, 9).map(lambda one: one == 5),
    begins_in=st.sampled_from([-3, -1, 2, 50]),
    time_moved=st.integers(0, 9).map(lambda one: one == 5),
    place_moved=st.integers(0, 9).map(lambda one: one == 5),
    state=st.sampled_from([SignupState.confirmed, SignupState.offered, SignupState.cancelled]),
    state_told=st.sampled_from([SignupState.confirmed, SignupState.offered]),
    who=st.sampled_from(["maker", "attendee", "former"]),
    offer_over=st.booleans(),
)
OPEN = Situation(
    "signup.offered", False, 9, False, False, SignupState.offered, SignupState.offered, "maker", False
)


@dataclass(frozen=True)
class People:
    maker: Person
    attendee: Person
    former: Person
    enterprise: Any


def told(world: World, people: People, one: Situation) -> Any:
    """Brings a situation about, and returns its notice."""
    starts = now() + timedelta(hours=one.begins_in)
    state = TrainingState.cancelled if one.cancelled else TrainingState.published
    training = world.training(sessions=[starts], place=PLACE, state=state)
    signup = Signup(
        training_id=training.id,
        division_id=training.division_id,
        enterprise_id=people.enterprise.id,
        enterprise_name=people.enterprise.name,
        created_by=people.maker.id,
        attendee_name="李质量",
        attendee_phone=fresh_phone(),
        attendee_phone_index=new_id().bytes * 2,
        attendee_user_id=people.attendee.id,
        state=one.state,
        offer_expires_at=now() + timedelta(minutes=-1 if one.offer_over else 9),
    )
    with world.session() as session:
        session.add(signup)
    facts = dict.fromkeys(KINDS[one.kind].variables, "无")
    facts["time"] = when(starts - timedelta(minutes=one.time_moved * 30))
    facts["place"] = "二楼" if one.place_moved else PLACE
    if "state" in facts:
        facts["state"] = one.state_told.label
    of_training = one.kind.startswith("training.")
    return Notice(
        user_id=getattr(people, one.who).id,
        kind=one.kind,
        title="标题",
        body="正文",
        subject_type="trainings" if of_training else "signups",
        subject_id=training.id if of_training else signup.id,
        dedupe_key=new_id().hex,
        facts=to_json(one.kind, facts),
    )


@pytest.fixture
def people(world: World) -> People:
    maker = world.person()
    return People(maker, world.person(), world.person(), world.enterprise(owner=maker))


def untrue(app: Flask, notices: list[Any]) -> dict[UUID, str]:
    with app.app_context():
        return notice_truth.untrue(SYSTEM, notices)


def test_what_is_untrue_is_what_a_plain_model_says(app: Flask, world: World, people: People) -> None:
    seen: set[str | None] = set()

    @settings(
        max_examples=30,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(SITUATIONS, min_size=12, max_size=24))
    def check(situations: list[Situation]) -> None:
        notices = [told(world, people, one) for one in situations]
        why = untrue(app, notices)
        model = [one.verdict() for one in situations]
        assert [why.get(notice.id) for notice in notices] == model
        seen.update(model)

    check()
    assert len(seen) == 12, f"every reason, and none, came up: {seen}"


def test_many_cost_no_more_queries_than_one(app: Flask, world: World, people: People) -> None:
    of_all = [told(world, people, replace(OPEN, kind=kind)) for kind in TOLD for _ in range(8)]
    with queries(app) as seen:
        why = untrue(app, of_all)
    assert {notice.kind for notice in of_all if notice.id in why} == {"training.reminder"}
    assert len(seen) == 4
    with queries(app) as seen:
        untrue(app, [notice for notice in of_all if notice.kind == "signup.refused"])
    assert seen == [], "what is always true asks nothing"


def test_what_told_no_facts_or_is_of_no_known_kind_is_only_doubted_for_what_is_known(
    app: Flask, world: World, people: People
) -> None:
    moved = replace(OPEN, kind="signup.received", time_moved=True, place_moved=True)
    old, foreign, lost = (told(world, people, moved) for _ in range(3))
    old.facts, foreign.kind, lost.subject_id = None, "campaign", new_id()
    assert untrue(app, [old, foreign, lost]) == {lost.id: "报名已不存在"}
    assert untrue(app, []) == {}


# --- over HTTP


def of(world: World, person: Person) -> list[Any]:
    with world.session() as session:
        found = select(Notice).where(Notice.user_id == person.id).order_by(Notice.id)
        return list(session.execute(found).scalars())


def test_every_notice_is_true_when_it_is_left_and_the_last_one_stays_so(
    app: Flask, client: FlaskClient, world: World
) -> None:
    staff = world.staff()
    training = published(client, staff, opens_at=hours(-1, now()), open_to=["js.xz"], needs_approval=True)
    owner = sign_up(client, world, training["id"])
    assert untrue(app, of(world, owner)) == {}
    [signup] = client.get("/api/v1/signups", headers=owner.headers).json["items"]
    client.post(f"/api/v1/signups/{signup['id']}/approve", headers=staff.headers)
    received, approved = of(world, owner)
    assert untrue(app, [received, approved]) == {received.id: "报名现为“已通过”"}
    patch(client, staff, training["id"], place="第二会议室")
    *before, changed = of(world, owner)
    assert untrue(app, [*before, changed]) == dict.fromkeys([one.id for one in before], "培训地点已调整")
    post(client, staff, f"/{training['id']}/cancel", {"reason": "台风"})
    *before, cancelled = of(world, owner)
    assert cancelled.kind == "training.cancelled"
    assert untrue(app, [*before, cancelled]) == dict.fromkeys([one.id for one in before], "培训已取消")


# --- between dispatch and sending


@pytest.fixture
def alone(world: World) -> None:
    """Nothing of other tests is due."""
    with world.session() as session:
        session.execute(update(Notice).where(Notice.dispatched_at.is_(None)).values(dispatched_at=func.now()))
        session.execute(delete(Delivery))


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"place": "第二会议室"}, "培训地点已调整"),
        ({"sessions": [{"starts_at": hours(24), "ends_at": hours(26)}]}, "培训时间已调整"),
    ],
)
def test_what_was_moved_between_dispatch_and_sending_is_skipped_and_says_so(
    app: Flask, client: FlaskClient, world: World, changes: dict[str, Any], reason: str | None
) -> None:
    staff, made = world.staff(), template(world)
    sessions = [{"starts_at": hours(0), "ends_at": hours(3)}]
    training = published(client, staff, opens_at=hours(-1, now()), open_to=["js.xz"], sessions=sessions)
    with world.session() as session:
        session.execute(delete(TemplateUse).where(TemplateUse.kind == "signup.received"))
        session.execute(delete(NoticeRoute).where(NoticeRoute.kind == "signup.received"))
        session.add(NoticeRoute(kind="signup.received", channels=["subscribe"]))
        session.flush()
        session.add(
            TemplateUse(
                kind="signup.received",
                channel=Channel.subscribe,
                template_id=made.id,
                fields={"thing1": "{training}"},
            )
        )
    owner = sign_up(client, world, training["id"])
    with world.session() as session:
        session.add(Subscription(user_id=owner.id, template_id=made.id, credits=1))
    with app.app_context():
        dispatching.dispatch(SYSTEM, 100)
    if changes:
        assert patch(client, staff, training["id"], **changes).status_code == 200
    with app.app_context():
        messages = outgoing.prepare(SYSTEM, "w", [Channel.subscribe], 100, timedelta(seconds=60))
    with world.session() as session:
        found = select(Delivery.state, Delivery.reason).join(Notice).where(Notice.user_id == owner.id)
        outcomes = [tuple(row) for row in session.execute(found.where(Notice.kind == "signup.received"))]
        session.execute(delete(TemplateUse).where(TemplateUse.kind == "signup.received"))
        session.execute(delete(NoticeRoute).where(NoticeRoute.kind == "signup.received"))
    if reason:
        assert (messages, outcomes) == ([], [(DeliveryState.skipped, reason)])
    else:
        assert len(messages) == 1
        assert outcomes == [(DeliveryState.claimed, None)]


def test_while_a_move_is_under_way_the_old_is_true_and_afterwards_it_is_not(
    app: Flask, client: FlaskClient, world: World
) -> None:
    training = world.training(place=PLACE)
    owner = sign_up(client, world, training.id)
    notices = of(world, owner)
    with world.session() as moving:
        moving.execute(update(Training).where(Training.id == training.id).values(place="二楼"))
        moving.flush()
        with ThreadPoolExecutor(1) as elsewhere:
            assert elsewhere.submit(untrue, app, notices).result(30) == {}
    assert set(untrue(app, notices).values()) == {"培训地点已调整"}
