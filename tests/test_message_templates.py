"""Templates as the platform has them, and the routes of notices that go out by them."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete, select

from app.access import SYSTEM, Actor, Grant
from app.errors import DomainError
from app.notices import KINDS, automatic
from app.services import message_templates, notice_routes, sending_alerts
from app.services.message_templates import Synchronised
from app.services.notice_routes import Filling
from models.audit import AuditEvent
from models.base import now, set_clock
from models.campaigns import CampaignState
from models.deliveries import Delivery, SendingPause
from models.lifecycle import IllegalMove
from models.message_templates import (
    Channel,
    MessageTemplate,
    MessageTemplateVersion,
    NoticeRoute,
    TemplateState,
    TemplateType,
    TemplateUse,
)
from models.messages import Notice
from models.people import StaffAccount
from models.subscriptions import Subscription, SubscriptionAnswer
from tests import campaign_builders as build
from tests.builders import Person, World
from tests.template_builders import fresh_template, unroute
from tests.wechat_platform import Platform, ok, refuse
from wechat.client import MiniProgram
from wechat.official_account import OfficialAccount
from wechat.tokens import TokenStore

MINE, OFFICIAL = "/wxaapi/newtmpl/gettemplate", "/cgi-bin/template/get_all_private_template"
RESULT = "活动名称:{{thing1.DATA}}\n审核结果:{{phrase2.DATA}}\n"
HOLDING: tuple[Any, ...] = (
    Delivery,
    SendingPause,
    Subscription,
    SubscriptionAnswer,
    MessageTemplateVersion,
    MessageTemplate,
)
PROGRESS = "办理状态:{{enum1.DATA}}\n"


def subscribe_row(key: str, content: str = RESULT, **changes: Any) -> dict[str, Any]:
    row = {"priTmplId": key, "title": "报名结果通知", "content": content, "example": "例", "type": 2}
    return {**row, "keywordEnumValueList": [], **changes}


class Shelf:
    """What both accounts have on the platform."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        platform.on("/cgi-bin/stable_token", ok(access_token="t" * 20, expires_in=7200))
        self.holds([], [])

    def holds(self, mine: list[dict[str, Any]], official: list[dict[str, Any]] | None = None) -> None:
        self.platform.on(MINE, ok(errcode=0, data=mine))
        self.platform.on(OFFICIAL, ok(template_list=official or []))


@pytest.fixture
def shelf(app: Flask, world: World) -> Iterator[Shelf]:
    """The platform, with empty shelves; and nothing known of it here."""
    platform = Platform()
    usual = {name: app.extensions[name] for name in ("mini_program", "official_account")}
    for name, kind in (("mini_program", MiniProgram), ("official_account", OfficialAccount)):
        app.extensions[name] = kind(
            f"wx{uuid.uuid4().hex[:16]}",
            "secret",
            TokenStore(app.extensions["redis"]),
            api_base=platform.base,
            timeout=(1.0, 1.0),
            sleep=lambda _seconds: None,
        )
    unroute(world)
    with world.session() as session:
        for model in HOLDING:
            session.execute(delete(model))
    yield Shelf(platform)
    for name, client in usual.items():
        app.extensions[name].close()
        app.extensions[name] = client
    platform.close()


@pytest.fixture
def clerk(world: World) -> Actor:
    """Somebody of the city."""
    person = world.staff("city_staff", "js.xz")
    return Actor(person.id, (Grant("city_staff", "division", "js.xz"),))


def synchronise(app: Flask, actor: Actor = SYSTEM) -> list[Synchronised]:
    with app.app_context():
        return message_templates.synchronise(actor)


def held(world: World, key: str) -> MessageTemplate:
    with world.session() as session:
        found = select(MessageTemplate).where(MessageTemplate.platform_id == key)
        template: MessageTemplate = session.execute(found).scalar_one()
        return template


def test_what_the_platform_has_is_taken_over(app: Flask, world: World, shelf: Shelf) -> None:
    enum = [{"keywordCode": "enum1.DATA", "enumValueList": ["已受理", "已办结"]}]
    shelf.holds(
        [subscribe_row("T1"), subscribe_row("T2", PROGRESS, type=3, keywordEnumValueList=enum)],
        [
            {"template_id": "O1", "title": "培训提醒", "content": "时间:{{time1.DATA}}", "example": ""},
            {"template_id": "O2", "title": "订阅模板消息", "content": "{{content.DATA}}", "example": ""},
        ],
    )
    assert synchronise(app) == [
        Synchronised(Channel.subscribe, added=2),
        Synchronised(Channel.template, added=1),
    ]
    one, lasting, official = held(world, "T1"), held(world, "T2"), held(world, "O1")
    assert (one.type, one.state, one.version) == (TemplateType.one_time, TemplateState.active, 1)
    assert one.fields == [
        {"label": "活动名称", "key": "thing1", "type": "thing", "choices": []},
        {"label": "审核结果", "key": "phrase2", "type": "phrase", "choices": []},
    ]
    assert (lasting.type, lasting.fields[0]["choices"]) == (TemplateType.lasting, ["已受理", "已办结"])
    assert official.channel == Channel.template
    # again: nothing is new, and nothing is entered in the audit trail
    with world.session() as session:
        before = len(session.execute(select(AuditEvent.id)).all())
    assert synchronise(app) == [Synchronised(Channel.subscribe), Synchronised(Channel.template)]
    with world.session() as session:
        assert len(session.execute(select(AuditEvent.id)).all()) == before


def test_a_template_that_changed_is_held_and_its_former_version_kept(
    app: Flask, world: World, shelf: Shelf, clerk: Actor
) -> None:
    shelf.holds([subscribe_row("T1")])
    synchronise(app)
    template = held(world, "T1")
    filling = Filling(template.id, {"thing1": "{training}", "phrase2": "已通过"})
    with app.app_context():
        notice_routes.change(
            clerk, "signup.confirmed", [Channel.subscribe], True, {Channel.subscribe: filling}
        )
    shelf.holds([subscribe_row("T1", RESULT + "活动时间:{{time3.DATA}}\n", example="别的例子")])
    assert synchronise(app)[0] == Synchronised(Channel.subscribe, changed=1)
    changed = held(world, "T1")
    assert (changed.state, changed.version, len(changed.fields)) == (TemplateState.changed, 2, 3)
    with app.app_context():
        found = message_templates.dossier(clerk, changed.id)
        assert [(one.version, one.content) for one in found.versions] == [(1, RESULT)]
        assert [use.kind for use in found.uses] == ["signup.confirmed"]
        assert sending_alerts.standing(clerk).held == 1
        # confirmed only with a mapping that fits
        with pytest.raises(DomainError, match="template_mapping_incomplete"):
            message_templates.confirm(clerk, changed.id)
        fuller = Filling(template.id, {**filling.fields, "time3": "{time}"})
        notice_routes.change(
            clerk, "signup.confirmed", [Channel.subscribe], True, {Channel.subscribe: fuller}
        )
        message_templates.confirm(clerk, changed.id)
        with pytest.raises(IllegalMove):
            message_templates.confirm(clerk, changed.id)
        assert sending_alerts.standing(clerk).held == 0
    assert held(world, "T1").state == TemplateState.active


def test_another_example_changes_nothing_that_matters(app: Flask, world: World, shelf: Shelf) -> None:
    shelf.holds([subscribe_row("T1")])
    synchronise(app)
    shelf.holds([subscribe_row("T1", example="另一个例子")])
    assert synchronise(app)[0] == Synchronised(Channel.subscribe)
    template = held(world, "T1")
    assert (template.state, template.version, template.example) == (TemplateState.active, 1, "另一个例子")


def test_a_template_that_vanished_is_flagged_and_looked_at_when_it_returns(
    app: Flask, world: World, shelf: Shelf, clerk: Actor
) -> None:
    shelf.holds([subscribe_row("T1"), subscribe_row("T2")])
    synchronise(app)
    shelf.holds([subscribe_row("T2")])
    assert synchronise(app)[0] == Synchronised(Channel.subscribe, gone=1)
    assert synchronise(app)[0] == Synchronised(Channel.subscribe)
    assert held(world, "T1").state == TemplateState.gone
    with app.app_context(), pytest.raises(IllegalMove):
        message_templates.confirm(clerk, held(world, "T1").id)
    shelf.holds([subscribe_row("T1"), subscribe_row("T2")])
    assert synchronise(app)[0] == Synchronised(Channel.subscribe, back=1)
    assert held(world, "T1").state == TemplateState.changed
    assert held(world, "T2").state == TemplateState.active


def test_who_looks_after_templates_is_told_of_one_in_use_each_time_it_is_held(
    app: Flask, world: World, shelf: Shelf
) -> None:
    at_desk, colleague = (world.staff("city_staff", "js.xz") for _ in range(2))
    county, phone = world.staff(), world.person()
    with world.session() as session:
        account = {"division_id": "js.xz", "login_name": f"u{uuid.uuid4().hex[:20]}", "password_hash": "x"}
        session.add(StaffAccount(user_id=at_desk.id, wechat_user_id=phone.id, **account))
    shelf.holds([subscribe_row("T1"), subscribe_row("T2")])
    synchronise(app)
    build.campaign(
        world, county, templates=build.by_template(held(world, "T1")), state=CampaignState.scheduled
    )

    def told(person: Person) -> list[str]:
        wanted = select(Notice.body).where(Notice.user_id == person.id, Notice.kind == "template.held")
        with world.session() as session:
            return list(session.execute(wanted.order_by(Notice.id)).scalars())

    for mine in ([], [], [subscribe_row("T1")], [], [subscribe_row("T2")]):
        shelf.holds(mine)
        synchronise(app)
        later = now() + timedelta(hours=1)
        set_clock(lambda at=later: at)  # type: ignore[misc]
    states = ["平台上已不存在", "平台上已更改，待核对", "平台上已不存在"]
    assert [re.search("）(.+?)，用它", body)[1] for body in told(phone)] == states  # type: ignore[index]
    assert told(colleague) == told(phone) and told(at_desk) == told(county) == []
    assert "报名结果通知" in told(phone)[0]


def test_a_platform_that_does_not_answer_leaves_everything(app: Flask, world: World, shelf: Shelf) -> None:
    official = {"template_id": "O1", "title": "培训提醒", "content": "时间:{{time1.DATA}}", "example": ""}
    shelf.holds([subscribe_row("T1")], [official])
    synchronise(app)
    for broken in (refuse(48001, "api unauthorized"), ok(errcode=0, data=None), ok(errcode=-1)):
        shelf.holds([], [official, {**official, "template_id": f"O{uuid.uuid4().hex}"}])
        shelf.platform.on(MINE, broken)
        mine, theirs = synchronise(app)
        assert mine.problem and theirs == Synchronised(Channel.template, added=1, gone=theirs.gone)
        assert held(world, "T1").state == TemplateState.active


def test_an_answer_that_was_overtaken_is_dropped(app: Flask, world: World, shelf: Shelf) -> None:
    shelf.holds([subscribe_row("T1")])
    synchronise(app)
    shelf.holds([])  # asked for a minute ago, and only heard of now
    set_clock(partial(lambda at: at, now() - timedelta(minutes=1)))
    synchronise(app)
    set_clock(None)
    assert held(world, "T1").state == TemplateState.active


# --- routes


def change(
    app: Flask, actor: Actor, kind: str, template: MessageTemplate, **fields: str
) -> dict[str, list[str]]:
    """Sets a route by one template; returns what is wrong with it."""
    filling = Filling(template.id, fields)
    try:
        with app.app_context():
            notice_routes.change(actor, kind, [template.channel], True, {template.channel: filling})
    except DomainError as error:
        return error.fields
    return {}


def test_a_route_is_set_and_taken_away(app: Flask, world: World, clerk: Actor) -> None:
    mine, official = fresh_template(world), fresh_template(world, Channel.template)
    texts = {"thing1": "{training}", "phrase2": "{state}", "time3": "{time}"}
    fillings = {one.channel: Filling(one.id, texts) for one in (mine, official)}
    order = [Channel.template, Channel.subscribe]
    with app.app_context():
        notice_routes.change(clerk, "signup.confirmed", order, False, fillings)
        route = notice_routes.get(clerk, "signup.confirmed")
        assert [use.channel for use in route.uses] == order and not route.next_when_refused
        assert [line.value for line in route.uses[0].lines] == [
            "质量管理体系内审员培训（第二期）",
            "已通过",
            "2026年12月3日 14:00",
        ]
        notice_routes.change(clerk, "signup.confirmed", [Channel.subscribe], True, fillings)
        assert [use.channel for use in notice_routes.get(clerk, "signup.confirmed").uses] == order[1:]
        everything = notice_routes.every(clerk)
        assert [one.kind.name for one in everything] == list(automatic())
        notice_routes.change(clerk, "signup.confirmed", [], True, {})
        assert notice_routes.get(clerk, "signup.confirmed").uses == []
    with world.session() as session:
        assert session.get(NoticeRoute, "signup.confirmed").channels == []  # decided, and for the inbox alone
        assert (
            session.execute(select(TemplateUse).where(TemplateUse.kind == "signup.confirmed")).first() is None
        )


@pytest.mark.parametrize(
    ("changed", "wrong"),
    [
        ({"thing1": ""}, {"subscribe.thing1": ["没有填写"]}),
        ({"thing1": "{teacher}"}, {"subscribe.thing1": ["没有变量 {teacher}"]}),
        ({"thing1": "{training"}, {"subscribe.thing1": ["花括号只用来写变量，如 {training}"]}),
        ({"thing1": "训" * 101}, {"subscribe.thing1": ["至多 100 个字"]}),
        (
            {"time3": "{place}"},
            {"subscribe.time3": ["应为 24 小时制的时间，可带年月日，例如 2026年3月5日 14:00"]},
        ),
        ({"thing9": "多余"}, {"subscribe.thing9": ["模板中没有这一项"]}),
    ],
)
def test_a_mapping_that_would_be_refused_is_refused_here(
    app: Flask, world: World, clerk: Actor, changed: dict[str, str], wrong: dict[str, list[str]]
) -> None:
    texts = {"thing1": "{training}", "phrase2": "{state}", "time3": "{time}", **changed}
    assert change(app, clerk, "signup.returned", fresh_template(world), **texts) == wrong


def test_a_route_names_a_template_of_its_channel(app: Flask, world: World, clerk: Actor) -> None:
    texts = {"thing1": "{training}", "phrase2": "{state}", "time3": "{time}"}
    gone = fresh_template(world, state=TemplateState.gone)
    assert "subscribe.template_id" in change(app, clerk, "signup.returned", gone, **texts)
    official = Filling(fresh_template(world, Channel.template).id, texts)
    for fillings in ({}, {Channel.subscribe: official}, {Channel.subscribe: Filling(uuid.uuid4(), texts)}):
        with app.app_context(), pytest.raises(DomainError) as refused:
            notice_routes.change(clerk, "signup.returned", [Channel.subscribe], True, fillings)
        assert refused.value.fields == {"subscribe.template_id": ["请选择模板"]}
    with app.app_context(), pytest.raises(DomainError, match="not_found"):
        notice_routes.change(clerk, "signup.eaten", [], True, {})


def test_what_fills_a_template_is_proposed_by_its_labels(app: Flask, world: World, clerk: Actor) -> None:
    kind = KINDS["signup.confirmed"]
    content = (
        "课程名称:{{thing1.DATA}}\n审核结果:{{phrase2.DATA}}\n开课时间:{{time3.DATA}}\n备注:{{thing4.DATA}}\n"
    )
    known = fresh_template(world, content=content)
    assert notice_routes.propose(kind, known) == {
        "thing1": "{training}",
        "phrase2": "{state}",
        "time3": "{time}",
        "thing4": "请点击查看详情",
    }
    # not what would not fit: a name is no number
    other = fresh_template(world, content="课程名称:{{number1.DATA}}\n金额:{{amount2.DATA}}\n")
    assert notice_routes.propose(kind, other) == {}
    assert notice_routes.suggest(kind, [other, known]) is known
    with app.app_context():
        tried = notice_routes.try_out(clerk, "signup.confirmed", known.id, {"thing1": "改过的"})
    assert tried.fields["thing1"] == "改过的" and tried.fields["phrase2"] == "{state}"


def test_a_template_is_suggested_that_cannot_say_the_opposite(world: World) -> None:
    when_and_where = "课程名称:{{thing1.DATA}}\n时间:{{time2.DATA}}\n地点:{{thing3.DATA}}\n"
    reminder = fresh_template(world, title="培训开始提醒", content=when_and_where)
    moved = fresh_template(world, title="课程变更通知", content=when_and_where)
    success = fresh_template(world, title="报名成功通知", content=when_and_where)
    result = fresh_template(world, title="报名结果通知")
    waiting = fresh_template(
        world, title="候补成功通知", content=when_and_where + "截止时间:{{time4.DATA}}\n"
    )
    shelf = [success, reminder, moved, result, waiting]
    suits = {
        "training.reminder": reminder,
        "training.changed": moved,
        "training.cancelled": None,
        "signup.confirmed": result,
        "signup.refused": result,
        "signup.offered": waiting,
        "certificate.ready": None,
        "training.trainer_assigned": None,
    }
    assert {name: notice_routes.suggest(KINDS[name], shelf) for name in suits} == suits


def test_routes_are_set_up_where_nobody_has_decided(
    app: Flask, world: World, shelf: Shelf, clerk: Actor
) -> None:
    content = "活动名称:{{thing1.DATA}}\n报名结果:{{phrase2.DATA}}\n活动时间:{{time3.DATA}}\n"
    official = {"template_id": "O1", "title": "报名结果通知", "content": content, "example": ""}
    shelf.holds([subscribe_row("T1", content), subscribe_row("T2", title="培训开始提醒")], [official])
    synchronise(app)
    chosen = Filling(held(world, "T1").id, {"thing1": "改过的", "phrase2": "{state}", "time3": "{time}"})
    with app.app_context():
        notice_routes.change(clerk, "signup.returned", [], True, {})
        notice_routes.change(clerk, "signup.refused", [Channel.subscribe], False, {Channel.subscribe: chosen})
        made = [kind.name for kind in notice_routes.set_up(clerk)]
        assert "signup.confirmed" in made and not {"signup.returned", "signup.refused"} & set(made)
        assert notice_routes.set_up(clerk) == []
        route = notice_routes.get(clerk, "signup.confirmed")
        assert [(use.channel, use.fields) for use in route.uses] == [
            (channel, {"thing1": "{training}", "phrase2": "{state}", "time3": "{time}"})
            for channel in Channel
        ]
        assert notice_routes.get(clerk, "signup.returned").uses == []
        assert notice_routes.get(clerk, "signup.refused").uses[0].fields["thing1"] == "改过的"
        assert notice_routes.get(clerk, "training.reminder").uses == []  # its fields ask for what is not told
        notice_routes.change(clerk, "signup.confirmed", [], True, {})
        assert notice_routes.set_up(clerk) == []


def test_county_staff_read_and_do_not_change(app: Flask, world: World) -> None:
    person: Person = world.staff()
    county = Actor(person.id, (Grant("county_staff", "division", "js.xz.fengxian"),))
    with app.app_context():
        assert notice_routes.every(county)
        for act in (
            lambda: message_templates.synchronise(county),
            lambda: message_templates.confirm(county, uuid.uuid4()),
            lambda: notice_routes.change(county, "signup.returned", [], True, {}),
            lambda: notice_routes.set_up(county),
        ):
            with pytest.raises(DomainError, match="permission_denied"):
                act()
