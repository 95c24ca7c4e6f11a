"""The pages of templates, routes and the state of sending."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import delete, select, update

from app import masks, outbox
from app.access import SYSTEM
from app.notices import automatic
from app.transactions import begin
from models.base import now
from models.campaigns import Campaign, CampaignState
from models.deliveries import Delivery, DeliveryState, SendingPause
from models.message_templates import Channel, MessageTemplate, TemplateState, TemplateUse
from tests.builders import World
from tests.console_client import Desk, desk, text_of
from tests.phones import Phones
from tests.template_builders import fresh_template, route, unroute
from tests.test_pushes import Told

ROUTE = "/console/messages/routes/signup.confirmed"


@pytest.fixture
def app(app_with_platform: Flask) -> Flask:
    """Templates are asked for on the simulated platform."""
    return app_with_platform


@pytest.fixture
def city(world: World) -> Iterator[Desk]:
    """A desk of the city; every kind of notice is in the inbox alone, and every campaign is over.

    Nothing was synchronised in the future, as tests with clocks of their own have it.
    """
    unroute(world)
    with world.session() as session:
        session.execute(update(Campaign).values(state=CampaignState.done))
        session.execute(update(MessageTemplate).values(synced_at=now() - timedelta(days=1)))
    yield desk(world, "city_staff", "js.xz")
    unroute(world)


@pytest.fixture
def county(world: World) -> Desk:
    return desk(world, "county_staff")


def test_templates_are_synchronised_and_looked_at(
    world: World, city: Desk, county: Desk, platform: Phones
) -> None:
    said = text_of(city.follow(city.post("/console/messages/templates/synchronise")))
    assert "小程序订阅消息已同步" in said and "公众号模板消息已同步" in said
    listed = text_of(county.get("/console/messages/templates", title="培训开始提醒"))
    assert "培训开始提醒 小程序订阅消息" in listed and "立即同步" not in listed
    assert county.post("/console/messages/templates/synchronise").status_code == 403
    platform.fails("/wxaapi/newtmpl/gettemplate", "errcode", value=48001)
    said = text_of(city.follow(city.post("/console/messages/templates/synchronise")))
    assert "小程序订阅消息没有同步：微信账号或接口配置有误" in said and "公众号模板消息已同步" in said
    with world.session() as session:
        found = select(MessageTemplate).where(MessageTemplate.title == "培训开始提醒")
        template = session.execute(found).scalars().first()
    shown = text_of(county.get(f"/console/messages/templates/{template.id}"))
    assert "课程名称 thing1 thing" in shown and "没有自动通知使用" in shown


def test_a_changed_template_is_confirmed(world: World, city: Desk, county: Desk) -> None:
    template = fresh_template(world, title="面目一新", state=TemplateState.changed, version=2)
    route(world, "signup.confirmed", template)
    url = f"/console/messages/templates/{template.id}"
    assert "已核对，继续使用" in text_of(city.get(url))
    assert "已核对，继续使用" not in text_of(county.get(url))
    assert "有 1 个正在使用的模板" in text_of(city.get("/console/messages/sending"))
    with world.session() as session:
        session.get(TemplateUse, ("signup.confirmed", Channel.subscribe)).fields = {"thing1": "x"}
    assert "请先修改使用它的消息设置：报名已通过" in text_of(city.follow(city.post(f"{url}/confirm")))
    route(world, "signup.confirmed", template)
    assert "已核对，等待中的消息将继续发送" in text_of(city.follow(city.post(f"{url}/confirm")))
    assert "有 1 个正在使用的模板" not in text_of(city.get("/console/messages/sending"))


def test_a_route_is_changed_with_what_is_proposed(world: World, city: Desk, county: Desk) -> None:
    template = fresh_template(world, title="审核结果通知")
    listed = text_of(county.get("/console/messages/routes"))
    assert all(kind.label in listed for kind in automatic().values()) and "群发测试" not in listed
    assert "修改发送方式" not in text_of(county.get(ROUTE))
    assert county.get(f"{ROUTE}/change").status_code == 403
    # a template is picked: nothing is saved, and its fields are filled in as proposed
    picked = {"subscribe.template_id": str(template.id), "choose": "subscribe", "first": "subscribe"}
    page = city.post(f"{ROUTE}/change", **picked)
    assert page.status_code == 200
    html = page.get_data(as_text=True)
    for name, text in (("thing1", "{training}"), ("phrase2", "{state}"), ("time3", "{time}")):
        assert f'value="{text}"' in html and f'name="subscribe.{name}"' in html
    assert text_of(city.get(ROUTE)).count("审核结果通知") == 0
    # what is wrong stays on the page, at its field
    typed = {
        "subscribe.template_id": str(template.id),
        "subscribe.thing1": "{teacher}",
        "subscribe.phrase2": "{state}",
        "subscribe.time3": "",
        "first": "subscribe",
        "next_when_refused": "1",
    }
    refused = city.post(f"{ROUTE}/change", **typed)
    assert refused.status_code == 422
    assert "没有变量 {teacher}" in text_of(refused) and "没有填写" in text_of(refused)
    typed |= {"subscribe.thing1": "{training}（请准时）", "subscribe.time3": "{time}"}
    shown = city.follow(city.post(f"{ROUTE}/change", **typed))
    assert "“报名已通过”的发送方式已保存" in text_of(shown)
    assert "质量管理体系内审员培训" in text_of(shown) and "已缩短" in text_of(shown)
    # and away again
    city.post(f"{ROUTE}/change", first="subscribe")
    assert "仅小程序站内消息" in text_of(city.get(ROUTE))


def only_of_platform(world: World, city: Desk) -> None:
    """What the platform has is in use, and nothing that other tests made."""
    with world.session() as session:
        session.execute(update(MessageTemplate).values(state=TemplateState.gone))
    city.post("/console/messages/templates/synchronise")
    with world.session() as session:
        came_back = MessageTemplate.state == TemplateState.changed
        session.execute(update(MessageTemplate).where(came_back).values(state=TemplateState.active))


def test_routes_are_set_by_the_templates_that_suit(world: World, city: Desk, county: Desk) -> None:
    page, button = "/console/messages/routes", "按模板自动设置"
    assert button in text_of(city.get(page)) and button not in text_of(county.get(page))
    assert county.post(f"{page}/set-up").status_code == 403
    city.post(f"{ROUTE}/change", first="subscribe")  # staff want it in the inbox alone
    only_of_platform(world, city)
    fresh_template(world, title="报名结果通知")
    said = text_of(city.follow(city.post(f"{page}/set-up")))
    assert "类通知选用模板：" in said and "报名未通过" in said
    assert "仅小程序站内消息" in text_of(city.get(ROUTE))
    assert "没有再能自动设置的通知" in text_of(city.follow(city.post(f"{page}/set-up")))


def test_sending_is_set_up_by_what_the_platform_has(
    app: Flask, world: World, city: Desk, run_jobs: Callable[[], None]
) -> None:
    only_of_platform(world, city)
    with app.app_context(), begin(SYSTEM):
        outbox.defer("messages.set_up")
    run_jobs()
    listed = text_of(city.get("/console/messages/routes"))
    for kind, title in (
        ("报名已通过", "报名结果通知；报名结果通知"),
        ("候补名额待确认", "候补成功通知；候补成功通知"),
        ("培训提醒", "培训开始提醒；课程开课提醒"),
        ("培训时间地点有变", "课程变更通知"),
        ("培训取消", "活动取消通知；活动取消通知"),
    ):
        assert re.search(f"{kind} (小程序订阅消息 → 公众号模板消息|小程序订阅消息) {title}", listed), kind


def test_the_phone_is_drawn_while_one_types(world: World, city: Desk) -> None:
    template = fresh_template(world, title="审核结果通知")
    typed = {"subscribe.template_id": str(template.id), "subscribe.thing1": "关于{training}的长长的一个名称"}
    drawn = text_of(city.post(f"{ROUTE}/phone", **typed))
    assert "审核结果通知" in drawn and "已缩短，原文：关于质量管理体系内审员培训" in drawn
    assert "（未填） 没有填写" in drawn
    assert "只进小程序站内消息" in text_of(city.post(f"{ROUTE}/phone"))
    assert city.get("/console/messages/routes/signup.eaten").status_code == 403


def test_sending_that_was_paused_is_resumed(world: World, city: Desk, county: Desk) -> None:
    template = fresh_template(world, title="被停用的模板")
    with world.session() as session:
        pause = SendingPause(
            channel=Channel.subscribe, template_id=template.id, errcode=43107, reason="模板被平台停用"
        )
        session.add(pause)
    shown = text_of(county.get("/console/messages/sending"))
    assert "被停用的模板" in shown and "模板被平台停用" in shown and "恢复发送" not in shown
    assert county.post(f"/console/messages/pauses/{pause.id}/lift").status_code == 403
    assert "已恢复发送" in text_of(city.follow(city.post(f"/console/messages/pauses/{pause.id}/lift")))
    assert "被停用的模板" not in text_of(city.get("/console/messages/sending"))


def test_what_keeps_messages_back_stands_on_every_page_of_who_sends(
    world: World, city: Desk, county: Desk
) -> None:
    with world.session() as session:
        session.execute(delete(SendingPause))
        over = SendingPause(channel=Channel.template, reason="当日额度已用完", errcode=45009, until=now())
        pause = SendingPause(channel=Channel.subscribe, reason="接口地址未列入白名单", errcode=40164)
        session.add_all([over, pause])
    template = fresh_template(world, title="不见了的模板", state=TemplateState.gone)
    fresh_template(world, title="没有用到的", state=TemplateState.gone)
    auditor = desk(world, "auditor", "js.xz")
    said = ("微信消息有 1 处暂停发送", "有 1 个正在使用的模板")
    assert said[0] in text_of(city.get("/console/")) and said[1] not in text_of(city.get("/console/"))
    route(world, "signup.confirmed", template)
    for one, path in ((city, "/console/account"), (county, "/console/trainings")):
        assert all(words in text_of(one.get(path)) for words in said)
    assert not any(words in text_of(auditor.get("/console/")) for words in said)
    city.post(f"/console/messages/pauses/{pause.id}/lift")
    unroute(world)
    assert not any(words in text_of(county.get("/console/")) for words in said)


def test_what_became_of_automatic_notices_is_listed_and_settled(
    app: Flask, world: World, city: Desk, county: Desk
) -> None:
    told = Told(app, world, Channel.subscribe, state=DeliveryState.unknown)
    with world.session() as session:
        session.get(Delivery, told.first.id).division_id = "js.xz"
    listed = city.get("/console/messages/sending/automatic", state="unknown", size=200)
    assert f"报名已通过 {masks.name('王小明')} 结果不明" in text_of(listed)
    assert str(told.first.id) in listed.get_data(as_text=True)
    assert str(told.first.id) not in county.get("/console/messages/sending/automatic").get_data(as_text=True)
    resolved = city.post(f"/console/deliveries/{told.first.id}/resolve", outcome="delivered")
    assert "已记为送达" in text_of(city.follow(resolved))
    assert told.state()[0] == DeliveryState.delivered


def test_automatic_notices_are_found_by_their_kind(app: Flask, world: World, city: Desk) -> None:
    told = Told(app, world, Channel.subscribe, state=DeliveryState.failed)
    with world.session() as session:
        session.get(Delivery, told.first.id).division_id = "js.xz"
    page = "/console/messages/sending/automatic"
    assert "报名已通过 " in text_of(city.get(page, kind="signup.confirmed", state="failed", size=200))
    others = text_of(city.get(page, kind="training.reminder", size=200))
    assert "没有符合条件的记录" in others
    offered = city.get(page).get_data(as_text=True)
    assert 'value="training.reminder"' in offered and 'value="campaign"' not in offered
    assert "没有这个选项" in text_of(city.get(page, kind="campaign"))
