"""An expert is bound to a person by phone and acts for the agency in the mini-program; and is unbound."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select, text

from app.access import SYSTEM, Actor
from app.services import experts, people, personal_data
from app.transactions import session as current
from models.agencies import Agency, Expert
from models.audit import AuditEvent
from models.people import RoleGrant
from tests.agency_builders import agency, agency_desk, expert
from tests.builders import Person, World, fresh_phone
from tests.console_client import Desk, text_of
from tests.races import at_once


@pytest.fixture
def own(world: World) -> Agency:
    return agency(world)


@pytest.fixture
def adviser(world: World, own: Agency) -> Desk:
    return agency_desk(world, own)


def url(of: Expert, act: str) -> str:
    return f"/console/agency/experts/{of.id}/{act}"


def bound(world: World, of: Expert) -> UUID | None:
    with world.session() as session:
        found: UUID | None = session.execute(select(Expert.user_id).where(Expert.id == of.id)).scalar_one()
        return found


def holders(world: World, of: Agency) -> set[UUID]:
    """Who acts for the agency."""
    with world.session() as session:
        held = (RoleGrant.role == "agency_staff", RoleGrant.scope_id == str(of.id))
        return set(session.execute(select(RoleGrant.user_id).where(*held)).scalars())


def granted(client: FlaskClient, person: Person) -> list[Any]:
    answer: Any = client.get("/api/v1/people/me", headers=person.headers)
    grants: list[Any] = answer.json["grants"]
    return grants


def test_whoever_is_bound_acts_for_the_agency_until_unbound(
    client: FlaskClient, world: World, own: Agency, adviser: Desk
) -> None:
    chen, person = expert(world, own), world.person()
    assert granted(client, person) == []
    assert "陈专家" in text_of(adviser.get(url(chen, "bind")))
    answer = adviser.post(url(chen, "bind"), phone=f" {person.phone} ")
    assert person.phone
    page = text_of(adviser.follow(answer))
    assert "已绑定，陈专家可在小程序中办理" in page
    assert f"{person.phone[:3]}****{person.phone[-4:]}" in page and person.phone not in page
    assert granted(client, person) == [
        {"role": "agency_staff", "scope_type": "agency", "scope_id": str(own.id)}
    ]
    assert bound(world, chen) == person.id

    again = adviser.post(url(chen, "bind"), phone=world.person().phone)
    assert again.status_code == 409 and "如需更换请先解除绑定" in text_of(again)
    assert "已解除绑定" in text_of(adviser.follow(adviser.post(url(chen, "unbind"))))
    assert (granted(client, person), bound(world, chen)) == ([], None)
    assert adviser.post(url(chen, "unbind")).status_code == 303  # twice is once
    assert adviser.post(url(chen, "bind"), phone=person.phone).status_code == 303
    with world.session() as session:
        events = select(AuditEvent.verb, AuditEvent.detail).where(AuditEvent.subject_id == str(chen.id))
        told = list(session.execute(events.order_by(AuditEvent.id)))
    assert [verb for verb, _ in told] == ["expert.bound", "expert.unbound", "expert.bound"]
    assert told[0].detail == {"user_id": str(person.id)}


def test_out_of_post_is_out_of_the_mini_program(
    client: FlaskClient, world: World, own: Agency, adviser: Desk
) -> None:
    chen, person = expert(world, own), world.person()
    adviser.post(url(chen, "bind"), phone=person.phone)
    assert adviser.post(url(chen, "deactivate")).status_code == 303
    assert (granted(client, person), bound(world, chen)) == ([], None)
    assert holders(world, own) == {adviser.person.id}


@pytest.mark.parametrize(
    ("phone", "status", "said"),
    [
        ("", 422, "必填"),
        ("12345", 422, "手机号"),
        ("1390000000", 422, "手机号"),
        (None, 404, "没有找到已在小程序中绑定该手机号的用户"),
    ],
)
def test_a_phone_that_nobody_has(
    world: World, own: Agency, adviser: Desk, phone: str | None, status: int, said: str
) -> None:
    chen = expert(world, own)
    answer = adviser.post(url(chen, "bind"), phone=fresh_phone() if phone is None else phone)
    assert answer.status_code == status and said in text_of(answer)
    assert bound(world, chen) is None and holders(world, own) == {adviser.person.id}


def test_one_person_is_one_expert(world: World, own: Agency, adviser: Desk) -> None:
    person = world.person()
    expert(world, agency(world), person=person)
    chen = expert(world, own)
    answer = adviser.post(url(chen, "bind"), phone=person.phone)
    assert answer.status_code == 409 and "该手机号的用户已是另一名专家" in text_of(answer)
    assert person.id not in holders(world, own)


def test_who_keeps_the_system_is_no_expert(world: World, own: Agency, adviser: Desk) -> None:
    auditor = world.person(grants=[("auditor", "division", "js.xz")])
    chen = expert(world, own)
    answer = adviser.post(url(chen, "bind"), phone=auditor.phone)
    assert answer.status_code == 409 and "不得由同一人兼任" in text_of(answer)
    assert bound(world, chen) is None


def test_an_account_that_is_closed_is_bound_to_nobody(world: World, own: Agency, adviser: Desk) -> None:
    chen, person = expert(world, own), world.person()
    adviser.post(url(chen, "bind"), phone=person.phone)
    with world.session():
        personal_data.close_account(SYSTEM, person.id, at_once=True)
    assert (bound(world, chen), holders(world, own)) == (None, {adviser.person.id})
    assert "陈专家" in text_of(adviser.get("/console/agency"))  # what the agency keeps of its own


def test_a_copy_of_ones_data_says_whose_expert_one_is(client: FlaskClient, world: World, own: Agency) -> None:
    person = world.person()
    expert(world, own, person=person)
    copy: Any = client.get("/api/v1/people/me/export", headers=person.headers).json
    assert copy["experts"] == [
        {
            "agency_id": str(own.id),
            "name": "陈专家",
            "title": "国家注册审核员",
            "fields": ["standards", "people"],
        }
    ]


# --- two at once


@pytest.fixture
def both_have_looked(monkeypatch: pytest.MonkeyPatch) -> threading.Barrier:
    """Lets two who bind look before either of them writes, as long as neither holds what the other reads."""
    barrier, found = threading.Barrier(2, timeout=30), people.find_by_phone

    def find_by_phone(system: Actor, index: bytes) -> UUID | None:
        barrier.wait()
        return found(system, index)

    monkeypatch.setattr(people, "find_by_phone", find_by_phone)
    return barrier


def read_only(actor: Actor, expert_id: UUID) -> Expert:
    """What everybody writes first: read the row, and hold nothing."""
    return current().execute(select(Expert).where(Expert.id == expert_id)).scalar_one()


def both_bind(world: World, own: Agency, of: list[Expert], phones: list[str | None]) -> Counter[int]:
    desks = [agency_desk(world, own) for _ in of]
    acts = [
        lambda one=one, whom=whom, phone=phone: one.post(url(whom, "bind"), phone=phone).status_code
        for one, whom, phone in zip(desks, of, phones, strict=True)
    ]
    return Counter(at_once(*acts))


def test_without_the_guard_a_second_person_acts_for_the_agency_unseen(
    world: World, own: Agency, monkeypatch: pytest.MonkeyPatch, both_have_looked: threading.Barrier
) -> None:
    chen, people_ = expert(world, own), [world.person(), world.person()]
    monkeypatch.setattr(experts, "_hold", read_only)
    assert both_bind(world, own, [chen, chen], [one.phone for one in people_]) == {303: 2}
    unseen = ({one.id for one in people_} & holders(world, own)) - {bound(world, chen)}
    assert len(unseen) == 1  # granted, and bound to nothing that could be unbound


def test_with_it_one_of_two_phones_is_bound(world: World, own: Agency) -> None:
    chen, people_ = expert(world, own), [world.person(), world.person()]
    assert both_bind(world, own, [chen, chen], [one.phone for one in people_]) == {303: 1, 409: 1}
    assert {one.id for one in people_} & holders(world, own) == {bound(world, chen)}


@contextmanager
def without_constraint(world: World) -> Iterator[None]:
    with world.session() as session:
        session.execute(text("ALTER TABLE experts DROP CONSTRAINT uq_experts_user_id"))
    try:
        yield
    finally:
        with world.session() as session:
            session.execute(text("UPDATE experts SET user_id = NULL"))
            session.execute(text("ALTER TABLE experts ADD CONSTRAINT uq_experts_user_id UNIQUE (user_id)"))


def times(world: World, person: Person) -> int:
    with world.session() as session:
        of = select(func.count()).select_from(Expert).where(Expert.user_id == person.id)
        count: int = session.execute(of).scalar_one()
        return count


def test_without_the_constraint_one_person_is_two_experts(world: World, own: Agency) -> None:
    two, person = [expert(world, own), expert(world, own)], world.person()
    with without_constraint(world):
        assert both_bind(world, own, two, [person.phone] * 2) == {303: 2}
        assert times(world, person) == 2


def test_with_it_a_person_is_one(world: World, own: Agency) -> None:
    two, person = [expert(world, own), expert(world, own)], world.person()
    assert both_bind(world, own, two, [person.phone] * 2) == {303: 1, 409: 1}
    assert times(world, person) == 1 and person.id in holders(world, own)
