"""Sign-ups over HTTP: seats, parties, the waiting list, deadlines, review."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy import text as sql

from app.access import SYSTEM
from app.services import seats
from models.base import now, set_clock
from models.enterprises import EnterpriseState
from models.signups import Signup
from models.trainings import Training, TrainingState
from tests.builders import Person, World, fresh_phone, party


@pytest.fixture
def owner(world: World) -> Person:
    return world.person()


def sign_up(client: FlaskClient, person: Person, training: Any, body: dict[str, Any]) -> Any:
    return client.post(f"/api/v1/trainings/{training.id}/signups", json=body, headers=person.headers)


def act(client: FlaskClient, person: Person, signup_id: str, verb: str, body: Any = None) -> Any:
    return client.post(f"/api/v1/signups/{signup_id}/{verb}", json=body, headers=person.headers)


def state(client: FlaskClient, person: Person, signup_id: str) -> str:
    answer: str = client.get(f"/api/v1/signups/{signup_id}", headers=person.headers).json["state"]
    return answer


def made(answer: Any) -> list[str]:
    assert answer.status_code == 201, answer.json
    return [item["id"] for item in answer.json["items"]]


def test_a_member_signs_up_and_sees_it(client: FlaskClient, world: World, owner: Person) -> None:
    enterprise, training = world.enterprise(owner=owner), world.training()
    answer = sign_up(client, owner, training, party(enterprise))
    assert [item["state"] for item in answer.json["items"]] == ["confirmed"]
    listed = client.get("/api/v1/signups", headers=owner.headers).json["items"]
    assert [(item["id"], item["enterprise_name"]) for item in listed] == [(made(answer)[0], enterprise.name)]


def test_a_party_is_signed_up_whole_or_not_at_all(client: FlaskClient, world: World, owner: Person) -> None:
    enterprise, training = world.enterprise(owner=owner), world.training(capacity=2)
    answer = sign_up(client, owner, training, party(enterprise, *(fresh_phone() for _ in range(3))))
    assert (answer.status_code, answer.json["code"]) == (409, "seats_insufficient")
    assert "仅余 2 个名额" in answer.json["title"]
    with world.session() as session:
        assert session.get(Training, training.id).taken == 0
        assert not session.execute(select(Signup.id).where(Signup.training_id == training.id)).all()
    assert len(made(sign_up(client, owner, training, party(enterprise, fresh_phone(), fresh_phone())))) == 2


def test_a_phone_is_signed_up_once(client: FlaskClient, world: World, owner: Person) -> None:
    enterprise, training = world.enterprise(owner=owner), world.training()
    phone = fresh_phone()
    [first] = made(sign_up(client, owner, training, party(enterprise, phone)))
    again = sign_up(client, owner, training, party(enterprise, fresh_phone(), phone))
    assert (again.status_code, again.json["code"]) == (409, "attendee_duplicate")
    twice = sign_up(client, owner, training, party(enterprise, phone, phone))
    assert twice.json["code"] == "attendee_duplicate"
    with world.session() as session:
        assert session.get(Training, training.id).taken == 1
    act(client, owner, first, "cancel")
    made(sign_up(client, owner, training, party(enterprise, phone)))


def test_an_enterprise_has_its_limit_of_places(client: FlaskClient, world: World, owner: Person) -> None:
    enterprise = world.enterprise(owner=owner)
    training = world.training(capacity=1, seats_per_enterprise=2)
    [seated] = made(sign_up(client, owner, training, party(enterprise)))
    made(sign_up(client, owner, training, party(enterprise)))
    third = sign_up(client, owner, training, party(enterprise))
    assert (third.status_code, third.json["code"]) == (409, "enterprise_seats_exceeded")
    act(client, owner, seated, "cancel")
    made(sign_up(client, owner, training, party(enterprise)))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"state": TrainingState.draft}, "not_found"),
        ({"state": TrainingState.cancelled}, "training_not_open"),
        ({"opens_at": now() + timedelta(hours=1)}, "signup_window_not_open"),
        ({"closes_at": now() - timedelta(minutes=1)}, "signup_window_closed"),
        (
            {"sessions": [now() - timedelta(minutes=1)], "closes_at": now() + timedelta(days=1)},
            "training_started",
        ),
        ({"open_to": ["js.xz.peixian"]}, "division_not_invited"),
    ],
)
def test_a_training_that_is_not_open_refuses(
    client: FlaskClient, world: World, owner: Person, changes: Any, code: str
) -> None:
    answer = sign_up(client, owner, world.training(**changes), party(world.enterprise(owner=owner)))
    assert (answer.status_code in (404, 409), answer.json["code"]) == (True, code)


def test_a_refused_enterprise_cannot_sign_up(client: FlaskClient, world: World, owner: Person) -> None:
    enterprise = world.enterprise(owner=owner, state=EnterpriseState.refused)
    answer = sign_up(client, owner, world.training(), party(enterprise))
    assert answer.json["code"] == "enterprise_not_eligible"


@pytest.mark.parametrize(
    "attendee",
    [
        {"name": "", "phone": "13800138000"},
        {"name": "王五", "phone": "12345"},
        {"name": "王\x00五", "phone": "13800138000"},
    ],
)
def test_bad_attendees_are_refused_at_the_field(
    client: FlaskClient, world: World, owner: Person, attendee: Any
) -> None:
    body = {"enterprise_id": str(world.enterprise(owner=owner).id), "attendees": [attendee]}
    answer = sign_up(client, owner, world.training(), body)
    assert (answer.status_code, answer.json["code"]) == (422, "validation_failed")
    assert all(field.startswith("attendees.0.") for field in answer.json["fields"])


def test_the_waiting_list_moves_up_in_order(client: FlaskClient, world: World) -> None:
    training = world.training(capacity=1)
    people = [world.person() for _ in range(4)]
    ids = [
        made(sign_up(client, person, training, party(world.enterprise(owner=person))))[0] for person in people
    ]
    assert [state(client, p, i) for p, i in zip(people, ids, strict=True)] == ["confirmed"] + ["waiting"] * 3
    act(client, people[1], ids[1], "cancel")  # left the list: must never be offered the seat
    act(client, people[0], ids[0], "cancel")
    assert [state(client, p, i) for p, i in zip(people, ids, strict=True)] == [
        "cancelled",
        "cancelled",
        "confirmed",
        "waiting",
    ]
    told, before = client.get("/api/v1/messages", headers=people[2].headers).json["items"]
    assert told["kind"] == "signup.promoted" and "候补成功" in told["title"]
    assert before["kind"] == "signup.received" and "候补" in before["title"]


def test_nobody_is_promoted_after_the_start(client: FlaskClient, world: World) -> None:
    starts = now() + timedelta(hours=1)
    training = world.training(capacity=1, sessions=[starts])
    first, second = world.person(), world.person()
    [seated] = made(sign_up(client, first, training, party(world.enterprise(owner=first))))
    [waiting] = made(sign_up(client, second, training, party(world.enterprise(owner=second))))
    set_clock(lambda: starts + timedelta(seconds=1))
    assert act(client, first, seated, "cancel").json["code"] == "training_started"
    freed = act(client, world.staff(), seated, "cancel-for-enterprise", {"reason": "企业电话请假"})
    assert freed.status_code == 200
    assert state(client, second, waiting) == "waiting"


def test_an_offer_is_confirmed_or_passes_on(client: FlaskClient, world: World) -> None:
    training = world.training(capacity=1, offer_minutes=20)
    people = [world.person() for _ in range(4)]
    ids = [made(sign_up(client, p, training, party(world.enterprise(owner=p))))[0] for p in people]
    moment = now()
    set_clock(lambda: moment)
    act(client, people[0], ids[0], "cancel")
    assert state(client, people[1], ids[1]) == "offered"
    set_clock(lambda: moment + timedelta(minutes=21))
    assert act(client, people[1], ids[1], "accept-offer").json["code"] == "offer_expired"
    with world.app.app_context():
        assert training.id in seats.trainings_with_overdue_offers(SYSTEM)
        seats.expire_offers(SYSTEM, training.id)
        seats.expire_offers(SYSTEM, training.id)  # a job may run twice
    assert [state(client, p, i) for p, i in zip(people, ids, strict=True)] == [
        "cancelled",
        "expired",
        "offered",
        "waiting",
    ]
    assert act(client, people[2], ids[2], "accept-offer").json["state"] == "confirmed"
    kinds = [m["kind"] for m in client.get("/api/v1/messages", headers=people[1].headers).json["items"]]
    assert kinds == ["signup.expired", "signup.offered", "signup.received"]


def test_an_offer_is_a_job_of_its_minute(client: FlaskClient, world: World) -> None:
    training = world.training(capacity=1, offer_minutes=20)
    first, second = world.person(), world.person()
    [seated] = made(sign_up(client, first, training, party(world.enterprise(owner=first))))
    made(sign_up(client, second, training, party(world.enterprise(owner=second))))
    act(client, first, seated, "cancel")
    with world.session() as session:
        jobs = session.execute(
            sql("SELECT scheduled_at FROM procrastinate_jobs WHERE args->>'training_id' = :id"),
            {"id": str(training.id)},
        ).all()
    assert len(jobs) == 1 and jobs[0].scheduled_at > now() + timedelta(minutes=19)


def test_deadlines_bind_the_enterprise(client: FlaskClient, world: World, owner: Person) -> None:
    enterprise = world.enterprise(owner=owner)
    past = now() - timedelta(minutes=1)
    training = world.training(cancel_deadline=past, change_deadline=past, capacity=1)
    [signup] = made(sign_up(client, owner, training, party(enterprise)))
    assert act(client, owner, signup, "cancel").json["code"] == "cancellation_deadline_passed"
    body = {"name": "赵六", "phone": fresh_phone()}
    assert act(client, owner, signup, "change-attendee", body).json["code"] == "change_deadline_passed"
    [waiting] = made(sign_up(client, owner, training, party(enterprise)))
    assert (
        act(client, owner, waiting, "cancel").json["state"] == "cancelled"
    )  # a waiting place may always be left


def test_another_attendee_gets_another_ticket(client: FlaskClient, world: World, owner: Person) -> None:
    enterprise, training = world.enterprise(owner=owner), world.training()
    taken, phone = fresh_phone(), fresh_phone()
    [signup, _other] = made(sign_up(client, owner, training, party(enterprise, phone, taken)))
    ticket = f"/api/v1/signups/{signup}/ticket"
    before = client.get(ticket, headers=owner.headers).json["codes"][0]["content"]
    clash = act(client, owner, signup, "change-attendee", {"name": "赵六", "phone": taken})
    assert (clash.status_code, clash.json["code"]) == (409, "attendee_duplicate")
    assert (
        act(client, owner, signup, "change-attendee", {"name": "赵六", "phone": fresh_phone()}).status_code
        == 200
    )
    after = client.get(ticket, headers=owner.headers).json["codes"][0]["content"]
    assert before[1:11] != after[1:11]


def test_review(client: FlaskClient, world: World, owner: Person) -> None:
    training, staff = world.training(needs_approval=True), world.staff()
    enterprise = world.enterprise(owner=owner)
    [one, two] = made(sign_up(client, owner, training, party(enterprise, fresh_phone(), fresh_phone())))
    assert state(client, owner, one) == "pending"
    assert act(client, owner, one, "approve").status_code == 403
    assert act(client, world.staff(division="js.xz.peixian"), one, "approve").status_code == 404
    assert (
        client.get(f"/api/v1/signups/{one}/ticket", headers=owner.headers).json["code"]
        == "ticket_unavailable"
    )
    assert act(client, staff, one, "approve").json["state"] == "confirmed"
    again = act(client, staff, one, "approve")
    assert (again.status_code, again.json["code"]) == (409, "illegal_move")
    assert act(client, staff, two, "return").json["code"] == "validation_failed"
    assert act(client, staff, two, "return", {"reason": "请补充职务"}).json["state"] == "returned"
    shown = client.get(f"/api/v1/signups/{two}", headers=owner.headers).json
    assert shown["state_reason"] == "请补充职务"
    body = {"name": "赵六", "phone": fresh_phone(), "post": "内审员"}
    assert act(client, owner, two, "resubmit", body).json["state"] == "pending"
    assert act(client, staff, two, "refuse", {"reason": "不属于培训对象"}).json["state"] == "refused"
    with world.session() as session:
        assert session.get(Training, training.id).taken == 1
    kinds = [m["kind"] for m in client.get("/api/v1/messages", headers=owner.headers).json["items"]]
    assert kinds == ["signup.refused", "signup.returned", "signup.confirmed", "signup.received"]


def test_the_attendee_sees_the_sign_up_and_nobody_else_does(
    client: FlaskClient, world: World, owner: Person
) -> None:
    attendee, stranger = world.person(), world.person()
    assert attendee.phone
    [signup] = made(
        sign_up(client, owner, world.training(), party(world.enterprise(owner=owner), attendee.phone))
    )
    assert state(client, attendee, signup) == "confirmed"
    assert client.get(f"/api/v1/signups/{signup}/ticket", headers=attendee.headers).status_code == 200
    hidden = client.get(f"/api/v1/signups/{signup}", headers=stranger.headers)
    assert (hidden.status_code, hidden.json["code"]) == (404, "not_found")
    assert act(client, world.member(world.enterprise()), signup, "cancel").status_code == 404


def test_another_enterprise_cannot_be_signed_up(client: FlaskClient, world: World, owner: Person) -> None:
    answer = sign_up(client, owner, world.training(), party(world.enterprise()))
    assert (answer.status_code, answer.json["code"]) == (403, "permission_denied")
    world.enterprise(owner=owner)
    answer = sign_up(client, owner, world.training(), party(world.enterprise()))
    assert (answer.status_code, answer.json["code"]) == (404, "not_found")
