"""Notices: every kind is registered and left somewhere, tells what it declares, and costs one statement."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import LargeBinary, literal, select, type_coerce

from app import outbox
from app.access import SYSTEM
from app.notices import KINDS, TRUTHS, from_json
from app.services import personal_data
from app.transactions import begin
from config.settings import ROOT
from models.base import new_id
from models.crypto import keyring
from models.enterprises import Enterprise
from models.messages import Notice
from models.people import User
from models.signups import SignupState
from tests.builders import Person, World, fresh_phone, party
from tests.statements import queries
from tests.training_requests import post, sign_up

TELLERS = {"notify", "notify_many", "notify_each", "notify_found", "tell", "_tell", "tell_signed_up"} | {
    "tell_both",
    "tell_enterprise",
    "tell_agency",
}
KIND = re.compile(r"[a-z]+\.[a-z_]+")


def left() -> Iterator[tuple[str, str]]:
    """Where a kind is handed to a function that leaves notices, or registered for one, and its pattern."""
    for path in sorted((ROOT / "app").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            where = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
            match node:
                case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=given) if (
                    name in TELLERS
                ):
                    yield from ((where, pattern) for one in given for pattern in patterns(one))
                case ast.Assign(
                    value=ast.Call(func=ast.Attribute(attr="kind"), args=[ast.Constant(value=kind), *_])
                ):
                    yield where, re.escape(str(kind))


def patterns(given: ast.expr) -> list[str]:
    states = "|".join(SignupState)
    match given:
        case ast.Constant(value=str(text)) if KIND.fullmatch(text):
            return [re.escape(text)]
        case ast.JoinedStr(values=[ast.Constant(value="signup."), ast.FormattedValue()]):
            return [rf"signup\.(?:{states})"]
    return []


def test_every_kind_that_is_left_is_registered() -> None:
    found = list(left())
    assert len(found) > 20
    assert [f"{where} {p}" for where, p in found if not any(re.fullmatch(p, kind) for kind in KINDS)] == []


def test_every_kind_is_left_somewhere() -> None:
    found = [pattern for _, pattern in left()]
    assert [kind for kind in KINDS if not any(re.fullmatch(p, kind) for p in found)] == []


def test_every_kind_says_what_must_hold() -> None:
    assert {kind.truth for kind in KINDS.values()} == set(TRUTHS)


def of(world: World, person: Person) -> list[Any]:
    with world.session() as session:
        return list(
            session.execute(select(Notice).where(Notice.user_id == person.id).order_by(Notice.id)).scalars()
        )


@pytest.mark.parametrize(
    ("kind", "facts", "refusal"),
    [
        ("enterprise.vanished", {"enterprise": "甲厂"}, LookupError),
        ("enterprise.approved", {}, ValueError),
        ("enterprise.approved", {"enterprise": "甲厂", "reason": "无"}, ValueError),
    ],
)
def test_what_is_not_registered_is_not_left(
    app: Flask, world: World, kind: str, facts: dict[str, str], refusal: type[Exception]
) -> None:
    owner = world.person()
    enterprise = world.enterprise(owner=owner)
    with pytest.raises(refusal), app.app_context(), begin(SYSTEM):
        outbox.notify(owner.id, kind, enterprise, "标题", "正文", facts)
    assert of(world, owner) == []


def test_facts_are_encrypted_once_for_all_who_are_told_the_same(
    app: Flask, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    people, enterprise = [world.person() for _ in range(3)], world.enterprise(name="丰县甲厂")
    sealed: list[str] = []
    seal = keyring().encrypt

    def counted(content: bytes, column: str) -> bytes:
        sealed.append(column)
        return seal(content, column)

    monkeypatch.setattr(keyring(), "encrypt", counted)
    with queries(app) as seen, app.app_context(), begin(SYSTEM):
        told = ("enterprise.approved", enterprise, "已通过", "已通过审核", {"enterprise": "丰县甲厂"})
        outbox.notify_many([person.id for person in people], *told)
        outbox.notify_many([person.id for person in people], *told)  # the same notices once more
    assert sealed == ["notices.facts"] * 2
    assert len([one for one in seen if "INSERT INTO notices" in one]) == 2
    with world.session() as session:
        stored = select(type_coerce(Notice.facts, LargeBinary)).where(Notice.subject_id == enterprise.id)
        rows = session.execute(stored).scalars().all()
    assert len(rows) == 3 and not any("丰县甲厂".encode() in row for row in rows)
    assert [from_json(one.facts) for one in of(world, people[0])] == [{"enterprise": "丰县甲厂"}]


# --- what acts tell, and what it costs


def test_leaving_notices_costs_an_act_at_most_two_statements_for_however_many(
    app: Flask, world: World
) -> None:
    enterprise, people = world.enterprise(), [world.person() for _ in range(40)]
    ids = [one.id for one in people]
    facts = {"enterprise": enterprise.name}
    told = [outbox.Told(one, new_id(), "正文", facts) for one in ids]
    found = select(User.id.label("user_id"), literal(new_id()).label("subject_id")).where(User.id.in_(ids))
    kind = "enterprise.approved"
    ways: dict[str, Callable[[], object]] = {
        "one": lambda: outbox.notify(ids[0], kind, enterprise, "标题", "正文", facts),
        "many": lambda: outbox.notify_many(ids, kind, enterprise, "标题", "正文", facts),
        "each": lambda: outbox.notify_each(told, kind, "enterprises", "标题"),
        "found": lambda: outbox.notify_found(found, kind, "enterprises", "标题", "正文", facts),
    }
    cost = {}
    for name, leave in ways.items():
        with app.app_context(), begin(SYSTEM) as session:
            session.execute(select(Enterprise.name).where(Enterprise.id == enterprise.id))  # the act itself
            with queries(app) as seen:
                leave()
                session.flush()
            cost[name] = len(seen)
    assert all(0 < number <= 2 for number in cost.values()), cost
    assert {len(of(world, one)) for one in people} == {3}


def test_who_signs_a_party_up_is_told_once_and_each_attendee_of_themselves(
    client: FlaskClient, world: World
) -> None:
    owner, colleague = world.person(), world.person()
    training = world.training(place="三楼会议室")
    made = client.post(
        f"/api/v1/trainings/{training.id}/signups",
        json={
            "enterprise_id": str(world.enterprise(owner=owner).id),
            "attendees": [
                {"name": "李质量", "phone": owner.phone},
                {"name": "张检验", "phone": colleague.phone},
                {"name": "无账号", "phone": fresh_phone()},
            ],
        },
        headers=owner.headers,
    ).json["items"]
    [mine], [theirs] = of(world, owner), of(world, colleague)
    assert (mine.kind, mine.title, str(mine.subject_id)) == ("signup.received", "报名成功", made[0]["id"])
    assert (theirs.kind, str(theirs.subject_id)) == ("signup.received", made[1]["id"])
    told = from_json(mine.facts)
    assert told["attendee"] == "李质量等3人"
    assert from_json(theirs.facts) == told | {"attendee": "张检验"}
    assert (told["training"], told["place"], told["state"]) == (training.title, "三楼会议室", "已通过")
    assert re.fullmatch(r"\d{4}年\d{1,2}月\d{1,2}日 \d\d:\d\d", told["time"])
    assert "李质量" not in mine.body + theirs.body


@pytest.mark.parametrize(
    ("training", "state", "word"),
    [({"needs_approval": True}, "待审核", "待主办单位审核"), ({"capacity": 1, "taken": 1}, "候补中", "候补")],
)
def test_what_was_received_says_what_comes_next(
    client: FlaskClient, world: World, training: dict[str, Any], state: str, word: str
) -> None:
    owner = sign_up(client, world, world.training(**training).id)
    [told] = of(world, owner)
    assert (from_json(told.facts)["state"], word in told.body) == (state, True)


ACTS: dict[str, Callable[[FlaskClient, World, str, Person], Any]] = {
    "approve": lambda client, _world, signup, staff: client.post(
        f"/api/v1/signups/{signup}/approve", headers=staff.headers
    ),
    "return": lambda client, _world, signup, staff: client.post(
        f"/api/v1/signups/{signup}/return", json={"reason": "请补充职务"}, headers=staff.headers
    ),
    "refuse": lambda client, _world, signup, staff: client.post(
        f"/api/v1/signups/{signup}/refuse", json={"reason": "不属于对象"}, headers=staff.headers
    ),
}


@pytest.mark.parametrize("act", ACTS)
def test_a_decision_leaves_its_notices_in_one_statement(
    app: Flask, client: FlaskClient, world: World, act: str
) -> None:
    owner, attendee = world.person(), world.person()
    training, staff = world.training(needs_approval=True), world.staff()
    with queries(app) as seen:
        [signup] = client.post(
            f"/api/v1/trainings/{training.id}/signups",
            json=party(world.enterprise(owner=owner), str(attendee.phone)),
            headers=owner.headers,
        ).json["items"]
        assert ACTS[act](client, world, signup["id"], staff).status_code == 200
    assert len([one for one in seen if "INSERT INTO notices" in one]) == 2, "one of each act"
    for person in (owner, attendee):
        assert [from_json(one.facts)["attendee"] for one in of(world, person)] == ["李质量"] * 2
        assert of(world, person)[1].user_id == person.id


def test_a_cancelled_training_tells_everybody_in_one_statement(
    app: Flask, client: FlaskClient, world: World
) -> None:
    training = world.training()
    people = [sign_up(client, world, training.id) for _ in range(3)]
    with queries(app) as seen:
        post(client, world.staff(), f"/{training.id}/cancel", {"reason": "台风"})
    assert len([one for one in seen if "INSERT INTO notices" in one]) == 1
    for person in people:
        assert from_json(of(world, person)[-1].facts)["reason"] == "台风"


# --- the inbox


def test_the_inbox_says_what_is_outdated_in_the_same_number_of_queries(
    app: Flask, client: FlaskClient, world: World
) -> None:
    staff, trainings = world.staff(), [world.training() for _ in range(3)]
    owner = world.person()
    enterprise = world.enterprise(owner=owner)

    def inbox() -> tuple[list[tuple[str, str | None]], int]:
        with queries(app) as seen:
            items: Any = client.get("/api/v1/messages", headers=owner.headers).json["items"]
        return [(one["kind"], one["outdated"]) for one in items], len(seen)

    def enter(training: Any) -> None:
        answer = client.post(
            f"/api/v1/trainings/{training.id}/signups", json=party(enterprise), headers=owner.headers
        )
        assert answer.status_code == 201, answer.json

    enter(trainings[0])
    before, few = inbox()
    assert before == [("signup.received", None)]
    enter(trainings[1])
    enter(trainings[2])
    assert inbox()[1] == few
    post(client, staff, f"/{trainings[0].id}/cancel", {"reason": "台风"})
    after, _ = inbox()
    assert after == [
        ("training.cancelled", None),
        ("signup.received", None),
        ("signup.received", None),
        ("signup.received", "培训已取消"),
    ]


def test_all_are_marked_as_read_and_nobody_elses(client: FlaskClient, world: World) -> None:
    training = world.training()
    one, other = (sign_up(client, world, training.id) for _ in range(2))

    def unread(person: Person) -> int:
        count: int = client.get("/api/v1/messages/unread", headers=person.headers).json["unread"]
        return count

    assert (unread(one), unread(other)) == (1, 1)
    answer = client.post("/api/v1/messages/read", headers=one.headers)
    assert (answer.status_code, answer.json) == (200, {"read": 1})
    [seen] = client.get("/api/v1/messages", headers=one.headers).json["items"]
    assert seen["read_at"]
    assert client.post("/api/v1/messages/read", headers=one.headers).json == {"read": 0}
    assert (unread(one), unread(other)) == (0, 1)


def test_who_leaves_is_forgotten_in_what_others_were_told(
    app: Flask, client: FlaskClient, world: World
) -> None:
    owner, attendee = world.person(), world.person()
    [signup] = client.post(
        f"/api/v1/trainings/{world.training().id}/signups",
        json=party(world.enterprise(owner=owner), str(attendee.phone)),
        headers=owner.headers,
    ).json["items"]
    with app.app_context():
        personal_data.close_account(SYSTEM, attendee.id, at_once=True)
    [told] = of(world, owner)
    assert told.subject_id == UUID(signup["id"])
    assert from_json(told.facts)["attendee"] == "已注销"
    [shown] = client.get("/api/v1/messages", headers=owner.headers).json["items"]
    assert shown["outdated"] is None
