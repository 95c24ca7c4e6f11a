"""Journeys of a county clerk with enterprises: review, import with bad rows, merge, another county."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from openpyxl import load_workbook
from playwright.sync_api import expect

from app.services.enterprise_imports import COLUMNS
from models.enterprises import EnterpriseState
from models.size_class import SizeClass
from tests.browser.conftest import OpenPage, assert_accessible
from tests.builders import World
from tests.console_client import desk
from tests.test_console_enterprises import Branch
from tests.test_console_reviews import ask
from tests.test_enterprise_import import line
from tests.test_enterprises import ANSWERS, wrong_digit
from tests.workbook_builders import workbook


@pytest.fixture
def branch(app: Flask, world: World) -> Branch:
    """A desk of a new division."""
    return Branch(world)


def facts() -> dict[str, Any]:
    """What an enterprise says of itself that registered in the mini-program."""
    size = {"size_class": SizeClass.small, "size_rule_version": "2011-300"}
    survey = {"needs_survey": ANSWERS, "needs_survey_version": "2026-11"}
    return {"address": "丰县经济开发区华山路 8 号", "legal_representative": "张志强", **size, **survey}


def test_a_clerk_reviews_one_after_the_other(open_page: OpenPage, branch: Branch) -> None:
    for name in ("丰县宏远车辆配件有限公司", "丰县大沙河果业有限公司"):
        branch.enterprise(name, state=EnterpriseState.registered, owner=branch.world.person(), **facts())
    page = open_page("/console/", branch.desk)
    page.get_by_role("link", name="家企业待审核").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("登记审核")
    assert_accessible(page)
    page.get_by_role("link", name="丰县宏远车辆配件有限公司").click()
    expect(page.get_by_text("还有 2 家待审核")).to_be_visible()
    assert_accessible(page)
    page.get_by_role("button", name="退回完善").click()
    expect(page.locator("#i-reason-wrong")).to_contain_text("必填")
    page.get_by_label("原因").fill("请补充营业执照地址")
    page.get_by_role("button", name="退回完善").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("审核：丰县大沙河果业有限公司")
    expect(page.get_by_role("status").first).to_contain_text(
        "“丰县宏远车辆配件有限公司”退回完善。已转到下一家"
    )
    page.get_by_role("button", name="通过", exact=True).click()
    expect(page.get_by_text("没有待审核的企业")).to_be_visible()
    page.goto("/console/enterprises?state=returned")
    page.get_by_role("link", name="丰县宏远车辆配件有限公司").click()
    expect(page.locator("#history")).to_contain_text("原因：请补充营业执照地址")
    page.get_by_role("button", name="查看", exact=True).click()
    expect(page.locator(".contact a")).to_contain_text("13")
    assert_accessible(page)


def test_refusing_asks_first_and_keeps_the_reason(open_page: OpenPage, branch: Branch) -> None:
    waiting = branch.enterprise("外地某厂", state=EnterpriseState.registered)
    page = open_page(f"/console/reviews/{waiting.id}", branch.desk)
    page.get_by_label("原因").fill("不在本市登记")
    page.get_by_role("button", name="不予通过", exact=True).click()
    expect(page.get_by_role("dialog")).to_contain_text("此操作不能撤回")
    page.get_by_role("button", name="不，返回").click()
    expect(page.get_by_label("原因")).to_have_value("不在本市登记")
    page.get_by_role("button", name="不予通过", exact=True).click()
    page.get_by_role("button", name="确定不予通过").click()
    expect(page.get_by_role("status").first).to_contain_text("“外地某厂”不予通过")


def test_several_are_approved_at_once(open_page: OpenPage, branch: Branch) -> None:
    for number in range(3):
        branch.enterprise(f"待审厂{number}", state=EnterpriseState.registered)
    page = open_page("/console/reviews", branch.desk)
    page.get_by_label("全选本页").check()
    page.get_by_role("button", name="通过所选").click()
    expect(page.get_by_text("已通过 3 家企业的登记")).to_be_visible()


def test_a_list_with_bad_rows_is_imported(
    open_page: OpenPage, branch: Branch, work: Callable[[], None], tmp_path: Path
) -> None:
    rows = [line(name=f"导入厂{number}", division=None) for number in range(3)]
    bad = line(name="信用代码有误的厂", division=None, credit_code=wrong_digit())
    listed = tmp_path / "名单.xlsx"
    listed.write_bytes(workbook([column.name for column in COLUMNS], *rows, bad).getvalue())
    page = open_page("/console/enterprises", branch.desk)
    page.get_by_role("link", name="导入企业").first.click()
    assert_accessible(page)
    with page.expect_download() as template:
        page.get_by_role("link", name="下载模板").click()
    assert template.value.suggested_filename == "导入企业模板.xlsx"
    page.get_by_label("企业名单（.xlsx）").set_input_files(listed)
    page.get_by_label("名单所属辖区").select_option(branch.division)
    page.get_by_role("button", name="上传并导入").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("导入企业：名单.xlsx")
    work()
    expect(page.get_by_text("有 1 行未导入")).to_be_visible()  # the page has followed by itself
    assert_accessible(page)
    with page.expect_download() as rejected:
        page.get_by_role("link", name="下载未导入的行").click()
    sheet = load_workbook(BytesIO(rejected.value.path().read_bytes())).active
    assert sheet is not None and "校验位不正确" in str(sheet.cell(row=3, column=sheet.max_column).value)
    page.goto("/console/enterprises")
    expect(page.locator("tbody tr")).to_have_count(3)


def test_duplicates_are_compared_before_they_are_merged(open_page: OpenPage, branch: Branch) -> None:
    keep = branch.enterprise("丰县凤鸣机械有限公司", owner=branch.world.person(), **facts())
    branch.enterprise("凤鸣机械（丰县）有限公司", owner=branch.world.person(), headcount=45)
    page = open_page(f"/console/enterprises/{keep.id}", branch.desk)
    assert_accessible(page)
    page.get_by_role("link", name="合并重复企业").click()
    assert_accessible(page)
    page.get_by_label("另一家的统一社会信用代码").fill(keep.credit_code)
    page.get_by_role("button", name="看对比").click()
    expect(page.get_by_text("不能与自身合并").first).to_be_visible()
    page.get_by_role("link", name="对比合并").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("合并前对比")
    assert_accessible(page)
    page.get_by_role("row", name="从业人员").get_by_label("采用").check()
    page.get_by_label("合并原因").fill("换发执照后重复登记")
    page.get_by_role("button", name="确认合并").click()
    expect(page.get_by_role("status").first).to_contain_text("已并入“丰县凤鸣机械有限公司”")
    expect(page.locator(".facts").first).to_contain_text("45 人")


def test_another_countys_address_is_refused(open_page: OpenPage, world: World) -> None:
    enterprise = world.enterprise(division_id="js.xz.peixian", name="沛县某厂")
    page = open_page("/console/", desk(world, "county_staff"))
    answered = page.goto(f"/console/enterprises/{enterprise.id}")
    assert answered is not None and answered.status == 403
    expect(page.get_by_text("不在您的管辖范围内")).to_be_visible()
    expect(page.get_by_text("丰县 · 县局经办").first).to_be_visible()
    expect(page.get_by_text("沛县某厂")).to_have_count(0)
    assert_accessible(page)


def test_every_page_is_accessible_and_whole_at_twice_the_font(open_page: OpenPage, branch: Branch) -> None:
    waiting = branch.enterprise("丰县梁寨面粉厂", state=EnterpriseState.registered, **facts())
    other = branch.enterprise("梁寨面粉（丰县）有限公司", owner=branch.world.person())
    ask(branch, waiting)
    one = f"/console/enterprises/{waiting.id}"
    paths = [
        "/console/enterprises",
        one,
        f"{one}/merge",
        f"{one}/merge/{other.id}",
        f"/console/reviews/{waiting.id}",
    ]
    more = [
        "/console/reviews",
        "/console/membership-requests",
        "/console/enterprises/new",
        "/console/enterprises/import",
    ]
    page = open_page("/console/", branch.desk)
    page.context.new_cdp_session(page).send("Page.setFontSizes", {"fontSizes": {"standard": 32, "fixed": 26}})
    for path in paths + more:
        page.goto(path)
        assert page.evaluate("parseFloat(getComputedStyle(document.documentElement).fontSize)") == 32
        root = "document.documentElement"
        assert page.evaluate(f"{root}.scrollWidth - {root}.clientWidth") <= 0, path
        assert_accessible(page)
