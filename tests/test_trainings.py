"""Trainings over HTTP: drafts and their rules, publication, cancellation, copies, who may do it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from models.audit import AuditEvent
from models.base import now
from models.signups import SignupState
from tests.builders import World, fresh_phone
from tests.training_requests import (
    URL,
    body,
    draft,
    get,
    hours,
    notices,
    patch,
    post,
    published,
    sign_up,
    state_of,
)


def test_a_draft_is_complete_with_its_defaults(client: FlaskClient, world: World) -> None:
    staff = world.staff()
    made = draft(client, staff)
    assert made["state"] == "draft"
    assert made["open_to"] == ["js.xz.fengxian"]
    assert made["change_deadline"] == made["cancel_deadline"] == hours(-24)
    assert (made["starts_at"], made["ends_at"]) == (hours(0), hours(8))
    assert (made["remaining"], made["waiting"], made["revision"]) == (40, 0, 0)
    assert (made["certificate_percent"], made["offer_minutes"], made["needs_approval"]) == (100, None, False)
    first, second = made["sessions"]
    assert (first["number"], first["title"]) == (1, "第1场")
    assert (first["checkin_from"], first["checkin_until"]) == (hours(-1), hours(3))
    assert (second["number"], second["title"]) == (2, "实操")
    seen = get(client, staff, f"/{made['id']}")
    assert seen.json == made
    with world.session() as session:
        verbs = select(AuditEvent.verb, AuditEvent.user_id).where(AuditEvent.subject_id == made["id"])
        assert session.execute(verbs).all() == [("training.created", staff.id)]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"title": ""}, "title"),
        ({"title": "长" * 121}, "title"),
        ({"title": ...}, "title"),
        ({"mode": "hybrid"}, "mode"),
        ({"capacity": 0}, "capacity"),
        ({"capacity": -5}, "capacity"),
        ({"capacity": 100_001}, "capacity"),
        ({"capacity": 2.5}, "capacity"),
        ({"seats_per_enterprise": 0}, "seats_per_enterprise"),
        ({"certificate_percent": 0}, "certificate_percent"),
        ({"certificate_percent": 101}, "certificate_percent"),
        ({"offer_minutes": 0}, "offer_minutes"),
        ({"place": None}, "place"),
        ({"mode": "online"}, "online_url"),
        ({"online_url": "http://example.com/live"}, "online_url"),
        ({"online_url": "javascript:alert(1)"}, "online_url"),
        ({"opens_at": "2026-12-01T09:00:00"}, "opens_at"),
        ({"opens_at": hours(-24), "closes_at": hours(-240)}, "closes_at"),
        ({"opens_at": hours(-24)}, "closes_at"),
        ({"closes_at": hours(1)}, "closes_at"),
        ({"change_deadline": hours(1)}, "change_deadline"),
        ({"cancel_deadline": hours(1)}, "cancel_deadline"),
        ({"sessions": []}, "sessions"),
        ({"open_to": []}, "open_to"),
        ({"taken": 3}, "taken"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(
    client: FlaskClient, world: World, changes: dict[str, Any], field: str
) -> None:
    answer = post(client, world.staff(), "", body(**changes))
    assert (answer.status_code, answer.json["code"]) == (422, "validation_failed")
    assert list(answer.json["fields"]) == [field]


@pytest.mark.parametrize(
    ("sessions", "field"),
    [
        ([(0, 3), (2, 5)], "sessions.1.starts_at"),
        ([(5, 8), (0, 3)], "sessions.1.starts_at"),
        ([(0, 9), (1, 2), (3, 4)], "sessions.2.starts_at"),
        ([(3, 0)], "sessions.0.ends_at"),
        ([(0, 0)], "sessions.0.ends_at"),
        ([(0, 3, 1, 1)], "sessions.0.checkin_until"),
        ([(0, 3, -3, -2)], "sessions.0.checkin_until"),
        ([(0, 3, 4, 5)], "sessions.0.checkin_from"),
    ],
)
def test_session_times_that_cannot_be(
    client: FlaskClient, world: World, sessions: list[tuple[float, ...]], field: str
) -> None:
    names = ("starts_at", "ends_at", "checkin_from", "checkin_until")
    given = [dict(zip(names, map(hours, times), strict=False)) for times in sessions]
    answer = post(client, world.staff(), "", body(sessions=given))
    assert (answer.status_code, answer.json["code"]) == (422, "session_times_invalid")
    assert field in answer.json["fields"]


def test_a_session_lacks_its_end(client: FlaskClient, world: World) -> None:
    staff = world.staff()
    half = [{"starts_at": hours(0)}]
    made = draft(client, staff)
    for answer in (
        post(client, staff, "", body(sessions=half)),
        patch(client, staff, made["id"], sessions=half),
    ):
        assert (answer.status_code, answer.json["fields"]) == (422, {"sessions.0.ends_at": ["必填"]})


def test_sessions_that_touch_are_in_order(client: FlaskClient, world: World) -> None:
    sessions = [{"starts_at": hours(n), "ends_at": hours(n + 1)} for n in range(50)]
    assert len(draft(client, world.staff(), sessions=sessions)["sessions"]) == 50
    sessions.append({"starts_at": hours(50), "ends_at": hours(51)})
    answer = post(client, world.staff(), "", body(sessions=sessions))
    assert list(answer.json["fields"]) == ["sessions"]


def test_a_training_of_more_than_a_year_is_refused(client: FlaskClient, world: World) -> None:
    sessions = [{"starts_at": hours(n), "ends_at": hours(n + 1)} for n in (0, 24 * 400)]
    answer = post(client, world.staff(), "", body(sessions=sessions))
    assert list(answer.json["fields"]) == ["sessions"]


@pytest.mark.parametrize(
    ("changes", "status", "code", "field"),
    [
        ({"division_id": "js.xz.nowhere"}, 422, "division_unknown", "division_id"),
        ({"division_id": "js.xz.peixian"}, 403, "permission_denied", "division_id"),
        ({"division_id": "js.xz"}, 403, "permission_denied", "division_id"),
        ({"open_to": ["js.xz", "js.xz.%"]}, 422, "division_unknown", "open_to"),
    ],
)
def test_divisions_exist_and_are_in_reach(
    client: FlaskClient, world: World, changes: dict[str, Any], status: int, code: str, field: str
) -> None:
    answer = post(client, world.staff(), "", body(**changes))
    assert (answer.status_code, answer.json["code"]) == (status, code)
    assert list(answer.json["fields"]) == [field]


def test_city_staff_hold_trainings_for_any_county(client: FlaskClient, world: World) -> None:
    city = world.staff("city_staff", "js.xz")
    made = draft(client, city, open_to=["js.xz.peixian", "js.xz.fengxian", "js.xz.peixian"])
    assert made["open_to"] == ["js.xz.fengxian", "js.xz.peixian"]


def test_who_may_manage(client: FlaskClient, world: World) -> None:
    staff, other = world.staff(), world.staff(division="js.xz.peixian")
    member = world.member(world.enterprise())
    seen, hidden = published(client, staff)["id"], draft(client, staff)["id"]
    assert post(client, member, "", body()).status_code == 403
    assert client.post(URL, json=body()).status_code == 401
    for person in (member, other):
        assert get(client, person, f"/{seen}").status_code == 200
        assert get(client, person, f"/{hidden}").status_code == 404
    for path in ("/publish", "/copy"):
        assert post(client, other, f"/{hidden}{path}").status_code == 404
        assert post(client, other, f"/{seen}{path}").status_code == 404
    assert patch(client, other, seen, title="改名").status_code == 404
    assert post(client, other, f"/{seen}/cancel", {"reason": "停办"}).status_code == 404
    assert post(client, other, f"/{seen}/trainers", {"phone": fresh_phone()}).status_code == 404
    assert get(client, other, f"/{seen}/trainers").status_code == 404
    assert get(client, member, f"/{seen}/trainers").status_code == 403
    assert patch(client, staff, uuid4(), title="改名").status_code == 404


def test_publishing(client: FlaskClient, world: World) -> None:
    staff = world.staff()
    made = published(client, staff)
    assert (made["state"], made["signup_state"]) == ("published", "not_open")
    again = post(client, staff, f"/{made['id']}/publish")
    assert (again.status_code, again.json["code"]) == (409, "illegal_move")


def test_what_has_begun_is_not_published(client: FlaskClient, world: World) -> None:
    staff = world.staff()
    gone = now() - timedelta(hours=1)
    times = {"opens_at": hours(-9, gone), "closes_at": hours(-1, gone)}
    made = draft(client, staff, **times, sessions=[{"starts_at": hours(0, gone), "ends_at": hours(3, gone)}])
    answer = post(client, staff, f"/{made['id']}/publish")
    assert (answer.status_code, answer.json["code"]) == (409, "training_started")
    assert get(client, staff, f"/{made['id']}").json["state"] == "draft"


def test_cancelling_ends_every_signup_and_tells_why(client: FlaskClient, world: World) -> None:
    staff = world.staff()
    training = published(client, staff, opens_at=hours(-1, now()), capacity=1)
    people = [sign_up(client, world, training["id"]) for _ in range(2)]
    assert post(client, staff, f"/{training['id']}/cancel", {}).json["fields"] == {"reason": ["必填"]}
    assert post(client, staff, f"/{training['id']}/cancel", {"reason": "  "}).status_code == 422
    answer = post(client, staff, f"/{training['id']}/cancel", {"reason": "讲师因故不能到场"})
    assert answer.status_code == 200, answer.json
    assert (answer.json["state"], answer.json["signup_state"]) == ("cancelled", "closed")
    assert (answer.json["state_reason"], answer.json["waiting"]) == ("讲师因故不能到场", 0)
    for person in people:
        assert state_of(world, training["id"], person) == SignupState.cancelled
        (told,) = notices(world, person, "training.cancelled")
        assert "讲师因故不能到场" in told.body
        seen = get(client, person, f"/{training['id']}/calendar.ics")
        assert b"METHOD:CANCEL" in seen.data
        assert b"SEQUENCE:1" in seen.data
    again = post(client, staff, f"/{training['id']}/cancel", {"reason": "再次"})
    assert (again.status_code, again.json["code"]) == (409, "illegal_move")
    changed = patch(client, staff, training["id"], title="改名")
    assert (changed.status_code, changed.json["code"]) == (409, "training_cancelled")


def test_what_is_over_is_not_cancelled(client: FlaskClient, world: World) -> None:
    staff = world.staff()
    training = world.training(sessions=[now() - timedelta(days=3)])
    answer = post(client, staff, f"/{training.id}/cancel", {"reason": "补办"})
    assert (answer.status_code, answer.json["code"]) == (409, "training_ended")
    assert get(client, staff, f"/{training.id}").json["state"] == "published"


def test_a_copy_is_a_draft_of_its_own(client: FlaskClient, world: World) -> None:
    staff = world.staff()
    training = published(client, staff, title="长" * 120)
    answer = post(client, staff, f"/{training['id']}/copy")
    assert answer.status_code == 201, answer.json
    assert answer.json["state"] == "draft"
    assert answer.json["title"] == "长" * 116 + "（副本）"
    assert answer.json["id"] != training["id"]
    times = [(one["starts_at"], one["checkin_from"]) for one in training["sessions"]]
    assert [(one["starts_at"], one["checkin_from"]) for one in answer.json["sessions"]] == times
    assert post(client, staff, f"/{uuid4()}/copy").status_code == 404


def test_calendar(client: FlaskClient, world: World) -> None:
    training = published(client, world.staff())
    answer = get(client, world.person(), f"/{training['id']}/calendar.ics")
    assert answer.status_code == 200
    assert answer.mimetype == "text/calendar"
    text = answer.data.decode().replace("\r\n ", "")
    assert text.count("BEGIN:VEVENT") == 2
    assert "SUMMARY:质量管理体系内审员培训（实操）" in text
    assert f"UID:{training['sessions'][0]['id']}@testserver" in text


def test_two_who_publish_and_cancel_at_once(app: Flask, client: FlaskClient, world: World) -> None:
    staff = world.staff()
    training = draft(client, staff)

    def act(path: str) -> int:
        answer = post(
            app.test_client(), staff, f"/{training['id']}{path}", {"reason": "重复"} if "c" in path else None
        )
        return int(answer.status_code)

    with ThreadPoolExecutor(4) as pool:
        outcomes = sorted(pool.map(act, ["/cancel"] * 4))
    assert outcomes == [200, 409, 409, 409]
