"""A campaign in a browser: written in four steps, looked at while it is typed, sent, and watched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from flask import Flask
from playwright.sync_api import Page, expect

from app.access import SYSTEM
from app.services import campaign_progress
from config.settings import settings, use
from models.base import now
from models.deliveries import DeliveryState
from tests import campaign_builders as build
from tests.browser.conftest import OpenPage, assert_accessible
from tests.builders import World
from tests.conftest import test_settings
from tests.console_client import desk
from tests.workbook_builders import workbook


def fits(page: Page) -> None:
    """Nothing that axe finds serious, and nothing cut off at twice the font."""
    assert_accessible(page)
    fonts = page.context.new_cdp_session(page)
    for size in (32, 16):
        fonts.send("Page.setFontSizes", {"fontSizes": {"standard": size, "fixed": size}})
        wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wider <= 0, f"{page.url}: {wider} px are cut off with a font of {size}"


def test_a_campaign_is_written_sent_and_watched(
    open_page: OpenPage, app: Flask, world: World, work: Callable[[], None], tmp_path: Path
) -> None:
    made = build.template(world, title="培训通知（浏览器）")
    people, enterprises = build.owners(world, 3)
    for one in people[:2]:
        build.subscribed(world, one, made)
    world.training(title="内审员培训（浏览器）")
    author = desk(world, "county_staff")
    page = open_page("/console/campaigns", author)

    page.get_by_role("button", name="新建群发").click()
    page.get_by_label("名称").last.fill("11月补报名提醒")
    page.get_by_role("button", name="建立草稿").click()
    fits(page)

    # 1: the count follows the conditions; then a list takes their place.
    count = page.locator("#count")
    page.get_by_label("行业").fill("没有的行业")
    expect(count).to_contain_text("没有这个行业")
    page.get_by_label("行业").fill("")
    expect(count).to_contain_text("家企业")
    page.get_by_label("按上传的名单").check()
    expect(page.get_by_label("规模")).to_be_hidden()
    page.get_by_role("link", name="上传名单").click()
    fits(page)
    file = tmp_path / "名单.xlsx"
    file.write_bytes(workbook(["统一社会信用代码"], *([one.credit_code] for one in enterprises)).getvalue())
    page.get_by_label("企业名单（.xlsx）").set_input_files(file)
    page.get_by_role("button", name="上传并核对").click()
    work()
    expect(page.locator("#transfer")).to_contain_text("已列入")
    page.get_by_role("link", name="刷新人数").click()
    expect(count).to_contain_text("3人")
    expect(count).to_contain_text("仅小程序站内消息3 人")
    page.get_by_role("button", name="保存，下一步：内容").click()

    # 2: the phone shows what is typed, as it will be cut.
    page.get_by_label("标题").fill("内审员培训补报名")
    page.get_by_label("正文").fill("还有名额，请尽快报名。")
    page.get_by_label("点开后看").select_option(index=1)
    page.get_by_label("模板", exact=True).first.select_option(label="培训通知（浏览器）")
    name = page.get_by_label("培训名称")
    name.fill("质量管理体系内审员培训（第二期）补充报名通知，请尽快报名")
    page.get_by_label("时间", exact=True).fill("2026年12月1日 09:00")
    phone = page.locator("#phone")
    expect(phone).to_contain_text("已缩短，原文：质量管理体系内审员培训（第二期）")
    expect(phone.get_by_role("article", name="站内消息")).to_contain_text("内审员培训补报名")
    fits(page)
    name.fill("内审员培训（第二期）")
    expect(phone).not_to_contain_text("已缩短")
    page.get_by_role("button", name="保存，下一步：预览与测试").click()

    # 3: a look, a test that cannot be sent, and back: nothing is lost.
    expect(count).to_contain_text("小程序订阅消息2 人")
    fits(page)
    page.get_by_role("button", name="发一条测试给自己").click()
    expect(page.get_by_role("alert")).to_contain_text("还没有绑定微信")
    page.get_by_role("navigation", name="步骤").get_by_role("link", name="内容").click()
    expect(page.get_by_label("培训名称")).to_have_value("内审员培训（第二期）")
    page.get_by_role("navigation", name="步骤").get_by_role("link", name="提交").click()
    fits(page)

    # 4: off it goes, and the page moves by itself.
    page.get_by_role("button", name="提交发送（3 人）").click()
    expect(page.get_by_role("status").first).to_contain_text("已提交")
    progress = page.locator("#progress")
    expect(progress).to_contain_text("马上开始")
    work()
    expect(progress).to_contain_text("发送中")
    build.dispatched(world)
    expect(progress).to_contain_text("2待发送")
    campaign_id = UUID(page.url.split("/")[-1])
    build.settle(world, campaign_id, DeliveryState.delivered, people[0])
    expect(progress).to_contain_text("2 / 3")
    fits(page)
    build.settle(
        world, campaign_id, DeliveryState.failed, people[1], errcode=-1, attempts=5, reason="微信繁忙"
    )
    with app.app_context():
        campaign_progress.finish(SYSTEM)
    expect(progress).to_contain_text("已完成")
    page.get_by_role("button", name="重试失败的").click()
    page.get_by_role("dialog").get_by_role("button", name="重试失败的").click()
    expect(page.get_by_role("status").first).to_contain_text("1 条将重新发送")
    build.settle(world, campaign_id, DeliveryState.delivered, people[1])
    expect(progress).to_contain_text("3 / 3")
    progress.get_by_role("link").filter(has_text="已送达").click()
    expect(page.get_by_text("共 2 条")).to_be_visible()
    expect(page.get_by_role("row").nth(1)).to_contain_text("丰县小微车辆配件厂")
    fits(page)
    page.get_by_role("button", name="导出 Excel").click()
    work()
    expect(page.get_by_role("link", name="下载导出结果")).to_be_visible()


@pytest.fixture
def few_need_approval(app: Flask) -> Iterator[None]:
    """Already three recipients are many."""
    usual = settings()
    urls = {"wechat_api_base": usual.wechat_api_base}
    use(test_settings(usual.database_url, usual.redis_url, campaign_approval_above=2, **urls))
    yield
    use(usual)


@pytest.mark.usefixtures("few_need_approval")
def test_a_second_person_lets_it_go_and_stops_it(
    open_page: OpenPage, world: World, work: Callable[[], None]
) -> None:
    _, enterprises = build.owners(world, 3)
    author, second = desk(world, "county_staff"), desk(world, "county_staff")
    campaign = build.campaign(world, author.person, **build.listed(enterprises))
    page = open_page(f"/console/campaigns/{campaign.id}/audience", author)
    fits(page)
    page.get_by_role("navigation", name="步骤").get_by_role("link", name="提交").click()
    page.get_by_label("什么时候发").fill(f"{now() + timedelta(days=2):%Y-%m-%dT10:00}")
    page.get_by_role("button", name="提交复核（3 人）").click()
    expect(page.locator("#progress")).to_contain_text("等待另一位工作人员复核")
    expect(page.get_by_role("button", name="复核通过")).to_have_count(0)
    fits(page)

    page = open_page(f"/console/campaigns/{campaign.id}", second)
    progress, dialog = page.locator("#progress"), page.get_by_role("dialog")
    expect(page.locator("#count")).to_contain_text("3人")
    page.get_by_role("button", name="复核通过").click()
    fits(page)
    dialog.get_by_role("button", name="复核通过").click()
    expect(progress).to_contain_text("等待发送")
    page.get_by_role("button", name="立即开始").click()
    dialog.get_by_role("button", name="立即开始").click()
    expect(page.get_by_role("status").first).to_contain_text("马上开始发送")
    work()
    expect(progress).to_contain_text("发送中")
    page.get_by_role("button", name="暂停").click()
    expect(progress).to_contain_text("已暂停")
    fits(page)
    page.get_by_role("button", name="继续").click()
    expect(progress).to_contain_text("发送中")
    page.get_by_role("button", name="取消群发").click()
    dialog.get_by_label("取消原因").fill("培训改期")
    dialog.get_by_role("button", name="取消群发").click()
    expect(progress).to_contain_text("取消原因：培训改期")
    fits(page)


_TYPE_AT_ONCE = """
  document.addEventListener("htmx:afterSwap", () => setTimeout(() => {
    const field = document.querySelector("[name$='.fields.thing1']");
    field.value = "打得很快";
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }), { once: true })
"""


def test_what_is_typed_as_soon_as_the_fields_are_there_is_on_the_phone(
    open_page: OpenPage, world: World
) -> None:
    made = build.template(world, title="培训通知（快）")
    author = desk(world, "county_staff")
    campaign = build.campaign(world, author.person)
    page = open_page(f"/console/campaigns/{campaign.id}/content", author)
    page.evaluate(_TYPE_AT_ONCE)
    page.get_by_label("模板", exact=True).first.select_option(str(made.id))
    expect(page.locator("#phone")).to_contain_text("打得很快")
