"""Clusters and chains: the vocabularies, and the tags of enterprises wherever they are given and seen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import delete, select

from app.access import SYSTEM
from app.services import reference
from models.enterprises import Enterprise, EnterpriseState
from models.reference import Cluster
from models.transfers import FileRole
from tests.builders import World, fresh_credit_code
from tests.console_client import Desk, desk, text_of
from tests.test_console_enterprises import LIST, Branch, branch, cells, file_of, run
from tests.test_enterprise_import import Office, line, office, stored
from tests.test_enterprise_merges import Twins, twins
from tests.test_enterprises import PATH, register, verbs, wrong_digit

__all__ = ["branch", "office", "twins"]

TEN = [
    *("工程机械", "绿色低碳能源", "新材料"),
    *("数字经济", "集成电路与ICT", "医药健康", "安全应急"),
    *("精品钢材", "高端纺织", "食品及农副产品加工"),
]


@pytest.fixture
def clerk(world: World) -> Desk:
    return desk(world, "county_staff")


def test_the_citys_own_ten_are_offered_in_order(client: FlaskClient) -> None:
    offered = client.get("/api/v1/clusters").json
    assert [one["name"] for one in offered] == TEN
    assert {one["vocabulary"] for one in offered} == {"徐州“343”"}


def test_the_schemes_of_certification_are_offered(client: FlaskClient) -> None:
    offered = client.get("/api/v1/schemes").json
    assert offered[0] == {"code": "qms", "name": "质量管理体系认证"} and offered[-1]["code"] == "other"


def test_a_vocabulary_is_edited_by_loading_it_again(
    app: Flask, client: FlaskClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in reference.FILES.iterdir():
        (tmp_path / file.name).write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
    told = json.loads((tmp_path / "clusters.json").read_text(encoding="utf-8"))
    told["vocabularies"][0]["clusters"][0]["name"] = "工程机械（改）"
    told["vocabularies"].append({"name": "另一体系", "clusters": [{"code": "x-1", "name": "新材料"}]})
    (tmp_path / "clusters.json").write_text(json.dumps(told), encoding="utf-8")
    monkeypatch.setattr(reference, "FILES", tmp_path)
    with app.app_context():
        assert reference.load(SYSTEM)["clusters"] == 11
    try:
        offered = client.get("/api/v1/clusters").json
        assert [offered[0]["name"], offered[-1]["vocabulary"]] == ["工程机械（改）", "另一体系"]
    finally:
        monkeypatch.undo()
        with app.app_context():
            reference.load(SYSTEM)
        with World(app).session() as session:
            session.execute(delete(Cluster).where(Cluster.code == "x-1"))


# Who gives them


def test_an_enterprise_says_its_own(client: FlaskClient, world: World) -> None:
    person = world.person()
    made = register(client, person, clusters=["343-03", "343-01", "343-01"]).json
    assert made["clusters"] == ["343-01", "343-03"]
    path = f"{PATH}/{made['id']}"
    changed = client.patch(path, json={"clusters": ["343-10"]}, headers=person.headers).json
    assert changed["clusters"] == ["343-10"] and changed["size_class"] == made["size_class"]
    assert client.patch(path, json={"headcount": 90}, headers=person.headers).json["clusters"] == ["343-10"]
    assert client.patch(path, json={"clusters": []}, headers=person.headers).json["clusters"] == []


def test_one_that_there_is_not_is_refused_at_its_field(client: FlaskClient, world: World) -> None:
    person = world.person()
    answer = register(client, person, clusters=["343-11"])
    assert (answer.status_code, answer.json["code"]) == (422, "cluster_unknown")
    assert answer.json["fields"] == {"clusters": ["没有“343-11”"]}
    made = register(client, person).json
    answer = client.patch(f"{PATH}/{made['id']}", json={"clusters": ["x"]}, headers=person.headers)
    assert answer.json["code"] == "cluster_unknown"
    answer = client.patch(f"{PATH}/{made['id']}", json={"clusters": ["x"] * 21}, headers=person.headers)
    assert answer.json["fields"] == {"clusters": ["至多 20 项"]}


def test_staff_tag_an_enterprise(clerk: Desk, world: World) -> None:
    enterprise = world.enterprise(clusters=["343-01"])
    page = f"/console/enterprises/{enterprise.id}"
    form = clerk.get(f"{page}/clusters").get_data(as_text=True)
    assert 'value="343-01" checked' in form and 'value="343-02" checked' not in form
    answer = clerk.post(f"{page}/clusters", **{"clusters.there": "1", "clusters": ["343-04", "343-02"]})
    said = text_of(clerk.follow(answer))
    assert "产业集群（链） 绿色低碳能源、数字经济" in said and "涉及：产业集群（链）" in said
    clerk.post(f"{page}/clusters", **{"clusters.there": "1", "clusters": ["343-02", "343-04"]})
    assert verbs(world, enterprise.id) == ["enterprise.changed"]
    wrong = clerk.post(f"{page}/clusters", **{"clusters.there": "1", "clusters": "x"})
    assert wrong.status_code == 422 and "没有“x”" in text_of(wrong)
    answer = clerk.post(f"{page}/clusters", **{"clusters.there": "1"})
    assert "产业集群（链） —" in text_of(clerk.follow(answer))


def test_a_merged_one_is_not_tagged(clerk: Desk, world: World) -> None:
    gone = world.enterprise(state=EnterpriseState.merged, merged_into=world.enterprise().id)
    page = f"/console/enterprises/{gone.id}"
    assert "修改产业集群（链）" not in text_of(clerk.get(page))
    answer = clerk.post(f"{page}/clusters", **{"clusters.there": "1", "clusters": "343-01"})
    assert answer.status_code == 409 and "不能进行此项操作" in text_of(answer)


def test_they_are_given_with_a_registration_at_a_desk(clerk: Desk, world: World) -> None:
    fields = {
        "name": "特批厂",
        "division_id": "js.xz.fengxian",
        "industry_code": "C36",
        "reason": "已核对原件",
    }
    figures = {"headcount": "30", "revenue": "5000000", "assets": "3000000"}
    code = wrong_digit()
    new = f"{LIST}/new"
    assert 'value="343-01"' in clerk.get(new).get_data(as_text=True)
    answer = clerk.post(new, credit_code=code, clusters=["343-08"], **fields, **figures)
    assert "产业集群（链） 精品钢材" in text_of(clerk.follow(answer))


# An import


def test_a_list_names_them(office: Office, world: World) -> None:
    named = [line(clusters=text) for text in ("工程机械、新材料", "343-05；集成电路与ict", "徐工链", "")]
    told = office.import_(*named)
    assert told[2].endswith("未导入：产业集群（链）：没有“徐工链”")
    assert [_tags(world, row[0]) for row in named] == [["343-01", "343-03"], ["343-05"], None, []]
    named[0][-1] = ""
    named[1][-1] = "医药健康"
    told = office.import_(*named[:2])
    assert [text.split("：")[1] for text in told] == ["已存在，无变化", "已存在，已更新"]
    assert [_tags(world, row[0]) for row in named[:2]] == [["343-01", "343-03"], ["343-06"]]


def test_a_name_of_two_vocabularies_asks_for_more(office: Office, world: World) -> None:
    with world.session() as session:
        session.add(Cluster(code="x-2", vocabulary="另一体系", name="新材料", position=11))
    try:
        several = [line(clusters=text) for text in ("新材料", "新材料（另一体系）", "343-03")]
        told = office.import_(*several)
        assert told[0].endswith("有多个“新材料”，请填写编号：343-03、x-2")
        assert [_tags(world, row[0]) for row in several[1:]] == [["x-2"], ["343-03"]]
        page = text_of(desk(world, "county_staff").get(LIST))
        assert "新材料（另一体系）" in page and "新材料（徐州“343”）" in page
    finally:
        with world.session() as session:
            session.execute(delete(Cluster).where(Cluster.code == "x-2"))


def _tags(world: World, code: str) -> list[str] | None:
    found = stored(world, code)
    return found.clusters if found else None


# Where they are seen


def test_the_register_narrows_by_one_and_exports_them(app: Flask, branch: Branch) -> None:
    branch.enterprise("甲厂", clusters=["343-01", "343-02"])
    branch.enterprise("乙厂", clusters=["343-02"])
    branch.enterprise("丙厂")
    page = branch.desk.get(LIST, cluster="343-02", sort="name")
    assert sorted(row[0] for row in cells(page)) == ["乙厂", "甲厂"]
    assert '<option value="343-02" selected>绿色低碳能源</option>' in page.get_data(as_text=True)
    assert [row[0] for row in cells(branch.desk.get(LIST, cluster="343-01"))] == ["甲厂"]
    page = branch.desk.get(LIST, cluster="343-99")
    assert "没有这个选项" in text_of(page) and "共 3 条" in text_of(page)
    started = branch.desk.post("/console/exports/enterprises", cluster="343-01")
    header, row = file_of(branch.world, run(app, started)["id"], FileRole.result)
    assert dict(zip(header, row, strict=True))["产业集群（链）"] == "工程机械、绿色低碳能源"


def test_a_merge_may_take_them(twins: Twins) -> None:
    with twins.world.session() as session:
        session.get(Enterprise, twins.drop.id).clusters = ["343-01", "343-09"]
    path = f"/console/enterprises/{twins.keep.id}/merge/{twins.drop.id}"
    page = desk(twins.world, "county_staff").get(path)
    assert "产业集群（链） 不同 — 工程机械、高端纺织" in text_of(page)
    assert 'name="taken" value="clusters" checked' in page.get_data(as_text=True)
    assert twins.merge("clusters").clusters == ["343-01", "343-09"]


def test_a_code_that_was_taken_out_is_shown_as_it_stands(clerk: Desk, world: World) -> None:
    enterprise = world.enterprise(credit_code=fresh_credit_code(), clusters=["343-01", "old-1"])
    assert "工程机械、old-1" in text_of(clerk.get(f"/console/enterprises/{enterprise.id}"))
    with world.session() as session:
        found = session.execute(select(Enterprise.clusters).where(Enterprise.id == enterprise.id))
        kept: Any = found.scalar_one()
    assert kept == ["343-01", "old-1"]
