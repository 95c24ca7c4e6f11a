"""Pages of sign-ups: the list, decisions about many, moves, the waiting list, the telephone."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from models.messages import Notice
from models.signups import Signup
from tests.builders import Person, World, fresh_phone, party
from tests.console_client import Desk, desk, text_of


@pytest.fixture
def clerk(world: World) -> Desk:
    return desk(world, "county_staff")


class House:
    """Enterprises that sign up for trainings, and what became of it."""

    def __init__(self, client: FlaskClient, world: World) -> None:
        self.client, self.world = client, world
        self.owners: dict[str, Person] = {}

    def sign_up(self, training: Any, *phones: str, name: str = "丰县小微车辆配件厂") -> str:
        owner = self.world.person()
        body = party(self.world.enterprise(owner=owner, name=name), *phones)
        answer = self.client.post(
            f"/api/v1/trainings/{training.id}/signups", json=body, headers=owner.headers
        )
        assert answer.status_code == 201, answer.json
        signup: str = answer.json["items"][0]["id"]
        self.owners[signup] = owner
        return signup

    def state(self, signup: str) -> str:
        with self.world.session() as behind:
            return str(behind.get(Signup, UUID(signup)).state)

    def states(self, training: Any) -> list[str]:
        with self.world.session() as behind:
            of = select(Signup.state).where(Signup.training_id == training.id).order_by(Signup.id)
            return [str(state) for state in behind.execute(of).scalars()]

    def told(self, signup: str) -> list[tuple[str, str]]:
        with self.world.session() as behind:
            of = select(Notice.kind, Notice.body).where(
                Notice.user_id == self.owners[signup].id, Notice.kind != "signup.received"
            )
            return [(kind, body) for kind, body in behind.execute(of.order_by(Notice.id))]


@pytest.fixture
def house(client: FlaskClient, world: World) -> House:
    return House(client, world)


def url(training: Any, act: str = "") -> str:
    return f"/console/trainings/{training.id}/signups" + (f"/{act}" if act else "")


# --- the list


def test_the_list_masks_phones_and_finds_one_by_the_whole_number(
    house: House, world: World, clerk: Desk
) -> None:
    training, phone = world.training(), fresh_phone()
    house.sign_up(training, phone, name="徐州恒源机械制造有限公司")
    house.sign_up(training, name="丰县富康食品有限公司")
    page = clerk.get(url(training)).get_data(as_text=True)
    assert phone not in page and f"{phone[:3]}****{phone[-4:]}" in page
    found = text_of(clerk.get(url(training), phone=phone))
    assert "恒源" in found and "富康" not in found
    assert "手机号不正确" in text_of(clerk.get(url(training), phone="1380013"))
    named = text_of(clerk.get(url(training), enterprise="富康"))
    assert "恒源" not in named and "富康" in named
    assert "没有符合条件的记录" in text_of(clerk.get(url(training), state="waiting"))


# --- decisions


def test_many_are_approved_at_once(house: House, world: World, clerk: Desk) -> None:
    training = world.training(needs_approval=True)
    ticked = [house.sign_up(training) for _ in range(3)]
    answer = clerk.post(url(training, "approve"), signup=ticked[:2])
    assert "已审核通过 2 人" in text_of(clerk.follow(answer))
    assert house.states(training) == ["confirmed", "confirmed", "pending"]
    assert [kind for kind, _ in house.told(ticked[0])] == ["signup.confirmed"]
    one = clerk.post(url(training, "approve"), signup=ticked[:2], only=ticked[2])
    assert one.status_code == 303 and house.state(ticked[2]) == "confirmed"


def test_each_that_cannot_be_is_said_and_left(house: House, world: World, clerk: Desk) -> None:
    training = world.training(needs_approval=True)
    good, gone = house.sign_up(training, name="好厂"), house.sign_up(training, name="已退出的厂")
    elsewhere = house.sign_up(world.training(needs_approval=True))
    clerk.post(url(training, "cancel"), only=gone, sure="1", reason="企业来电取消")
    page = clerk.post(url(training, "approve"), signup=[good, gone, elsewhere])
    said = text_of(page)
    assert page.status_code == 200
    assert (
        "已审核通过 1 人；下列 1 人未作改动" in said and "当前状态为“已取消”" in said and "好厂" not in said
    )
    assert [house.state(one) for one in (good, gone, elsewhere)] == ["confirmed", "cancelled", "pending"]


@pytest.mark.parametrize(
    ("act", "state"), [("return", "returned"), ("refuse", "refused"), ("cancel", "cancelled")]
)
def test_a_reason_is_asked_for_before_anything_is_done(
    house: House, world: World, clerk: Desk, act: str, state: str
) -> None:
    training = world.training(needs_approval=True)
    ticked = [house.sign_up(training, name="徐州恒源机械制造有限公司") for _ in range(2)]
    asked = clerk.post(url(training, act), signup=ticked)
    assert asked.status_code == 200 and "2 人" in text_of(asked) and "恒源" in text_of(asked)
    blank = clerk.post(url(training, act), signup=ticked, sure="1", reason=" ")
    assert blank.status_code == 422 and "必填" in text_of(blank)
    assert house.states(training) == ["pending", "pending"]
    done = clerk.post(url(training, act), signup=ticked, sure="1", reason="请补充\r\n社保证明")
    assert done.status_code == 303
    assert house.states(training) == [state, state]
    [(kind, body)] = house.told(ticked[1])
    assert kind == f"signup.{state}" and "请补充\n社保证明" in body


def test_nothing_ticked_is_said(house: House, world: World, clerk: Desk) -> None:
    training = world.training(needs_approval=True)
    house.sign_up(training)
    answer = clerk.post(url(training, "approve"), back=url(training))
    assert "请先勾选" in text_of(clerk.follow(answer))
    assert clerk.post(url(training, "approve"), signup="not-an-id").status_code == 403


def test_one_leads_back_to_the_list_as_it_was_narrowed(house: House, world: World, clerk: Desk) -> None:
    training = world.training(needs_approval=True)
    narrowed = f"{url(training)}?state=pending"
    answer = clerk.post(url(training, "approve"), only=house.sign_up(training), back=narrowed)
    assert answer.headers["Location"] == narrowed
    away = clerk.post(url(training, "approve"), only=house.sign_up(training), back="https://evil.example/")
    assert away.headers["Location"] == url(training)


# --- moves and the waiting list


def test_sign_ups_are_moved_to_a_training_with_seats(house: House, world: World, clerk: Desk) -> None:
    full, roomy = world.training(capacity=1), world.training(title="下半月加开班", capacity=1)
    seated, waiting = house.sign_up(full), house.sign_up(full)
    asked = clerk.post(url(full, "move"), signup=[seated, waiting])
    assert "下半月加开班" in text_of(asked) and "余 1 个名额" in text_of(asked)
    assert clerk.post(url(full, "move"), signup=[seated], sure="1").status_code == 422
    said = clerk.post(url(full, "move"), signup=[seated, waiting], sure="1", to=str(roomy.id))
    assert "该培训已无空余名额" in text_of(said)
    assert (house.states(full), house.states(roomy)) == (["cancelled", "confirmed"], ["confirmed"])
    assert [kind for kind, _ in house.told(seated)] == ["signup.moved"]


def test_a_waiting_person_is_put_at_the_head(house: House, world: World, clerk: Desk) -> None:
    training = world.training(capacity=1)
    house.sign_up(training)
    first, second = house.sign_up(training, name="先来的厂"), house.sign_up(training, name="后来的厂")
    order = re.compile("先来的厂|后来的厂")
    assert order.findall(text_of(clerk.get(url(training))))[:2] == ["先来的厂", "后来的厂"]
    blank = clerk.post(f"/console/signups/{second}/to-head", reason="")
    assert blank.status_code == 303
    assert order.findall(text_of(clerk.get(url(training))))[:2] == ["先来的厂", "后来的厂"]
    clerk.post(f"/console/signups/{second}/to-head", reason="外地企业，行程已定")
    assert order.findall(text_of(clerk.get(url(training))))[:2] == ["后来的厂", "先来的厂"]
    clerk.post(url(training, "cancel"), only=first, sure="1", reason="不来了")
    assert house.states(training) == ["confirmed", "cancelled", "waiting"]


# --- the telephone


def attendees(*phones: str) -> dict[str, str]:
    fields = {"name": "李质量", "post": ""}
    return {
        f"attendees-{n}-{name}": value
        for n, phone in enumerate(phones)
        for name, value in {**fields, "phone": phone}.items()
    }


def test_an_enterprise_that_telephones_is_signed_up(house: House, world: World, clerk: Desk) -> None:
    training, owner = world.training(), world.person()
    enterprise = world.enterprise(owner=owner, name="徐州恒源机械制造有限公司")
    house.owners["it"] = owner
    page = clerk.get(url(training, "new"), code=enterprise.credit_code.lower())
    assert "恒源" in text_of(page)
    fields = {"enterprise_id": str(enterprise.id)}
    where = f"{url(training, 'new')}?code={enterprise.credit_code}"
    one_more = clerk.post(where, more="attendees", **fields, **attendees("13800138000"))
    assert one_more.status_code == 200 and 'value="13800138000"' in one_more.get_data(as_text=True)
    wrong = clerk.post(where, **fields, **attendees(fresh_phone(), "12345"))
    assert wrong.status_code == 422
    assert 'id="i-attendees-1-phone-wrong"' in wrong.get_data(as_text=True)
    assert house.states(training) == []
    done = clerk.post(where, **fields, **attendees(fresh_phone(), fresh_phone()))
    assert "已代为报名 2 人" in text_of(clerk.follow(done))
    assert house.states(training) == ["confirmed", "confirmed"]
    assert [kind for kind, _ in house.told("it")] == ["signup.made_for"]
    many = clerk.post(where, **fields, **attendees(fresh_phone(), fresh_phone()))
    assert (many.status_code, "每家企业最多 3 人" in text_of(many)) == (409, True)


def test_an_enterprise_of_another_county_is_not_found(world: World, clerk: Desk) -> None:
    elsewhere = world.enterprise(division_id="js.xz.peixian", name="沛县大屯铝材厂")
    page = text_of(clerk.get(url(world.training(), "new"), code=elsewhere.credit_code))
    assert "大屯" not in page and "辖区内没有这家企业" in page


# --- reach


def test_another_countys_clerk_changes_nothing(house: House, world: World) -> None:
    training = world.training(capacity=1, needs_approval=True)
    pending, waiting = house.sign_up(training), house.sign_up(training)
    enterprise = world.enterprise()
    neighbour = desk(world, "county_staff", "js.xz.peixian")
    reason = {"sure": "1", "reason": "越界的操作"}
    assert neighbour.get(url(training)).status_code == 403
    assert neighbour.get(url(training, "new"), code=enterprise.credit_code).status_code == 403
    fields = {"enterprise_id": str(enterprise.id), **attendees(fresh_phone())}
    assert neighbour.post(url(training, "new"), **fields).status_code == 403
    for act in ("approve", "return", "refuse", "cancel", "move"):
        neighbour.post(url(training, act), only=pending, to=str(training.id), **reason)
    assert neighbour.post(f"/console/signups/{waiting}/to-head", reason="越界的操作").status_code == 403
    assert house.states(training) == ["pending", "waiting"]
