"""One's own account at the console: password, sign-ins, second factor; and what the auditor reads of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape

import pytest
from argon2 import PasswordHasher
from flask import Flask

from app import passwords
from models.base import now, set_clock
from tests.builders import World
from tests.console_client import Browser, text_of
from tests.sign_ins import NEW, Staff, browser, enrol, first_sign_in, give_password, inside, sign_in, to
from tests.staff_builders import fresh_account

ACCOUNT = "/console/account"


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same hash with little memory: what it costs is not what is tested here."""
    monkeypatch.setattr(passwords, "_hasher", PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))


@pytest.fixture
def wait(world: World) -> Callable[[], None]:
    """Puts the clock forward to the authenticator's next code."""
    moment = [now()]
    set_clock(lambda: moment[0])

    def forward() -> None:
        moment[0] += timedelta(minutes=1)

    return forward


@pytest.fixture
def staff(world: World, wait: Callable[[], None]) -> Staff:
    return fresh_account(world)


@pytest.fixture
def here(app: Flask, staff: Staff, wait: Callable[[], None]) -> Browser:
    """The browser of a member of staff who has just signed in."""
    at = browser(app)
    first_sign_in(at, staff)
    wait()
    return at


@pytest.fixture
def elsewhere(app: Flask, here: Browser, staff: Staff, wait: Callable[[], None]) -> Browser:
    """Another browser of the same one."""
    client = app.test_client()
    client.environ_base["HTTP_USER_AGENT"] = (
        "Mozilla/5.0 (Windows NT 10.0) Chrome/150.0 Safari/537.36 Edg/150.0"
    )
    at = Browser(client)
    assert to(sign_in(at, staff)) == "/console/"
    wait()
    return at


def test_one_sees_where_one_is_signed_in(here: Browser, elsewhere: Browser) -> None:
    table = here.get(ACCOUNT).get_data(as_text=True).split("<tbody>")[1].split("</tbody>")[0]
    _, first, second = table.split("<tr>")  # the latest first: the one that asks
    assert "本机" in first and "Edge · Windows" in second and "本机" not in second


def test_all_other_sign_ins_end_with_one_click(here: Browser, elsewhere: Browser) -> None:
    answer = here.post(f"{ACCOUNT}/sign-ins/end-others")
    assert "已退出其他 1 处登录" in text_of(here.client.get(to(answer)))
    assert inside(here) and not inside(elsewhere)
    answer = here.post(f"{ACCOUNT}/sign-ins/end-others")
    assert "没有其他登录" in text_of(here.client.get(to(answer)))


def test_signing_out_ends_only_this_browsers_sign_in(here: Browser, elsewhere: Browser) -> None:
    here.post("/console/sign-out")
    assert not inside(here) and inside(elsewhere)


def change(at: Browser, current: str, new: str, repeated: str | None = None) -> tuple[int, str]:
    fields = {"current_password": current, "new_password": new, "repeated": repeated or new}
    answer = at.post(f"{ACCOUNT}/password", **fields)
    return answer.status_code, text_of(answer)


def test_a_password_is_changed_by_who_knows_it(
    app: Flask, here: Browser, elsewhere: Browser, staff: Staff
) -> None:
    for current, new, repeated, told in (
        ("Wrong-horse-7", "Another-horse-8", None, "当前密码不正确"),
        (NEW, "weak", None, "密码至少 8 位"),
        (NEW, NEW, None, "密码至少 8 位"),
        (NEW, f"X9-{staff.login_name.upper()}", None, "密码至少 8 位"),
        (NEW, "Another-horse-8", "Another-horse-9", "两次输入的密码不一致"),
    ):
        status, page = change(here, current, new, repeated)
        assert status == 422 and told in page
    assert inside(elsewhere)
    assert change(here, NEW, "Another-horse-8")[0] == 303
    assert inside(here) and not inside(elsewhere)
    assert give_password(browser(app), staff).status_code == 403
    staff.password = "Another-horse-8"
    assert to(give_password(browser(app), staff)) == "/console/sign-in/code"


def test_wrong_passwords_and_codes_inside_count_towards_the_lock(
    app: Flask, here: Browser, staff: Staff
) -> None:
    for _ in range(3):
        change(here, "Wrong-horse-7", "Another-horse-8")
    for _ in range(2):
        assert here.post(f"{ACCOUNT}/recovery-codes", code="000000").status_code == 422
    status, page = change(here, NEW, "Another-horse-8")
    assert status == 403 and "账号已锁定" in page
    assert give_password(browser(app), staff).status_code == 403


def test_new_recovery_codes_replace_the_old(
    app: Flask, here: Browser, staff: Staff, wait: Callable[[], None]
) -> None:
    old = staff.recovery_codes
    page = here.post(f"{ACCOUNT}/recovery-codes", code=staff.code())
    fresh = re.findall(r"<code>(\w{5}-\w{5})</code>", unescape(page.get_data(as_text=True)))
    assert len(set(fresh)) == 10 and not set(fresh) & set(old)
    at = browser(app)
    give_password(at, staff)
    assert at.post("/console/sign-in/code", code=old[0]).status_code == 422
    assert to(at.post("/console/sign-in/code", code=fresh[0])) == "/console/"
    assert "9 个" in text_of(here.get(ACCOUNT))


def test_another_authenticator_ends_every_sign_in_and_is_enrolled_at_once(
    app: Flask, here: Browser, elsewhere: Browser, staff: Staff, wait: Callable[[], None]
) -> None:
    old = Staff(staff.id, staff.login_name, staff.password, staff.secret, staff.recovery_codes)
    assert here.post(f"{ACCOUNT}/authenticator", code="123456").status_code == 422
    answer = here.post(f"{ACCOUNT}/authenticator", code=staff.code())
    assert to(answer) == "/console/sign-in/authenticator"
    assert not inside(elsewhere) and not inside(here)
    assert enrol(here, staff).status_code == 200
    assert inside(here) and staff.secret != old.secret
    wait()
    for code in (old.code(), old.recovery_codes[0]):
        at = browser(app)
        give_password(at, staff)
        assert at.post("/console/sign-in/code", code=code).status_code == 422
    assert to(sign_in(browser(app), staff)) == "/console/"


def test_an_authenticator_is_replaced_by_a_recovery_code_when_the_phone_is_lost(
    here: Browser, staff: Staff
) -> None:
    answer = here.post(f"{ACCOUNT}/authenticator", code=staff.recovery_codes[3])
    assert to(answer) == "/console/sign-in/authenticator"


def test_the_account_says_when_the_password_is_due(here: Browser) -> None:
    due = now() - timedelta(minutes=1) + timedelta(days=180)
    assert f"{due.year}年{due.month}月{due.day}日" in text_of(here.get(ACCOUNT))
