"""The work on a case by the API: what an agency writes in the field, in which states, and who sees it."""

from __future__ import annotations

from datetime import timedelta
from threading import Barrier, Event
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Select, func, select
from werkzeug.test import TestResponse

from app import audit
from app.services import case_acts
from models.agencies import Expert
from models.audit import AuditEvent
from models.base import new_id, now
from models.cases import CaseAttendee, CaseEffect, CaseScore, CaseState, Finding, Visit
from models.messages import Notice
from models.people import AccountState, StaffAccount
from tests.agency_builders import agency, agency_person, expert
from tests.builders import Person, World
from tests.case_work_builders import (
    AFTER,
    ANSWERS,
    BEFORE,
    PLAN,
    Site,
    finding,
    kept,
    site,
    training,
    visit,
)
from tests.console_client import desk_of
from tests.races import at_once
from tests.statements import queries


def post(client: FlaskClient, by: Person, url: str, body: dict[str, Any], **headers: str) -> TestResponse:
    return client.post(url, json=body, headers={**by.headers, **headers})


def work(client: FlaskClient, of: Site, by: Person | None = None) -> Any:
    answer = client.get(of.url("work"), headers=(by or of.agent).headers)
    assert answer.status_code == 200, answer.json
    return answer.json


def made(client: FlaskClient, of: Site, part: str, body: dict[str, Any]) -> Any:
    answer = post(client, of.agent, of.url(part), body)
    assert answer.status_code == 201, answer.json
    return answer.json


def verbs(world: World, of: Site) -> list[str]:
    wanted = select(AuditEvent.verb).where(AuditEvent.subject_id == str(of.case.id)).order_by(AuditEvent.id)
    with world.session() as session:
        return list(session.execute(wanted).scalars())


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


# --- findings


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


# --- trainings


def people(*names: str) -> dict[str, Any]:
    return {"attendees": [{"name": name, "post": "班组长"} for name in names]}


def test_a_training_has_a_list_and_records_who_came(client: FlaskClient, world: World) -> None:
    of = site(world, CaseState.training)
    held = made(client, of, "trainings", training())
    url = f"/api/v1/case-trainings/{held['id']}"
    added = post(client, of.agent, f"{url}/attendees", people("张一", "张二", "张三"))
    assert added.status_code == 201 and [one["name"] for one in added.json["items"]] == [
        "张一",
        "张二",
        "张三",
    ]
    first, second, third = (one["id"] for one in added.json["items"])
    answer = post(client, of.agent, f"{url}/attendance", {"attended": [first, third]})
    assert answer.status_code == 200, answer.json
    shown = work(client, of, of.owner)["trainings"][0]["attendees"]
    assert [(one["name"], one["attended"]) for one in shown] == [
        ("张一", True),
        ("张二", False),
        ("张三", True),
    ]

    gone = client.delete(f"/api/v1/case-attendees/{second}", headers=of.agent.headers)
    assert gone.status_code == 204
    stays = client.delete(f"/api/v1/case-attendees/{first}", headers=of.agent.headers)
    assert (stays.status_code, stays.json["code"]) == (409, "attendee_attended")
    assert len(work(client, of)["trainings"][0]["attendees"]) == 2


def test_attendance_is_of_the_list_and_not_ahead(client: FlaskClient, world: World) -> None:
    of = site(world, CaseState.training)
    held = made(client, of, "trainings", training())
    url = f"/api/v1/case-trainings/{held['id']}"
    added = post(client, of.agent, f"{url}/attendees", people("张一"))
    stranger = post(client, of.agent, f"{url}/attendance", {"attended": [str(new_id())]})
    assert (stranger.status_code, list(stranger.json["fields"])) == (422, ["attended"])
    assert kept(world, CaseAttendee, added.json["items"][0]["id"]).attended is None

    ahead = made(client, of, "trainings", training(now() + timedelta(days=1)))
    early = post(client, of.agent, f"/api/v1/case-trainings/{ahead['id']}/attendance", {"attended": []})
    assert (early.status_code, early.json["code"]) == (409, "case_training_ahead")


def test_a_training_has_two_hundred_people_at_most(client: FlaskClient, world: World) -> None:
    of = site(world, CaseState.training)
    held = made(client, of, "trainings", training())
    url = f"/api/v1/case-trainings/{held['id']}/attendees"
    assert post(client, of.agent, url, people(*(f"张{n}" for n in range(201)))).status_code == 422
    assert post(client, of.agent, url, people(*(f"张{n}" for n in range(199)))).status_code == 201
    more = post(client, of.agent, url, people("李一", "李二"))
    assert (more.status_code, more.json["code"]) == (422, "attendees_too_many")
    assert post(client, of.agent, url, people("李一")).status_code == 201


def test_two_who_fill_a_list_at_once_do_not_overfill_it(
    app: Flask, client: FlaskClient, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = site(world, CaseState.training)

    def listed(held: Any) -> int:
        url = f"/api/v1/case-trainings/{held['id']}/attendees"
        many = people(*(f"张{n}" for n in range(120)))
        at_once(*(lambda: post(app.test_client(), of.agent, url, many) for _ in range(2)))
        with world.session() as session:
            count = select(func.count()).where(CaseAttendee.training_id == UUID(held["id"]))
            number: int = session.execute(count).scalar_one()
            return number

    first, second = (made(client, of, "trainings", training()) for _ in range(2))
    assert listed(first) == 120
    with monkeypatch.context() as patch:
        # The race itself: each reads the case and the list without holding them, and both then write.
        patch.setattr(Select, "with_for_update", lambda self, **_: self)
        both = Barrier(2, timeout=30)
        hold_part, record = case_acts.hold_part, audit.record

        def together(*given: Any) -> Any:
            found = hold_part(*given)
            both.wait()
            return found

        def late(*given: Any, **detail: Any) -> None:
            both.wait()  # neither commits before both have written
            record(*given, **detail)

        patch.setattr(case_acts, "hold_part", together)
        patch.setattr(audit, "record", late)
        assert listed(second) == 240


def test_a_training_ends_after_it_begins(client: FlaskClient, world: World) -> None:
    of = site(world, CaseState.training)
    start = now() - timedelta(hours=2)
    wrong = training(start, ends_at=start.isoformat())
    refused = post(client, of.agent, of.url("trainings"), wrong)
    assert (refused.status_code, list(refused.json["fields"])) == (422, ["ends_at"])
    held = made(client, of, "trainings", training(start))
    moved = client.patch(
        f"/api/v1/case-trainings/{held['id']}",
        json={"starts_at": (start + timedelta(hours=3)).isoformat()},
        headers=of.agent.headers,
    )
    assert (moved.status_code, list(moved.json["fields"])) == (422, ["ends_at"])
    renamed = client.patch(
        f"/api/v1/case-trainings/{held['id']}", json={"title": "内审方法"}, headers=of.agent.headers
    )
    assert renamed.json["title"] == "内审方法" and renamed.json["starts_at"] == held["starts_at"]


# --- visits


def test_a_visit_is_recorded_and_the_officer_confirms_it(client: FlaskClient, world: World) -> None:
    of = site(world)
    offered = client.get(of.url("participants"), headers=of.agent.headers).json
    assert [one["id"] for one in offered["experts"]] == [str(of.expert.id)]
    assert {"id": str(of.officer.id), "name": "孙县局"} in offered["officers"]
    seen = made(client, of, "visits", visit(of))
    told = select(Notice).where(Notice.kind == "case.visit", Notice.user_id == of.officer.id)
    with world.session() as session:
        assert session.execute(told).scalars().one().subject_id == of.case.id

    url = f"/api/v1/visits/{seen['id']}"
    assert client.patch(url, json={"place": "二车间"}, headers=of.agent.headers).json["place"] == "二车间"
    answer = post(client, of.officer, f"{url}/confirm", {})
    assert answer.status_code == 200 and answer.json == {"case_id": str(of.case.id)}
    confirmed = kept(world, Visit, seen["id"]).confirmed_at
    assert confirmed and post(client, of.officer, f"{url}/confirm", {}).status_code == 200
    assert kept(world, Visit, seen["id"]).confirmed_at == confirmed

    late = client.patch(url, json={"place": "三车间"}, headers=of.agent.headers)
    assert (late.status_code, late.json["code"]) == (409, "visit_confirmed")
    [shown] = work(client, of, of.owner)["visits"]
    assert (shown["expert"], shown["officer"]) == ("陈专家", "孙县局") and shown["confirmed_at"]
    assert verbs(world, of) == ["case.visit_recorded", "case.visit_changed", "case.visit_confirmed"]


def test_an_expert_of_another_agency_is_refused(client: FlaskClient, world: World) -> None:
    of = site(world)
    stranger = expert(world, agency(world))
    for expert_id in (stranger.id, new_id()):
        answer = post(client, of.agent, of.url("visits"), visit(of, expert_id=str(expert_id)))
        assert (answer.status_code, answer.json["code"]) == (422, "expert_not_of_agency")
        assert list(answer.json["fields"]) == ["expert_id"]
    seen = made(client, of, "visits", visit(of))
    body = {"expert_id": str(stranger.id)}
    answer = client.patch(f"/api/v1/visits/{seen['id']}", json=body, headers=of.agent.headers)
    assert answer.json["code"] == "expert_not_of_agency"
    assert kept(world, Visit, seen["id"]).expert_id == of.expert.id


def test_an_officer_is_of_the_enterprises_county(client: FlaskClient, world: World) -> None:
    of = site(world)
    elsewhere = world.staff("county_staff", "js.xz.peixian")
    for officer in (elsewhere, world.staff("branch_staff", "js.xz.fengxian"), of.owner, of.agent):
        answer = post(client, of.agent, of.url("visits"), visit(of, officer_id=str(officer.id)))
        assert (answer.status_code, answer.json["code"]) == (422, "officer_elsewhere")
        assert list(answer.json["fields"]) == ["officer_id"]


def test_only_the_officer_who_is_named_confirms_and_not_ahead(client: FlaskClient, world: World) -> None:
    of = site(world)
    seen = made(client, of, "visits", visit(of))
    url = f"/api/v1/visits/{seen['id']}/confirm"
    colleague = world.staff("county_staff", "js.xz.fengxian")
    answer = post(client, colleague, url, {})
    assert (answer.status_code, answer.json["code"]) == (409, "visit_not_yours")
    assert post(client, world.staff("county_staff", "js.xz.peixian"), url, {}).status_code == 404
    assert post(client, of.agent, url, {}).status_code == 403
    assert post(client, of.owner, url, {}).status_code == 403
    assert kept(world, Visit, seen["id"]).confirmed_at is None

    ahead = made(client, of, "visits", visit(of, now() + timedelta(days=1)))
    early = post(client, of.officer, f"/api/v1/visits/{ahead['id']}/confirm", {})
    assert (early.status_code, early.json["code"]) == (409, "visit_ahead")


def test_nobodys_word_is_taken_for_anothers(
    app: Flask, client: FlaskClient, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The officer confirms in the moment in which the agency names a colleague instead."""
    of = site(world)
    colleague = world.staff("county_staff", "js.xz.fengxian")
    hold_part = case_acts.hold_part

    def raced() -> tuple[UUID, bool]:
        seen = made(client, of, "visits", visit(of))
        url = f"/api/v1/visits/{seen['id']}"
        read, confirmed = Event(), Event()

        def slowly(*given: Any) -> Any:
            found = hold_part(*given)
            read.set()
            confirmed.wait(1)  # in vain where the confirmation waits for what is held
            return found

        def confirm() -> None:
            assert read.wait(30)
            post(app.test_client(), of.officer, f"{url}/confirm", {})
            confirmed.set()

        def name_another() -> None:
            body = {"officer_id": str(colleague.id)}
            app.test_client().patch(url, json=body, headers=of.agent.headers)

        with monkeypatch.context() as patch:
            patch.setattr(case_acts, "hold_part", slowly)
            at_once(confirm, name_another)
        stored = kept(world, Visit, seen["id"])
        return stored.officer_id, stored.confirmed_at is not None

    assert raced() == (colleague.id, False)
    with monkeypatch.context() as patch:
        patch.setattr(Select, "with_for_update", lambda self, **_: self)
        assert raced() == (colleague.id, True)  # the fault: confirmed, by somebody who was not asked


def test_a_visit_sent_again_from_the_field_is_one_visit(client: FlaskClient, world: World) -> None:
    of = site(world)
    body, key = visit(of), {"Idempotency-Key": f"field-{new_id().hex[:12]}"}
    first = post(client, of.agent, of.url("visits"), body, **key)
    again = post(client, of.agent, of.url("visits"), body, **key)
    assert first.status_code == again.status_code == 201 and first.json == again.json
    assert len(work(client, of)["visits"]) == 1


def test_a_visit_names_a_booking_of_its_own_case(client: FlaskClient, world: World) -> None:
    of = site(world)
    answer = post(client, of.agent, of.url("visits"), visit(of, booking_id=str(new_id())))
    assert (answer.status_code, list(answer.json["fields"])) == (422, ["booking_id"])


def test_an_officer_whose_account_is_disabled_is_not_offered(client: FlaskClient, world: World) -> None:
    of = site(world)
    desk_of(world, of.officer, "js.xz.fengxian")
    with world.session() as session:
        account = select(StaffAccount).where(StaffAccount.user_id == of.officer.id)
        session.execute(account).scalar_one().state = AccountState.disabled
    offered = client.get(of.url("participants"), headers=of.agent.headers).json["officers"]
    assert str(of.officer.id) not in [one["id"] for one in offered]
    answer = post(client, of.agent, of.url("visits"), visit(of))
    assert (answer.status_code, answer.json["code"]) == (422, "officer_elsewhere")


def test_an_expert_who_left_is_not_offered(client: FlaskClient, world: World) -> None:
    of = site(world)
    with world.session() as session:
        session.get(Expert, of.expert.id).active = False
    assert client.get(of.url("participants"), headers=of.agent.headers).json["experts"] == []


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
    post(client, of.agent, url, people("张一"))
    made(client, of, "visits", visit(of))
    few = asked()
    for n in range(3):
        made(client, of, "findings", finding())
        held = made(client, of, "trainings", training())
        post(client, of.agent, f"/api/v1/case-trainings/{held['id']}/attendees", people(f"李{n}"))
        made(client, of, "visits", visit(of))
    assert asked() == few


def test_the_bureau_sees_how_many_came_and_not_their_names(client: FlaskClient, world: World) -> None:
    """Its own page shows it; the API is the enterprise's and the agency's."""
    of = site(world, CaseState.training)
    assert client.get(of.url("work"), headers=of.officer.headers).status_code == 403
