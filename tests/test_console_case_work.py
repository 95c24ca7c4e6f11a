"""The work on a case at the console: an agency's forms, an officer's visits, and what a page shows of it."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from models.base import BEIJING, now
from models.cases import (
    CaseAttendee,
    CaseEffect,
    CaseScore,
    CaseState,
    CaseTraining,
    Finding,
    Phase,
    Visit,
)
from tests.agency_builders import agency, agency_desk, expert
from tests.booking_builders import booking
from tests.builders import World
from tests.case_work_builders import AFTER, ANSWERS, BEFORE, PLAN, Site, kept, site
from tests.console_client import Desk, desk, desk_of, text_of
from tests.statements import queries


def at(moment: datetime) -> str:
    return f"{moment.astimezone(BEIJING):%Y-%m-%dT%H:%M}"


def path(of: Site, *rest: str) -> str:
    return "/".join([f"/console/cases/{of.case.id}", *rest])


def rows(world: World, model: Any, of: Site) -> list[Any]:
    with world.session() as session:
        return list(session.execute(select(model).where(model.case_id == of.case.id)).scalars())


def add(world: World, row: Any) -> Any:
    with world.session() as session:
        session.add(row)
        session.flush()
    return row


def held(world: World, of: Site, **changes: Any) -> CaseTraining:
    values: dict[str, Any] = {
        "audience": "team",
        "title": "班组质量控制",
        "trainer": "陈专家",
        "place": "一车间会议室",
        "starts_at": now() - timedelta(hours=3),
        "ends_at": now() - timedelta(hours=1),
    }
    return add(world, CaseTraining(case_id=of.case.id, **{**values, **changes}))


def visited(world: World, of: Site, **changes: Any) -> Visit:
    values: dict[str, Any] = {
        "purpose": "diagnosis",
        "starts_at": now() - timedelta(hours=3),
        "ends_at": now() - timedelta(hours=1),
        "place": "企业会议室",
        "expert_id": of.expert.id,
        "officer_id": of.officer.id,
        "created_by": of.agent.id,
    }
    return add(world, Visit(case_id=of.case.id, **{**values, **changes}))


def problem(world: World, of: Site, **changes: Any) -> Finding:
    values: dict[str, Any] = {
        "aspect": "standards",
        "problem": "进货检验没有规程",
        "measure": "编写规程",
        "owner": "李质量",
        "due_on": now().date() + timedelta(days=20),
    }
    return add(world, Finding(case_id=of.case.id, **{**values, **changes}))


# --- diagnosis, scores, plan, figures


def typed_answers(**changes: Any) -> dict[str, Any]:
    return {f"answers.{name}": value for name, value in {**ANSWERS, **changes}.items()}


def test_a_diagnosis_is_filled_in_and_filled_in_again(world: World) -> None:
    of = site(world)
    agent = agency_desk(world, of.agency)
    assert "质量管理意识" in text_of(agent.get(path(of, "diagnosis")))
    answer = agent.post(path(of, "diagnosis"), **typed_answers())
    assert answer.status_code == 303 and answer.headers["Location"].endswith("#diagnosis")
    again = agent.get(path(of, "diagnosis")).get_data(as_text=True)
    assert re.search(r'name="answers.people_quality_lead" value="part_time" checked', again)
    assert re.search(r'name="answers.people_roles" value="team" checked', again)


def test_an_unanswered_question_is_said_at_its_field(world: World) -> None:
    of = site(world)
    agent = agency_desk(world, of.agency)
    given = typed_answers(energy_metering="", people_roles=["none", "team"], conclusion="")
    answer = agent.post(path(of, "diagnosis"), **given)
    page = answer.get_data(as_text=True)
    assert answer.status_code == 422 and page.count("此题必答") == 2
    assert "所选项中有一项不能与其他项同选" in page
    assert re.search(r'name="answers.people_quality_lead" value="part_time" checked', page)


def test_scores_out_of_range_stand_at_their_fields(world: World) -> None:
    of = site(world)
    agent = agency_desk(world, of.agency)
    wrong = agent.post(path(of, "scores"), phase="before", **{**BEFORE, "energy": "101", "people": "高"})
    page = wrong.get_data(as_text=True)
    assert wrong.status_code == 422 and 'id="i-energy-wrong">应在 0 与 100 之间' in page
    assert 'id="i-people-wrong">应为整数' in page and rows(world, CaseScore, of) == []
    right = agent.post(path(of, "scores"), phase="before", **BEFORE)
    assert right.status_code == 303
    assert {one.aspect.value: one.score for one in rows(world, CaseScore, of)} == BEFORE
    assert 'value="45"' in agent.get(path(of, "scores"), phase="before").get_data(as_text=True)


def test_a_plan_says_what_is_missing(world: World) -> None:
    of = site(world, CaseState.planning)
    agent = agency_desk(world, of.agency)
    answer = agent.post(path(of, "plan"), strategy="", aspects="", strategy_reason="", plan="")
    page = answer.get_data(as_text=True)
    assert answer.status_code == 422 and page.count("必填") >= 3 and "至少 1 项" in page
    assert agent.post(path(of, "plan"), **PLAN).status_code == 303


@pytest.mark.parametrize(
    ("typed", "stored"),
    [("8.25", 825), ("8", 800), ("-1.5", -150), ("１２．５％", 1250), ("100", 10_000), ("", None)],
)
def test_a_profit_margin_is_typed_in_percent(world: World, typed: str, stored: int | None) -> None:
    of = site(world)
    agent = agency_desk(world, of.agency)
    figures = {"revenue": "5,000,000", "profit_margin": typed, "quality_cost": ""}
    assert agent.post(path(of, "effects"), phase="before", **figures).status_code == 303
    [effect] = rows(world, CaseEffect, of)
    assert (effect.phase, effect.revenue, effect.profit_margin) == (Phase.before, 5_000_000, stored)


@pytest.mark.parametrize("typed", ["8.255", "八", "100.01", "-1000.01", "1e2"])
def test_what_is_no_percentage_is_said_at_its_field(world: World, typed: str) -> None:
    of = site(world)
    agent = agency_desk(world, of.agency)
    answer = agent.post(path(of, "effects"), phase="before", revenue="", profit_margin=typed, quality_cost="")
    assert answer.status_code == 422 and 'id="i-profit_margin-wrong"' in answer.get_data(as_text=True)
    assert rows(world, CaseEffect, of) == []


# --- findings, trainings


def test_a_problem_is_added_changed_and_worked_off(world: World) -> None:
    of = site(world)
    agent = agency_desk(world, of.agency)
    due = f"{now() + timedelta(days=20):%Y-%m-%d}"
    given = {"aspect": "people", "problem": "没有内审员", "measure": "培训两人", "owner": "李质量"}
    wrong = agent.post(path(of, "findings", "new"), **given, due_on="2020-01-01")
    assert wrong.status_code == 422 and "完成期限不能早于今天" in text_of(wrong)
    assert agent.post(path(of, "findings", "new"), **given, due_on=due).status_code == 303
    [found] = rows(world, Finding, of)
    url = f"/console/findings/{found.id}"
    assert "没有内审员" in text_of(agent.get(f"{url}/edit"))
    assert agent.post(f"{url}/edit", **{**given, "measure": "培训三人"}, due_on=due).status_code == 303
    assert agent.post(f"{url}/move", state="under_way").status_code == 303
    blank = agent.post(f"{url}/move", state="done", result="")
    assert blank.status_code == 422 and "请填写完成情况" in text_of(blank)
    assert agent.post(f"{url}/move", state="done", result="三人取证").status_code == 303
    assert agent.post(f"{url}/move", state="verified").status_code == 303
    stored = kept(world, Finding, found.id)
    assert (stored.state, stored.measure, stored.result) == ("verified", "培训三人", "三人取证")


def test_many_people_are_pasted_and_marked(world: World) -> None:
    of = site(world, CaseState.training)
    agent = agency_desk(world, of.agency)
    url = f"/console/case-trainings/{held(world, of).id}"
    assert "名单还是空的" in text_of(agent.get(url))
    lines = "张一\t一车间 班组长\n\n李二，检验员\r\n王三"
    assert agent.post(url, lines=lines).status_code == 303
    people = sorted(rows(world, CaseAttendee, of), key=lambda one: one.id)
    assert [(one.name, one.post) for one in people] == [
        ("张一", "一车间 班组长"),
        ("李二", "检验员"),
        ("王三", ""),
    ]
    came = [str(people[0].id), str(people[2].id)]
    assert agent.post(f"{url}/attendance", attended=came, **{"attended.there": "1"}).status_code == 303
    assert [kept(world, CaseAttendee, one.id).attended for one in people] == [True, False, True]
    assert agent.post(f"/console/case-attendees/{people[1].id}/remove").status_code == 303
    nobody = agent.post(f"{url}/attendance", **{"attended.there": "1"})
    assert nobody.status_code == 303 and len(rows(world, CaseAttendee, of)) == 2
    assert not any(one.attended for one in rows(world, CaseAttendee, of))


def test_a_wrong_line_is_named_by_its_number(world: World) -> None:
    of = site(world, CaseState.training)
    agent = agency_desk(world, of.agency)
    answer = agent.post(f"/console/case-trainings/{held(world, of).id}", lines=f"张一\n\n{'长' * 33} 工人")
    assert answer.status_code == 422 and "第 3 行" in text_of(answer)
    assert rows(world, CaseAttendee, of) == []


def test_a_training_is_arranged_and_changed(world: World) -> None:
    of = site(world, CaseState.planning)
    agent = agency_desk(world, of.agency)
    start = now() + timedelta(days=3)
    given = {
        "audience": "management",
        "title": "质量领导力",
        "trainer": "陈专家",
        "place": "会议室",
        "starts_at": at(start),
        "ends_at": at(start + timedelta(hours=2)),
    }
    blank = agent.post(path(of, "trainings", "new"), **{**given, "audience": "", "ends_at": at(start)})
    assert blank.status_code == 422 and "必填" in text_of(blank)
    assert agent.post(path(of, "trainings", "new"), **given).status_code == 303
    [made] = rows(world, CaseTraining, of)
    wrong = {**given, "ends_at": at(start)}
    answer = agent.post(f"/console/case-trainings/{made.id}/edit", **wrong)
    assert answer.status_code == 422 and "应晚于开始时间" in text_of(answer)
    early = agent.follow(agent.post(f"/console/case-trainings/{made.id}/attendance", attended=""))
    assert "培训尚未开始" in text_of(early)


# --- visits


def test_a_visit_is_recorded_and_its_officer_confirms_it(world: World) -> None:
    of = site(world)
    agent, officer = agency_desk(world, of.agency), desk_of(world, of.officer)
    start = now() - timedelta(hours=2)
    given = {
        "purpose": "diagnosis",
        "starts_at": at(start),
        "ends_at": at(start + timedelta(hours=1)),
        "place": "企业会议室",
        "expert_id": str(of.expert.id),
        "officer_id": str(of.officer.id),
        "notes": "",
    }
    page = agent.get(path(of, "visits", "new")).get_data(as_text=True)
    assert "孙县局" in page and "陈专家" in page
    assert agent.post(path(of, "visits", "new"), **given).status_code == 303
    [visit] = rows(world, Visit, of)
    changed = {**given, "place": "二车间"}
    assert agent.post(f"/console/visits/{visit.id}/edit", **changed).status_code == 303

    waiting = text_of(officer.get("/console/visits"))
    assert of.enterprise.name in waiting and "二车间" in waiting and "确认我参与了" in waiting
    colleague = desk(world, "county_staff", name="钱同事")
    assert "二车间" not in text_of(colleague.get("/console/visits"))
    refused = colleague.follow(colleague.post(f"/console/visits/{visit.id}/confirm"))
    assert "须由其本人确认" in text_of(refused)
    assert kept(world, Visit, visit.id).confirmed_at is None
    assert officer.post(f"/console/visits/{visit.id}/confirm").status_code == 303
    assert kept(world, Visit, visit.id).confirmed_at is not None
    assert "没有待您确认的走访" in text_of(officer.get("/console/visits"))
    late = agent.post(f"/console/visits/{visit.id}/edit", **changed)
    assert late.status_code == 409 and "已经县局人员确认" in text_of(late)


def test_of_a_booking_time_and_place_are_there_already(world: World) -> None:
    of = site(world)
    met = now().replace(minute=0, second=0, microsecond=0) - timedelta(days=1)
    own = booking(world, of.expert, of.enterprise, met, case_id=of.case.id, place="企业会议室")
    agent = agency_desk(world, of.agency)
    page = agent.get(path(of, "visits", "new"), booking=str(own.id)).get_data(as_text=True)
    assert f'value="{at(met)}"' in page and 'value="企业会议室"' in page
    assert f'<option value="{own.id}" selected>' in page
    assert f'<option value="{of.expert.id}" selected>' in page


def test_an_expert_of_another_agency_is_said_at_the_field(world: World) -> None:
    of = site(world)
    agent, stranger = agency_desk(world, of.agency), expert(world, agency(world))
    start = now() - timedelta(hours=2)
    given = {"purpose": "diagnosis", "starts_at": at(start), "ends_at": at(start + timedelta(hours=1))}
    people = {"place": "车间", "expert_id": str(stranger.id), "officer_id": str(of.officer.id), "notes": ""}
    answer = agent.post(path(of, "visits", "new"), **given, **people)
    page = answer.get_data(as_text=True)
    assert answer.status_code == 422 and 'id="i-expert_id-wrong">应为承接机构的专家' in page
    assert rows(world, Visit, of) == []


def test_the_home_page_counts_the_visits_to_confirm(world: World) -> None:
    of = site(world)
    officer = desk_of(world, of.officer)
    assert "0 次走访待您确认" in text_of(officer.get("/console/"))
    visited(world, of)
    visited(world, of, starts_at=now() + timedelta(days=1), ends_at=now() + timedelta(days=2))
    assert "1 次走访待您确认" in text_of(officer.get("/console/"))


# --- whose, and when


PAGES = ("diagnosis", "scores", "plan", "effects", "summary", "findings/new", "trainings/new", "visits/new")


def test_another_agencys_case_is_refused(world: World) -> None:
    of = site(world)
    stranger = agency_desk(world, agency(world))
    for page in PAGES:
        assert stranger.get(path(of, page)).status_code == 403
        assert stranger.post(path(of, page)).status_code == 403
    others = (
        f"findings/{problem(world, of).id}/edit",
        f"case-trainings/{held(world, of).id}",
        f"visits/{visited(world, of).id}/edit",
    )
    for url in others:
        assert stranger.get(f"/console/{url}").status_code == 403
        assert stranger.post(f"/console/{url}").status_code == 403


def test_a_form_of_another_state_does_not_open(world: World) -> None:
    of = site(world)
    agent = agency_desk(world, of.agency)
    for page in ("plan", "summary", "rectification", "trainings/new"):
        answer = agent.get(path(of, page))
        assert answer.status_code == 409 and "项目处于“诊断”" in text_of(answer)
    assert agent.get(path(of, "scores"), phase="after").status_code == 409
    assert agent.get(path(of, "scores"), phase="later").status_code == 403


# --- the sections of the case's page


def filled(world: World) -> Site:
    of = site(
        world,
        CaseState.improvement,
        diagnosis=ANSWERS,
        diagnosis_version="2026-11",
        summary="返工率下降。",
    )
    training = held(world, of)
    add(world, CaseAttendee(case_id=of.case.id, training_id=training.id, name="张建国", attended=True))
    problem(world, of, due_on=now().date() - timedelta(days=1))
    visited(world, of)
    with world.session() as session:
        for phase, scores in ((Phase.before, BEFORE), (Phase.after, AFTER)):
            for aspect, points in scores.items():
                session.add(CaseScore(case_id=of.case.id, phase=phase, aspect=aspect, score=points))
        session.add(CaseEffect(case_id=of.case.id, phase=Phase.before, revenue=5_000_000, profit_margin=825))
        session.add(CaseEffect(case_id=of.case.id, phase=Phase.after, revenue=5_500_000, profit_margin=750))
    return of


def test_the_page_shows_everything_and_offers_what_may_be_done(world: World) -> None:
    of = filled(world)
    agent, officer = agency_desk(world, of.agency), desk_of(world, of.officer)
    seen = text_of(agent.get(path(of)))
    for said in (
        "质量负责人由谁担任？ 兼职",
        "建立体系+夯实基础",
        "标准化水平 50 75 +25",
        "营业收入（元） 5,000,000 5,500,000 +500,000",
        "利润率（%） 8.25 7.50 -0.75",
        "进货检验没有规程",
        "已逾期",
        "张建国",
        "返工率下降。",
        "待本人确认",
    ):
        assert said in seen, said
    assert "帮扶后评分" in seen and "登记走访" in seen and "确认我参与了" not in seen

    page = officer.get(path(of)).get_data(as_text=True)
    assert "确认我参与了" in page and "登记走访" not in page and "修改诊断表" not in page
    assert "张建国" not in page and "张*国" in page
    chart = re.search(r"(?s)<svg viewBox=\"0 0 440 300\".*?</svg>", page)
    assert chart and "标准化水平：帮扶前 50，帮扶后 75" in chart[0]
    assert 'class="after" points="220.0,70.0' in chart[0]  # 80 of 100 points, straight up
    assert "style=" not in chart[0]


def test_the_page_costs_as_many_statements_however_much_there_is(app: Flask, world: World) -> None:
    of = filled(world)
    agent: Desk = agency_desk(world, of.agency)
    agent.get(path(of))

    def asked() -> int:
        with queries(app) as seen:
            assert agent.get(path(of)).status_code == 200
        return len(seen)

    few = asked()
    for _ in range(3):
        training = held(world, of)
        add(world, CaseAttendee(case_id=of.case.id, training_id=training.id, name="王班长"))
        problem(world, of)
        visited(world, of)
    assert asked() == few
