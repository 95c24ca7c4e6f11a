"""A case in a browser: an agency's expert takes it from the offer to the closing, the county beside them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from flask import Flask
from playwright.sync_api import Page, expect

from models.base import BEIJING, new_id, now
from models.cases import CaseState
from tests.agency_builders import agency, agency_desk, expert
from tests.browser.conftest import OpenPage, assert_accessible
from tests.builders import World
from tests.case_builders import case
from tests.case_work_builders import AFTER, ANSWERS, BEFORE, PLAN, site
from tests.console_client import desk_of


def at(moment: datetime) -> str:
    return f"{moment.astimezone(BEIJING):%Y-%m-%dT%H:%M}"


def diagnose(page: Page) -> None:
    for name, answer in ANSWERS.items():
        field = f"answers.{name}"
        if name == "conclusion":
            page.locator(f'[name="{field}"]').fill(str(answer))
        else:
            for value in [answer] if isinstance(answer, str) else answer:
                page.locator(f'[name="{field}"][value="{value}"]').check()


def score(page: Page, scores: dict[str, int]) -> None:
    for name, points in scores.items():
        page.locator(f'[name="{name}"]').fill(str(points))


def save(page: Page, text: str) -> None:
    page.get_by_role("button", name="保存").click()
    said(page, text)


def said(page: Page, text: str) -> None:
    expect(page.get_by_role("status").filter(has_text=text)).to_be_visible()


def go_on(page: Page, step: str) -> None:
    page.get_by_role("button", name=f"进入“{step}”").click()
    page.get_by_role("dialog").get_by_role("button", name=f"进入“{step}”").click()
    said(page, f"已进入“{step}”")


def test_an_expert_takes_a_case_from_the_offer_to_the_closing(
    open_page: OpenPage, app: Flask, world: World
) -> None:
    owner = world.person()
    enterprise = world.enterprise(owner=owner, name="丰县华联木业有限公司")
    having = agency(world)
    expert(world, having)
    called = f"孙{new_id().hex[-6:]}"  # the county has officers of other tests
    officer = desk_of(
        world,
        world.person(phone=None, name=called, grants=[("county_staff", "division", "js.xz.fengxian")]),
    )
    made = case(world, CaseState.offered, enterprise=enterprise, agency=having)

    page = open_page("/console/own-cases", agency_desk(world, having))
    page.get_by_role("button", name="接单").click()
    if page.get_by_role("dialog").is_visible():
        page.get_by_role("dialog").get_by_role("button", name="接单").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("丰县华联木业有限公司")
    address = page.url.split("#")[0]
    assert_accessible(page)

    # 诊断: the form, the scores, a problem, a visit with the county's officer.
    page.get_by_role("link", name="填写诊断表").click()
    assert_accessible(page)
    diagnose(page)
    save(page, "诊断表已保存")
    page.get_by_role("link", name="帮扶前评分").click()
    score(page, {**BEFORE, "energy": 101})
    page.get_by_role("button", name="保存").click()
    expect(page.get_by_label("能源管控水平")).to_have_attribute("aria-invalid", "true")
    score(page, BEFORE)
    save(page, "帮扶前评分已保存")
    page.get_by_role("link", name="登记问题").click()
    page.get_by_label("方面").select_option("standards")
    page.get_by_label("问题").fill("进货检验没有规程")
    page.get_by_label("措施").fill("编写进货检验规程并培训检验员")
    page.get_by_label("责任人").fill("李质量")
    page.get_by_label("完成期限").fill(f"{now() + timedelta(days=20):%Y-%m-%d}")
    assert_accessible(page)
    save(page, "问题已登记")
    page.get_by_role("link", name="登记走访").click()
    start = now() - timedelta(hours=2)
    page.get_by_label("诊断").check()
    page.get_by_label("开始").fill(at(start))
    page.get_by_label("结束").fill(at(start + timedelta(hours=1)))
    page.get_by_label("地点").fill("企业会议室")
    page.get_by_label("到场专家").select_option(label="陈专家　国家注册审核员")
    page.get_by_label("参与的县局人员").select_option(label=called)
    assert_accessible(page)
    save(page, "走访已登记")

    bureau = open_page("/console/", officer)
    bureau.get_by_role("link", name="次走访待您确认").click()
    expect(bureau.get_by_role("cell", name="丰县华联木业有限公司")).to_be_visible()
    assert_accessible(bureau)
    bureau.get_by_role("button", name="确认我参与了").click()
    said(bureau, "已确认您参与了这次走访")

    # 方案, 分层培训.
    page.goto(address)
    go_on(page, "制定方案")
    page.get_by_role("link", name="选定策略、填写方案").click()
    page.get_by_label("建立体系+夯实基础").check()
    page.get_by_label("标准化水平").check()
    page.get_by_label("选定理由").fill(str(PLAN["strategy_reason"]))
    page.get_by_label("提升方案").fill(str(PLAN["plan"]))
    save(page, "策略和方案已保存")
    go_on(page, "分层培训")
    page.get_by_role("link", name="安排培训").click()
    page.get_by_label("班组").check()
    page.get_by_label("培训内容").fill("班组质量控制")
    page.get_by_label("主讲").fill("陈专家")
    page.get_by_label("地点").fill("一车间会议室")
    page.get_by_label("开始").fill(at(start))
    page.get_by_label("结束").fill(at(start + timedelta(hours=1)))
    save(page, "培训已安排")
    page.get_by_label("姓名和职务").fill("张强 一车间班组长\n李丽 检验员\n王平 操作工")
    page.get_by_role("button", name="添加").click()
    said(page, "已添加 3 人")
    page.get_by_label("张强到场").check()
    page.get_by_label("李丽到场").check()
    assert_accessible(page)
    page.get_by_role("button", name="保存到场").click()
    said(page, "到场已登记：2 人")
    expect(page.locator("#trainings")).to_contain_text("到场 2 / 3 人")
    go_on(page, "提升")

    # 提升: the problem worked off, scores and figures after, the summary.
    page.get_by_role("button", name="开始整改").click()
    expect(page.locator("#findings")).to_contain_text("整改中")
    page.get_by_role("link", name="登记完成").click()
    page.get_by_label("完成情况").fill("规程已发布，检验员已培训。")
    save(page, "问题已完成")
    page.get_by_role("button", name="验证通过").click()
    expect(page.locator("#findings")).to_contain_text("已验证")
    page.get_by_role("link", name="帮扶后评分").click()
    score(page, AFTER)
    save(page, "帮扶后评分已保存")
    expect(page.locator(".radar polygon.before")).to_have_count(1)
    expect(page.locator(".radar polygon.after")).to_have_count(1)
    expect(page.get_by_role("row", name="标准化水平 50 75 +25")).to_be_visible()
    for button, revenue, margin in (("帮扶前数据", "5,000,000", "7.5"), ("帮扶后数据", "5,600,000", "8.25")):
        page.get_by_role("link", name=button).click()
        page.get_by_label("营业收入（元）").fill(revenue)
        page.get_by_label("利润率（%）").fill(margin)
        assert_accessible(page)
        save(page, "效果数据已保存")
    expect(page.get_by_role("row", name="利润率（%） 7.50 8.25 +0.75")).to_be_visible()
    page.get_by_role("link", name="填写提升小结").click()
    page.get_by_label("提升小结").fill("返工率由 8% 降到 3%。")
    save(page, "提升小结已保存")
    assert_accessible(page)
    go_on(page, "评价")

    # 评价 by the enterprise on its phone, 办结 by the county.
    rated = app.test_client().post(
        f"/api/v1/cases/{made.id}/evaluate", json={"rating": "very_satisfied"}, headers=owner.headers
    )
    assert rated.status_code == 200, rated.json
    bureau.goto(address)
    bureau.get_by_role("button", name="办结").click()
    bureau.get_by_role("dialog").get_by_role("button", name="办结").click()
    said(bureau, "已办结")
    page.goto(address)
    expect(page.get_by_role("link", name="登记走访")).to_have_count(0)
    expect(page.locator(".heading")).to_contain_text("已办结")


def test_the_pages_of_the_work_fit_at_twice_the_font(open_page: OpenPage, world: World) -> None:
    of = site(world, CaseState.improvement, diagnosis=ANSWERS, diagnosis_version="2026-11")
    agent = agency_desk(world, of.agency)
    base = f"/console/cases/{of.case.id}"
    for address, fields in filled(world, of).items():
        assert agent.post(f"{base}/{address}", **fields).status_code == 303
    page = open_page(base, agent)
    session = page.context.new_cdp_session(page)
    session.send("Page.setFontSizes", {"fontSizes": {"standard": 32, "fixed": 26}})
    forms = (
        "scores?phase=after",
        "effects?phase=after",
        "summary",
        "findings/new",
        "trainings/new",
        "visits/new",
    )
    for address in (base, *(f"{base}/{one}" for one in forms)):
        page.goto(address)
        assert page.evaluate("parseFloat(getComputedStyle(document.documentElement).fontSize)") == 32
        wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wider <= 0, address
        assert_accessible(page)


def test_the_visits_to_confirm_fit_at_twice_the_font(open_page: OpenPage, world: World) -> None:
    of = site(world, CaseState.improvement)
    agent = agency_desk(world, of.agency)
    fields = filled(world, of)["visits/new"]
    assert agent.post(f"/console/cases/{of.case.id}/visits/new", **fields).status_code == 303
    page = open_page("/console/visits", desk_of(world, of.officer))
    session = page.context.new_cdp_session(page)
    session.send("Page.setFontSizes", {"fontSizes": {"standard": 32, "fixed": 26}})
    page.reload()
    expect(page.get_by_role("button", name="确认我参与了")).to_be_visible()
    wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wider <= 0
    assert_accessible(page)


def filled(world: World, of: Any) -> dict[str, dict[str, Any]]:
    """What is posted so that every section of the page has something."""
    start = now() - timedelta(hours=2)
    times = {"starts_at": at(start), "ends_at": at(start + timedelta(hours=1)), "place": "一车间会议室"}
    people = {"expert_id": str(of.expert.id), "officer_id": str(of.officer.id), "notes": "查看现场。"}
    due = f"{now() + timedelta(days=20):%Y-%m-%d}"
    problem = {"aspect": "standards", "problem": "进货检验没有规程", "measure": "编写规程并培训检验员"}
    return {
        "scores": {"phase": "after", **AFTER},
        "effects": {"phase": "after", "revenue": "5,600,000", "profit_margin": "8.25", "quality_cost": ""},
        "findings/new": {**problem, "owner": "李质量", "due_on": due},
        "trainings/new": {**times, "audience": "team", "title": "班组质量控制", "trainer": "陈专家"},
        "visits/new": {**times, "purpose": "improvement", **people},
    }
