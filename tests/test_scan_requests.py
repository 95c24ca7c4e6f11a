"""Signing in at the console by scanning, and binding WeChat: browser, phone and the simulated platform."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from argon2 import PasswordHasher
from flask import Flask
from sqlalchemy import func, select, update

from app import passwords
from app.access import SYSTEM
from app.services import scan_requests
from models.audit import AuditEvent
from models.base import now, set_clock
from models.people import ScanRequest, SignIn, StaffAccount
from tests.builders import Person, World
from tests.console_client import Browser, text_of
from tests.phones import Phones
from tests.races import at_once
from tests.sign_ins import Staff, browser, first_sign_in, inside, to
from tests.staff_builders import fresh_account
from tests.test_people import refused

SCAN = "/console/sign-in/scan"
BIND = "/console/account/wechat"
Phone = Callable[[str, str, Person], Any]


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same hash with little memory: what it costs is not what is tested here."""
    monkeypatch.setattr(passwords, "_hasher", PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))


@pytest.fixture
def app(app_with_platform: Flask) -> Flask:
    """The pictures to scan are the platform's."""
    return app_with_platform


@pytest.fixture
def wait(world: World) -> Callable[[timedelta], None]:
    """Puts the clock forward."""
    moment = [now()]
    set_clock(lambda: moment[0])

    def forward(by: timedelta = timedelta(minutes=1)) -> None:
        moment[0] += by

    return forward


@pytest.fixture
def staff(world: World, wait: Callable[[timedelta], None]) -> Staff:
    return fresh_account(world)


@pytest.fixture
def here(app: Flask, staff: Staff, wait: Callable[[], None]) -> Browser:
    """The browser of a member of staff who has just signed in."""
    at = browser(app)
    first_sign_in(at, staff)
    wait()
    return at


@pytest.fixture
def me(world: World) -> Person:
    """The same one, on the phone."""
    return world.person()


def number_of(at: Browser) -> str:
    with at.client.session_transaction("/console/") as cookie:
        return str(cookie["scan"]["number"])


def read(at: Browser, person: Person, number: str) -> Any:
    return at.client.application.test_client().get(
        f"/api/v1/people/scan-requests/{number}", headers=person.headers
    )


def confirm(at: Browser, person: Person, number: str) -> Any:
    return at.client.application.test_client().post(
        f"/api/v1/people/scan-requests/{number}/confirm", headers=person.headers
    )


def ask_binding(at: Browser, staff: Staff) -> str:
    """Gives the number on the screen."""
    assert to(at.post(BIND, code=staff.code())) == f"{BIND}/scan"
    assert at.get(f"{BIND}/scan").status_code == 200
    return number_of(at)


@pytest.fixture
def bound(here: Browser, staff: Staff, me: Person, wait: Callable[[], None]) -> Staff:
    """The account, bound to the phone."""
    assert confirm(here, me, ask_binding(here, staff)).status_code == 204
    wait()
    return staff


def ask_sign_in(at: Browser) -> str:
    assert at.get(SCAN).status_code == 200
    return number_of(at)


def poll(at: Browser, path: str = SCAN) -> Any:
    return at.client.post(path, headers={"X-CSRFToken": at.token, "HX-Request": "true"})


# --- binding


def test_wechat_is_bound_by_scanning(here: Browser, staff: Staff, me: Person, world: World) -> None:
    number = ask_binding(here, staff)
    page = here.get(f"{BIND}/scan")
    [digits] = re.findall(r'aria-label="核对数字">(\d\d)<', page.get_data(as_text=True))
    asked = read(here, me, number).json
    assert (asked["purpose"], asked["digits"]) == ("binding", digits) and "·" in asked["device"]
    assert poll(here, f"{BIND}/scan").status_code == 204
    assert confirm(here, me, number).status_code == 204
    led = poll(here, f"{BIND}/scan")
    assert led.headers["HX-Redirect"] == "/console/account"
    assert "微信已绑定" in text_of(here.get("/console/account"))
    with world.session() as session:
        of = select(StaffAccount.wechat_user_id).where(StaffAccount.user_id == staff.id)
        assert session.execute(of).scalar_one() == me.id
        seen = select(AuditEvent.user_id).where(
            AuditEvent.verb == "staff.wechat_bound", AuditEvent.user_id == me.id
        )
        assert session.execute(seen).scalars().all() == [me.id]


def test_a_binding_asks_for_a_code(here: Browser, staff: Staff) -> None:
    assert here.post(BIND, code="000000").status_code == 422
    with here.client.session_transaction("/console/") as cookie:
        assert "scan" not in cookie


def test_one_wechat_is_of_one_account(
    app: Flask, bound: Staff, me: Person, world: World, wait: Callable[[], None]
) -> None:
    other, at = fresh_account(world), browser(app)
    first_sign_in(at, other)
    wait()
    assert refused(confirm(at, me, ask_binding(at, other))) == (409, "wechat_already_bound")


def test_a_binding_is_taken_back(here: Browser, bound: Staff, me: Person) -> None:
    answer = here.post("/console/account/wechat/unbind")
    assert "已解除微信绑定" in text_of(here.client.get(to(answer)))
    at = browser(here.client.application)
    assert refused(confirm(at, me, ask_sign_in(at))) == (409, "wechat_not_bound")


# --- signing in


def test_one_signs_in_by_scanning(app: Flask, bound: Staff, me: Person, world: World) -> None:
    at = browser(app)
    number = ask_sign_in(at)
    assert number_of(at) == number  # a reload shows the same one
    asked = read(at, me, number).json
    assert asked["purpose"] == "sign_in"
    assert poll(at).status_code == 204 and not inside(at)
    assert confirm(at, me, number).status_code == 204
    assert not inside(at)
    assert poll(at).headers["HX-Redirect"] == "/console/"
    assert inside(at) and "县局经办" in text_of(at.get("/console/"))
    with world.session() as session:
        of = select(SignIn.second_factor_at).where(SignIn.user_id == bound.id, SignIn.complete)
        assert None not in session.execute(of).scalars().all()


def test_the_picture_is_of_the_platform_and_carries_the_number(
    app: Flask, platform: Phones, bound: Staff
) -> None:
    at = browser(app)
    number = ask_sign_in(at)
    picture = at.get("/console/sign-in/scan.png")
    assert picture.mimetype == "image/png" and picture.data.startswith(b"\x89PNG")
    assert platform.state.codes.drawn[0]["scene"] == f"n={number}"
    assert platform.state.codes.drawn[0]["page"] == scan_requests.PAGE
    assert browser(app).get("/console/sign-in/scan.png").status_code == 410


def test_powers_of_staff_never_reach_the_phone(app: Flask, bound: Staff, me: Person) -> None:
    at = browser(app)
    confirm(at, me, ask_sign_in(at))
    poll(at)
    shown = app.test_client().get("/api/v1/people/me", headers=me.headers).json
    assert shown["grants"] == [] and inside(at)


def test_steps_that_are_due_stay_due(app: Flask, bound: Staff, me: Person, world: World) -> None:
    with world.session() as session:
        session.execute(
            update(StaffAccount).where(StaffAccount.user_id == bound.id).values(password_set_at=None)
        )
    at = browser(app)
    confirm(at, me, ask_sign_in(at))
    assert poll(at).headers["HX-Redirect"] == "/console/sign-in/new-password"
    assert not inside(at)


def test_a_request_serves_once(app: Flask, bound: Staff, me: Person) -> None:
    at = browser(app)
    number = ask_sign_in(at)
    with at.client.session_transaction("/console/") as cookie:
        kept = dict(cookie)
    assert confirm(at, me, number).status_code == 204
    assert refused(confirm(at, me, number)) == (410, "scan_request_gone")
    poll(at)
    thief = browser(app)
    with thief.client.session_transaction("/console/") as cookie:
        cookie.update(kept)  # the cookie of before, copied
    assert "已失效" in text_of(poll(thief)) and not inside(thief)


def test_exchanged_twice_at_once_it_opens_one_sign_in(
    app: Flask, bound: Staff, me: Person, world: World
) -> None:
    set_clock(None)
    at = browser(app)
    number = ask_sign_in(at)
    with at.client.session_transaction("/console/") as cookie:
        secret = cookie["scan"]["secret"]
    assert confirm(at, me, number).status_code == 204

    def exchange() -> bool:
        with app.app_context():
            try:
                scan_requests.exchange(SYSTEM, secret)
            except Exception:
                return False
        return True

    assert sorted(at_once(*[exchange] * 4)) == [False, False, False, True]


def test_confirmed_twice_at_once_it_is_confirmed_once(app: Flask, bound: Staff, me: Person) -> None:
    set_clock(None)
    at = browser(app)
    number = ask_sign_in(at)
    answers = at_once(*[lambda: confirm(at, me, number).status_code] * 4)
    assert sorted(answers) == [204, 410, 410, 410]


def test_only_the_browser_that_asked_goes_on(app: Flask, bound: Staff, me: Person) -> None:
    at, other = browser(app), browser(app)
    number = ask_sign_in(at)
    ask_sign_in(other)
    confirm(at, me, number)
    assert poll(other).status_code == 204 and not inside(other)
    forged = browser(app)
    with forged.client.session_transaction("/console/") as cookie:
        cookie["scan"] = {"number": number, "secret": "guessed", "digits": "00"}
    assert "已失效" in text_of(poll(forged)) and not inside(forged)
    assert poll(at).headers["HX-Redirect"] == "/console/"


def test_a_request_lives_for_three_minutes(
    app: Flask, bound: Staff, me: Person, wait: Callable[[timedelta], None], world: World
) -> None:
    at, late = browser(app), browser(app)
    number, confirmed = ask_sign_in(at), ask_sign_in(late)
    wait(timedelta(minutes=2, seconds=59))
    assert confirm(at, me, confirmed).status_code == 204
    wait(timedelta(seconds=1))
    assert refused(read(at, me, number)) == refused(confirm(at, me, number)) == (410, "scan_request_gone")
    for one in (at, late):
        assert "已失效" in text_of(poll(one)) and not inside(one)
    assert ask_sign_in(at) != number  # a reload shows a fresh one
    with app.app_context():
        scan_requests.forget(SYSTEM)
    with world.session() as session:
        gone = (
            select(func.count()).select_from(ScanRequest).where(ScanRequest.number.in_([number, confirmed]))
        )
        assert session.execute(gone).scalar_one() == 2  # not before the instant has passed
    wait(timedelta(seconds=1))
    with app.app_context():
        scan_requests.forget(SYSTEM)
    with world.session() as session:
        assert session.execute(gone).scalar_one() == 0


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"state": "disabled"}, "account_disabled"),
        ({"locked_until": now() + timedelta(days=3)}, "staff_locked"),
    ],
)
def test_a_disabled_or_locked_account_is_not_opened(
    app: Flask, bound: Staff, me: Person, world: World, values: dict[str, Any], code: str
) -> None:
    before, after = browser(app), browser(app)
    first, second = ask_sign_in(before), ask_sign_in(after)
    assert confirm(before, me, first).status_code == 204
    with world.session() as session:
        session.execute(update(StaffAccount).where(StaffAccount.user_id == bound.id).values(**values))
    assert refused(confirm(after, me, second))[1] == code
    poll(before)
    assert not inside(before)


def test_who_is_bound_to_nothing_confirms_nothing(app: Flask, world: World) -> None:
    at, stranger = browser(app), world.person()
    number = ask_sign_in(at)
    assert refused(confirm(at, stranger, number)) == (409, "wechat_not_bound")
    assert refused(confirm(at, stranger, "0000000000")) == (410, "scan_request_gone")
    assert poll(at).status_code == 204


def test_a_binding_does_not_sign_in(here: Browser, staff: Staff, me: Person) -> None:
    confirm(here, me, ask_binding(here, staff))
    with here.client.session_transaction("/console/") as cookie:
        scan = cookie["scan"]
    at = browser(here.client.application)
    with at.client.session_transaction("/console/") as cookie:
        cookie["scan"] = scan
    poll(at)
    assert not inside(at)


def test_when_the_platform_is_away_the_page_stays(app: Flask, platform: Phones) -> None:
    at = browser(app)
    ask_sign_in(at)
    for _ in range(3):
        platform.fails("/wxa/getwxacodeunlimit", "5xx", value=502)
    picture = at.get("/console/sign-in/scan.png")
    assert picture.status_code == 503
    assert at.get(SCAN).status_code == 200
    assert at.get("/console/sign-in/scan.png").status_code == 200  # when it is back
