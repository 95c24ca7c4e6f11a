"""Requests as such: what cannot be used, keys that make repetition harmless, limits, pages and health."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from app.api.frame import STATUSES
from app.errors import ERRORS
from app.services import people
from models.enterprises import Enterprise, Invitation
from models.requests import IdempotencyKey
from tests.builders import Person, World
from tests.conftest import OtherApp
from tests.races import at_once
from tests.test_people import refused


@pytest.fixture
def person(world: World) -> Person:
    return world.person()


# --- what cannot be used


def test_an_unknown_address_is_a_problem_in_the_api_and_a_page_elsewhere(client: FlaskClient) -> None:
    assert refused(client.get("/api/v1/nowhere")) == (404, "not_found")
    assert refused(client.get("/api/v1/signups/not-a-uuid")) == (404, "not_found")
    page = client.get("/nowhere")
    assert (page.status_code, page.mimetype) == (404, "text/html") and "没有找到" in page.text


def test_a_wrong_method_says_which_are_right(client: FlaskClient) -> None:
    answer = client.put("/api/v1/people/me")
    assert refused(answer) == (405, "method_not_allowed")
    assert {"GET", "PATCH"} <= {method.strip() for method in answer.headers["Allow"].split(",")}


@pytest.mark.parametrize(
    ("content", "kind", "status", "code"),
    [
        (b'{"name": "' + b"x" * 10_000_000 + b'"}', "application/json", 413, "body_too_large"),
        (b'{"name": "\xff\xfe"}', "application/json", 400, "malformed_json"),
        (b"\xff\xfe", "application/json", 400, "malformed_json"),
        (b'{"name": "\\ud800"}', "application/json", 400, "malformed_json"),
        (b'{"name": NaN}', "application/json", 400, "malformed_json"),
        (b'{"name": "x"', "application/json", 400, "malformed_json"),
        (b'{"name": ' + b"[" * 100_000, "application/json", 400, "malformed_json"),
        (b"[]", "application/json", 422, "validation_failed"),
        (b'"x"', "application/json", 422, "validation_failed"),
        (b"null", "application/json", 422, "validation_failed"),
        (b"", "application/json", 422, "validation_failed"),
        (b'{"name": 7}', "application/json", 422, "validation_failed"),
        (b'{"name": "a\\u0000b"}', "application/json", 422, "validation_failed"),
        (b'{"name": "x", "role": "owner"}', "application/json", 422, "validation_failed"),
        (b'{"name": "x"}', "text/plain", 415, "unsupported_media_type"),
        (b"name=x", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
        (b'{"name": "x"}', None, 415, "unsupported_media_type"),
    ],
)
def test_a_body_that_cannot_be_used_changes_nothing(
    client: FlaskClient, person: Person, content: bytes, kind: str | None, status: int, code: str
) -> None:
    answer = client.patch("/api/v1/people/me", data=content, content_type=kind, headers=person.headers)
    assert refused(answer) == (status, code)
    assert client.get("/api/v1/people/me", headers=person.headers).json["name"] == "王小明"


def test_unknown_query_fields_are_refused_by_name(client: FlaskClient, person: Person) -> None:
    answer = client.get("/api/v1/trainings?limit=5&divsion=js.xz", headers=person.headers)
    assert refused(answer) == (422, "validation_failed")
    assert answer.json["fields"] == {"divsion": ["没有这个字段"]}


@pytest.mark.parametrize(
    "address", ["/api/v1/certificates/a%00b", "/verify/a%00b", "/api/v1/industries%00", "/%00"]
)
def test_a_nul_in_an_address_is_not_found(client: FlaskClient, address: str) -> None:
    assert client.get(address).status_code == 404


def test_a_refusal_reads_well_and_can_be_traced(client: FlaskClient) -> None:
    answer = client.get("/api/v1/people/me")
    assert answer.headers["X-Request-Id"] == answer.json["instance"]
    assert answer.json["type"] == "/api/docs#sign_in_required" and answer.json["title"] == "请先登录"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_every_refusal_is_documented_and_in_chinese() -> None:
    for code, (status, title) in ERRORS.items():
        assert re.fullmatch("[a-z]+(_[a-z]+)*", code) and re.search("[一-龥]", title), code
        assert status in {*STATUSES, 405, 500}, code


def test_a_crash_tells_nothing_and_leaves_nothing_behind(
    app: Flask, client: FlaskClient, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_args: Any) -> None:
        raise ValueError("SELECT secret FROM users")

    monkeypatch.setitem(app.config, "PROPAGATE_EXCEPTIONS", False)
    with monkeypatch.context() as broken:
        broken.setattr(people.audit, "record", crash)
        answer = client.patch("/api/v1/people/me", json={"name": "改名"}, headers=person.headers)
    assert refused(answer) == (500, "internal_error")
    assert "secret" not in answer.text and "ValueError" not in answer.text
    assert client.get("/api/v1/people/me", headers=person.headers).json["name"] == "王小明"


# --- the same request again


def invite(client: FlaskClient, person: Person, enterprise: Enterprise, key: str, **more: Any) -> Any:
    url = f"/api/v1/enterprises/{enterprise.id}/invitations"
    return client.post(url, headers=person.headers | {"Idempotency-Key": key}, **more)


def invitations(world: World, enterprise: Enterprise) -> int:
    with world.session() as session:
        count = select(func.count()).select_from(Invitation)
        made: int = session.execute(count.where(Invitation.enterprise_id == enterprise.id)).scalar_one()
        return made


def test_a_repeated_request_gets_the_first_answer_and_acts_once(client: FlaskClient, world: World) -> None:
    owner, other = world.person(), world.person()
    enterprise, others = world.enterprise(owner=owner), world.enterprise(owner=other)
    first = invite(client, owner, enterprise, "key-00000001")
    again = invite(client, owner, enterprise, "key-00000001")
    assert (first.status_code, first.json) == (again.status_code, again.json) == (201, first.json)
    assert invitations(world, enterprise) == 1
    assert invite(client, other, others, "key-00000001").json != first.json  # keys are each person's own
    assert invite(client, owner, enterprise, "key-00000002").json != first.json
    assert invitations(world, enterprise) == 2


def test_a_repeated_request_is_answered_even_where_the_act_took_the_permission_away(
    client: FlaskClient, world: World
) -> None:
    enterprise = world.enterprise()
    headers = world.member(enterprise).headers
    url = f"/api/v1/enterprises/{enterprise.id}/leave"
    keyed = headers | {"Idempotency-Key": "key-00000001"}
    left = [client.post(url, headers=keyed) for _ in range(2)]
    assert [(answer.status_code, answer.data) for answer in left] == [(204, b"")] * 2
    assert refused(client.post(url, headers=headers)) == (403, "permission_denied")


def test_a_key_does_not_stand_for_a_permission(client: FlaskClient, world: World, person: Person) -> None:
    answer = invite(client, person, world.enterprise(), "key-00000001")
    assert refused(answer) == (403, "permission_denied")
    with world.session() as session:
        kept = select(IdempotencyKey).where(IdempotencyKey.user_id == person.id)
        assert session.execute(kept).first() is None


def test_a_key_is_for_one_request(client: FlaskClient, world: World) -> None:
    owner = world.person()
    enterprise, second = world.enterprise(owner=owner), world.enterprise(owner=owner)
    assert invite(client, owner, enterprise, "key-00000001").status_code == 201
    reused = (422, "idempotency_key_reused")
    assert refused(invite(client, owner, second, "key-00000001")) == reused
    assert refused(invite(client, owner, enterprise, "key-00000001", json={"a": 1})) == reused
    assert invitations(world, second) == 0


def test_a_refused_request_may_be_tried_again_with_its_key(client: FlaskClient, world: World) -> None:
    person = world.person(phone=None)
    enterprise = world.enterprise()
    headers = person.headers | {"Idempotency-Key": "key-00000001"}
    body = {"credit_code": enterprise.credit_code}

    def ask() -> Any:
        return client.post("/api/v1/enterprises/membership-requests", json=body, headers=headers)

    assert refused(ask()) == (409, "phone_required")
    with world.session() as session:
        assert (
            session.execute(select(IdempotencyKey).where(IdempotencyKey.user_id == person.id)).first() is None
        )
        session.get(people.User, person.id).phone_index = person.id.bytes
    assert ask().status_code == 201


def test_requests_with_one_key_at_once_are_one_act(app: Flask, world: World) -> None:
    owner = world.person()
    enterprise = world.enterprise(owner=owner)
    answers = at_once(*[lambda: invite(app.test_client(), owner, enterprise, "key-00000001")] * 4)
    assert [answer.status_code for answer in answers] == [201] * 4
    assert len({answer.text for answer in answers}) == 1
    assert invitations(world, enterprise) == 1


@pytest.mark.parametrize("key", ["", "short", "x" * 65, "key 00000001", "钥匙钥匙钥匙钥匙"])
def test_a_key_has_a_form(client: FlaskClient, world: World, key: str) -> None:
    owner = world.person()
    encoded = key.encode().decode("latin-1")
    answer = invite(client, owner, world.enterprise(owner=owner), encoded)
    assert refused(answer) == (422, "validation_failed") and list(answer.json["fields"]) == [
        "Idempotency-Key"
    ]


# --- pages


def cursor(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


GARBAGE = [
    *("x", "!!!!", "é", "AAAA", "=" * 8),
    *map(cursor, (None, 7, {}, [], [7], [None], ["x", "y", "z"], ["2026-13-01", "x"], [[]], [{"a": 1}])),
]


def test_a_made_up_cursor_is_refused_everywhere(client: FlaskClient, world: World) -> None:
    enterprise, training = world.enterprise(), world.training()
    ids = {
        "enterprise_id": enterprise.id,
        "training_id": training.id,
        "session_id": world.sessions_of(training)[0],
    }
    person = world.person(
        grants=[
            ("owner", "enterprise", str(enterprise.id)),
            ("county_staff", "division", "js.xz.fengxian"),
        ]
    )
    paged = 0
    for path, operations in client.get("/api/openapi.json").json["paths"].items():
        parameters = [p["name"] for p in operations.get("get", {}).get("parameters", ())]
        if "cursor" not in parameters:
            continue
        paged += 1
        assert client.get(path.format(**ids), headers=person.headers).status_code == 200, path
        for garbage in GARBAGE:
            answer = client.get(path.format(**ids), query_string={"cursor": garbage}, headers=person.headers)
            assert refused(answer) == (400, "invalid_cursor"), (path, garbage)
    assert paged >= 6


# --- limits


def test_a_user_who_asks_too_often_is_told_when_to_come_back(world: World, other_app: OtherApp) -> None:
    client, person, other = other_app(rate_limit_user="3/day"), world.person(), world.person()
    answers = [client.get("/api/v1/people/me", headers=person.headers) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert refused(answers[3]) == (429, "rate_limited")
    wait = int(answers[3].headers["Retry-After"])
    assert 1 <= wait <= 86_400 and answers[3].json["details"] == {"retry_after": wait}
    assert client.get("/api/v1/people/me", headers=other.headers).status_code == 200


def test_an_address_that_asks_too_often_is_told_so(other_app: OtherApp) -> None:
    client = other_app(rate_limit_address="3/day")
    here = {"REMOTE_ADDR": "192.0.2.7"}
    answers = [client.get("/api/v1/divisions", environ_base=here) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert client.get("/healthz", environ_base=here).status_code == 200
    assert client.get("/api/v1/divisions", environ_base={"REMOTE_ADDR": "192.0.2.8"}).status_code == 200


def test_a_header_does_not_change_the_address_unless_a_proxy_is_trusted(other_app: OtherApp) -> None:
    client = other_app(rate_limit_address="2/day")
    here = {"REMOTE_ADDR": "192.0.2.9"}
    answers = [
        client.get("/api/v1/divisions", environ_base=here, headers={"X-Forwarded-For": f"198.51.100.{n}"})
        for n in range(3)
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    client = other_app(rate_limit_address="1/day", trusted_proxies=1)
    answers = [
        client.get("/api/v1/divisions", environ_base=here, headers={"X-Forwarded-For": f"198.51.100.{n}"})
        for n in range(3)
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
