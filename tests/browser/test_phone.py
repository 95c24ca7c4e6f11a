"""The simulated phone: the sheet of subscriptions, the notices that arrive, and the Official Account."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import OpenPage, assert_accessible
from tests.phones import Phones

TEMPLATE = "Zr2dVn8WqLk5TgYc0MbXh7JsPu4EoI9aF1wRx6CtD3Q"
DATA = {"thing1": "质量管理培训", "time2": "2026年3月5日 14:00", "thing3": "三楼会议室"}


def test_what_is_allowed_arrives_and_opens_its_page(
    platform: Phones, open_page: OpenPage, app: object
) -> None:
    phone = platform.phone("周明")
    page = open_page(f"{platform.base}/#{phone.id}")
    mp, oa = app.extensions["mini_program"], app.extensions["official_account"]  # type: ignore[attr-defined]

    page.get_by_role("button", name="提质通服务号").click()
    page.get_by_role("button", name="关注", exact=True).click()
    expect(page.get_by_text("已关注", exact=True)).to_be_visible()
    assert_accessible(page)

    platform.control("/popup", person=phone.id, answers={TEMPLATE: "accept"})
    mp.send_subscribe_message(phone.openid, TEMPLATE, DATA, page="pages/trainings/index")
    official = platform.state.people.openid(platform.state.people.get(phone.id), oa.appid)
    template = next(t for t in oa.templates() if t.title == "活动取消通知")
    oa.send_template_message(official, template.id, {f.key: "2026-03-05 14:00" for f in template.fields})

    page.get_by_role("button", name="返回").click()
    expect(page.get_by_text("2条未读")).to_be_visible()
    page.get_by_role("button", name="服务通知").click()
    cards = page.locator("article.message")
    expect(cards).to_have_count(2)
    expect(cards.nth(0)).to_contain_text("提质通服务号")
    expect(cards.nth(1)).to_contain_text("三楼会议室")
    assert_accessible(page)
    cards.nth(1).get_by_role("button", name="进入小程序查看").click()
    expect(page.get_by_role("button", name="关闭小程序")).to_be_visible()
    page.get_by_role("button", name="关闭小程序").click()
    expect(page.get_by_text("条未读")).to_have_count(0)

    page.get_by_role("button", name="提质通服务号").click()
    page.get_by_role("button", name="不接收消息").click()
    expect(page.get_by_text("已关注，不接收消息")).to_be_visible()
    page.get_by_role("button", name="取消关注").click()
    expect(page.get_by_text("未关注")).to_be_visible()
