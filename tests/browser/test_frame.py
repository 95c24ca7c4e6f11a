"""The frame of the console in a browser: fonts twice as large, keyboard, contrast."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenPage, assert_accessible
from tests.builders import World
from tests.console_client import desk


@pytest.mark.parametrize("role", ["county_staff", "branch_staff", "system_administrator", "auditor"])
def test_the_workbench_says_who_one_is_and_is_accessible(
    open_page: OpenPage, world: World, role: str
) -> None:
    world.enterprise(state="registered")
    world.training()
    page = open_page("/console/", desk(world, role))
    expect(page.locator(".scope")).to_contain_text("丰县 · ")
    expect(page.get_by_role("heading", level=1)).to_have_text("工作台")
    assert_accessible(page)


def test_at_twice_the_font_nothing_is_cut_off(open_page: OpenPage, world: World) -> None:
    page = open_page("/console/", desk(world, "county_staff"))
    session = page.context.new_cdp_session(page)
    session.send("Page.setFontSizes", {"fontSizes": {"standard": 32, "fixed": 26}})
    page.reload()
    assert page.evaluate("parseFloat(getComputedStyle(document.documentElement).fontSize)") == 32
    wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wider <= 0
    expect(page.get_by_text("菜单")).to_be_visible()
    page.get_by_text("菜单").click()
    expect(page.get_by_role("link", name="企业台账")).to_be_visible()


def test_the_keyboard_reaches_the_main_part_first(open_page: OpenPage, world: World) -> None:
    page = open_page("/console/", desk(world, "county_staff"))
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("跳到正文")
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
