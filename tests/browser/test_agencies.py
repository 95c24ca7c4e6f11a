"""Agencies in a browser: the city adds one, it adds an expert and binds a phone, a county selects it."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import expect
from sqlalchemy import select

from models.agencies import Agency
from models.base import now
from tests.agency_builders import agency_desk, fresh_agency_name
from tests.browser.conftest import OpenPage, assert_accessible
from tests.builders import World
from tests.console_client import desk
from tests.test_agency_assessments import HEADER
from tests.workbook_builders import workbook

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def test_an_agency_from_its_name_to_a_countys_choice(
    open_page: OpenPage, world: World, work: Callable[[], None]
) -> None:
    name = fresh_agency_name()
    page = open_page("/console/agencies", desk(world, "city_staff", "js.xz"))
    page.get_by_role("link", name="添加帮扶机构").first.click()
    page.get_by_label("认证机构批准号").fill("CNCA-R-2003-050")
    page.get_by_label("能源管理体系").check()
    page.get_by_label("丰县").check()
    page.get_by_role("button", name="保存").click()
    expect(page.get_by_label("名称")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("丰县")).to_be_checked()
    assert_accessible(page)
    page.get_by_label("名称").fill(name)
    page.get_by_role("button", name="保存").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    expect(page.get_by_text("能源管理体系")).to_be_visible()
    assert_accessible(page)

    # Its assessment: first only checked, then taken over.
    sheet = {"name": "考核.xlsx", "mimeType": XLSX, "buffer": workbook(HEADER, [name, None, 3, 92.5]).read()}
    page.goto("/console/agencies/assessments/import")
    page.get_by_label("考核结果（.xlsx）").set_input_files(sheet)  # type: ignore[arg-type]
    page.get_by_role("button", name="先核对，不写入").click()
    work()
    expect(page.get_by_text("将新增")).to_be_visible()
    page.goto("/console/agencies/assessments/import")
    assert_accessible(page)
    page.get_by_label("考核结果（.xlsx）").set_input_files(sheet)  # type: ignore[arg-type]
    page.get_by_role("button", name="上传并导入").click()
    work()
    expect(page.get_by_text("新增", exact=False).first).to_be_visible()
    page.goto(f"/console/agencies/assessments?agency={name}")
    expect(page.get_by_role("row", name=name)).to_contain_text("92.5")

    with world.session() as session:
        made = session.execute(select(Agency).where(Agency.name == name)).scalar_one()
    person = world.person()
    own = open_page("/console/", agency_desk(world, made))
    own.get_by_role("link", name="本机构").click()
    own.get_by_role("link", name="添加专家").first.click()
    own.get_by_label("姓名").fill("何审核员")
    own.get_by_label("标准化水平").check()
    own.get_by_role("button", name="保存").click()
    own.get_by_role("link", name="为何审核员绑定小程序").click()
    own.get_by_label("手机号").fill("123")
    own.get_by_role("button", name="绑定").click()
    expect(own.get_by_label("手机号")).to_have_attribute("aria-invalid", "true")
    own.get_by_label("手机号").fill(str(person.phone))
    assert_accessible(own)
    own.get_by_role("button", name="绑定").click()
    row = own.get_by_role("row", name="何审核员")
    expect(row).to_contain_text(str(person.phone)[-4:])
    assert_accessible(own)

    county = open_page(f"/console/agencies/{made.id}", desk(world, "county_staff"))
    county.get_by_role("link", name="选定", exact=True).click()
    county.get_by_label("责任心强").check()
    county.get_by_label("在全省考核中占有一定位次").check()
    assert_accessible(county)
    county.get_by_role("button", name="选定").click()
    county.goto(f"/console/agencies/selections?agency={name}&year={now().year}")
    row = county.get_by_role("row", name=name)
    expect(row).to_contain_text("责任心强、在全省考核中占有一定位次")
    row.get_by_role("button", name="撤销").click()
    county.get_by_label("撤销原因").fill("机构申请退出")
    assert_accessible(county)
    county.get_by_role("button", name="撤销选定").click()
    expect(county.get_by_text("已撤销选定，并已通知该机构。")).to_be_visible()
    own.reload()
    expect(own.get_by_text("还没有被选定")).to_be_visible()
