"""The time line of an enterprise: everything that ever happened to it, in one list."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.errors import DomainError
from app.services import enterprise_reviews
from app.services.enterprise_history import Entry, history
from models.base import now
from models.checkins import Method, Outcome, Scan
from tests.builders import Person, World, fresh_phone
from tests.statements import queries
from tests.test_enterprise_merges import Twins, actor_of
from tests.test_enterprises import register


def entries(twins: Twins, enterprise: Any, *, limit: int = 200) -> list[Entry]:
    with twins.app.app_context():
        return list(history(twins.clerk, enterprise.id, None, limit).items)


def whats(found: list[Entry]) -> list[str]:
    return [entry.what for entry in found]


@pytest.fixture
def twins(app: Flask, client: FlaskClient, world: World) -> Twins:
    """An enterprise that was registered twice."""
    return Twins(app, client, world)


def sign_up(twins: Twins, person: Person, enterprise: Any, training: Any) -> str:
    answer = twins.sign_up(person, enterprise, training, fresh_phone())
    assert answer.status_code == 201, answer.json
    return str(answer.json["items"][0]["id"])


def test_its_whole_story_is_one_list(client: FlaskClient, world: World, twins: Twins) -> None:
    owner, clerk = (
        world.person(),
        world.person(name="刘科长", grants=[("county_staff", "division", "js.xz.fengxian")]),
    )
    made = register(client, owner).json
    path = f"/api/v1/enterprises/{made['id']}"
    assert (
        client.post(f"{path}/return", json={"reason": "请补充地址"}, headers=clerk.headers).status_code == 200
    )
    assert client.patch(path, json={"address": "华山路 8 号", "headcount": 90}, headers=owner.headers).json
    assert client.post(f"{path}/resubmit", headers=owner.headers).status_code == 200
    assert client.post(f"{path}/approve", headers=clerk.headers).status_code == 200
    guest = world.person()
    body = {"credit_code": made["credit_code"]}
    asked = client.post("/api/v1/enterprises/membership-requests", json=body, headers=guest.headers).json
    refuse = f"{path}/membership-requests/{asked['id']}/refuse"
    assert client.post(refuse, headers=owner.headers).status_code == 204
    # A training of another county: its acts are out of this county's reach, the story is not.
    training = world.training(division_id="js.xz.peixian", title="计量器具管理", needs_approval=True)
    body = {"enterprise_id": made["id"], "attendees": [{"name": "李质量", "phone": fresh_phone()}]}
    answer = client.post(f"/api/v1/trainings/{training.id}/signups", json=body, headers=owner.headers)
    signup = answer.json["items"][0]["id"]
    other = world.staff(division="js.xz.peixian")
    assert client.post(f"/api/v1/signups/{signup}/approve", headers=other.headers).status_code == 200
    with world.session() as session:
        session.add(
            Scan(
                session_id=world.sessions_of(training)[0],
                training_id=training.id,
                division_id=training.division_id,
                signup_id=signup,
                by_user_id=world.trainer(training).id,
                nonce=uuid4().hex,
                method=Method.ticket,
                outcome=Outcome.accepted,
                scanned_at=now(),
            )
        )
    with twins.app.app_context():
        found = history(twins.clerk, made["id"]).items
    assert whats(found) == [
        "签到（扫码）",
        "通过报名",
        "报名",
        "拒绝加入企业",
        "申请加入企业",
        "审核通过企业登记",
        "重新提交企业登记",
        "修改企业信息",
        "退回完善企业登记",
        "登记企业",
    ]
    by = {entry.what: entry for entry in found}
    assert by["退回完善企业登记"].who == "刘科长（丰县 · 县局经办）"
    assert by["退回完善企业登记"].detail == "原因：请补充地址"
    assert (by["登记企业"].who, by["签到（扫码）"].who) == ("企业用户", "讲师/签到员")
    assert by["修改企业信息"].detail == "涉及：地址、从业人员"
    assert by["报名"].detail == "“计量器具管理”；1 人"
    assert by["通过报名"].detail == "李*量，“计量器具管理”"
    assert by["签到（扫码）"].detail == "李*量，“计量器具管理”第1场"
    assert by["签到（扫码）"].target == ("training", str(training.id))
    assert by["通过报名"].who.endswith("（沛县 · 县局经办）")


def test_the_story_of_what_was_merged_goes_on_in_the_kept_one(twins: Twins) -> None:
    training = twins.world.training()
    sign_up(twins, twins.drop_owner, twins.drop, training)
    with twins.app.app_context():
        enterprise_reviews.send_back(twins.clerk, twins.drop.id, "重复登记")
    twins.merge("address")
    found = entries(twins, twins.keep)
    assert whats(found) == ["并入另一企业", "并入重复企业", "退回完善企业登记", "报名"]
    into, absorbed, returned, _ = found
    assert absorbed.target == ("enterprise", str(twins.drop.id)) and into.target is None
    for part in (f"“{twins.drop.name}”", "涉及：地址", "转入：成员 1、报名 1", "原因：同一企业重复登记"):
        assert part in absorbed.detail
    assert f"原“{twins.drop.name}”" in returned.detail
    # On its own page the merged one leads to where its story goes on.
    own = entries(twins, twins.drop)
    assert whats(own) == ["并入另一企业", "退回完善企业登记"]
    assert own[0].target == ("enterprise", str(twins.keep.id))


def test_pages_join_without_a_gap_and_cost_the_same(twins: Twins) -> None:
    for number in range(12):
        training = twins.world.training(title=f"培训{number}")
        sign_up(twins, twins.keep_owner, twins.keep, training)
    whole = entries(twins, twins.keep)
    paged: list[Entry] = []
    cursor, counts = None, set()
    with twins.app.app_context():
        history(twins.clerk, twins.keep.id, None, 5)
        while True:
            with queries(twins.app) as seen:
                page = history(twins.clerk, twins.keep.id, cursor, 5)
            counts.add(len(seen))
            paged += page.items
            cursor = page.next
            if cursor is None:
                break
        with queries(twins.app) as seen:
            history(twins.clerk, twins.keep.id, None, 100)
        counts.add(len(seen))
    assert len(whole) == 12 and paged == whole
    assert max(counts) == min(counts) <= 8


def test_the_story_is_its_own_divisions(twins: Twins) -> None:
    other = actor_of(twins.world, "js.xz.peixian")
    with twins.app.app_context(), pytest.raises(DomainError) as refused:
        history(other, twins.keep.id)
    assert refused.value.code == "not_found"
