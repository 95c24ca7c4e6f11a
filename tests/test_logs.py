"""Logs: everything that a process writes during a whole journey, crashes included, holds nothing personal.

The journey runs in a process of its own, as the program does: run as a script, this file is that process.
"""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tests.builders import Person, World, fresh_phone
from tests.conftest import test_settings
from tests.console_client import Browser
from tests.leaks import SHAPES, leaks_in
from tests.phones import Phones
from tests.sign_ins import Staff, first_sign_in, give_password

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def journey(
    database_url: str, redis_url: str, platform: Phones, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, dict[str, str]]:
    """What the process wrote, and by its kind all that was used and must not be in it."""
    phone, answer = platform.phone("诸葛无忌"), tmp_path_factory.mktemp("journey") / "used.json"
    start = {
        "database_url": database_url,
        "redis_url": redis_url,
        "wechat_api_base": platform.base,
        "login_code": phone.login_code(),
        "stranger's code": platform.phone().login_code(),
        "phone_code": phone.phone_code(),
        "later code": phone.login_code(),
    }
    platform.fails("/wxa/business/getuserphonenumber", "5xx", value=502)
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.test_logs", str(answer)],
        input=json.dumps(start),
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-6000:] + ran.stderr[-3000:]
    used = json.loads(answer.read_text("utf-8"))
    used |= {"openid": phone.openid, "unionid": phone.unionid, "phone": phone.number}
    used |= {name: start[name] for name in ("login_code", "stranger's code", "phone_code", "later code")}
    return ran.stdout + ran.stderr, used


def test_nothing_personal_or_secret_is_written(journey: tuple[str, dict[str, str]]) -> None:
    wrote, used = journey
    assert len(used) > 20 and all(len(value) >= 2 for value in used.values())
    assert [kind for kind, value in used.items() if value in wrote] == []
    assert leaks_in(wrote) == []


def test_what_happened_is_written_so_that_it_can_be_found(journey: tuple[str, dict[str, str]]) -> None:
    lines = [json.loads(line) for line in journey[0].splitlines()]
    requests = [line for line in lines if line["event"] == "request"]
    assert {"/api/v1/people/sign-in", "/api/v1/signups/<uuid:signup_id>"} <= {r["route"] for r in requests}
    assert all({"method", "status", "ms", "request_id", "level", "timestamp"} <= r.keys() for r in requests)
    assert {200, 201, 400, 401, 404, 409, 500} <= {r["status"] for r in requests}
    crashes = [line for line in lines if line["event"] == "crash"]
    assert [line["exception"] for line in crashes] == ["builtins.ValueError", "sqlalchemy.exc.DataError"]
    for crash in crashes:
        assert "app/services/people.py" in " ".join(crash["at"])
        [its_request] = [r for r in requests if r["request_id"] == crash["request_id"]]
        assert its_request["status"] == 500
    failed = {(x["task"], x["exception"]) for x in lines if x["event"] == "job_error_retry"}
    assert ("pushes.handle", "builtins.ValueError") in failed


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ('{"phone": "13812345678"}', "a mobile number"),
        ("call +8613812345678 now", "a mobile number"),
        ("user_id='o0123456789abcdef0123456789abcdef'", "an openid"),
        ("openid=oAbcdefghijklmnopqrstuvwxy_z", "an openid"),
        ("Bearer aB3" + "x" * 40, "a token of ours"),
        ("scan T0123456789ABCDEFGH", "a ticket or hall code"),
        ("参训人李质量", "a name"),
        ("secret=test-secret-of-the-mini-program", "a secret of the settings"),
        ("postgresql://user:pass@host/db", "an address with credentials"),
    ],
)
def test_the_look_for_leaks_sees_each_kind(line: str, kind: str) -> None:
    assert leaks_in(line) == [kind] and kind in SHAPES


def test_the_look_for_leaks_lets_pass_what_is_no_secret() -> None:
    harmless = (
        '{"request_id": "01a20706-aa1f-7725-838a-5fc2c9b2d181", "timestamp": "2026-11-23T05:45:01.4632Z",'
        ' "ms": 13812.3, "route": "/api/v1/trainings/<uuid:training_id>/signups", "epoch": 1763876701}'
    )
    assert leaks_in(harmless) == []


# --- the process


def travel(start: dict[str, str]) -> dict[str, Any]:
    """Goes through the program, with refusals and crashes; returns what must not have been written."""
    import logging

    from app import create_app, jobs, outbox
    from app.access import SYSTEM
    from app.services import people, pushes
    from app.transactions import begin, db, session
    from models.base import now

    base = {name: start[name] for name in ("database_url", "redis_url", "wechat_api_base")}
    settings = test_settings(**base, log_level="DEBUG")
    app = create_app(settings)
    client, world = app.test_client(), World(app)
    used: dict[str, Any] = {
        name: getattr(settings, name)
        for name in (
            "wechat_mp_secret",
            "wechat_mp_push_token",
            "wechat_mp_aes_key",
            "secret_key",
            "data_keys",
        )
    }

    def post(path: str, body: Any = None, person: Person | None = None, **headers: str) -> Any:
        headers |= person.headers if person else {}
        return client.post(f"/api/v1{path}", json=body, headers=headers)

    # signing in: refused, with consent, refreshed
    post("/people/sign-in", {"code": "0-made-up"})
    post("/people/sign-in", {"code": start["stranger's code"]})
    pair = post("/people/sign-in", {"code": start["login_code"], "consent_version": "2026-11"}).json
    used |= {"first access token": pair["access_token"], "first refresh token": pair["refresh_token"]}
    pair = post("/people/refresh", {"refresh_token": pair["refresh_token"]}).json
    used |= {"access token": pair["access_token"], "refresh token": pair["refresh_token"]}
    person = Person(pair["user_id"], pair["access_token"], pair["refresh_token"])
    client.get("/api/v1/people/me", headers={"Authorization": f"Bearer {used['first access token']}"})
    # phone and name; the platform fails first
    post("/people/me/phone", {"code": start["phone_code"]}, person)
    post("/people/me/phone", {"code": start["phone_code"]}, person)
    used["name"] = "诸葛无忌"
    client.patch("/api/v1/people/me", json={"name": used["name"]}, headers=person.headers)
    client.get("/api/v1/people/me/export", headers=person.headers)
    # an invitation, a sign-up with a key, a ticket, a scan, the roster, a certificate
    owner = world.person(name="东方不败")
    enterprise, training = (
        world.enterprise(owner=owner),
        world.training(sessions=[now() + timedelta(minutes=5)]),
    )
    [session_id] = world.sessions_of(training)
    used |= {"owner": "东方不败", "owner's phone": owner.phone, "owner's token": owner.token}
    used["invitation"] = post(f"/enterprises/{enterprise.id}/invitations", None, owner).json["code"]
    used["Idempotency-Key"] = "key-of-the-journey-1"
    used |= {"attendee": "司马青衫", "attendee's phone": fresh_phone()}
    attendee = {"name": used["attendee"], "phone": used["attendee's phone"]}
    body = {"enterprise_id": str(enterprise.id), "attendees": [attendee]}
    key = {"Idempotency-Key": used["Idempotency-Key"]}
    [signup] = post(f"/trainings/{training.id}/signups", body, owner, **key).json["items"]
    post(f"/trainings/{training.id}/signups", body, owner)
    url = f"/api/v1/signups/{signup['id']}"
    client.get(url, headers=owner.headers), client.get(url, headers=person.headers)
    used["ticket"] = client.get(f"{url}/ticket", headers=owner.headers).json["codes"][0]["content"]
    trainer = world.trainer(training)
    scan = {"content": used["ticket"], "nonce": "nonce-of-the-journey"}
    assert post(f"/sessions/{session_id}/scans", scan, trainer).json["outcome"] == "accepted"
    hall = client.get(f"/api/v1/sessions/{session_id}/hall-code", headers=trainer.headers).json
    used["hall code"] = hall["content"]
    post("/check-ins/hall", {"content": used["hall code"], "nonce": "nonce-of-the-journey"}, person)
    client.get(f"/api/v1/trainings/{training.id}/roster", headers=trainer.headers)
    used["verification code"] = post(f"/signups/{signup['id']}/certificate", None, owner).json[
        "verification_code"
    ]
    client.get(f"/api/v1/certificates/{used['verification code']}")
    # staff, with a wrong password in it
    admin = world.staff("system_administrator", "js.xz")
    account = {
        "login_name": "gongsun",
        "name": "公孙大娘",
        "role": "county_staff",
        "division_id": "js.xz.fengxian",
    }
    made = post("/people/staff", account, admin).json
    used |= {"staff": "公孙大娘", "initial password": made["initial_password"]}
    used |= {"wrong password": "Wrong-password-1", "new password": "Quite-new-password-2"}
    desk, staff = Browser(app.test_client()), Staff(made["user_id"], "gongsun", made["initial_password"])
    give_password(desk, staff, used["wrong password"])
    first_sign_in(desk, staff, used["new password"])
    desk.post("/console/account/recovery-codes", code=staff.recovery_codes[0])
    used |= {"authenticator": staff.secret, "recovery code": staff.recovery_codes[0]}
    with desk.client.session_transaction("/console/") as cookie:
        used["console token"] = cookie["token"]
    assert desk.get("/console/sign-in/scan").status_code == 303
    at_the_door = Browser(app.test_client())
    at_the_door.get("/console/sign-in/scan"), at_the_door.get("/console/sign-in/scan.png")
    with at_the_door.client.session_transaction("/console/") as cookie:
        used["scan secret"] = cookie["scan"]["secret"]
    # crashes: of the program, of the database with the value in its text, of a library, of a job
    real = people.audit.record

    def crash(*_args: Any, **_detail: Any) -> None:
        raise ValueError(used["name"] + used["owner's phone"])

    def crash_in_database(*_args: Any, **_detail: Any) -> None:
        session().execute(text("SELECT CAST(:phone AS uuid)"), {"phone": used["owner's phone"]})

    for broken in (crash, crash_in_database):
        people.audit.record = broken
        client.patch("/api/v1/people/me", json={"name": "x"}, headers=person.headers)
    people.audit.record = real
    logging.getLogger("some.library").warning("GET %s failed", f"/sns?js_code={start['later code']}")

    def crash_in_job(_actor: Any, openid: str, **_event: Any) -> None:
        raise ValueError(openid)

    pushes.handle = crash_in_job
    used["openid of a job"] = "o0123456789abcdef0123456789abcdef"
    with app.app_context(), begin(SYSTEM):
        event = {"channel": "subscribe", "name": "user_authorization_revoke", "revoked": []}
        outbox.defer("pushes.handle", openid=used["openid of a job"], **event)
    jobs.run(app, wait=False)
    with app.app_context():
        db.engine.dispose()
    return used


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(travel(json.load(sys.stdin)), default=str), "utf-8")
