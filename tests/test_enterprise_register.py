"""The register of enterprises: what is searched, sorted and paged, and the review's queue."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask

from app.access import SYSTEM, Actor, Grant
from app.registers import Listed
from app.services.enterprise_register import ENTERPRISES, REVIEWS, next_to_review
from app.transactions import begin
from models.crypto import keyring
from models.enterprises import Enterprise, EnterpriseState
from models.reference import Division
from models.signups import Signup, SignupState
from models.size_class import SizeClass
from tests.builders import World, fresh_phone
from tests.statements import queries


class Office:
    """The desk of a division of its own, so that a test counts only what it made."""

    def __init__(self, app: Flask, world: World) -> None:
        self.app, self.world = app, world
        self.division = f"js.xz.fengxian.b{uuid4().hex[:8]}"
        with world.session() as session:
            session.add(Division(id=self.division, name="测试分局", short_name="测试分局", kind="branch"))
        self.actor = Actor(uuid4(), (Grant("county_staff", "division", self.division),))

    def enterprise(self, name: str = "宏远配件厂", **changes: Any) -> Enterprise:
        return self.world.enterprise(name=name, **{"division_id": self.division, **changes})

    def list(self, **asked: str) -> Listed:
        with self.app.app_context():
            return ENTERPRISES.page(self.actor, asked)

    def found(self, **asked: str) -> list[str]:
        return [row["name"] for row in self.list(sort="name", **asked).rows]


@pytest.fixture
def office(app: Flask, world: World) -> Office:
    """A desk of a new division."""
    return Office(app, world)


def test_names_are_found_by_what_they_hold(office: Office) -> None:
    office.enterprise("丰县宏远车辆配件有限公司")
    office.enterprise("丰县远宏车辆厂")
    office.enterprise("ABC 精密%_机械")
    assert office.found(q="宏远") == ["丰县宏远车辆配件有限公司"]
    assert office.found(q="远") == ["丰县宏远车辆配件有限公司", "丰县远宏车辆厂"]
    assert office.found(q="车辆") == ["丰县宏远车辆配件有限公司", "丰县远宏车辆厂"]
    assert office.found(q="abc 精") == office.found(q="%_") == ["ABC 精密%_机械"]
    assert office.found(q="辆车") == office.found(q="'") == []


def test_the_index_serves_the_search_of_a_name(office: Office) -> None:
    with office.app.app_context(), begin(SYSTEM) as session, queries(office.app) as seen:
        ENTERPRISES.page(SYSTEM, {"q": "宏远"})
        session.connection().exec_driver_sql("SET LOCAL enable_seqscan = off")
        statement = next(text for text in seen if "count(*)" in text)
        plan = session.connection().exec_driver_sql(
            f"EXPLAIN {statement}", {"q": "宏远", "most": 10, "strpos_1": 0}
        )
        assert "ix_enterprises_name_bigrams" in "\n".join(row[0] for row in plan)


def test_a_phone_finds_members_and_attendees_by_the_blind_index(office: Office) -> None:
    member, attendee = office.world.person(), fresh_phone()
    office.enterprise("甲厂", owner=member)
    other = office.enterprise("乙厂")
    training = office.world.training()
    with office.world.session() as session:
        session.add(
            Signup(
                training_id=training.id,
                division_id=training.division_id,
                enterprise_id=other.id,
                enterprise_name=other.name,
                created_by=member.id,
                attendee_name="李质量",
                attendee_phone=attendee,
                attendee_phone_index=keyring().blind_index(attendee),
                state=SignupState.cancelled,
            )
        )
    assert member.phone is not None
    assert office.found(phone=member.phone) == ["甲厂"]
    assert office.found(phone=f" +86 {attendee[:3]} {attendee[3:7]} {attendee[7:]}") == ["乙厂"]
    assert office.found(phone=fresh_phone()) == []
    wrong = office.list(phone="1380013")
    assert wrong.problems == {"phone": "请填写完整的 11 位手机号"} and wrong.total == 2


def test_other_filters(office: Office) -> None:
    person = office.world.person()
    first = office.enterprise("甲厂", industry_code="C3670", size_class=SizeClass.small, owner=person)
    office.enterprise("乙厂", industry_code="C20", size_class=SizeClass.micro, state=EnterpriseState.returned)
    assert office.found(industry="C36") == office.found(industry="3670") == ["甲厂"]
    assert office.found(industry="汽车") == ["甲厂"] and office.found(industry="木材") == ["乙厂"]
    assert office.list(industry="没有这个").problems["industry"].startswith("没有这个行业")
    assert office.found(size_class="micro") == office.found(state="returned") == ["乙厂"]
    assert office.found(owner="yes") == ["甲厂"] and office.found(owner="no") == ["乙厂"]
    assert office.list(owner="maybe").problems == {"owner": "没有这个选项"}
    assert office.found(credit_code=first.credit_code[:17].lower()) == ["甲厂"]
    assert office.found(division="js.xz.fengxian") == ["乙厂", "甲厂"]
    assert office.found(division="js.xz.peixian") == []
    assert office.found(owner="yes", state="returned") == []


def test_what_a_row_shows(office: Office) -> None:
    owner = office.world.person()
    office.enterprise(
        industry_code="C3670", size_class=SizeClass.small, legal_representative="张志强", owner=owner
    )
    (row,) = office.list().rows
    assert row["industry"].startswith("C3670 ") and "汽车" in row["industry"]
    assert (row["division"], row["size_class"], row["owner"]) == ("测试分局", "小型", "有")
    assert row["legal_representative"] == "张*强" and row["state"] == EnterpriseState.reviewed
    assert {column.key for column in ENTERPRISES.columns} <= row.keys()


@pytest.mark.parametrize("by", ["name", "created_at", "headcount", "revenue"])
def test_orders_and_pages(office: Office, by: str) -> None:
    for number in range(45):
        office.enterprise(f"厂{number:02d}", headcount=number if number else None, revenue=number or None)
    for sort in (by, f"-{by}"):
        rows = [row for page in "123" for row in office.list(sort=sort, size="20", page=page).rows]
        values = [row[by] for row in rows]
        known = [value for value in values if value is not None]
        assert len({row["id"] for row in rows}) == 45
        assert known == sorted(known, reverse=sort.startswith("-"))
        assert values[: len(known)] == known  # what is not known comes last
    assert office.list(page="9").number == 1


def test_a_page_takes_few_statements_however_many_rows(office: Office) -> None:
    def count() -> int:
        office.list(size="200")
        with queries(office.app) as seen:
            assert office.list(size="200").rows
            return len(seen)

    office.enterprise()
    few = count()
    for _ in range(30):
        office.enterprise()
    assert count() == few <= 7


def test_out_of_reach_is_out_of_the_list(office: Office) -> None:
    office.enterprise("甲厂")
    office.world.enterprise(name="别县的厂", division_id="js.xz.peixian")
    assert office.found() == ["甲厂"]


def test_the_queue_is_first_come_first(office: Office) -> None:
    first, second, third = (
        office.enterprise(name, state=EnterpriseState.registered) for name in ("丙", "甲", "乙")
    )
    office.enterprise("丁")
    with office.app.app_context():
        assert [row["name"] for row in REVIEWS.page(office.actor, {}).rows] == ["丙", "甲", "乙"]

        def following(one: Enterprise) -> UUID | None:
            return next_to_review(office.actor, one)

        assert [following(one) for one in (first, second, third)] == [second.id, third.id, first.id]
        with begin(SYSTEM) as session:
            for one in (first, second, third):
                session.get(Enterprise, one.id).state = EnterpriseState.reviewed
        assert following(first) is None
