"""Signing in at the console: the steps, the second factor, locks, and how long a sign-in lasts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from argon2 import PasswordHasher
from flask import Flask
from sqlalchemy import select, update

from app import passwords
from models.audit import AuditEvent
from models.base import now, set_clock
from models.people import RecoveryCode, SignIn, StaffAccount
from tests.builders import World
from tests.conftest import OtherApp
from tests.console_client import Browser, text_of
from tests.races import at_once
from tests.sign_ins import (
    NEW,
    Staff,
    browser,
    enrol,
    first_sign_in,
    give_password,
    inside,
    set_password,
    sign_in,
    to,
)
from tests.staff_builders import fresh_account

SIGN_IN = "/console/sign-in"
AUTHENTICATOR = "/console/sign-in/authenticator"


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same hash with little memory: what it costs is not what is tested here."""
    monkeypatch.setattr(passwords, "_hasher", PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))


@pytest.fixture
def clock(world: World) -> Callable[[timedelta], None]:
    """Stands still, a minute ago, and is put forward."""
    moment = [now() - timedelta(minutes=1)]
    set_clock(lambda: moment[0])

    def forward(by: timedelta) -> None:
        moment[0] += by

    return forward


@pytest.fixture
def fresh(world: World, clock: object) -> Staff:
    """An account that nobody has signed in to."""
    return fresh_account(world)


@pytest.fixture
def known(app: Flask, fresh: Staff, clock: Callable[[timedelta], None]) -> Staff:
    """An account with a password of its owner's and an authenticator, unused for a minute."""
    first_sign_in(browser(app), fresh)
    clock(timedelta(minutes=1))
    return fresh


@pytest.fixture
def at(app: Flask) -> Browser:
    return browser(app)


# --- the steps


def test_the_first_sign_in_sets_a_password_and_enrols_an_authenticator(at: Browser, fresh: Staff) -> None:
    assert to(at.get("/console/")) == f"{SIGN_IN}?next=/console/"
    assert to(give_password(at, fresh)) == "/console/sign-in/new-password"
    assert not inside(at)
    assert to(set_password(at, NEW)) == AUTHENTICATOR
    assert not inside(at)
    page = enrol(at, fresh)
    assert page.status_code == 200 and len(set(fresh.recovery_codes)) == 10
    assert "离开此页后不再显示" in text_of(page)
    assert inside(at)
    # what was shown once is not shown again
    assert to(at.get(AUTHENTICATOR)) == SIGN_IN


def test_the_second_sign_in_asks_for_password_and_code(at: Browser, known: Staff) -> None:
    assert to(give_password(at, known)) == "/console/sign-in/code"
    assert not inside(at)
    assert to(at.post("/console/sign-in/code", code=known.code())) == "/console/"
    assert inside(at)


def test_every_step_waits_for_the_one_before(app: Flask, known: Staff, world: World) -> None:
    """Whatever page of a step somebody opens or posts, the step that is due is where they are led."""
    steps = {
        "code": {"code": known.code()},
        "new-password": {"new_password": "Other-horse-9", "repeated": "Other-horse-9"},
        "authenticator": {"code": known.code()},
    }
    nobody = browser(app)
    for path, fields in steps.items():
        assert (
            to(nobody.get(f"{SIGN_IN}/{path}")) == to(nobody.post(f"{SIGN_IN}/{path}", **fields)) == SIGN_IN
        )
    newcomer = fresh_account(world)
    for staff, due in ((known, "code"), (newcomer, "new-password")):
        half_open = browser(app)
        give_password(half_open, staff)
        for path, fields in steps.items():
            if path != due:
                assert to(half_open.get(f"{SIGN_IN}/{path}")) == f"{SIGN_IN}/{due}"
                assert to(half_open.post(f"{SIGN_IN}/{path}", **fields)) == f"{SIGN_IN}/{due}"
        assert not inside(half_open)
    set_password(half_open, NEW)
    assert to(set_password(half_open, "Other-horse-9")) == AUTHENTICATOR
    assert to(half_open.post(f"{SIGN_IN}/code", code="123456")) == AUTHENTICATOR
    assert not inside(half_open)


def test_a_half_open_sign_in_opens_no_page(app: Flask, known: Staff) -> None:
    half_open = browser(app)
    give_password(half_open, known)
    with half_open.client.session_transaction("/console/") as cookie:
        token = cookie["half_open"]
    pages = [
        rule.rule
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("console.")
        and getattr(app.view_functions[rule.endpoint], "permission", None)
        and not rule.arguments
        and "GET" in (rule.methods or ())
    ]
    assert len(pages) > 5
    for path in pages:
        with half_open.client.session_transaction("/console/") as cookie:
            cookie["token"] = token  # as somebody would who takes the one for the other
        assert to(half_open.get(path)).startswith(SIGN_IN), path


def test_a_half_open_sign_in_lives_for_ten_minutes(
    at: Browser, known: Staff, clock: Callable[[timedelta], None]
) -> None:
    give_password(at, known)
    clock(timedelta(minutes=9, seconds=59))
    assert at.get(f"{SIGN_IN}/code").status_code == 200
    clock(timedelta(seconds=1))
    assert to(at.post(f"{SIGN_IN}/code", code=known.code())) == SIGN_IN
    assert not inside(at)


def test_the_session_is_another_one_after_the_last_step(at: Browser, known: Staff, world: World) -> None:
    give_password(at, known)
    with at.client.session_transaction("/console/") as cookie:
        before = dict(cookie)
    assert to(at.post(f"{SIGN_IN}/code", code=known.code())) == "/console/"
    with at.client.session_transaction("/console/") as cookie:
        after = dict(cookie)
    assert before["half_open"] != after["token"] and "half_open" not in after
    assert before["csrf_token"] != after.get("csrf_token")
    with world.session() as session:
        of = select(SignIn.complete, SignIn.end_reason).where(SignIn.user_id == known.id)
        last = session.execute(of.order_by(SignIn.created_at.desc()).limit(2)).all()
    assert [tuple(row) for row in last] == [(True, None), (False, "completed")]


@pytest.mark.parametrize(
    ("wanted", "led"),
    [
        ("/console/account", "/console/account"),
        ("/console/transfers?page=2", "/console/transfers?page=2"),
        ("https://evil.example/console/", "/console/"),
        ("//evil.example/console/", "/console/"),
        ("/api/v1/people/me", "/console/"),
        ("javascript:alert(1)", "/console/"),
        ("/console\\@evil.example", "/console/"),
    ],
)
def test_after_signing_in_one_is_where_one_wanted_to_be(
    at: Browser, known: Staff, wanted: str, led: str
) -> None:
    at.get(SIGN_IN, next=wanted)
    give_password(at, known)
    assert to(at.post(f"{SIGN_IN}/code", code=known.code())) == led


def _token_of(at: Browser, path: str) -> str:
    page = at.get(path).get_data(as_text=True)
    return page.split('name="csrf-token" content="')[1].split('"')[0]


def test_a_form_without_its_token_is_refused(app: Flask, known: Staff) -> None:
    client = app.test_client()
    fields = {"login_name": known.login_name, "password": known.password}
    answer = client.post(SIGN_IN, data=fields)
    assert answer.status_code == 400
    answer = client.post(SIGN_IN, data=fields, headers={"X-CSRFToken": _token_of(browser(app), SIGN_IN)})
    assert answer.status_code == 400  # somebody else's


def test_nobody_learns_whether_a_name_exists(app: Flask, known: Staff) -> None:
    nobody = Staff(known.id, "nobody-here", NEW)
    answers = [give_password(browser(app), nobody), give_password(browser(app), known, "wrong")]
    said = [text_of(answer) for answer in answers]
    assert [answer.status_code for answer in answers] == [403, 403]
    assert said[0] == said[1] and "用户名或密码错误" in said[0]


def test_what_was_typed_stays_but_for_the_password(at: Browser, known: Staff) -> None:
    page = give_password(at, known, "Wrong-horse-7").get_data(as_text=True)
    assert f'value="{known.login_name}"' in page and "Wrong-horse-7" not in page


@pytest.mark.parametrize("field", ["login_name", "password"])
def test_a_nul_is_refused(at: Browser, known: Staff, field: str) -> None:
    fields = {"login_name": known.login_name, "password": known.password} | {field: "a\0b"}
    assert at.post(SIGN_IN, **fields).status_code in (403, 422)


# --- passwords


@pytest.mark.parametrize("weak", ["Ab1!xyz", "alllowercase1", "12345678!", "NAME-Secret9", "SAME"])
def test_a_weak_password_is_refused_and_the_step_stays(at: Browser, fresh: Staff, weak: str) -> None:
    give_password(at, fresh)
    new = weak.replace("NAME", fresh.login_name.title()).replace("SAME", fresh.password)
    page = set_password(at, new)
    assert page.status_code == 422 and "密码至少 8 位" in text_of(page)
    assert to(set_password(at, NEW)) == AUTHENTICATOR


def test_the_two_passwords_must_agree(at: Browser, fresh: Staff) -> None:
    give_password(at, fresh)
    page = at.post(f"{SIGN_IN}/new-password", new_password=NEW, repeated="Correct-horse-8")
    assert page.status_code == 422 and "两次输入的密码不一致" in text_of(page)


def test_a_password_is_due_after_180_days_and_after_the_code(
    at: Browser, known: Staff, clock: Callable[[timedelta], None]
) -> None:
    clock(timedelta(days=180))
    assert to(sign_in(at, known)) == f"{SIGN_IN}/new-password"
    assert not inside(at)
    assert set_password(at, known.password).status_code == 422  # the old one once more
    assert to(set_password(at, "Another-horse-8")) == "/console/"
    assert inside(at)


def test_a_new_password_ends_the_other_sign_ins(
    app: Flask, known: Staff, clock: Callable[[timedelta], None], world: World
) -> None:
    other = browser(app)
    sign_in(other, known)
    with world.session() as session:
        session.execute(
            update(StaffAccount).where(StaffAccount.user_id == known.id).values(password_set_at=None)
        )
    clock(timedelta(minutes=1))
    here = browser(app)
    assert to(sign_in(here, known)) == f"{SIGN_IN}/new-password"
    assert inside(other)
    set_password(here, "Another-horse-8")
    assert inside(here) and not inside(other)


# --- the second factor


def test_a_code_serves_once(app: Flask, known: Staff) -> None:
    code = known.code()
    first, second = browser(app), browser(app)
    give_password(first, known)
    give_password(second, known)
    assert to(first.post(f"{SIGN_IN}/code", code=code)) == "/console/"
    again = second.post(f"{SIGN_IN}/code", code=code)
    assert again.status_code == 422 and "动态口令或恢复码不正确" in text_of(again)
    assert not inside(second)


def test_a_code_given_twice_at_once_serves_once(app: Flask, known: Staff) -> None:
    set_clock(None)  # other threads have no other clock
    code, browsers = known.code(), [browser(app) for _ in range(4)]
    for one in browsers:
        give_password(one, known)
    tokens = [one.token for one in browsers]
    answers = at_once(
        *[
            lambda one=one, token=token: one.client.post(  # type: ignore[misc]
                f"{SIGN_IN}/code", data={"code": code}, headers={"X-CSRFToken": token}
            )
            for one, token in zip(browsers, tokens, strict=True)
        ]
    )
    assert sorted(answer.status_code for answer in answers) == [303, 422, 422, 422]


@pytest.mark.parametrize(("step", "taken"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_clock_may_be_off_by_one_step(at: Browser, known: Staff, step: int, taken: bool) -> None:
    give_password(at, known)
    answer = at.post(f"{SIGN_IN}/code", code=known.code(step))
    assert (to(answer) == "/console/") == taken == inside(at)


def test_after_a_later_code_an_earlier_one_is_void(app: Flask, known: Staff) -> None:
    first, second = browser(app), browser(app)
    give_password(first, known)
    give_password(second, known)
    assert to(first.post(f"{SIGN_IN}/code", code=known.code(1))) == "/console/"
    assert second.post(f"{SIGN_IN}/code", code=known.code(0)).status_code == 422


@pytest.mark.parametrize(
    "typed", [str, str.lower, lambda c: c.replace("-", ""), lambda c: f" {c} ", lambda c: c.replace("0", "O")]
)
def test_a_recovery_code_serves_once_however_it_is_typed(
    app: Flask, known: Staff, typed: Callable[[str], str], world: World
) -> None:
    code = known.recovery_codes[0]
    first, second = browser(app), browser(app)
    for one in (first, second):
        give_password(one, known)
    assert to(first.post(f"{SIGN_IN}/code", code=typed(code))) == "/console/"
    assert second.post(f"{SIGN_IN}/code", code=code).status_code == 422
    assert to(second.post(f"{SIGN_IN}/code", code=known.recovery_codes[1])) == "/console/"
    with world.session() as session:
        kept = select(RecoveryCode.code_hash).where(RecoveryCode.user_id == known.id)
        assert all(code.encode() not in bytes(one) for one in session.execute(kept).scalars())


def test_a_recovery_code_is_of_one_account(at: Browser, known: Staff, world: World) -> None:
    other = first_sign_in(browser(world.app), fresh_account(world))
    give_password(at, known)
    assert at.post(f"{SIGN_IN}/code", code=other.recovery_codes[0]).status_code == 422


def test_the_secret_is_made_once_and_kept_encrypted(app: Flask, fresh: Staff, world: World) -> None:
    one, other = browser(app), browser(app)
    for each in (one, other):
        give_password(each, fresh)
    set_password(one, NEW)
    fresh.password = NEW
    pages = [one.get(AUTHENTICATOR).get_data(as_text=True) for _ in range(2)]
    secrets = [page.split('class="secret">')[1].split("<")[0].replace(" ", "") for page in pages]
    assert secrets[0] == secrets[1] and len(secrets[0]) == 32
    with world.session() as session:
        stored = session.connection().exec_driver_sql(
            "SELECT totp_secret FROM staff_accounts WHERE login_name = %s", (fresh.login_name,)
        )
        assert secrets[0].encode() not in bytes(stored.scalar_one())


# --- locks


def wrong(at: Browser, staff: Staff, times: int) -> list[int]:
    return [give_password(at, staff, "wrong").status_code for _ in range(times)]


def wait_of(answer: object) -> int:
    return int(answer.headers["Retry-After"])  # type: ignore[attr-defined]


def test_five_failures_lock_the_account_and_each_further_one_for_longer(
    at: Browser, known: Staff, clock: Callable[[timedelta], None]
) -> None:
    assert wrong(at, known, 5) == [403] * 5
    locked = give_password(at, known)
    assert locked.status_code == 403 and "账号已锁定" in text_of(locked)
    waits = [wait_of(locked)]
    for _ in range(3):
        clock(timedelta(seconds=waits[-1]))
        assert wrong(at, known, 1) == [403]
        waits.append(wait_of(give_password(at, known)))
    assert waits == [61, 121, 241, 481]
    clock(timedelta(seconds=waits[-1]))
    assert to(sign_in(at, known)) == "/console/"
    # and the count begins anew
    assert wrong(browser(at.client.application), known, 4) == [403] * 4


def test_wrong_codes_count_towards_the_same_lock_and_a_right_password_forgives_nothing(
    app: Flask, known: Staff
) -> None:
    assert wrong(browser(app), known, 2) == [403] * 2
    for _ in range(3):
        at = browser(app)
        give_password(at, known)
        assert at.post(f"{SIGN_IN}/code", code="000000").status_code == 422
    at = browser(app)
    assert give_password(at, known).status_code == 403


def test_a_lock_stops_a_sign_in_that_is_half_open(app: Flask, known: Staff) -> None:
    at = browser(app)
    give_password(at, known)
    wrong(browser(app), known, 5)
    page = at.post(f"{SIGN_IN}/code", code=known.code())
    assert page.status_code == 403 and "账号已锁定" in text_of(page)


def test_a_lock_never_lasts_for_more_than_a_day(at: Browser, world: World, known: Staff) -> None:
    with world.session() as session:
        session.execute(update(StaffAccount).where(StaffAccount.user_id == known.id).values(failures=10_000))
    wrong(at, known, 1)
    assert wait_of(give_password(at, known)) <= 24 * 3600


def test_failures_at_once_are_all_counted(app: Flask, world: World, known: Staff) -> None:
    browsers = [browser(app) for _ in range(4)]
    tokens = [one.token for one in browsers]
    fields = {"login_name": known.login_name, "password": "wrong"}
    at_once(
        *[
            lambda one=one, token=token: one.client.post(  # type: ignore[misc]
                SIGN_IN, data=fields, headers={"X-CSRFToken": token}
            )
            for one, token in zip(browsers, tokens, strict=True)
        ]
    )
    with world.session() as session:
        counted = select(StaffAccount.failures).where(StaffAccount.user_id == known.id)
        assert session.execute(counted).scalar_one() == 4


# --- how long it lasts


def test_a_sign_in_ends_when_it_is_idle(
    at: Browser, known: Staff, clock: Callable[[timedelta], None]
) -> None:
    sign_in(at, known)
    for _ in range(3):
        clock(timedelta(minutes=29))
        assert inside(at)
    clock(timedelta(minutes=30))
    answer = at.get("/console/account")
    assert to(answer) == f"{SIGN_IN}?next=/console/account"
    assert "请重新登录" in text_of(at.client.get(to(answer)))


def test_a_sign_in_ends_after_twelve_hours_of_work(
    at: Browser, known: Staff, clock: Callable[[timedelta], None]
) -> None:
    sign_in(at, known)
    for _ in range(24 * 2 - 1):
        clock(timedelta(minutes=15))
        assert inside(at)
    clock(timedelta(minutes=15))
    assert not inside(at)


def test_that_it_is_in_use_is_written_at_most_once_a_minute(
    at: Browser, known: Staff, clock: Callable[[timedelta], None], world: World
) -> None:
    sign_in(at, known)

    def seen() -> datetime:
        with world.session() as session:
            of = select(SignIn.seen_at).where(
                SignIn.user_id == known.id, SignIn.ended_at.is_(None), SignIn.complete
            )
            return session.execute(of.order_by(SignIn.created_at.desc()).limit(1)).scalar_one()  # type: ignore[no-any-return]

    clock(timedelta(minutes=2))
    assert inside(at)
    first = seen()
    clock(timedelta(seconds=59))
    assert inside(at) and seen() == first
    clock(timedelta(seconds=2))
    assert inside(at) and seen() > first


def test_signing_out_ends_it(at: Browser, known: Staff) -> None:
    sign_in(at, known)
    with at.client.session_transaction("/console/") as cookie:
        kept = dict(cookie)
    assert to(at.post("/console/sign-out")) == SIGN_IN
    with at.client.session_transaction("/console/") as cookie:
        cookie.update(kept)  # as somebody would who copied the cookie
    assert not inside(at)


# --- tokens of the one are nothing to the other


def test_the_mini_program_and_the_console_do_not_take_each_others_tokens(
    at: Browser, known: Staff, world: World
) -> None:
    sign_in(at, known)
    with at.client.session_transaction("/console/") as cookie:
        token = cookie["token"]
    answer = at.client.get("/api/v1/people/me", headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json["code"]) == (401, "sign_in_required")
    staff = world.staff("system_administrator", "js.xz")
    other = browser(world.app)
    with other.client.session_transaction("/console/") as cookie:
        cookie["token"] = staff.token
    assert not inside(other)


def test_there_is_no_way_round_the_second_factor(app: Flask, known: Staff) -> None:
    fields = {"login_name": known.login_name, "password": known.password}
    assert app.test_client().post("/api/v1/people/staff-sign-in", json=fields).status_code == 404


def test_what_happened_is_audited_without_secrets(at: Browser, known: Staff, world: World) -> None:
    wrong(at, known, 1)
    sign_in(at, known)
    with world.session() as session:
        account = session.execute(
            select(StaffAccount.id).where(StaffAccount.user_id == known.id)
        ).scalar_one()
        about = AuditEvent.subject_id.in_([str(account), str(known.id)])
        found = session.execute(select(AuditEvent).where(about).order_by(AuditEvent.at)).scalars().all()
    assert [event.verb for event in found] == [
        "staff.created",
        "staff.password_set",
        "staff.second_factor_enrolled",
        "user.signed_in",
        "staff.proof_failed",
        "user.signed_in",
    ]
    assert {event.division_id for event in found} == {"js.xz.fengxian"}
    assert [event.user_id for event in found[1:4]] == [known.id] * 3
    assert known.password not in str([event.detail for event in found])


def test_passwords_tried_from_one_address_are_limited(other_app: OtherApp) -> None:
    at = Browser(other_app(rate_limit_sign_in="3/day"))
    nobody = Staff(UUID(int=7), "nobody-here", NEW)
    assert [give_password(at, nobody).status_code for _ in range(4)] == [403, 403, 403, 429]
    assert at.get(SIGN_IN).status_code == 200
