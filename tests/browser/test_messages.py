"""A clerk of the city opens a way into WeChat, and somebody on the phone allows what goes that way."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from flask import Flask
from playwright.sync_api import Page, expect
from sqlalchemy import delete, select, update

from app.access import SYSTEM
from app.services import message_templates
from models.base import now
from models.deliveries import SendingPause
from models.enterprises import EnterpriseState
from models.message_templates import MessageTemplate
from models.people import User
from models.subscriptions import Subscription
from tests.browser.conftest import OpenPage, assert_accessible
from tests.builders import World
from tests.console_client import desk
from tests.phones import Phone, Phones
from tests.template_builders import route, unroute
from tests.test_people import bind, signed_in

RESULT = "kTq7fGm0bXvYw3s1Hn8JdLz5RcUe9PoA2iVtB6xQ4Ms"
SOON = "Zr2dVn8WqLk5TgYc0MbXh7JsPu4EoI9aF1wRx6CtD3Q"
"""Templates of the simulated platform: 报名结果通知 and 培训开始提醒."""


@pytest.fixture
def clean(world: World) -> Iterator[None]:
    """Every kind of notice is in the inbox alone, before and after; nothing is paused, nor of the future."""
    unroute(world)
    with world.session() as session:
        session.execute(delete(SendingPause))
        session.execute(update(MessageTemplate).values(synced_at=now() - timedelta(days=1)))
    yield
    unroute(world)


def open_way(page: Page) -> None:
    """Sets the route of a kind of notice by what is proposed, with a word of one's own."""
    page.get_by_role("link", name="消息模板").click()
    page.get_by_role("button", name="立即同步").click()
    expect(page.get_by_role("status").first).to_contain_text("小程序订阅消息已同步")
    assert_accessible(page)
    page.get_by_role("link", name="自动通知", exact=True).click()
    page.get_by_role("link", name="报名已通过", exact=True).click()
    expect(page.get_by_text("没有选用微信渠道")).to_be_visible()
    page.get_by_role("link", name="修改发送方式").click()
    phone = page.locator("#phone")
    mine = page.get_by_role("group", name="小程序订阅消息", exact=True)
    mine.get_by_label("模板").select_option(label="报名结果通知")
    # its fields come filled in, and the phone shows them
    expect(mine.get_by_label("活动名称")).to_have_value("{training}")
    expect(phone.get_by_text("已通过", exact=True).first).to_be_visible()
    assert_accessible(page)
    # what one types is drawn at once, with what would be wrong or cut
    mine.get_by_label("活动名称").fill("{teacher}")
    expect(phone).to_contain_text("缺少变量 {teacher} 的值")
    page.get_by_role("button", name="保存").click()
    expect(page.get_by_text("没有变量 {teacher}")).to_be_visible()
    mine = page.get_by_role("group", name="小程序订阅消息", exact=True)
    mine.get_by_label("活动名称").fill("您报名的“{training}”")
    expect(page.locator("#phone")).to_contain_text("已缩短，原文：您报名的“质量管理体系内审员培训（第二期）”")
    assert_accessible(page)
    official = page.get_by_role("group", name="公众号模板消息", exact=True)
    official.get_by_label("模板").select_option(label="不用这个渠道")
    expect(page.locator("#phone article")).to_have_count(1)
    page.get_by_role("button", name="保存").click()
    expect(page.get_by_role("status")).to_contain_text("“报名已通过”的发送方式已保存")
    assert_accessible(page)
    page.get_by_role("link", name="发送状态").click()
    expect(page.get_by_text("两个渠道都在正常发送")).to_be_visible()


@pytest.mark.usefixtures("clean")
def test_a_way_into_wechat_from_the_desk_to_the_phone(
    open_page: OpenPage,
    app: Flask,
    world: World,
    platform: Phones,
    site: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    open_way(open_page("/console/", desk(world, "city_staff", "js.xz")))
    # on the phone: somebody of an enterprise signs up, and is asked in the tap
    monkeypatch.setattr(platform.state, "public_url", site)
    owner: Phone = platform.phone("钱订阅")
    person = signed_in(app.test_client(), owner)
    bind(app.test_client(), person, owner.phone_code())
    world.enterprise(owner=person)
    training = world.training(title="开到微信的培训")
    page = open_page(f"{platform.base}/#{owner.id}", viewport={"width": 500, "height": 1000})
    page.get_by_role("button", name="提质通 小程序").click()
    page.locator(".mp-tabs").wait_for()
    page.get_by_role("searchbox").fill(training.title)  # others may have left more than a page of them
    page.get_by_role("searchbox").press("Enter")
    page.get_by_role("button", name=training.title).first.click()
    page.get_by_role("button", name="立即报名").click()
    page.get_by_label("姓名").fill("李质量")
    page.get_by_label("手机号").fill(owner.number)
    page.get_by_role("button", name="提交报名").click()
    page.get_by_role("button", name="接收微信提醒").click()
    sheet = page.get_by_role("dialog")
    expect(sheet).to_contain_text("报名结果通知")
    sheet.get_by_role("button", name="允许").click()
    expect(page.get_by_text("好的，将在微信里提醒您")).to_be_visible()
    platform.delivered()
    with world.session() as session:
        own = select(Subscription.credits).join(User, User.id == Subscription.user_id)
        found = session.execute(own.where(User.mp_openid == owner.openid)).scalars().all()
    assert found == [1]  # the phone told of it, and so did the platform


@pytest.mark.usefixtures("clean")
def test_each_tap_asks_for_what_the_application_says(
    open_page: OpenPage,
    app: Flask,
    world: World,
    platform: Phones,
    site: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with app.app_context():
        message_templates.synchronise(SYSTEM)
    with world.session() as session:
        found = select(MessageTemplate).where(MessageTemplate.platform_id.in_([RESULT, SOON]))
        templates = {one.platform_id: one for one in session.execute(found).scalars()}
    route(world, "enterprise.approved", templates[RESULT])
    route(world, "certificate.ready", templates[SOON])
    monkeypatch.setattr(platform.state, "public_url", site)
    owner = platform.phone("孙登记")
    person = signed_in(app.test_client(), owner)
    bind(app.test_client(), person, owner.phone_code())
    enterprise = world.enterprise(owner=person, state=EnterpriseState.registered)
    page = open_page(f"{platform.base}/#{owner.id}", viewport={"width": 500, "height": 1000})
    page.get_by_role("button", name="提质通 小程序").click()
    sheet = page.get_by_role("dialog")

    def asked() -> None:
        page.get_by_role("button", name="接收微信提醒").click()

    asked()
    expect(sheet.get_by_role("checkbox")).to_have_count(1)
    expect(sheet).to_contain_text("培训开始提醒")
    sheet.get_by_role("button", name="拒绝").click()
    expect(page.get_by_text("未允许提醒，可在“消息”里查看")).to_be_visible()
    page.locator(".mp-tabs").get_by_role("button", name="我的").click()
    page.get_by_role("button", name="我的企业").click()
    page.get_by_role("button", name=enterprise.name).click()
    asked()
    expect(sheet.get_by_role("checkbox")).to_have_count(1)
    expect(sheet).to_contain_text("报名结果通知")
    assert_accessible(page)
