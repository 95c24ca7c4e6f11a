"""An agency's calendar in a browser: windows, a booking, an absence that asks, and what became of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import Flask
from playwright.sync_api import Page, expect

from models.base import now
from models.bookings import BookingState
from tests.agency_builders import agency, agency_desk, expert
from tests.booking_builders import absence, at, booking, owner_of, state_of, working_day
from tests.browser.conftest import OpenPage, assert_accessible
from tests.builders import World


def assert_large_print(page: Page) -> None:
    """Asserts that nothing is cut off at twice the font, and that axe finds nothing serious then."""
    fonts = page.context.new_cdp_session(page)
    for size in (32, 16):
        fonts.send("Page.setFontSizes", {"fontSizes": {"standard": size, "fixed": size}})
        wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wider <= 0, f"{page.url}: {wider} px are cut off with a font of {size}"
        assert_accessible(page)


def test_an_agency_opens_its_calendar_and_works_with_it(
    app: Flask, open_page: OpenPage, world: World
) -> None:
    of = agency(world)
    one = expert(world, of, name="陈专家")
    staff = agency_desk(world, of)
    page = open_page("/console/agency-calendar", staff)
    page.get_by_role("link", name="可预约时段").click()
    expect(page.get_by_text("还没有可预约时段")).to_be_visible()
    page.get_by_role("link", name="添加时段").click()

    # What is wrong stands at its field, and what was typed is kept.
    page.get_by_label("开始").fill("09:00")
    page.get_by_label("结束").fill("08:00")
    page.get_by_label("到机构").check()
    page.get_by_label("地点或会议号").fill("徐州市云龙区和平路 1 号")
    page.get_by_role("button", name="保存").click()
    expect(page.get_by_text("须晚于开始时间")).to_be_visible()
    assert_large_print(page)
    page.get_by_label("结束").fill("12:00")
    page.get_by_role("button", name="保存").click()
    expect(page.get_by_text("已添加 5 个时段")).to_be_visible()
    assert_large_print(page)

    day = working_day()
    (owner, enterprise), (_, other) = owner_of(world, name="丰县甲厂"), owner_of(world, name="丰县乙厂")
    first = booking(world, one, enterprise, at(day, 9), created_by=owner.id)
    for state, hour in ((BookingState.seen, 10), (BookingState.no_show, 11)):
        booking(world, one, other, at(day, hour), state=state)
    absence(world, one, at(day, 14), at(day, 18))
    page.goto(f"/console/agency-calendar?month={day:%Y-%m}")
    expect(page.get_by_role("link", name="丰县甲厂")).to_be_visible()
    assert_large_print(page)
    page.goto(f"/console/agency-calendar?week={day.isoformat()}")
    expect(page.get_by_role("link", name="按月看")).to_be_visible()
    assert_large_print(page)

    # An absence over the booking says which it touches, and asks.
    page.get_by_role("link", name="登记不在岗").click()
    page.get_by_label("自", exact=True).fill(f"{day.isoformat()}T08:00")
    page.get_by_label("至", exact=True).fill(f"{day.isoformat()}T12:00")
    page.get_by_label("原因").fill("外出评审")
    page.get_by_role("button", name="登记").click()
    expect(page.get_by_text("这段时间已有 1 个预约，请选择怎样处理")).to_be_visible()
    assert_large_print(page)
    page.get_by_label("取消，并通知企业另约时间").check()
    page.get_by_role("button", name="登记").click()
    expect(page.get_by_text("已取消 1 个预约并通知企业")).to_be_visible()
    assert state_of(world, first.id) == BookingState.revoked


def test_what_became_of_a_booking_is_said_on_its_page(app: Flask, open_page: OpenPage, world: World) -> None:
    of = agency(world)
    one = expert(world, of)
    owner, enterprise = owner_of(world)
    made = booking(world, one, enterprise, now() - timedelta(minutes=5), created_by=owner.id)
    page = open_page("/console/bookings", agency_desk(world, of))
    page.get_by_role("row").nth(1).get_by_role("link").click()
    assert_large_print(page)
    page.get_by_role("button", name="查看姓名和电话").click()
    expect(page.get_by_role("link", name="13800138000")).to_be_visible()
    page.get_by_role("button", name="企业未到").click()
    dialog: Any = page.get_by_role("dialog")
    expect(dialog.get_by_text("登记后不能更改")).to_be_visible()
    assert_accessible(page)
    dialog.get_by_role("button", name="企业未到").click()
    expect(page.get_by_text("已登记企业未到，并已通知企业。")).to_be_visible()
    assert state_of(world, made.id) == BookingState.no_show
