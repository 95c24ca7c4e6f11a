"""Agencies: the catalogue over the API, and what city, county and agency do with them at their desks."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update

from models.agencies import Agency, Expert
from models.audit import AuditEvent
from models.base import now
from models.cases import CaseState
from tests.agency_builders import (
    agency,
    agency_desk,
    assessment,
    expert,
    fresh_agency_name,
    selection,
)
from tests.builders import Person, World
from tests.case_builders import case
from tests.console_client import Desk, desk, text_of
from tests.statements import queries


@pytest.fixture
def city(world: World) -> Desk:
    return desk(world, "city_staff", "js.xz")


def listed(client: FlaskClient, person: Person, **query: Any) -> list[dict[str, Any]]:
    answer: Any = client.get("/api/v1/agencies", query_string=query, headers=person.headers)
    assert answer.status_code == 200, answer.json
    items: list[dict[str, Any]] = answer.json["items"]
    return items


def kept(world: World, agency_id: Any) -> Agency:
    with world.session() as session:
        found: Agency = session.get(Agency, agency_id)
        return found


def typed(**changes: Any) -> dict[str, Any]:
    """What is posted for an agency by the city."""
    values = {
        "name": fresh_agency_name(),
        "approval_number": "CNCA-R-2015-188",
        "profile": "成立于 2003 年\r\n服务装备制造业",
        "telephone": "0516-83836666",
        "address": "徐州市云龙区昆仑大道 1 号",
        "schemes": ["qms", "green_low_carbon"],
        "schemes.there": "1",
        "counties": ["js.xz.fengxian", "js.xz.peixian"],
        "counties.there": "1",
        "capacity": "12",
        "fee_waiver": "首次认证减免 20%",
        "active": "1",
        "active.there": "1",
    }
    return {name: value for name, value in {**values, **changes}.items() if value is not ...}


# --- the catalogue


def test_an_enterprise_finds_who_serves_its_county(client: FlaskClient, world: World) -> None:
    word = fresh_agency_name()
    here = agency(world, name=f"{word}甲", schemes=["qms", "green_low_carbon"])
    both = agency(world, name=f"{word}乙", counties=["js.xz.fengxian", "js.xz.peixian"])
    agency(world, name=f"{word}丙", counties=["js.xz.peixian"])
    agency(world, name=f"{word}丁", active=False)
    expert(world, here)
    expert(world, here, name="李已离", active=False)
    assessment(world, here, year=now().year - 2, rank=7, score=80)
    assessment(world, here, year=now().year - 1, rank=3, score=91.25)
    selection(world, here)
    selection(world, both, year=now().year - 1)
    owner = world.person()

    found = listed(client, owner, q=word, division="js.xz.fengxian.sunlou")
    assert sorted(one["id"] for one in found) == sorted([str(here.id), str(both.id)])
    [mine] = listed(client, owner, q=word, selected="js.xz.fengxian.sunlou", scheme="green_low_carbon")
    assert (mine["assessed_year"], mine["rank"], mine["score"]) == (now().year - 1, 3, 91.25)
    assert mine["selected_by"] == ["js.xz.fengxian"] and mine["fee_waiver"] == "初次认证费用减免 30%"
    assert [(one["name"], one["title"]) for one in mine["experts"]] == [("陈*家", "国家注册审核员")]
    assert mine["remaining"] == 10
    pages = [listed(client, owner, q=word, limit=2), listed(client, owner, q=word)]
    assert [len(page) for page in pages] == [2, 3]

    whole: Any = client.get(f"/api/v1/agencies/{here.id}", headers=owner.headers).json
    assert [one["rank"] for one in whole["assessments"]] == [3, 7]
    assert [(one["division_id"], one["reasons"]) for one in whole["selections"]] == [
        ("js.xz.fengxian", ["responsible"])
    ]
    missing: Any = client.get(f"/api/v1/agencies/{UUID(int=7)}", headers=owner.headers)
    assert (missing.status_code, missing.json["code"]) == (404, "not_found")


def test_a_neighbour_with_a_longer_name_is_not_served(client: FlaskClient, world: World) -> None:
    made = agency(world, counties=["js.xz.feng"])  # a name that ours begins with
    assert listed(client, world.person(), q=made.name, division="js.xz.fengxian") == []
    assert listed(client, world.person(), q=made.name, division="js.xz")


def test_the_catalogue_asks_the_same_few_questions_whatever_it_holds(
    app: Flask, client: FlaskClient, world: World
) -> None:
    word, person = fresh_agency_name(), world.person()
    counted = []
    for number in range(4):
        made = agency(world, name=f"{word}{number}")
        for _ in range(3):
            expert(world, made)
        with queries(app) as seen:
            listed(client, person, q=word)
        counted.append(len(seen))
    assert counted[0] == counted[-1] <= 8, counted


@pytest.mark.parametrize(
    ("query", "field"), [({"scheme": "nothing"}, "scheme"), ({"q": "长" * 65}, "q"), ({"rank": "1"}, "rank")]
)
def test_what_cannot_be_asked(client: FlaskClient, world: World, query: dict[str, str], field: str) -> None:
    answer: Any = client.get("/api/v1/agencies", query_string=query, headers=world.person().headers)
    assert (answer.status_code, answer.json["code"]) == (422, "validation_failed")
    assert field in answer.json["fields"]


# --- the city keeps them


def test_the_city_adds_and_changes_an_agency(world: World, city: Desk) -> None:
    body = typed()
    answer = city.post("/console/agencies/new", **body)
    page = text_of(city.follow(answer))
    for said in (
        body["name"],
        "CNCA-R-2015-188",
        "质量管理体系认证、绿色低碳认证",
        "丰县、沛县",
        "首次认证减免 20%",
    ):
        assert said in page
    made = kept(world, answer.headers["Location"].rsplit("/", 1)[1])
    assert (made.profile, made.capacity, made.active) == ("成立于 2003 年\n服务装备制造业", 12, True)

    edit = f"/console/agencies/{made.id}/edit"
    form = city.get(edit).get_data(as_text=True)
    assert f'value="{made.name}"' in form and re.search(r'value="green_low_carbon" checked', form)
    answer = city.post(edit, **typed(name=made.name, schemes=..., counties=["js.xz.gulou"], active=...))
    assert "修改已保存" in text_of(city.follow(answer))
    changed = kept(world, made.id)
    assert (changed.schemes, changed.counties, changed.active) == ([], ["js.xz.gulou"], False)
    with world.session() as session:
        of_it = select(AuditEvent).where(AuditEvent.subject_id == str(made.id)).order_by(AuditEvent.id)
        events = session.execute(of_it).scalars().all()
    assert [one.verb for one in events] == ["agency.added", "agency.changed"]
    assert events[1].detail == {"fields": ["active", "counties", "schemes"]}


@pytest.mark.parametrize(
    ("changes", "status", "said"),
    [
        ({"name": ""}, 422, "必填"),
        ({"name": "长" * 121}, 422, "长度应为 1–120"),
        ({"capacity": "0"}, 422, "应在 1 与 1000 之间"),
        ({"capacity": "很多"}, 422, "应为整数"),
        ({"schemes": ["alchemy"]}, 422, "没有这个认证类别"),
        ({"counties": ["js.xz.nowhere"]}, 422, "没有这个县（市）区：js.xz.nowhere"),
        ({"counties": ["js.xz"]}, 422, "没有这个县（市）区：js.xz"),
    ],
)
def test_what_is_wrong_stands_at_its_field(
    world: World, city: Desk, changes: dict[str, Any], status: int, said: str
) -> None:
    body = typed(**changes)
    answer = city.post("/console/agencies/new", **body)
    assert answer.status_code == status and said in text_of(answer)
    assert "0516-83836666" in answer.get_data(as_text=True)  # what was typed is still there
    with world.session() as session:
        named = select(Agency.id).where(Agency.name == (body["name"] or "-"))
        assert session.execute(named).first() is None


def test_a_name_is_given_once(world: World, city: Desk) -> None:
    there = agency(world)
    answer = city.post("/console/agencies/new", **typed(name=there.name))
    assert answer.status_code == 409 and "已有同名单位" in text_of(answer)
    other = agency(world)
    answer = city.post(f"/console/agencies/{other.id}/edit", **typed(name=there.name))
    assert answer.status_code == 409 and kept(world, other.id).name == other.name


def test_capacity_is_never_below_what_is_under_way(world: World, city: Desk) -> None:
    made = agency(world, capacity=5)
    with world.session() as session:
        session.execute(update(Agency).where(Agency.id == made.id).values(under_way=3))
    answer = city.post(f"/console/agencies/{made.id}/edit", **typed(name=made.name, capacity="2"))
    assert answer.status_code == 409 and "正在承接 3 个帮扶项目" in text_of(answer)
    answer = city.post(f"/console/agencies/{made.id}/edit", **typed(name=made.name, capacity="3"))
    assert answer.status_code == 303 and kept(world, made.id).capacity == 3


def test_who_is_selected_goes_on_serving_the_county(world: World, city: Desk) -> None:
    made = agency(world)
    was = selection(world, made)
    selection(world, made, "js.xz.peixian", year=now().year - 1)  # over
    body = typed(name=made.name, counties=["js.xz.gulou"])
    answer = city.post(f"/console/agencies/{made.id}/edit", **body)
    assert answer.status_code == 409 and "丰县已选定该机构，须先撤销选定" in text_of(answer)
    assert kept(world, made.id).counties == ["js.xz.fengxian"]
    away = f"/console/agencies/selections/{was.id}/withdraw"
    assert city.post(away, reason="不再服务本县").status_code == 303
    assert city.post(f"/console/agencies/{made.id}/edit", **body).status_code == 303
    assert kept(world, made.id).counties == ["js.xz.gulou"]


def test_the_list_is_searched_and_sorted(world: World, city: Desk) -> None:
    word = fresh_agency_name()
    strong = agency(world, name=f"{word}强", schemes=["enms"])
    weak = agency(world, name=f"{word}弱", counties=["js.xz.gulou"], active=False)
    assessment(world, strong, rank=1)
    assessment(world, weak, rank=30)
    selection(world, strong)

    def found(**query: str) -> list[str]:
        page = city.get("/console/agencies", q=word, **query).get_data(as_text=True)
        return re.findall(rf">{word}(.)<", page)

    assert found(sort="rank") == ["强", "弱"] and found(sort="-rank") == ["弱", "强"]
    assert found(serves="js.xz.gulou") == ["弱"] and len(found(serves="js.xz")) == 2
    assert found(scheme="enms") == ["强"] and found(selected="js.xz.fengxian") == ["强"]
    assert found(active="no") == ["弱"] and found(active="yes") == ["强"]
    assert "没有这个选项" in text_of(city.get("/console/agencies", active="perhaps"))


# --- the agency keeps what it says of itself


@pytest.fixture
def own(world: World) -> Agency:
    return agency(world)


@pytest.fixture
def adviser(world: World, own: Agency) -> Desk:
    return agency_desk(world, own)


def test_an_agency_changes_what_it_says_of_itself_and_nothing_else(
    world: World, own: Agency, adviser: Desk
) -> None:
    assert own.name in text_of(adviser.get("/console/agency/edit"))
    body = typed(name="换个名字", approval_number="X", active=..., capacity="20")
    answer = adviser.post("/console/agency/edit", **body)
    assert "修改已保存" in text_of(adviser.follow(answer))
    changed = kept(world, own.id)
    assert (changed.capacity, changed.schemes) == (20, ["qms", "green_low_carbon"])
    assert (changed.name, changed.approval_number, changed.active) == (own.name, own.approval_number, True)
    assert adviser.get(f"/console/agencies/{own.id}/edit").status_code == 403
    assert adviser.post(f"/console/agencies/{own.id}/edit", **body).status_code == 403


def test_an_agency_sees_how_it_stands(world: World, own: Agency, adviser: Desk) -> None:
    assessment(world, own, year=2021, rank=2, score=95)
    assessment(world, agency(world), year=2021, rank=1)
    selection(world, own, "js.xz.peixian", reasons=["standing", "ranked"])
    with world.session() as session:
        session.execute(update(Agency).where(Agency.id == own.id).values(under_way=4))
    page = text_of(adviser.get("/console/agency"))
    assert re.search(r"2021 第 2 位（本系统记录 \d+ 家） 95 ", page)
    assert "沛县 政治站位高、在全省考核中占有一定位次" in page and "还可承接 6 个" in page
    with world.session() as session:
        session.execute(update(Agency).where(Agency.id == own.id).values(active=False))
    assert "目前不参与帮扶" in text_of(adviser.get("/console/agency"))


def test_experts_are_added_changed_stopped_and_put_back(world: World, own: Agency, adviser: Desk) -> None:
    wrong = adviser.post("/console/agency/experts/new", name="", title="", fields=["magic"])
    assert wrong.status_code == 422 and "必填" in text_of(wrong) and "只能是" in text_of(wrong)
    body = {"name": "孙专家", "title": "QMS 审核员", "fields": ["digital"], "fields.there": "1"}
    page = text_of(adviser.follow(adviser.post("/console/agency/experts/new", **body)))
    assert "孙专家" in page and "生产数字化水平" in page and "未绑定" in page
    with world.session() as session:
        made = session.execute(select(Expert).where(Expert.agency_id == own.id)).scalar_one()
    at = f"/console/agency/experts/{made.id}"
    assert 'value="孙专家"' in adviser.get(f"{at}/edit").get_data(as_text=True)
    changed = {"name": "孙专家", "title": "高级审核员", "fields.there": "1"}
    assert "高级审核员" in text_of(adviser.follow(adviser.post(f"{at}/edit", **changed)))
    assert "已停用" in text_of(adviser.follow(adviser.post(f"{at}/deactivate")))
    refused = adviser.post(f"{at}/bind", phone=world.person().phone)
    assert refused.status_code == 409 and "该专家已停用" in text_of(refused)
    assert "恢复在岗" in text_of(adviser.get("/console/agency"))
    assert "已恢复在岗" in text_of(adviser.follow(adviser.post(f"{at}/activate")))
    with world.session() as session:
        verbs = select(AuditEvent.verb).where(AuditEvent.subject_id == str(made.id)).order_by(AuditEvent.id)
        assert list(session.execute(verbs).scalars()) == [
            "expert.added",
            "expert.changed",
            "expert.deactivated",
            "expert.activated",
        ]


def test_an_expert_with_work_left_stays(world: World, own: Agency, adviser: Desk) -> None:
    busy = expert(world, own)
    case(world, CaseState.diagnosis, agency=own, expert_id=busy.id)
    answer = adviser.post(f"/console/agency/experts/{busy.id}/deactivate")
    assert "0 个未进行的预约、1 个在办项目" in text_of(adviser.follow(answer))
    with world.session() as session:
        assert session.get(Expert, busy.id).active


def test_another_agencys_expert_is_out_of_reach(world: World, adviser: Desk) -> None:
    theirs = expert(world, agency(world))
    at = f"/console/agency/experts/{theirs.id}"
    for path in (f"{at}/edit", f"{at}/bind"):
        assert adviser.get(path).status_code == 403
    for act in ("edit", "bind", "unbind", "deactivate", "activate"):
        assert adviser.post(f"{at}/{act}", name="我的", phone=world.person().phone).status_code == 403
    with world.session() as session:
        found = session.get(Expert, theirs.id)
        assert (found.name, found.active, found.user_id) == ("陈专家", True, None)


def test_names_are_masked_at_other_desks(world: World, city: Desk, own: Agency, adviser: Desk) -> None:
    expert(world, own, name="欧阳建国")
    for path, query in (
        (f"/console/agencies/{own.id}", {}),
        ("/console/agencies/experts", {"agency": own.name}),
    ):
        page = text_of(city.get(path, **query))
        assert "欧**国" in page and "欧阳建国" not in page
    assert "欧阳建国" in text_of(adviser.get("/console/agency"))
    fields = city.get("/console/agencies/experts", agency=own.name, field="people", active="yes")
    assert "欧**国" in text_of(fields)
    assert "没有符合条件" in text_of(city.get("/console/agencies/experts", agency=own.name, field="energy"))


def test_empty_lists_say_what_to_do(world: World, city: Desk, adviser: Desk) -> None:
    page = text_of(adviser.get("/console/agency"))
    assert (
        "添加后，企业可以按专家预约" in page
        and "由市局按年度导入" in page
        and "由县（市）区局每年选定" in page
    )


@pytest.mark.parametrize("role", ["auditor", "system_administrator"])
def test_who_keeps_the_system_does_none_of_this(world: World, role: str) -> None:
    keeper = desk(world, role, "js.xz")
    assert "/console/agencies" not in keeper.get("/console/").get_data(as_text=True)
    assert keeper.get("/console/agencies").status_code == 403


def test_what_an_agency_typed_is_kept_when_it_is_refused(world: World, own: Agency, adviser: Desk) -> None:
    with world.session() as session:
        session.execute(update(Agency).where(Agency.id == own.id).values(under_way=4))
    answer = adviser.post("/console/agency/edit", **typed(capacity="3", address="新地址"))
    page = answer.get_data(as_text=True)
    assert answer.status_code == 409 and "正在承接 4 个" in page and "新地址" in page and own.name in page


def test_the_demonstration_has_agencies_to_look_at(app: Flask, client: FlaskClient, world: World) -> None:
    loaded = app.test_cli_runner().invoke(args=["demo", "load"])
    assert loaded.exit_code == 0, loaded.output
    found = listed(client, world.person(), q="演示", division="js.xz.fengxian")
    assert [(one["rank"], len(one["experts"])) for one in found] == [(2, 2), (18, 1)]
    assert {county for one in found for county in one["selected_by"]} == {
        "js.xz.fengxian",
        "js.xz.tongshan",
        "js.xz.pizhou",
    }
