"""Which enterprises may have been registered twice, and what a merge of them would do."""

from __future__ import annotations

import random
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.services import enterprise_duplicates, enterprise_merges
from app.services.enterprise_duplicates import ALIKE, LOOKED_AT, alike, core
from models.enterprises import EnterpriseState
from tests.builders import World, fresh_phone
from tests.test_enterprise_merges import Twins


@pytest.fixture
def twins(app: Flask, client: FlaskClient, world: World) -> Twins:
    """An enterprise that was registered twice."""
    return Twins(app, client, world)


def test_names_are_compared_without_place_and_legal_form() -> None:
    assert core("江苏省徐州市丰县宏远配件有限公司") == core("宏远配件（有限责任公司）") == "宏远配件"
    assert core("宏远（丰县）配件集团") == core("徐州宏远配件（集团）有限公司") == "宏远配件"
    assert core("有限公司") and core("丰县") == "丰县"
    assert alike("丰县宏远配件有限公司", "徐州市宏远配件厂") > 0.8
    assert alike("丰县宏远机械配件有限公司", "丰县宏达机械配件有限公司") < ALIKE  # one of many, not the same
    assert alike("丰县宏远配件有限公司", "丰县远大木业有限公司") < 0.3


def test_candidates_are_alike_and_in_reach(twins: Twins) -> None:
    world, mark = twins.world, "".join(chr(random.randrange(0x4E00, 0x9FA0)) for _ in range(3))

    def named(name: str, **changes: Any) -> Any:
        return world.enterprise(name=name, **changes)

    for number in range(LOOKED_AT + 5):  # more than are looked at share something with it
        named(f"{mark}杂货店{number}")
    own = named(f"丰县{mark}机械配件有限公司", legal_representative="张志强")
    same = named(f"徐州市{mark}机械配件有限责任公司")
    person = named(f"{mark}机电设备厂", legal_representative="张志强")
    named(f"{mark}机电设备公司", legal_representative="王敏")
    named(f"丰县{mark}机械配件有限公司", division_id="js.xz.peixian")
    gone = named(f"丰县{mark}机械配件公司")
    with twins.app.app_context():
        enterprise_merges.merge(twins.clerk, same.id, gone.id, (), "重复")
        found = enterprise_duplicates.candidates(twins.clerk, own.id)
    assert [(one.row.id, one.why.split("（")[0]) for one in found if mark in one.row.name] == [
        (same.id, "名称相同"),
        (person.id, "名称相近"),
    ]
    assert found[1].why.endswith("法定代表人相同")


def test_a_preview_says_what_moves_and_what_to_mind(twins: Twins) -> None:
    training = twins.world.training(title="内审员培训")
    for person, enterprise in ((twins.keep_owner, twins.keep), (twins.drop_owner, twins.drop)):
        twins.sign_up(person, enterprise, training, fresh_phone(), fresh_phone())
    with twins.world.session() as session:
        session.get(type(twins.drop), twins.drop.id).state = EnterpriseState.registered
    with twins.app.app_context():
        seen = enterprise_duplicates.preview(twins.clerk, twins.keep.id, twins.drop.id)
    assert seen.moves == {
        "members": 1,
        "requests": 0,
        "signups": 2,
        "certificates": 0,
        "held_certificates": 0,
    }
    facts = {one.name: one for one in seen.facts}
    assert (facts["headcount"].kept, facts["headcount"].dropped) == (30, 55)
    assert facts["headcount"].differs and facts["headcount"].takeable and not facts["revenue"].differs
    assert not facts["credit_code"].takeable
    assert [remark[:8] for remark in seen.remarks] == [
        "两家各有负责人：",
        "“内审员培训”合",
        "状态不同：合并后",
    ]
    assert "共占 4 个名额，超过每家 3 人" in seen.remarks[1]
    assert twins.held(training) == {twins.keep.id: 2, twins.drop.id: 2}  # nothing was done
