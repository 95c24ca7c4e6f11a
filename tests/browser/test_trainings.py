"""A training in a browser: written, published, filled from phones, worked through, and changed."""

from __future__ import annotations

from datetime import timedelta

from flask import Flask
from playwright.sync_api import expect

from models.base import now
from tests.browser.conftest import OpenPage, assert_accessible
from tests.builders import Person, World, party
from tests.console_client import desk


def sign_up(app: Flask, world: World, path: str, *, name: str) -> Person:
    owner = world.person()
    body = party(world.enterprise(owner=owner, name=name))
    training_id = path.split("/")[-1]
    answer = app.test_client().post(
        f"/api/v1/trainings/{training_id}/signups", json=body, headers=owner.headers
    )
    assert answer.status_code == 201, answer.json
    return owner


def test_a_training_is_written_published_and_filled(open_page: OpenPage, app: Flask, world: World) -> None:
    page = open_page("/console/trainings", desk(world, "county_staff"))
    page.get_by_role("link", name="新建培训").first.click()
    page.get_by_label("名称").first.fill("质量工具应用培训（浏览器）")
    page.get_by_label("地点").fill("丰县政务服务中心三楼")
    page.get_by_label("名额").fill("2")
    page.get_by_label("报名须经审核").check()
    page.get_by_label("全市").check()
    expect(page.get_by_label("睢宁县")).to_be_checked()
    expect(page.get_by_label("睢宁县")).to_be_disabled()

    # The end of sign-up follows the first session; a further session is a day later, as long as the first.
    start = now().replace(hour=14, minute=0) + timedelta(days=40)
    page.get_by_label("开始", exact=True).first.fill(f"{start:%Y-%m-%dT%H:%M}")
    expect(page.get_by_label("报名截止", exact=True)).to_have_value(
        f"{start - timedelta(days=1):%Y-%m-%d}T18:00"
    )
    page.get_by_role("button", name="再加一场").click()
    page.get_by_role("button", name="再加一场").click()
    expect(page.get_by_label("开始", exact=True)).to_have_count(3)
    expect(page.get_by_label("结束", exact=True).nth(2)).to_have_value(
        f"{start + timedelta(days=2, hours=3):%Y-%m-%dT%H:%M}"
    )
    page.get_by_role("button", name="去掉这一场").nth(1).click()
    page.get_by_label("结束", exact=True).nth(1).fill(f"{start:%Y-%m-%dT%H:%M}")
    assert_accessible(page)
    page.get_by_role("button", name="保存为草稿").click()
    wrong = page.get_by_label("结束", exact=True).nth(1)
    expect(wrong).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("地点")).to_have_value("丰县政务服务中心三楼")
    wrong.fill(f"{start + timedelta(days=2, hours=2):%Y-%m-%dT%H:%M}")
    page.get_by_role("button", name="保存为草稿").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("质量工具应用培训（浏览器）")
    expect(page.get_by_role("heading", name="场次（共 2 场）")).to_be_visible()
    path = page.url
    page.get_by_role("button", name="发布").click()
    page.get_by_role("dialog").get_by_role("button", name="发布").click()
    expect(page.get_by_role("status")).to_contain_text("已发布")

    for name in ("徐州恒源机械制造有限公司", "丰县富康食品有限公司", "丰县华联木业有限公司"):
        sign_up(app, world, path, name=name)
    page.goto(path)
    expect(page.locator(".ring text").first).to_have_text("2")
    page.get_by_role("link", name="报名名单（2 人待审核）").click()
    assert_accessible(page)
    page.get_by_label("全选本页").check()
    page.get_by_role("button", name="审核通过").click()
    expect(page.get_by_text("已审核通过 2 人；下列 1 人未作改动")).to_be_visible()
    page.get_by_role("link", name="返回报名名单").click()

    fukang = page.locator("#batch tbody tr", has_text="富康")
    expect(fukang).to_contain_text("已通过")
    fukang.get_by_role("button", name="取消").click()
    page.get_by_label("原因").fill("企业来电取消")
    page.get_by_role("button", name="取消报名（1 人）").click()
    expect(page.get_by_role("status")).to_contain_text("已取消报名 1 人")
    expect(page.locator("#batch tbody tr", has_text="华联")).to_contain_text("待审核")
    expect(page.get_by_role("heading", name="候补队列")).to_have_count(0)


def test_the_calendar_is_a_grid_and_on_a_narrow_window_a_list(open_page: OpenPage, world: World) -> None:
    world.training(title="今天开班的培训", sessions=[now()])
    page = open_page("/console/calendar", desk(world, "county_staff"))
    today = page.locator("td[aria-current=date]")
    expect(today.get_by_role("link", name="今天开班的培训")).to_be_visible()
    expect(page.locator("thead")).to_be_visible()
    assert_accessible(page)
    page.set_viewport_size({"width": 480, "height": 900})
    expect(page.locator("thead")).to_be_hidden()
    expect(today.get_by_role("link", name="今天开班的培训")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_pages_fit_at_twice_the_font(open_page: OpenPage, app: Flask, world: World) -> None:
    clerk = desk(world, "county_staff")
    training = world.training(capacity=1)
    path = f"/console/trainings/{training.id}"
    for name in ("徐州恒源机械制造有限公司", "丰县富康食品有限公司"):
        sign_up(app, world, path, name=name)
    page = open_page(path, clerk)
    session = page.context.new_cdp_session(page)
    session.send("Page.setFontSizes", {"fontSizes": {"standard": 32, "fixed": 26}})
    rest = ("", "/edit", "/signups", "/signups/new", "/trainers")
    for address in ("/console/calendar", "/console/trainings", *(path + one for one in rest)):
        page.goto(address)
        assert page.evaluate("parseFloat(getComputedStyle(document.documentElement).fontSize)") == 32
        wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wider <= 0, address
        assert_accessible(page)
