"""Routing in a browser: the county admits a request, sees why an agency comes first, and sends it there."""

from __future__ import annotations

import re
from datetime import timedelta

from flask import Flask
from playwright.sync_api import Page, expect
from sqlalchemy import select

from app.jobs.cases import watch_deadlines
from models.base import now, set_clock
from models.cases import CaseOffer, CaseState, OfferState
from tests import agency_builders as agencies
from tests import case_builders as build
from tests.browser.conftest import OpenPage, assert_accessible
from tests.builders import World
from tests.console_client import desk

COUNTY = "js.xz.tongshan"


def said(page: Page, text: str) -> None:
    expect(page.get_by_role("status").filter(has_text=text)).to_be_visible()


def test_a_county_routes_a_request(app: Flask, open_page: OpenPage, world: World) -> None:
    case = build.case(world, enterprise=world.enterprise(division_id=COUNTY, name="铜山精密铸造厂"))
    best = agencies.agency(world, counties=[COUNTY])
    agencies.selection(world, best, COUNTY)
    agencies.assessment(world, best, rank=1, score=96)
    other = agencies.agency(world, counties=["js.xz.peixian"])

    page = open_page("/console/cases", desk(world, "county_staff", COUNTY))
    expect(page.get_by_role("heading", name=re.compile("待审核"))).to_be_visible()
    assert_accessible(page)
    page.get_by_role("link", name="派单", exact=True).click()
    page.get_by_role("row").filter(has_text=case.number).get_by_role("link", name="审核").click()
    assert_accessible(page)
    # A refusal without its reason stays on the page, at its field.
    page.get_by_role("button", name="不予受理").click()
    expect(page.locator("#i-reason-wrong")).to_have_text("必填")
    page.get_by_role("button", name="受理", exact=True).click()
    said(page, "已受理")

    rows = page.locator(".ranking tbody tr")
    expect(rows.first).to_contain_text(best.name)
    expect(rows.first).to_contain_text("符合全部条件")
    expect(rows.filter(has_text=other.name)).to_contain_text("服务范围不含铜山区")
    assert_accessible(page)
    page.get_by_label(f"选择{best.name}").check()
    page.get_by_role("button", name="派给所选机构").click()
    said(page, "已派给 1 家机构")

    # Nobody answers: it comes back to the queue, and the page says why.
    moment = now() + timedelta(days=20)
    set_clock(lambda: moment)
    with app.app_context():
        watch_deadlines()
    set_clock(None)
    page.goto(f"/console/queue/{case.id}")
    expect(page.locator("body")).to_contain_text("本项目此前逾期未答复")
    page.get_by_label(f"选择{best.name}").check()
    page.get_by_label(f"选择{other.name}").check()
    page.get_by_role("button", name="派给所选机构").click()
    said(page, "已派给 2 家机构")
    page.goto(f"/console/queue/{case.id}")
    page.get_by_role("button", name="收回派单").click()
    page.get_by_label("收回原因").fill("企业希望另选机构")
    page.get_by_role("dialog").get_by_role("button", name="收回派单").click()
    said(page, "派单已收回")
    with world.session() as session:
        states = select(CaseOffer.state).where(CaseOffer.case_id == case.id)
        assert sorted(session.execute(states).scalars()) == [
            OfferState.closed,
            OfferState.closed,
            OfferState.expired,
        ]

    page.goto(f"/console/cases/{case.id}")
    line = page.locator("#timeline")
    for what in ("申请帮扶", f"派给{best.name}", "机构逾期未答复", "企业希望另选机构"):
        expect(line).to_contain_text(what)
    expect(page.locator("body")).to_contain_text(CaseState.routing.label)
    assert_accessible(page)
