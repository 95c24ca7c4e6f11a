"""Signing in and keeping accounts in a browser: first sign-in, lock-out, scans, an administrator's day."""

from __future__ import annotations

from typing import Any

import pyotp
import pytest
from argon2 import PasswordHasher
from flask import Flask
from playwright.sync_api import Page, expect

from app import passwords
from tests.browser.conftest import OpenPage, assert_accessible
from tests.builders import World
from tests.console_client import Browser, desk
from tests.phones import Phones
from tests.sign_ins import NEW, Staff, first_sign_in
from tests.staff_builders import fresh_account, fresh_name


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same hash with little memory: what it costs is not what is tested here."""
    monkeypatch.setattr(passwords, "_hasher", PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))


@pytest.fixture
def staff(world: World) -> Staff:
    """An account that nobody has signed in to."""
    return fresh_account(world)


def give_password(page: Page, staff: Staff, password: str | None = None) -> None:
    page.get_by_label("用户名", exact=True).fill(staff.login_name)
    page.get_by_label("密码", exact=True).fill(password or staff.password)
    page.get_by_role("button", name="下一步").click()


def heading(page: Page) -> Any:
    return expect(page.get_by_role("heading", level=1))


def test_the_first_sign_in_goes_step_by_step(open_page: OpenPage, staff: Staff) -> None:
    page = open_page("/console/account")
    heading(page).to_have_text("工作人员登录")
    assert_accessible(page)
    give_password(page, staff)
    heading(page).to_have_text("设置新密码")
    assert_accessible(page)
    # the rules are ticked while one types, and what is too weak stays on the page with the reason
    page.get_by_label("新密码").fill("abcdefgh")
    expect(page.locator("[data-rule=length]")).to_have_class("met")
    expect(page.locator("[data-rule=classes]")).not_to_have_class("met")
    page.get_by_label("再输一次").fill("abcdefgh")
    page.get_by_role("button", name="保存并继续").click()
    expect(page.get_by_text("密码至少 8 位，含大写字母").first).to_be_visible()
    page.get_by_label("新密码").fill(NEW)
    expect(page.locator("[data-rule=classes]")).to_have_class("met")
    page.get_by_label("再输一次").fill(NEW)
    page.get_by_role("button", name="保存并继续").click()
    heading(page).to_have_text("启用动态口令")
    expect(page.get_by_role("img", name="供验证器扫描的二维码")).to_be_visible()
    assert page.locator(".scan img").evaluate("image => image.naturalWidth") > 100
    assert_accessible(page)
    secret = page.locator(".secret").inner_text().replace(" ", "")
    page.get_by_label("验证器上的 6 位数字").fill("000000")
    page.get_by_role("button", name="启用").click()
    expect(page.get_by_text("动态口令或恢复码不正确").first).to_be_visible()
    page.get_by_label("验证器上的 6 位数字").fill(pyotp.TOTP(secret).now())
    page.get_by_role("button", name="启用").click()
    heading(page).to_have_text("请保存恢复码")
    expect(page.locator(".codes li")).to_have_count(10)
    assert_accessible(page)
    page.get_by_role("link", name="已保存，进入管理后台").click()
    heading(page).to_have_text("我的账号")  # where one wanted to be
    assert_accessible(page)
    page.get_by_role("button", name="退出", exact=True).click()
    heading(page).to_have_text("工作人员登录")
    page.goto("/console/account")
    heading(page).to_have_text("工作人员登录")


def test_after_five_wrong_passwords_one_waits(open_page: OpenPage, staff: Staff) -> None:
    page = open_page("/console/sign-in")
    for _ in range(5):
        give_password(page, staff, "Wrong-horse-7")
        expect(page.get_by_role("alert")).to_contain_text("用户名或密码错误")
    give_password(page, staff)
    expect(page.get_by_role("alert")).to_contain_text("账号已锁定，请")
    expect(page.get_by_role("alert")).to_contain_text("秒后再试")
    assert_accessible(page)


@pytest.fixture
def phone(open_page: OpenPage, platform: Phones, site: str, monkeypatch: pytest.MonkeyPatch) -> Page:
    """A simulated phone whose owner has come into the mini-program."""
    monkeypatch.setattr(platform.state, "public_url", site)
    person = platform.phone("周扫码")
    page = open_page(f"{platform.base}/#{person.id}", viewport={"width": 500, "height": 1000})
    page.get_by_role("button", name="提质通 小程序").click()
    page.locator(".mp-prose .mp-note").scroll_into_view_if_needed()
    page.get_by_role("button", name="同意并继续").click()
    page.get_by_role("button", name="以后再说").click()
    page.locator(".mp-tabs").wait_for()
    return page


def scan(phone: Page, verb: str, digits: str) -> None:
    """Scans the code that was drawn last and confirms."""
    phone.reload()
    phone.get_by_role("button", name="扫一扫").click()
    phone.locator(".seen").first.click()
    expect(phone.locator(".mp-digits")).to_have_text(digits)
    phone.get_by_role("button", name=verb).click()


def test_wechat_is_bound_and_then_signs_in(
    open_page: OpenPage, app: Flask, staff: Staff, phone: Page
) -> None:
    at = Browser(app.test_client())
    first_sign_in(at, staff)
    page = open_page("/console/account", at)
    page.get_by_role("link", name="绑定微信").click()
    assert_accessible(page)
    page.get_by_label("动态口令或恢复码").fill(staff.recovery_codes[0])
    page.get_by_role("button", name="绑定微信").click()
    expect(page.get_by_role("img", name="小程序码")).to_be_visible()
    assert_accessible(page)
    scan(phone, "确认绑定", page.locator(".digits").inner_text())
    expect(phone.get_by_text("已绑定，今后可扫码登录")).to_be_visible()
    heading(page).to_have_text("我的账号")  # by itself
    expect(page.get_by_text("已绑定微信，可在登录页扫码登录。")).to_be_visible()
    page.get_by_role("button", name="退出", exact=True).click()
    page.get_by_role("link", name="微信扫码").click()
    assert_accessible(page)
    scan(phone, "确认登录", page.locator(".digits").inner_text())
    expect(phone.get_by_text("电脑上已登录")).to_be_visible()
    heading(page).to_have_text("工作台")


def test_an_administrator_makes_and_keeps_accounts(open_page: OpenPage, world: World) -> None:
    page = open_page("/console/accounts", desk(world, "system_administrator", "js.xz"))
    assert_accessible(page)
    page.get_by_role("link", name="新建账号").click()
    assert_accessible(page)
    # the role decides what is asked for
    expect(page.get_by_label("辖区")).to_be_visible()
    page.get_by_label("角色").select_option(label="银行客户经理")
    expect(page.get_by_label("合作银行")).to_be_visible()
    expect(page.get_by_label("辖区")).to_be_hidden()
    page.get_by_label("角色").select_option(label="县局经办")
    page.get_by_label("辖区").select_option("js.xz.fengxian")
    page.get_by_role("button", name="建立账号").click()
    expect(page.get_by_text("必填").first).to_be_visible()
    assert page.get_by_label("角色").input_value() == "county_staff"  # what was chosen stays
    page.get_by_label("用户名").fill(name := fresh_name())
    page.get_by_label("姓名").fill("孙浏览")
    page.get_by_role("button", name="建立账号").click()
    heading(page).to_have_text("账号已建立")
    assert_accessible(page)
    page.get_by_role("link", name="已转交，查看账号").click()
    heading(page).to_have_text(f"孙浏览（{name}）")
    assert_accessible(page)
    page.get_by_role("button", name="停用账号").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("所有登录将立即退出")
    dialog.get_by_role("button", name="不，返回").click()
    expect(page.get_by_text("正常", exact=True)).to_be_visible()
    page.get_by_role("button", name="停用账号").click()
    dialog.get_by_role("button", name="停用账号").click()
    expect(page.get_by_role("status")).to_contain_text("账号已停用")
    page.goto("/console/organisations")
    assert_accessible(page)


def test_an_auditor_reads_the_trail(open_page: OpenPage, world: World) -> None:
    page = open_page("/console/audit", desk(world, "auditor", "js.xz"))
    heading(page).to_have_text("审计日志")
    page.get_by_label("动作").select_option(label="建立工作人员账号")
    page.get_by_role("button", name="查询").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("审计日志")
    assert_accessible(page)
