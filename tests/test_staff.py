"""Staff accounts: the first administrator, passwords, locks, and who may make whom."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import delete, select

from app.access import SYSTEM
from app.services import staff
from app.services.staff import Made
from models.base import now, set_clock
from models.people import RoleGrant, StaffAccount
from tests.builders import Person, World
from tests.races import at_once
from tests.test_people import refused

NEW = "Correct-horse-7"
_names = iter(range(10_000))


def fresh_name() -> str:
    return f"zhang{next(_names)}"


def sign_in(client: FlaskClient, name: str, password: str, new: str | None = None) -> Any:
    body = {"login_name": name, "password": password} | ({"new_password": new} if new else {})
    return client.post("/api/v1/people/staff-sign-in", json=body)


def create(client: FlaskClient, by: Person, **changes: str) -> Any:
    body = {
        "login_name": fresh_name(),
        "name": "张科员",
        "role": "county_staff",
        "division_id": "js.xz.fengxian",
    }
    return client.post("/api/v1/people/staff", json=body | changes, headers=by.headers)


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same hash with little memory: what it costs is not what is tested here."""
    monkeypatch.setattr(staff, "_hasher", PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))


@pytest.fixture
def administrator(world: World) -> Person:
    return world.staff("system_administrator", "js.xz")


@pytest.fixture
def made(client: FlaskClient, administrator: Person) -> Made:
    """An account that nobody has signed in to."""
    body = create(client, administrator).json
    return Made(UUID(body["user_id"]), body["login_name"], body["initial_password"])


@pytest.fixture
def account(client: FlaskClient, made: Made) -> Made:
    """An account with a password of its owner's choice."""
    assert sign_in(client, made.login_name, made.initial_password, NEW).status_code == 200
    return Made(made.user_id, made.login_name, NEW)


# --- making accounts


def test_the_command_makes_the_first_administrator_and_no_second(app: Flask, world: World) -> None:
    with world.session() as session:  # those of other tests
        session.execute(delete(RoleGrant).where(RoleGrant.role == "system_administrator"))
    name = fresh_name()
    runner = app.test_cli_runner()
    first = runner.invoke(args=["admin", "create", "--login-name", name])
    assert first.exit_code == 0 and name in first.output
    password = first.output.split("初始密码 ")[1].split("（")[0]
    again = runner.invoke(args=["admin", "create", "--login-name", fresh_name()])
    assert again.exit_code == 1 and "已有系统管理员" in again.output
    quiet = runner.invoke(args=["admin", "create", "--login-name", fresh_name(), "--if-missing"])
    assert (quiet.exit_code, quiet.output) == (0, "")
    client = app.test_client()
    assert refused(sign_in(client, name, password)) == (403, "password_change_required")
    token = sign_in(client, name, password, NEW).json["access_token"]
    [grant] = client.get("/api/v1/people/me", headers={"Authorization": f"Bearer {token}"}).json["grants"]
    assert grant == {"role": "system_administrator", "scope_type": "division", "scope_id": "js.xz"}


def test_an_administrator_makes_accounts_within_reach(
    client: FlaskClient, world: World, administrator: Person
) -> None:
    made = create(client, administrator)
    assert made.status_code == 201
    with world.session() as session:
        user_id = UUID(made.json["user_id"])
        found = select(RoleGrant.role, RoleGrant.scope_type, RoleGrant.scope_id, RoleGrant.granted_by)
        grant = session.execute(found.where(RoleGrant.user_id == user_id)).one()
        kept = select(StaffAccount.password_hash).where(StaffAccount.user_id == user_id)
        assert session.execute(kept).scalar_one().startswith("$argon2id$")
    assert tuple(grant) == ("county_staff", "division", "js.xz.fengxian", administrator.id)


@pytest.mark.parametrize(
    ("where", "changes", "expected"),
    [
        ("js.xz.fengxian", {"division_id": "js.xz.peixian"}, (403, "permission_denied")),
        ("js.xz.fengxian", {"division_id": "js.xz"}, (403, "permission_denied")),
        ("js.xz", {"division_id": "js"}, (403, "permission_denied")),
        ("js.xz", {"division_id": "js.xz.nowhere"}, (422, "scope_unknown")),
        ("js.xz", {"role": "owner"}, (422, "scope_unknown")),
        ("js.xz", {"role": "emperor"}, (422, "scope_unknown")),
        ("js.xz", {"login_name": "a\x00b"}, (422, "validation_failed")),
    ],
)
def test_beyond_their_reach_they_make_none(
    client: FlaskClient, world: World, where: str, changes: dict[str, str], expected: tuple[int, str]
) -> None:
    administrator = world.staff("system_administrator", where)
    with world.session() as session:
        before = session.execute(select(StaffAccount.id)).all()
    assert refused(create(client, administrator, **changes)) == expected
    with world.session() as session:
        assert session.execute(select(StaffAccount.id)).all() == before


@pytest.mark.parametrize("role", ["county_staff", "city_staff", "auditor", "branch_staff"])
def test_other_staff_make_no_accounts(client: FlaskClient, world: World, role: str) -> None:
    assert refused(create(client, world.staff(role, "js.xz"))) == (403, "permission_denied")


def test_a_name_is_taken_once(app: Flask, client: FlaskClient, administrator: Person) -> None:
    name = fresh_name()
    assert create(client, administrator, login_name=name).status_code == 201
    assert refused(create(client, administrator, login_name=name)) == (409, "login_name_taken")
    name = fresh_name()
    answers = at_once(*[lambda: create(app.test_client(), administrator, login_name=name)] * 3)
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409]


# --- passwords


def test_the_first_sign_in_sets_a_new_password(client: FlaskClient, made: Made) -> None:
    assert refused(sign_in(client, made.login_name, made.initial_password)) == (
        403,
        "password_change_required",
    )
    assert sign_in(client, made.login_name, made.initial_password, NEW).status_code == 200
    assert sign_in(client, made.login_name, NEW).status_code == 200
    assert refused(sign_in(client, made.login_name, made.initial_password)) == (401, "staff_sign_in_failed")


@pytest.mark.parametrize("weak", ["Ab1!xyz", "alllowercase1", "12345678!", "NAME-Secret9", "SAME"])
def test_a_weak_password_is_refused(client: FlaskClient, made: Made, weak: str) -> None:
    new = weak.replace("NAME", made.login_name.title()).replace("SAME", made.initial_password)
    assert refused(sign_in(client, made.login_name, made.initial_password, new)) == (422, "password_too_weak")
    assert refused(sign_in(client, made.login_name, made.initial_password)) == (
        403,
        "password_change_required",
    )


def test_a_password_grows_old(client: FlaskClient, world: World, account: Made) -> None:
    old = now() + timedelta(days=181)
    set_clock(lambda: old)
    assert refused(sign_in(client, account.login_name, NEW)) == (403, "password_change_required")
    assert sign_in(client, account.login_name, NEW, "Another-horse-8").status_code == 200


def test_a_new_password_ends_the_other_sign_ins(client: FlaskClient, account: Made) -> None:
    old = sign_in(client, account.login_name, NEW).json["access_token"]
    assert sign_in(client, account.login_name, NEW, "Another-horse-8").status_code == 200
    answer = client.get("/api/v1/people/me", headers={"Authorization": f"Bearer {old}"})
    assert refused(answer) == (401, "sign_in_required")


def test_nobody_learns_whether_a_name_exists(client: FlaskClient, account: Made) -> None:
    unknown, wrong = sign_in(client, "nobody-here", NEW), sign_in(client, account.login_name, "wrong")
    assert refused(unknown) == refused(wrong) == (401, "staff_sign_in_failed")
    assert unknown.json["title"] == wrong.json["title"]


def test_a_name_or_password_with_a_nul_is_refused(client: FlaskClient, account: Made) -> None:
    assert refused(sign_in(client, "a\x00b", NEW)) == (422, "validation_failed")
    assert sign_in(client, account.login_name, "a\x00b").status_code in (401, 422)


# --- locks


def fail(client: FlaskClient, account: Made, times: int) -> list[tuple[int, str]]:
    return [refused(sign_in(client, account.login_name, "wrong")) for _ in range(times)]


def test_five_failures_lock_the_account_and_each_further_one_for_longer(
    client: FlaskClient, world: World, account: Made
) -> None:
    began = now()
    set_clock(lambda: began)
    assert set(fail(client, account, 5)) == {(401, "staff_sign_in_failed")}
    locked = sign_in(client, account.login_name, NEW)
    assert refused(locked) == (403, "staff_locked")
    assert 1 <= int(locked.headers["Retry-After"]) <= 61
    waits = []
    for _ in range(3):
        wait = int(sign_in(client, account.login_name, NEW).headers["Retry-After"])
        waits.append(wait)
        after = now() + timedelta(seconds=wait)
        set_clock(lambda after=after: after)  # type: ignore[misc]
        assert fail(client, account, 1) == [(401, "staff_sign_in_failed")]
    assert waits == sorted(set(waits)) and waits[1] > 100
    after = now() + timedelta(seconds=int(sign_in(client, account.login_name, NEW).headers["Retry-After"]))
    set_clock(lambda: after)
    assert sign_in(client, account.login_name, NEW).status_code == 200
    # and the count begins anew
    assert set(fail(client, account, 4)) == {(401, "staff_sign_in_failed")}
    assert sign_in(client, account.login_name, NEW).status_code == 200


def test_a_lock_never_lasts_for_more_than_a_day(app: Flask, world: World, account: Made) -> None:
    with world.session() as session:
        held = session.execute(select(StaffAccount).where(StaffAccount.user_id == account.user_id)).scalar()
        held.failures = 10_000
    client = app.test_client()
    fail(client, account, 1)
    assert int(sign_in(client, account.login_name, NEW).headers["Retry-After"]) <= 24 * 3600


def test_failures_at_once_are_all_counted(app: Flask, world: World, account: Made) -> None:
    at_once(*[lambda: fail(app.test_client(), account, 1)] * 4)
    with world.session() as session:
        counted = select(StaffAccount.failures).where(StaffAccount.user_id == account.user_id)
        assert session.execute(counted).scalar_one() == 4


def test_creating_the_administrator_is_an_act_of_the_program(app: Flask, world: World) -> None:
    with world.session() as session:
        session.add(
            RoleGrant(
                user_id=world.person().id,
                role="system_administrator",
                scope_type="division",
                scope_id="js.xz",
            )
        )
    with app.app_context():
        assert staff.create_administrator(SYSTEM, fresh_name(), "js.xz") is None
