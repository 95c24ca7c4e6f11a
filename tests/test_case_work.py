"""The work on a case by the API: what an agency writes as a whole, in which states, and who sees it."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from models.base import now
from models.cases import CaseEffect, CaseScore, CaseState
from tests.agency_builders import agency, agency_person
from tests.builders import World
from tests.case_work_builders import (
    AFTER,
    ANSWERS,
    BEFORE,
    PLAN,
    finding,
    made,
    post,
    site,
    training,
    verbs,
    visit,
    work,
)
from tests.statements import queries

# --- diagnosis, scores, plan


def test_the_diagnosis_form_is_open_to_all(client: FlaskClient) -> None:
    form = client.get("/api/v1/diagnosis-form").json
    assert form["kind"] == "diagnosis" and form["version"] == "2026-11"
    assert {question["id"] for question in form["content"]["questions"]} >= set(ANSWERS)


def test_a_diagnosis_is_answered_and_seen_in_words(client: FlaskClient, world: World) -> None:
    of = site(world)
    answer = post(client, of.agent, of.url("diagnosis"), {"answers": ANSWERS})
    assert answer.status_code == 200, answer.json
    assert answer.json["answers"] == ANSWERS and answer.json["diagnosis_version"] == "2026-11"
    seen = work(client, of, of.owner)
    assert [group["title"] for group in seen["diagnosis"]] == [
        "质量管理意识",
        "技术创新水平",
        "人员专业水平",
        "生产数字化水平",
        "能源管控水平",
        "标准化水平",
        "综合结论",
    ]
    assert ["质量负责人由谁担任？", "兼职"] in seen["diagnosis"][2]["pairs"]
    assert seen["acts"] == []
    assert verbs(world, of) == ["case.diagnosed"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"conclusion": ""}, "answers.conclusion"),
        ({"energy_metering": "6"}, "answers.energy_metering"),
        ({"people_roles": ["none", "team"]}, "answers.people_roles"),
        ({"colour": "red"}, "answers.colour"),
    ],
)
def test_a_diagnosis_is_checked_question_by_question(
    client: FlaskClient, world: World, changes: dict[str, Any], field: str
) -> None:
    of = site(world)
    answer = post(client, of.agent, of.url("diagnosis"), {"answers": {**ANSWERS, **changes}})
    assert (answer.status_code, answer.json["code"]) == (422, "survey_invalid")
    assert list(answer.json["fields"]) == [field]
    assert work(client, of)["answers"] is None and verbs(world, of) == []


def test_six_aspects_are_scored_before_and_after(client: FlaskClient, world: World) -> None:
    of = site(world)
    assert post(client, of.agent, of.url("scores"), {"phase": "before", **BEFORE}).status_code == 200
    again = {**BEFORE, "digital": 35}
    answer = post(client, of.agent, of.url("scores"), {"phase": "before", **again})
    assert {one["name"]: one["before"] for one in answer.json["scores"]} == again
    assert {one["after"] for one in answer.json["scores"]} == {None}

    later = site(world, CaseState.improvement)
    answer = post(client, later.agent, later.url("scores"), {"phase": "after", **AFTER})
    assert {one["name"]: one["after"] for one in answer.json["scores"]} == AFTER
    assert {one["change"] for one in answer.json["scores"]} == {None}


@pytest.mark.parametrize("points", [-1, 101, 60.5, "60", None])
def test_a_score_out_of_range_is_refused_at_its_field(client: FlaskClient, world: World, points: Any) -> None:
    of = site(world)
    answer = post(client, of.agent, of.url("scores"), {"phase": "before", **BEFORE, "energy": points})
    assert (answer.status_code, answer.json["code"]) == (422, "validation_failed")
    assert list(answer.json["fields"]) == ["energy"]
    with world.session() as session:
        stored = select(func.count()).where(CaseScore.case_id == of.case.id)
        assert session.execute(stored).scalar_one() == 0


def test_a_strategy_is_chosen_with_its_reason_and_plan(client: FlaskClient, world: World) -> None:
    of = site(world, CaseState.planning)
    answer = post(client, of.agent, of.url("plan"), PLAN)
    assert answer.status_code == 200, answer.json
    assert answer.json["strategy"] == "foundation" and answer.json["aspects"] == ["people", "standards"]
    for changes, field in (
        ({"strategy": "everything"}, "strategy"),
        ({"aspects": []}, "aspects"),
        ({"aspects": ["price"]}, "aspects.0"),
        ({"strategy_reason": " "}, "strategy_reason"),
        ({"plan": "长" * 4001}, "plan"),
    ):
        refused = post(client, of.agent, of.url("plan"), {**PLAN, **changes})
        assert (refused.status_code, list(refused.json["fields"])) == (422, [field])
    assert verbs(world, of) == ["case.planned"]


# --- who, and when


ACTS: dict[str, tuple[str, dict[str, Any]]] = {
    "diagnosis": ("diagnosis", {"answers": ANSWERS}),
    "scores_before": ("scores", {"phase": "before", **BEFORE}),
    "scores_after": ("scores", {"phase": "after", **AFTER}),
    "plan": ("plan", PLAN),
    "effects_before": ("effects", {"phase": "before", "revenue": 5_000_000}),
    "effects_after": ("effects", {"phase": "after", "revenue": 6_000_000}),
    "findings": ("findings", finding()),
    "trainings": ("trainings", training()),
    "summary": ("summary", {"summary": "返工率由 8% 降到 3%。"}),
    "rectification": ("rectification", {"rectification": "已重新培训。"}),
}
OPEN = {
    CaseState.diagnosis: {"diagnosis", "scores_before", "effects_before", "findings", "visits"},
    CaseState.planning: {
        "diagnosis",
        "scores_before",
        "plan",
        "effects_before",
        "findings",
        "trainings",
        "visits",
    },
    CaseState.training: {"effects_before", "findings", "trainings", "visits"},
    CaseState.improvement: {
        "effects_before",
        "findings",
        "trainings",
        "visits",
        "scores_after",
        "effects_after",
        "summary",
    },
    CaseState.evaluation: {"visits"},
    CaseState.rectification: {
        "findings",
        "trainings",
        "visits",
        "scores_after",
        "effects_after",
        "rectification",
    },
    CaseState.revisit: {"visits"},
    CaseState.closed: set(),
}


@pytest.mark.parametrize("state", OPEN)
def test_each_act_is_open_in_its_states_and_refused_in_others(
    client: FlaskClient, world: World, state: CaseState
) -> None:
    of = site(world, state)
    assert set(work(client, of)["acts"]) == OPEN[state]
    acts = {**ACTS, "visits": ("visits", visit(of))}
    for act, (path, body) in acts.items():
        answer = post(client, of.agent, of.url(path), body)
        if act in OPEN[state]:
            assert answer.status_code in (200, 201), (act, answer.json)
        else:
            assert (answer.status_code, answer.json["code"]) == (409, "case_state"), act
            assert answer.json["details"]["state"] == state.label


def test_nothing_is_written_while_the_enterprise_has_a_correction_to_make(
    client: FlaskClient, world: World
) -> None:
    of = site(world, paused_at=now())
    assert work(client, of)["acts"] == []
    answer = post(client, of.agent, of.url("findings"), finding())
    assert (answer.status_code, answer.json["code"]) == (409, "correction_open")


def test_another_agency_meets_nothing(client: FlaskClient, world: World) -> None:
    of = site(world)
    stranger = agency_person(world, agency(world))
    acts = {**ACTS, "visits": ("visits", visit(of))}
    for path, body in acts.values():
        assert post(client, stranger, of.url(path), body).status_code == 404
    problem = made(client, of, "findings", finding())
    seen = made(client, of, "visits", visit(of))
    for url in (f"/api/v1/findings/{problem['id']}", f"/api/v1/visits/{seen['id']}"):
        assert client.patch(url, json={}, headers=stranger.headers).status_code == 404
    assert client.get(of.url("work"), headers=stranger.headers).status_code == 404
    assert client.get(of.url("participants"), headers=stranger.headers).status_code == 404
    assert verbs(world, of) == ["case.finding_added", "case.visit_recorded"]


def test_enterprise_and_county_write_nothing_here(client: FlaskClient, world: World) -> None:
    of = site(world)
    for by in (of.owner, of.officer):
        for path, body in ACTS.values():
            assert post(client, by, of.url(path), body).status_code == 403


# --- effects, summary, rectification


def test_effect_figures_are_whole_yuan_and_hundredths_of_a_percent(client: FlaskClient, world: World) -> None:
    of = site(world, CaseState.improvement)
    before = {"phase": "before", "revenue": 5_000_000, "profit_margin": 825, "quality_cost": 120_000}
    after = {"phase": "after", "revenue": 5_600_000, "profit_margin": -150}
    for body in (before, after):
        assert post(client, of.agent, of.url("effects"), body).status_code == 200
    effects = {one["name"]: one for one in work(client, of, of.owner)["effects"]}
    assert effects["revenue"]["change"] == 600_000
    assert (effects["profit_margin"]["before"], effects["profit_margin"]["after"]) == (825, -150)
    assert (effects["quality_cost"]["after"], effects["quality_cost"]["change"]) == (None, None)
    for name, value in (("revenue", -1), ("profit_margin", 10_001), ("quality_cost", 1.5)):
        refused = post(client, of.agent, of.url("effects"), {**after, name: value})
        assert (refused.status_code, list(refused.json["fields"])) == (422, [name])
    with world.session() as session:
        stored = select(CaseEffect.revenue).where(CaseEffect.case_id == of.case.id)
        assert set(session.execute(stored).scalars()) == {5_000_000, 5_600_000}


def test_the_work_on_a_case_costs_as_many_statements_however_much_there_is(
    app: Flask, client: FlaskClient, world: World
) -> None:
    of = site(world, CaseState.training)

    def asked() -> int:
        with queries(app) as seen:
            work(client, of)
        return len(seen)

    made(client, of, "findings", finding())
    held = made(client, of, "trainings", training())
    url = f"/api/v1/case-trainings/{held['id']}/attendees"
    post(client, of.agent, url, {"attendees": [{"name": "张一"}]})
    made(client, of, "visits", visit(of))
    few = asked()
    for n in range(3):
        made(client, of, "findings", finding())
        held = made(client, of, "trainings", training())
        url = f"/api/v1/case-trainings/{held['id']}/attendees"
        post(client, of.agent, url, {"attendees": [{"name": f"李{n}"}]})
        made(client, of, "visits", visit(of))
    assert asked() == few
