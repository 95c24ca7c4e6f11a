"""Changes of trainings over HTTP: what may change, who is told, and where the seats go."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select, update

from models.base import new_id, now, set_clock
from models.checkins import Method, Outcome, Scan
from models.signups import Signup, SignupState
from models.trainings import Training, TrainingSession
from tests.builders import World
from tests.training_requests import (
    START,
    URL,
    body,
    draft,
    get,
    hours,
    notices,
    patch,
    published,
    sign_up,
    state_of,
)


def test_a_draft_may_be_changed_in_anything(client: FlaskClient, world: World) -> None:
    city = world.staff("city_staff", "js.xz")
    made = draft(client, city)
    changes = body(
        title="线上公开课",
        mode="online",
        place=None,
        online_url="https://live.example.com/1",
        division_id="js.xz.peixian",
        capacity=5,
        closes_at=hours(-48),
        needs_approval=True,
        offer_minutes=120,
        sessions=[{"starts_at": hours(10), "ends_at": hours(12)}],
    )
    answer = patch(client, city, made["id"], **changes)
    assert answer.status_code == 200, answer.json
    after = answer.json
    assert after["open_to"] == ["js.xz.peixian"]
    assert after["change_deadline"] == after["cancel_deadline"] == hours(-48)
    assert [one["id"] for one in after["sessions"]] == [made["sessions"][0]["id"]]
    assert (after["starts_at"], after["ends_at"]) == (hours(10), hours(12))
    assert (after["mode"], after["place"], after["capacity"], after["revision"]) == ("online", None, 5, 0)
    with world.session() as session:
        owners = select(TrainingSession.division_id).where(TrainingSession.training_id == UUID(made["id"]))
        assert session.execute(owners).scalars().all() == ["js.xz.peixian"]


def test_a_change_is_checked_with_what_stays(client: FlaskClient, world: World) -> None:
    staff = world.staff()
    made = draft(client, staff, cancel_deadline=hours(-2))
    earlier = [{"starts_at": hours(-30), "ends_at": hours(-28)}]
    answer = patch(client, staff, made["id"], sessions=earlier)
    assert answer.status_code == 422
    assert set(answer.json["fields"]) == {"closes_at", "cancel_deadline"}
    assert get(client, staff, f"/{made['id']}").json == made
    assert patch(client, staff, made["id"], capacity=None).json["fields"] == {"capacity": ["不能为空"]}
    assert patch(client, staff, made["id"], mode="online").json["fields"].keys() == {"online_url"}


def test_a_deadline_that_was_set_does_not_follow(client: FlaskClient, world: World) -> None:
    staff = world.staff()
    made = draft(client, staff, cancel_deadline=hours(-72))
    answer = patch(client, staff, made["id"], closes_at=hours(-12))
    assert (answer.json["change_deadline"], answer.json["cancel_deadline"]) == (hours(-12), hours(-72))
    answer = patch(client, staff, made["id"], cancel_deadline=None)
    assert answer.json["cancel_deadline"] == hours(-12)


def test_a_new_schedule_is_told_once_to_everybody_signed_up(client: FlaskClient, world: World) -> None:
    staff = world.staff()
    training = published(client, staff, opens_at=hours(-1, now()), open_to=["js.xz"], capacity=3)
    seated = sign_up(client, world, training["id"], 3)
    waiting = sign_up(client, world, training["id"])
    later = [{"starts_at": hours(24), "ends_at": hours(26)}, training["sessions"][1] | {}]
    for key in ("id", "number"):
        later[1].pop(key)
    later[1] |= {"starts_at": hours(30), "ends_at": hours(33), "checkin_from": None, "checkin_until": None}
    answer = patch(client, staff, training["id"], sessions=later, place="徐州市会议中心")
    assert answer.status_code == 200, answer.json
    assert answer.json["revision"] == 1
    assert [one["id"] for one in answer.json["sessions"]] == [one["id"] for one in training["sessions"]]
    for person in (seated, waiting):
        told = notices(world, person, "training.changed")
        assert len(told) == 1, "one person is told once, however many he signed up"
        assert "徐州市会议中心" in told[0].body
        assert told[0].id.version == 7
    assert patch(client, staff, training["id"], title="新名称", description="").json["revision"] == 1
    assert patch(client, staff, training["id"], sessions=later).json["revision"] == 1
    assert patch(client, staff, training["id"], place="第二会议室").json["revision"] == 2
    bodies = [notice.body for notice in notices(world, seated, "training.changed")]
    assert len(bodies) == 2
    assert "第二会议室" in bodies[1], "the inbox keeps the order in which things happened"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"mode": "online", "online_url": "https://live.example.com/1"}, "mode"),
        ({"division_id": "js.xz"}, "division_id"),
        ({"open_to": ["js.xz.peixian"]}, "open_to"),
        ({"audience": "team"}, "audience"),
        ({"needs_approval": True}, "needs_approval"),
        ({"seats_per_enterprise": 9}, "seats_per_enterprise"),
        ({"certificate_percent": 50}, "certificate_percent"),
    ],
)
def test_what_a_published_training_keeps(
    client: FlaskClient, world: World, changes: dict[str, Any], field: str
) -> None:
    city = world.staff("city_staff", "js.xz")
    training = published(client, city)
    answer = patch(client, city, training["id"], **changes)
    assert (answer.status_code, answer.json["fields"][field]) == (422, ["培训发布后不能修改"])
    assert patch(client, city, training["id"], **body(title="可以改名")).status_code == 200


def test_what_has_begun_is_not_moved(client: FlaskClient, world: World) -> None:
    training = published(client, world.staff())["id"]
    second = body()["sessions"][1]
    set_clock(lambda: START - timedelta(hours=1))
    staff = world.staff()
    past = {"starts_at": hours(-2), "ends_at": hours(4)}
    answer = patch(client, staff, training, sessions=[past, second])
    assert answer.json["fields"].keys() == {"sessions.0.starts_at"}
    set_clock(lambda: START + timedelta(hours=1))
    staff = world.staff()
    moved = {"starts_at": hours(2), "ends_at": hours(3)}
    answer = patch(client, staff, training, sessions=[moved, second])
    assert answer.json["fields"].keys() == {"sessions.0.starts_at"}
    longer = {"starts_at": hours(0), "ends_at": hours(4)}
    answer = patch(client, staff, training, sessions=[longer])
    assert answer.status_code == 200, answer.json
    assert answer.json["ends_at"] == hours(4)
    set_clock(lambda: START + timedelta(hours=6))
    answer = patch(client, world.staff(), training, sessions=[longer, second])
    assert answer.json["fields"].keys() == {"sessions.1.starts_at"}


def test_a_session_that_was_scanned_at_stays(client: FlaskClient, world: World) -> None:
    staff = world.staff()
    training = published(client, staff)
    last = training["sessions"][1]
    with world.session() as session:
        session.add(
            Scan(
                session_id=UUID(last["id"]),
                training_id=UUID(training["id"]),
                division_id="js.xz.fengxian",
                by_user_id=staff.id,
                nonce=new_id().hex,
                method=Method.ticket,
                outcome=Outcome.too_early,
                scanned_at=now(),
            )
        )
    answer = patch(client, staff, training["id"], sessions=body()["sessions"][:1])
    assert (answer.status_code, answer.json["code"]) == (409, "session_has_scans")
    assert get(client, staff, f"/{training['id']}").json == training


def test_more_seats_go_to_the_waiting_list(client: FlaskClient, world: World) -> None:
    staff = world.staff()
    training = published(client, staff, opens_at=hours(-1, now()), capacity=1)
    sign_up(client, world, training["id"])
    second, third = (sign_up(client, world, training["id"]) for _ in range(2))
    answer = patch(client, staff, training["id"], capacity=2)
    assert answer.status_code == 200, answer.json
    assert (answer.json["remaining"], answer.json["waiting"], answer.json["revision"]) == (0, 1, 0)
    assert state_of(world, training["id"], second) == SignupState.confirmed
    assert state_of(world, training["id"], third) == SignupState.waiting


def test_capacity_is_not_lowered_below_what_is_taken(client: FlaskClient, world: World) -> None:
    staff = world.staff()
    training = published(client, staff, opens_at=hours(-1, now()), capacity=5)
    sign_up(client, world, training["id"], 3)
    answer = patch(client, staff, training["id"], capacity=2, title="不应写入")
    assert (answer.status_code, answer.json["code"]) == (409, "capacity_below_taken")
    assert answer.json["details"] == {"taken": 3}
    assert get(client, staff, f"/{training['id']}").json["title"] == training["title"]
    assert patch(client, staff, training["id"], capacity=3).json["remaining"] == 0


def test_capacity_lowered_while_people_sign_up(app: Flask, client: FlaskClient, world: World) -> None:
    staff = world.staff()
    training = published(client, staff, opens_at=hours(-1, now()), capacity=8)
    owners = [world.person() for _ in range(6)]
    enterprises = [world.enterprise(owner=owner) for owner in owners]

    def take(place: int) -> int:
        attendee = {"name": "李质量", "phone": owners[place].phone}
        answer = app.test_client().post(
            f"{URL}/{training['id']}/signups",
            json={"enterprise_id": str(enterprises[place].id), "attendees": [attendee]},
            headers=owners[place].headers,
        )
        return int(answer.status_code)

    def lower(capacity: int) -> int:
        return int(patch(app.test_client(), staff, training["id"], capacity=capacity).status_code)

    with ThreadPoolExecutor(8) as pool:
        taking = [pool.submit(take, place) for place in range(6)]
        lowering = [pool.submit(lower, capacity) for capacity in (4, 3, 2, 1)]
        assert {one.result() for one in taking} == {201}
        assert {one.result() for one in lowering} <= {200, 409}
    with world.session() as session:
        row = session.get_one(Training, UUID(training["id"]))
        counted = (
            select(Signup.state, func.count()).where(Signup.training_id == row.id).group_by(Signup.state)
        )
        held = {found[0]: found[1] for found in session.execute(counted)}
        assert row.taken == held.get(SignupState.confirmed, 0) <= row.capacity
        assert row.waiting == held.get(SignupState.waiting, 0)
        assert row.taken + row.waiting == 6


def test_a_stale_row_does_not_undo_signups(client: FlaskClient, world: World) -> None:
    staff = world.staff()
    training = published(client, staff)
    with world.session() as session:
        session.execute(
            update(Training).where(Training.id == UUID(training["id"])).values(taken=7, waiting=0)
        )
    answer = patch(client, staff, training["id"], description="新的说明")
    assert (answer.json["taken"], answer.json["remaining"]) == (7, 33)
