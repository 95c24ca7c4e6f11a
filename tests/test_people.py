"""People over HTTP, against the simulated platform: signing in, tokens, phone, one's own data."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select, text

from models.audit import AuditEvent
from models.base import set_clock
from models.people import Consent, SignIn, User
from tests import case_builders as cases
from tests.builders import Person, World, party
from tests.phones import Phone, Phones
from tests.races import at_once

VERSION = "2026-11"


@pytest.fixture
def app(app_with_platform: Flask) -> Flask:
    """Everything here runs with the platform."""
    return app_with_platform


def sign_in(client: FlaskClient, code: str, version: str | None = VERSION) -> Any:
    consent = {"consent_version": version} if version else {}
    return client.post("/api/v1/people/sign-in", json={"code": code} | consent)


def signed_in(client: FlaskClient, phone: Phone) -> Person:
    """The person of that phone, signed in with consent."""
    answer = sign_in(client, phone.login_code())
    assert answer.status_code == 200, answer.json
    return Person(UUID(answer.json["user_id"]), answer.json["access_token"], answer.json["refresh_token"])


def bind(client: FlaskClient, person: Person, code: str) -> Any:
    return client.post("/api/v1/people/me/phone", json={"code": code}, headers=person.headers)


def refresh(client: FlaskClient, token: str) -> Any:
    return client.post("/api/v1/people/refresh", json={"refresh_token": token})


def me(client: FlaskClient, person: Person) -> Any:
    return client.get("/api/v1/people/me", headers=person.headers)


def refused(answer: Any) -> tuple[int, str]:
    assert answer.mimetype == "application/problem+json"
    return answer.status_code, answer.json["code"]


def rows(world: World, *models: Any) -> list[int]:
    with world.session() as session:
        return [session.execute(select(func.count()).select_from(m)).scalar_one() for m in models]


# --- signing in


def test_without_consent_nobody_is_signed_in_and_nothing_is_stored(
    client: FlaskClient, world: World, platform: Phones
) -> None:
    kept = (User, SignIn, Consent, AuditEvent)
    before = rows(world, *kept)
    answer = sign_in(client, platform.phone().login_code(), None)
    assert refused(answer) == (403, "consent_required")
    assert answer.json["details"] == {"version": VERSION}
    assert rows(world, *kept) == before


def test_with_consent_once_the_same_person_signs_in_again(
    client: FlaskClient, world: World, platform: Phones
) -> None:
    phone = platform.phone()
    first = signed_in(client, phone)
    again = sign_in(client, phone.login_code(), None)
    assert (again.status_code, again.json["user_id"]) == (200, str(first.id))
    assert me(client, first).json == {
        "id": str(first.id),
        "state": "active",
        "name": None,
        "phone": None,
        "closing_at": None,
        "grants": [],
    }
    with world.session() as session:
        given = session.execute(select(Consent.version).where(Consent.user_id == first.id)).scalars().all()
        unionid = session.execute(select(User.unionid).where(User.id == first.id)).scalar_one()
    assert (given, unionid) == ([VERSION], phone.unionid)


def test_consent_to_an_outdated_notice_does_not_count(client: FlaskClient, platform: Phones) -> None:
    answer = sign_in(client, platform.phone().login_code(), "2019-01")
    assert refused(answer) == (409, "consent_outdated")
    assert answer.json["details"] == {"version": VERSION}


def test_codes_are_good_once_for_five_minutes_and_for_this_app(client: FlaskClient, platform: Phones) -> None:
    used, expired, foreign = (platform.phone() for _ in range(3))
    code = used.login_code()
    assert sign_in(client, code).status_code == 200
    assert refused(sign_in(client, code)) == (400, "login_code_invalid")
    assert refused(sign_in(client, foreign.login_code(appid="wxffffffffffffffff"))) == (
        400,
        "login_code_invalid",
    )
    assert refused(sign_in(client, "0garbage")) == (400, "login_code_invalid")
    assert refused(sign_in(client, expired.phone_code())) == (400, "login_code_invalid")
    code = expired.login_code()
    platform.advance(301)
    assert refused(sign_in(client, code)) == (400, "login_code_invalid")


@pytest.mark.parametrize(
    ("kind", "value"), [("slow", 1), ("5xx", 502), ("html", 200), ("errcode", -1), ("drop_after_accept", 0)]
)
def test_when_the_platform_fails_we_say_so_and_a_fresh_code_works(
    client: FlaskClient, platform: Phones, kind: str, value: int
) -> None:
    phone = platform.phone()
    platform.fails("/sns/jscode2session", kind, value=value)
    assert refused(sign_in(client, phone.login_code())) == (503, "wechat_unavailable")
    assert sign_in(client, phone.login_code()).status_code == 200


def test_an_account_that_the_platform_restricts_is_told_so(client: FlaskClient, platform: Phones) -> None:
    platform.fails("/sns/jscode2session", "errcode", value=40226)
    assert refused(sign_in(client, platform.phone().login_code())) == (403, "wechat_account_restricted")


def test_two_devices_registering_at_once_are_one_person(app: Flask, world: World, platform: Phones) -> None:
    phone = platform.phone()
    codes = [phone.login_code() for _ in range(4)]
    answers = at_once(*(lambda code=code: sign_in(app.test_client(), code) for code in codes))  # type: ignore[misc]
    assert [answer.status_code for answer in answers] == [200] * 4
    [user_id] = {answer.json["user_id"] for answer in answers}
    with world.session() as session:
        found = select(User.id).where(User.mp_openid == phone.openid)
        assert session.execute(found).scalars().all() == [UUID(user_id)]
        registered = select(AuditEvent.id).where(
            AuditEvent.verb == "user.registered", AuditEvent.subject_id == user_id
        )
        assert len(session.execute(registered).all()) == 1


# --- tokens


def test_a_refreshed_pair_replaces_the_old_one(client: FlaskClient, world: World) -> None:
    person = world.person()
    fresh = refresh(client, person.refresh_token).json
    assert fresh["user_id"] == str(person.id)
    assert refused(me(client, person)) == (401, "sign_in_required")
    assert me(client, Person(person.id, fresh["access_token"], "")).status_code == 200


def test_an_old_refresh_token_used_again_ends_the_family(client: FlaskClient, world: World) -> None:
    person, elsewhere = world.person(), world.person()
    fresh = refresh(client, person.refresh_token).json
    assert refused(refresh(client, person.refresh_token)) == (401, "refresh_token_invalid")
    thief = Person(person.id, fresh["access_token"], "")
    assert refused(me(client, thief)) == (401, "sign_in_required")
    assert refused(refresh(client, fresh["refresh_token"])) == (401, "refresh_token_invalid")
    assert me(client, elsewhere).status_code == 200


@pytest.mark.parametrize("token", ["x", "0" * 32 + ".x", "é" * 20, "." * 200])
def test_a_made_up_refresh_token_is_refused(client: FlaskClient, token: str) -> None:
    assert refused(refresh(client, token)) == (401, "refresh_token_invalid")


def test_tokens_expire(client: FlaskClient, world: World, platform: Phones) -> None:
    pair = sign_in(client, platform.phone().login_code()).json
    person = Person(UUID(pair["user_id"]), pair["access_token"], pair["refresh_token"])
    ends, all_ends = (datetime.fromisoformat(pair[f"{kind}_expires_at"]) for kind in ("access", "refresh"))
    set_clock(lambda: ends - timedelta(seconds=1))
    assert me(client, person).status_code == 200
    set_clock(lambda: ends)
    answer = me(client, person)
    assert refused(answer) == (401, "token_expired") and answer.headers["WWW-Authenticate"] == "Bearer"
    set_clock(lambda: all_ends)
    assert refused(refresh(client, person.refresh_token)) == (401, "refresh_token_invalid")


def test_signing_out_ends_all_devices(client: FlaskClient, platform: Phones) -> None:
    phone = platform.phone()
    one, other = signed_in(client, phone), signed_in(client, phone)
    assert client.post("/api/v1/people/sign-out", headers=one.headers).status_code == 204
    for person in (one, other):
        assert refused(me(client, person)) == (401, "sign_in_required")
        assert refused(refresh(client, person.refresh_token)) == (401, "refresh_token_invalid")


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic eDp5", "Bearer nonsense", "Bearer é"])
def test_without_a_token_of_ours_nobody_is_let_in(client: FlaskClient, header: str) -> None:
    answer = client.get("/api/v1/people/me", headers={"Authorization": header})
    assert refused(answer) == (401, "sign_in_required")


# --- the phone


def test_a_bound_phone_is_shown_masked_and_stored_encrypted(
    client: FlaskClient, world: World, platform: Phones
) -> None:
    phone = platform.phone()
    person = signed_in(client, phone)
    answer = bind(client, person, phone.phone_code())
    assert answer.json["phone"] == f"{phone.number[:3]}****{phone.number[-4:]}"
    assert bind(client, person, phone.phone_code()).status_code == 200  # the same number once more
    with world.session() as session:
        stored = session.execute(
            text("SELECT phone FROM users WHERE id = :id"), {"id": person.id}
        ).scalar_one()
        assert phone.number.encode() not in bytes(stored)
        assert session.get(User, person.id).phone == phone.number


def test_phone_codes_are_good_once_and_for_their_owner(client: FlaskClient, platform: Phones) -> None:
    phone, stranger = platform.phone(), platform.phone()
    person = signed_in(client, phone)
    invalid = (400, "phone_code_invalid")
    assert refused(bind(client, person, stranger.phone_code())) == invalid
    assert refused(bind(client, person, phone.login_code())) == invalid
    assert refused(bind(client, person, "0" * 64)) == invalid
    code = phone.phone_code()
    assert bind(client, person, code).status_code == 200
    assert refused(bind(client, person, code)) == invalid
    code = phone.phone_code()
    platform.advance(301)
    assert refused(bind(client, person, code)) == invalid
    platform.fails("/wxa/business/getuserphonenumber", "5xx", value=502)
    assert refused(bind(client, person, phone.phone_code())) == (503, "wechat_unavailable")


def test_binding_a_phone_takes_no_key(client: FlaskClient, platform: Phones) -> None:
    phone = platform.phone()
    person = signed_in(client, phone)
    headers, body = person.headers | {"Idempotency-Key": "key-00000001"}, {"code": phone.phone_code()}
    answers = [client.post("/api/v1/people/me/phone", json=body, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 400]
    document = client.get("/api/openapi.json").json["paths"]["/api/v1/people/me/phone"]["post"]
    assert "parameters" not in document


def test_a_phone_is_bound_by_one_person_only(client: FlaskClient, world: World, platform: Phones) -> None:
    phone = platform.phone()
    world.person(phone=phone.number)
    person = signed_in(client, phone)
    assert refused(bind(client, person, phone.phone_code())) == (409, "phone_in_use")
    assert me(client, person).json["phone"] is None


def test_of_two_people_binding_a_phone_at_once_one_gets_it(app: Flask, platform: Phones) -> None:
    phones = [platform.phone() for _ in range(3)]
    for phone in phones[1:]:  # the platform lets people give a number that others have too
        platform.state.people.get(phone.id).phone = phones[0].number
    people = [signed_in(app.test_client(), phone) for phone in phones]
    codes = [phone.phone_code() for phone in phones]
    pairs = zip(people, codes, strict=True)
    answers = at_once(*(lambda p=p, c=c: bind(app.test_client(), p, c) for p, c in pairs))  # type: ignore[misc]
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409]


def test_binding_a_phone_claims_earlier_sign_ups(client: FlaskClient, world: World, platform: Phones) -> None:
    owner, phone = world.person(), platform.phone()
    training, enterprise = world.training(), world.enterprise(owner=owner)
    url = f"/api/v1/trainings/{training.id}/signups"
    signed_up = client.post(url, json=party(enterprise, phone.number), headers=owner.headers)
    assert signed_up.status_code == 201
    attendee = signed_in(client, phone)
    assert client.get("/api/v1/signups", headers=attendee.headers).json["items"] == []
    bind(client, attendee, phone.phone_code())
    [found] = client.get("/api/v1/signups", headers=attendee.headers).json["items"]
    assert found["id"] == signed_up.json["items"][0]["id"]


# --- one's own data


def test_a_name_is_corrected(client: FlaskClient, world: World) -> None:
    person = world.person(name="王小明")
    answer = client.patch("/api/v1/people/me", json={"name": " 王晓明 "}, headers=person.headers)
    assert answer.json["name"] == "王晓明" == me(client, person).json["name"]
    for wrong in ("", "  ", "王\u202e明", "王" * 33):
        answer = client.patch("/api/v1/people/me", json={"name": wrong}, headers=person.headers)
        assert refused(answer) == (422, "validation_failed") and list(answer.json["fields"]) == ["name"]


def test_the_export_holds_all_of_ones_own_and_nothing_of_others(client: FlaskClient, world: World) -> None:
    owner, stranger = world.person(name="郑自己"), world.person(name="钱别人")
    enterprise, training = world.enterprise(owner=owner), world.training(capacity=1)
    for_another = party(world.enterprise(owner=stranger))
    client.post(f"/api/v1/trainings/{training.id}/signups", json=for_another, headers=stranger.headers)
    body = party(enterprise, owner.phone or "")
    client.post(f"/api/v1/trainings/{training.id}/signups", json=body, headers=owner.headers)
    for person in (owner, stranger):
        cases.case(world, created_by=person.id, contact_phone=person.phone, need=f"{person.phone} 的需求")
    answer = client.get("/api/v1/people/me/export", headers=owner.headers)
    data = answer.json
    assert data["user"]["name"] == "郑自己" and data["user"]["phone"] == owner.phone
    assert [row["version"] for row in data["consents"]] == [VERSION]
    assert len(data["sign_ins"]) == 1 and len(data["grants"]) == 1
    assert [row["attendee_phone"] for row in data["signups"]] == [owner.phone]
    assert [row["contact_phone"] for row in data["cases"]] == [owner.phone]
    told = answer.get_data(as_text=True)
    assert str(stranger.phone) not in told and "钱别人" not in told
    assert "token" not in told and "hash" not in told


def test_the_export_holds_what_messages_told_of_oneself(client: FlaskClient, world: World) -> None:
    owner, colleague = world.person(name="郑自己"), world.person()
    enterprise, training = world.enterprise(owner=owner), world.training(title="计量培训", place="三楼")
    for phone, name in ((owner.phone, "郑自己"), (colleague.phone, "钱同事")):
        body = party(enterprise, phone or "")
        body["attendees"][0]["name"] = name
        url = f"/api/v1/trainings/{training.id}/signups"
        assert client.post(url, json=body, headers=owner.headers).status_code == 201
    note = {"credit_code": world.enterprise(owner=colleague).credit_code, "note": "我是郑自己"}
    client.post("/api/v1/enterprises/membership-requests", json=note, headers=owner.headers)
    data = client.get("/api/v1/people/me/export", headers=owner.headers).json
    [of_oneself, of_another] = [one["facts"] for one in data["messages"] if one["kind"] == "signup.received"]
    assert of_oneself == {
        "培训名称": "计量培训",
        "培训时间": of_oneself["培训时间"],
        "培训地点": "三楼",
        "参训人": "郑自己",
        "报名状态": "已通过",
    }
    assert of_another == {name: text for name, text in of_oneself.items() if name != "参训人"}
    assert [one["note"] for one in data["membership_requests"]] == ["我是郑自己"]
    theirs = client.get("/api/v1/people/me/export", headers=colleague.headers).json
    assert [one["facts"]["参训人"] for one in theirs["messages"] if "参训人" in one["facts"]] == ["钱同事"]
