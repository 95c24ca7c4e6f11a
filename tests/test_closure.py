"""Leaving: consent taken back, accounts closed and erased, and what the platform's pushes oblige us to."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import inspect, select, text

from app.access import SYSTEM
from app.jobs.people import close_account, close_due_accounts
from app.notices import from_json
from app.services import personal_data
from models.base import Base, now, set_clock
from models.checkins import AttendanceCertificate
from models.crypto import keyring
from models.deliveries import Delivery
from models.messages import Notice
from models.people import Consent, RoleGrant, SignIn, User
from models.requests import ReceivedPush
from models.signups import Signup
from models.subscriptions import Follower, Subscription, SubscriptionAnswer
from tests import case_builders as cases
from tests.builders import Person, World, fresh_phone, party
from tests.phones import Phone, Phones
from tests.template_builders import fresh_template
from tests.test_people import bind, me, refresh, refused, sign_in, signed_in
from wechat.push import seal


@pytest.fixture
def app(app_with_platform: Flask) -> Flask:
    """Everything here runs with the platform."""
    return app_with_platform


def traces(world: World, *words: str) -> list[str]:
    """The columns of the whole database, decrypted, in which one of the words stands."""
    found = []
    with world.session() as session:
        for mapper in Base.registry.mappers:
            for row in session.execute(select(*mapper.local_table.columns)).mappings():
                held = {str(column): str(value) for column, value in row.items()}
                found += [column for column, value in held.items() if any(word in value for word in words)]
        jobs = session.execute(text("SELECT args::text FROM procrastinate_jobs")).scalars()
        found += ["procrastinate_jobs.args" for args in jobs if any(word in args for word in words)]
    return found


@pytest.fixture
def phone(platform: Phones) -> Phone:
    return platform.phone()


@pytest.fixture
def person(client: FlaskClient, phone: Phone) -> Person:
    """Somebody with a name, a phone and a certificate to lose."""
    person = signed_in(client, phone)
    client.patch("/api/v1/people/me", json={"name": f"欧阳{phone.id}"}, headers=person.headers)
    assert bind(client, person, phone.phone_code()).status_code == 200
    keyed = person.headers | {"Idempotency-Key": f"key-of-{phone.openid}"}
    assert client.post("/api/v1/people/me/closure", headers=keyed).status_code == 200
    assert keep(client, person).json["state"] == "active"
    return person


def close(client: FlaskClient, person: Person) -> Any:
    return client.post("/api/v1/people/me/closure", headers=person.headers)


def keep(client: FlaskClient, person: Person) -> Any:
    return client.delete("/api/v1/people/me/closure", headers=person.headers)


def later(**ahead: float) -> None:
    at = now() + timedelta(**ahead)
    set_clock(lambda: at)


# --- closing


def test_a_closure_can_be_taken_back(app: Flask, client: FlaskClient, person: Person) -> None:
    asked = close(client, person).json
    assert asked["state"] == "closing" and close(client, person).json["closing_at"] == asked["closing_at"]
    assert keep(client, person).json["state"] == "active" == keep(client, person).json["state"]
    later(days=7, seconds=1)
    with app.app_context():
        close_account(str(person.id))  # the job that the request left
        close_due_accounts()
        assert personal_data.due_closures(SYSTEM) == []
    set_clock(None)
    assert me(client, person).json["phone"] is not None


def test_a_second_request_is_not_shortened_by_the_first(
    app: Flask,
    client: FlaskClient,
    person: Person,
) -> None:
    close(client, person)
    keep(client, person)
    later(days=6)
    close(client, person)
    later(days=2)
    with app.app_context():
        close_account(str(person.id))
    set_clock(None)
    assert me(client, person).json["state"] == "closing"


def test_a_closing_account_has_no_roles(client: FlaskClient, world: World, person: Person) -> None:
    url = f"/api/v1/enterprises/{world.enterprise(owner=person).id}/invitations"
    assert client.post(url, headers=person.headers).status_code == 201
    close(client, person)
    assert refused(client.post(url, headers=person.headers)) == (403, "account_closing")
    keep(client, person)
    assert client.post(url, headers=person.headers).status_code == 201


def test_a_due_closure_erases_the_person_and_keeps_the_count(
    app: Flask,
    client: FlaskClient,
    world: World,
    person: Person,
    phone: Phone,
    run_jobs: Callable[[], None],
) -> None:
    owner, training = world.person(), world.training()
    enterprise = world.enterprise(owner=owner)
    body = party(enterprise, phone.number)
    body["attendees"][0]["name"] = f"欧阳{phone.id}"
    url = f"/api/v1/trainings/{training.id}/signups"
    [signup] = client.post(url, json=body, headers=owner.headers).json["items"]
    note = {"credit_code": enterprise.credit_code, "note": f"我是欧阳{phone.id}，电话 {phone.number}"}
    asked = client.post("/api/v1/enterprises/membership-requests", json=note, headers=person.headers)
    assert asked.status_code == 201, asked.json
    contact = {"contact_name": f"欧阳{phone.id}", "contact_phone": phone.number}
    cases.case(world, created_by=person.id, **contact)
    words = (phone.number, phone.openid, phone.unionid, f"欧阳{phone.id}")
    assert traces(world, *words)
    template = fresh_template(world)
    with world.session() as session:
        told = session.execute(select(Notice.id).where(Notice.user_id == person.id)).scalars().first()
        session.add(Follower(openid=f"o{phone.id}", unionid=phone.unionid))
        session.add(
            Delivery(
                notice_id=told,
                user_id=person.id,
                kind="signup.confirmed",
                channel=template.channel,
                template_id=template.id,
                due_at=now(),
            )
        )
    answers = {"nonce": "popup-0001", "answers": [{"template_id": template.platform_id, "answer": "accept"}]}
    client.post("/api/v1/messages/subscriptions", json=answers, headers=person.headers)
    close(client, person)
    run_jobs()
    assert me(client, person).json["state"] == "closing"
    later(days=7, seconds=1)
    with app.app_context():
        close_due_accounts()
        close_account(str(person.id))  # and once more, by its own job
    set_clock(None)
    assert traces(world, *words) == []
    index = keyring().blind_index(phone.number)
    with world.session() as session:
        user = session.get(User, person.id)
        assert (user.state, user.phone_index, user.closing_at) == ("closed", None, None)
        kept = session.get(Signup, signup["id"])
        assert kept.state == "confirmed" and kept.enterprise_name == enterprise.name
        assert (kept.attendee_phone_index != index, kept.attendee_user_id) == (True, None)
        assert session.execute(select(RoleGrant).where(RoleGrant.user_id == person.id)).first() is None
        certified = select(AttendanceCertificate).where(AttendanceCertificate.user_id == person.id)
        assert session.execute(certified).first() is None
        for model in (Notice, Delivery, Subscription, SubscriptionAnswer):
            assert session.execute(select(model).where(model.user_id == person.id)).first() is None
        alive = select(SignIn).where(SignIn.user_id == person.id, SignIn.ended_at.is_(None))
        assert session.execute(alive).first() is None
    assert refused(me(client, person)) == (401, "sign_in_required")
    assert refused(refresh(client, person.refresh_token)) == (401, "refresh_token_invalid")
    # Whoever comes back is somebody new, and is asked for consent again.
    assert refused(sign_in(client, phone.login_code(), None)) == (403, "consent_required")
    assert signed_in(client, phone).id != person.id


@pytest.mark.parametrize("gone", ["replaced", "closed"])
def test_nobody_is_told_the_name_of_an_attendee_who_is_gone(
    app: Flask, client: FlaskClient, world: World, person: Person, phone: Phone, gone: str
) -> None:
    owner, training = world.person(), world.training()
    body = party(world.enterprise(owner=owner), phone.number, fresh_phone())
    body["attendees"][0]["name"] = f"欧阳{phone.id}"
    url = f"/api/v1/trainings/{training.id}/signups"
    [first, _] = client.post(url, json=body, headers=owner.headers).json["items"]
    other = {"name": "赵接替", "phone": fresh_phone()}
    if gone == "replaced":
        url = f"/api/v1/signups/{first['id']}/change-attendee"
        assert client.post(url, json=other, headers=owner.headers).status_code == 200
    else:
        close(client, person)
        later(days=7, seconds=1)
        with app.app_context():
            close_due_accounts()
        set_clock(None)
    with world.session() as session:
        told = select(Notice).where(Notice.user_id == owner.id)
        [facts] = [from_json(one.facts) for one in session.execute(told).scalars()]
    name = "赵接替" if gone == "replaced" else "已注销"
    assert facts["attendee"] == f"{name}等2人" and facts["training"] == training.title
    if gone == "closed":
        assert traces(world, f"欧阳{phone.id}") == []


def test_taking_consent_back_closes_the_account(client: FlaskClient, world: World, person: Person) -> None:
    answer = client.delete("/api/v1/people/me/consent", headers=person.headers)
    assert answer.json["state"] == "closing" and answer.json["closing_at"]
    with world.session() as session:
        found = select(Consent.withdrawn_at).where(Consent.user_id == person.id)
        assert None not in session.execute(found).scalars().all()


def test_after_taking_consent_back_signing_in_asks_again(
    client: FlaskClient, person: Person, phone: Phone
) -> None:
    client.delete("/api/v1/people/me/consent", headers=person.headers)
    assert refused(sign_in(client, phone.login_code(), None)) == (403, "consent_required")
    again = signed_in(client, phone)
    assert again.id == person.id and me(client, again).json["state"] == "closing"


def test_every_personal_column_is_known_to_this_file() -> None:
    """A new personal column must be looked at: either closing erases it, or it is not the user's own."""
    personal = {
        f"{mapper.local_table.name}.{column.name}"
        for mapper in Base.registry.mappers
        for column in inspect(mapper.class_).local_table.columns
        if column.info.get("personal")
    }
    assert personal == {
        "attendance_certificates.facts",
        "bookings.contact_name",
        "bookings.contact_phone",
        "case_attendees.name",  # this and the next two are records of the enterprise and the agency
        "case_trainings.trainer",
        "findings.owner",
        "cases.contact_name",
        "cases.contact_phone",
        "enterprises.address",
        "enterprises.legal_representative",
        "experts.name",  # the agency's own record of who works for it
        "idempotency_keys.answer",
        "notices.facts",
        "signups.attendee_name",
        "signups.attendee_phone",
        "staff_accounts.totp_secret",
        "transfer_files.content",
        "transfers.parameters",
        "users.name",
        "users.phone",
    }


# --- what the platform tells us


def test_revoking_the_phone_erases_it(
    client: FlaskClient, world: World, platform: Phones, phone: Phone, person: Person, run_jobs: Any
) -> None:
    platform.control(f"/people/{phone.id}/revoke", info=["6"])
    platform.delivered()
    run_jobs()
    assert me(client, person).json["phone"] is not None  # that was nickname and avatar
    platform.control(f"/people/{phone.id}/revoke", info=["8"])
    platform.delivered()
    run_jobs()
    assert me(client, person).json["phone"] is None
    assert traces(world, phone.number) == []
    with world.session() as session:
        assert session.get(User, person.id).phone_index is None


def test_a_replayed_push_changes_nothing(
    client: FlaskClient, platform: Phones, phone: Phone, person: Person, run_jobs: Any
) -> None:
    platform.control(f"/people/{phone.id}/revoke", info=["8"])
    platform.delivered()
    run_jobs()
    assert bind(client, person, phone.phone_code()).json["phone"]
    platform.control("/pushes/replay")
    assert platform.delivered()["kind"] == "replay"
    run_jobs()
    assert me(client, person).json["phone"] is not None


def test_leaving_the_platform_closes_the_account_at_once(
    client: FlaskClient, world: World, platform: Phones, phone: Phone, person: Person, run_jobs: Any
) -> None:
    platform.control(f"/people/{phone.id}/cancel")
    platform.delivered()
    run_jobs()
    assert refused(me(client, person)) == (401, "sign_in_required")
    assert traces(world, phone.number, phone.openid, phone.unionid, f"欧阳{phone.id}") == []


def push(
    app: Flask, event: str = "user_authorization_revoke", **changes: Any
) -> tuple[dict[str, str], bytes]:
    settings = app.config["SETTINGS"]
    payload = {
        "ToUserName": "gh_1",
        "FromUserName": "o1",
        "CreateTime": int(time.time()),
        "MsgType": "event",
        "Event": event,
        "OpenID": "o-nobody",
        "RevokeInfo": "8",
    }
    options = {
        "appid": settings.wechat_mp_appid,
        "token": settings.wechat_mp_push_token,
        "aes_key": settings.wechat_mp_aes_key,
        "timestamp": int(time.time()),
    }
    return seal(payload, **{**options, **changes})


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"token": "somebody else's"}, 403, "push_bad_signature"),
        ({"timestamp": int(time.time()) - 3600}, 403, "push_stale"),
        ({"timestamp": int(time.time()) + 3600}, 403, "push_stale"),
        ({"appid": "wxffffffffffffffff"}, 403, "push_wrong_app"),
    ],
)
def test_a_push_that_is_not_for_us_is_refused(
    app: Flask,
    client: FlaskClient,
    world: World,
    changes: dict[str, Any],
    status: int,
    code: str,
) -> None:
    query, body = push(app, **changes)
    with world.session() as session:
        before = session.execute(select(ReceivedPush.dedupe_key)).all()
    answer = client.post("/wechat/push", query_string=query, data=body)
    assert (answer.status_code, code in answer.get_data(as_text=True)) == (status, True)
    with world.session() as session:
        assert session.execute(select(ReceivedPush.dedupe_key)).all() == before


def test_a_damaged_push_is_refused(app: Flask, client: FlaskClient) -> None:
    query, body = push(app)
    for damaged, status in (
        (body[: len(body) // 2], 400),
        (body.replace(b"Encrypt", b"Encript"), 400),
        (b"", 400),
        (b"\xff\xfe", 400),
        (b"<xml><!DOCTYPE x></xml>", 400),
        (b"x" * 70_000, 413),
    ):
        assert client.post("/wechat/push", query_string=query, data=damaged).status_code == status
    assert client.post("/wechat/push", data=body).status_code == 403
    assert client.post("/wechat/push", query_string=query, data=body).get_data() == b"success"
