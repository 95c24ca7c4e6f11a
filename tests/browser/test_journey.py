"""One training from the first word to the certificate, by the people who meet over it."""

from __future__ import annotations

from datetime import timedelta
from io import BytesIO

from flask import Flask
from playwright.sync_api import Page, expect
from pypdf import PdfReader

from models.base import now
from tests.browser.conftest import OpenPage
from tests.browser.test_trainings import sign_up
from tests.builders import World
from tests.console_client import desk


def write(page: Page) -> str:
    """The clerk writes a training that begins soon, and publishes it; returns its address."""
    start = now() + timedelta(minutes=40)
    page.get_by_role("link", name="新建培训").first.click()
    page.get_by_label("名称").first.fill("从头到尾的培训")
    page.get_by_label("地点").fill("丰县政务服务中心三楼")
    page.get_by_label("名额").fill("5")
    page.get_by_label("全市").check()
    page.get_by_label("开始", exact=True).first.fill(f"{start:%Y-%m-%dT%H:%M}")
    page.get_by_label("结束", exact=True).first.fill(f"{start + timedelta(hours=2):%Y-%m-%dT%H:%M}")
    page.get_by_label("报名截止", exact=True).fill(f"{start - timedelta(minutes=5):%Y-%m-%dT%H:%M}")
    page.get_by_role("button", name="保存为草稿").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("从头到尾的培训")
    page.get_by_role("button", name="发布").click()
    page.get_by_role("dialog").get_by_role("button", name="发布").click()
    expect(page.get_by_role("status")).to_contain_text("已发布")
    return page.url


def test_from_the_first_word_to_the_certificate(open_page: OpenPage, app: Flask, world: World) -> None:
    clerk = desk(world, "county_staff")
    page = open_page("/console/trainings", clerk)
    path = write(page)
    owner = sign_up(app, world, path, name="丰县从头到尾机械厂")
    phone = app.test_client()
    [mine] = phone.get("/api/v1/signups", headers=owner.headers).json["items"]
    ticket = phone.get(f"/api/v1/signups/{mine['id']}/ticket", headers=owner.headers).json

    # In the hall one window shows who comes, another scans.
    page.goto(path)
    page.get_by_role("link", name="现场签到").first.click()
    expect(page.locator("[data-checked-in]")).to_have_text("0")
    door = open_page(page.url.replace("/live", "/scan"), clerk)
    door.get_by_role("heading", level=1).click()
    door.keyboard.type(ticket["codes"][0]["content"])
    door.keyboard.press("Enter")
    expect(door.locator("[data-verdict]")).to_contain_text("签到成功")
    expect(page.locator("[data-checked-in]")).to_have_text("1")
    expect(page.locator(".scans li").first).to_contain_text("丰县从头到尾机械厂")

    # What was earned is handed out, and can be checked by anybody.
    page.get_by_role("link", name="签到名册").click()
    page.get_by_role("button", name="发放培训证明").click()
    page.get_by_role("dialog").get_by_role("button", name="发放 1 份").click()
    expect(page.get_by_role("status")).to_contain_text("1 份")
    with page.expect_download() as saving:
        page.get_by_role("link", name="下载证明").first.click()
    printed = PdfReader(BytesIO(saving.value.path().read_bytes())).pages[0].extract_text()
    text = "".join(printed.split())
    assert "李质量" in text and "从头到尾的培训" in text
