"""The problems of a case by the API, from open to verified."""

from __future__ import annotations

from datetime import timedelta

from flask.testing import FlaskClient

from models.base import now
from models.cases import Finding
from tests.builders import World
from tests.case_work_builders import (
    finding,
    kept,
    made,
    post,
    site,
    verbs,
    work,
)


def test_a_problem_goes_from_open_to_verified(client: FlaskClient, world: World) -> None:
    of = site(world)
    problem = made(client, of, "findings", finding())
    url = f"/api/v1/findings/{problem['id']}"
    changed = client.patch(url, json={"owner": "王厂长"}, headers=of.agent.headers)
    assert changed.json["owner"] == "王厂长" and changed.json["measure"] == finding()["measure"]
    assert post(client, of.agent, f"{url}/move", {"state": "under_way"}).json["state"] == "under_way"

    blank = post(client, of.agent, f"{url}/move", {"state": "done"})
    assert (blank.status_code, list(blank.json["fields"])) == (422, ["result"])
    early = post(client, of.agent, f"{url}/move", {"state": "verified"})
    assert (early.status_code, early.json["code"]) == (409, "illegal_move")
    done = post(client, of.agent, f"{url}/move", {"state": "done", "result": "规程已发布。"})
    assert done.json["state"] == "done" and done.json["result"] == "规程已发布。"
    assert post(client, of.agent, f"{url}/move", {"state": "verified"}).json["state"] == "verified"

    late = client.patch(url, json={"owner": "李四"}, headers=of.agent.headers)
    assert (late.status_code, late.json["code"]) == (409, "finding_verified")
    assert work(client, of, of.owner)["findings"][0]["owner"] == "王厂长"
    assert verbs(world, of)[-3:] == [
        "case.finding_under_way",
        "case.finding_done",
        "case.finding_verified",
    ]


def test_a_problem_is_not_due_in_the_past_but_may_be_overdue(client: FlaskClient, world: World) -> None:
    of = site(world)
    yesterday = f"{now() - timedelta(days=1):%Y-%m-%d}"
    refused = post(client, of.agent, of.url("findings"), finding(due_on=yesterday))
    assert (refused.status_code, list(refused.json["fields"])) == (422, ["due_on"])
    problem = made(client, of, "findings", finding())
    with world.session() as session:
        session.get(Finding, kept(world, Finding, problem["id"]).id).due_on = now().date() - timedelta(days=3)
    overdue = {"measure": "改由质量负责人编写", "due_on": f"{now().date() - timedelta(days=3)}"}
    url = f"/api/v1/findings/{problem['id']}"
    assert client.patch(url, json=overdue, headers=of.agent.headers).status_code == 200
    later = client.patch(url, json={"due_on": yesterday}, headers=of.agent.headers)
    assert (later.status_code, list(later.json["fields"])) == (422, ["due_on"])


def test_who_sees_to_a_problem_is_kept_encrypted(client: FlaskClient, world: World) -> None:
    of = site(world)
    made(client, of, "findings", finding(owner="欧阳质量"))
    with world.session() as session:
        raw = session.connection().exec_driver_sql(
            "SELECT owner FROM findings WHERE case_id = %s", (of.case.id,)
        )
        assert "欧阳质量".encode() not in bytes(raw.scalar_one())
