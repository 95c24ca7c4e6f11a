"""Cases at the desk: the board, the queue with its ranking, one case, and an agency's own."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from app import working_days
from app.services import case_board, case_routing
from models.agencies import Agency
from models.base import now
from models.cases import OPEN, Case, CaseOffer, CaseState, Correction, OfferState
from tests import agency_builders as agencies
from tests import case_builders as build
from tests.builders import World
from tests.console_client import Desk, desk, text_of
from tests.statements import queries
from tests.test_transfers import downloaded, transfer_of

COUNTY = "js.xz.suining"
"""A county that no other test has cases in: what a page counts is this file's."""


@pytest.fixture(scope="module")
def app(app_with_platform: Flask) -> Flask:
    """What is taken out is made by a job."""
    return app_with_platform


@pytest.fixture
def county(world: World) -> Desk:
    return desk(world, "county_staff", COUNTY, name="钱审核")


def of_county(world: World, state: CaseState = CaseState.requested, **changes: Any) -> Case:
    enterprise = changes.pop("enterprise", None) or world.enterprise(division_id=COUNTY, name="睢宁木业厂")
    return build.case(world, state, enterprise=enterprise, **changes)


# --- the board and the lists


def _counts(at: Desk, **query: Any) -> dict[str, int]:
    page = at.get("/console/cases", **query)
    assert page.status_code == 200
    html = page.get_data(as_text=True)
    columns = re.findall(r'<h2 id="c-(\w+)">[^<]*<span class="total">([\d,]+)</span>', html)
    return {state: int(number.replace(",", "")) for state, number in columns}


def test_the_board_counts_by_state_and_by_reach(world: World) -> None:
    at = desk(world, "county_staff", "js.xz.jiawang")
    for state in OPEN:
        enterprise = world.enterprise(division_id="js.xz.jiawang")
        build.case(world, state, enterprise=enterprise)
    build.case(world, CaseState.closed, enterprise=world.enterprise(division_id="js.xz.jiawang"))
    assert _counts(at) == dict.fromkeys((state.value for state in OPEN), 1)
    late = build.case(
        world,
        CaseState.diagnosis,
        enterprise=world.enterprise(division_id="js.xz.jiawang"),
        due_at=now() - timedelta(days=4),
    )
    assert _counts(at, overdue="yes") == dict.fromkeys((s.value for s in OPEN), 0) | {"diagnosis": 1}
    shown = text_of(at.get("/console/cases", overdue="yes"))
    assert late.number in shown
    assert "逾期" in shown
    [agency] = _agency_names(world, late)
    assert sum(_counts(at, agency=agency[-8:]).values()) == 1
    assert "没有这个选项" in text_of(at.get("/console/cases", overdue="perhaps"))


def _agency_names(world: World, case: Case) -> list[str]:
    with world.session() as session:
        return [session.get(Agency, case.agency_id).name]


def test_a_column_shows_the_most_urgent_and_leads_to_the_rest(world: World) -> None:
    at = desk(world, "county_staff", "js.xz.gulou")
    made = [
        build.case(
            world,
            CaseState.requested,
            enterprise=world.enterprise(division_id="js.xz.gulou"),
            due_at=now() + timedelta(hours=number),
        )
        for number in range(case_board.CARDS + 2)
    ]
    html = at.get("/console/cases").get_data(as_text=True)
    shown = re.findall(r"[0-9A-Z]{10}(?=</p>)", html)
    assert shown == [one.number for one in made[: case_board.CARDS]]
    assert f"查看全部 {len(made)} 个" in html


def test_the_board_costs_the_same_whatever_there_is_on_it(app: Flask, world: World) -> None:
    at = desk(world, "county_staff", "js.xz.yunlong")

    def cost(path: str) -> int:
        with queries(app) as seen:
            assert at.get(path, size=200).status_code == 200
        return len(seen)

    pages = (
        "/console/cases",
        "/console/cases/list",
        "/console/cases/overdue",
        "/console/queue",
    )
    build.many(world, 3, "js.xz.yunlong", at.person.id)
    for path in pages:
        cost(path)  # the first time names are learned and statements compiled
    few = {path: cost(path) for path in pages}
    build.many(world, 10_000, "js.xz.yunlong", at.person.id)
    assert {path: cost(path) for path in pages} == few
    assert sum(_counts(at).values()) == 10_003
    assert few["/console/cases"] <= 8


def test_the_register_is_narrowed_and_taken_out(
    world: World, county: Desk, run_jobs: Callable[[], None]
) -> None:
    mine = of_county(world, CaseState.diagnosis)
    other = of_county(world, CaseState.closed)
    elsewhere = build.case(world)
    shown = text_of(county.get("/console/cases/list"))
    assert mine.number in shown
    assert other.number in shown
    assert elsewhere.number not in shown
    shown = text_of(county.get("/console/cases/list", state="diagnosis", number=mine.number.lower()))
    assert mine.number in shown
    assert other.number not in shown
    made = transfer_of(county.post("/console/exports/cases", number=mine.number))
    run_jobs()
    head, *rows = (row for row in downloaded(county, made) if row[1] is not None)
    [taken] = [dict(zip(head, row, strict=True)) for row in rows]
    assert (taken["企业"], taken["环节"], taken["项目编号"]) == ("睢宁木业厂", "诊断", mine.number)


def test_the_overdue_list_says_for_how_long(world: World, county: Desk) -> None:
    late = of_county(world, CaseState.planning, due_at=now() - timedelta(days=30))
    paused = of_county(world, CaseState.planning, due_at=now() - timedelta(days=30), paused_at=now())
    shown = text_of(county.get("/console/cases/overdue"))
    assert late.number in shown
    assert paused.number not in shown
    assert re.search(rf"{late.number}.*?逾期 \d+ 个工作日", shown)


# --- the queue and the ranking


def test_a_request_is_admitted_and_routed_by_the_ranking(world: World, county: Desk) -> None:
    case = of_county(world, scheme="ems")
    best = agencies.agency(world, schemes=["ems"], counties=[COUNTY])
    agencies.selection(world, best, COUNTY)
    agencies.assessment(world, best, rank=3, score=91.5)
    poor = agencies.agency(world, schemes=["qms"], counties=["js.xz.peixian"], capacity=1, under_way=1)
    admitted = county.post(f"/console/queue/{case.id}", decision="admit", reason="")
    page = county.follow(admitted)
    html, shown = page.get_data(as_text=True), text_of(page)
    assert html.index(best.name) < html.index(poor.name)
    for reason in ("服务睢宁", "年度已选定（责任心强）", "认证领域含环境管理体系", "第 3 位，91.5 分"):
        assert reason in shown
    for reason in ("服务范围不含睢宁", "认证领域不含环境管理体系", "在办项目已满", "尚无年度考核"):
        assert reason in shown
    offered = county.post(f"/console/queue/{case.id}/offer", agency_ids=[str(best.id)])
    assert "已派给 1 家机构" in text_of(county.follow(offered))
    with world.session() as session:
        assert session.get(Case, case.id).state == CaseState.offered


def test_the_ranking_is_one_statement(app: Flask, world: World) -> None:
    case = of_county(world, CaseState.routing)
    actor = build.actor(world.staff("county_staff", COUNTY), "county_staff", COUNTY)
    for _ in range(3):
        agencies.assessment(world, agencies.agency(world))
    with app.app_context():
        case_routing.ranking(actor, case)
        with queries(app) as seen:
            found = case_routing.ranking(actor, case)
    assert len(found) >= 3
    assert len([one for one in seen if "agencies" in one]) == 1


def test_who_declined_before_is_ranked_below_and_it_is_said(app: Flask, world: World) -> None:
    case = of_county(world, CaseState.routing)
    first, second = (agencies.agency(world, counties=[COUNTY]) for _ in range(2))
    agencies.assessment(world, first, rank=1)
    agencies.assessment(world, second, rank=2)
    actor = build.actor(world.staff("county_staff", COUNTY), "county_staff", COUNTY)

    def order() -> list[Any]:
        with app.app_context():
            found = case_routing.ranking(actor, case)
        return [one for one in found if one.agency_id in (first.id, second.id)]

    assert [one.agency_id for one in order()] == [first.id, second.id]
    build.offer(world, case, first, state=OfferState.declined, reason="人手不足")
    after = order()
    assert [one.agency_id for one in after] == [second.id, first.id]
    assert after[1].grounds[-1].text == "本项目此前已拒单：人手不足"


@pytest.mark.parametrize(("decision", "state"), [("refuse", CaseState.refused), ("ask", CaseState.requested)])
def test_a_refusal_and_a_correction_need_their_words(
    world: World, county: Desk, decision: str, state: CaseState
) -> None:
    case = of_county(world)
    silent = county.post(f"/console/queue/{case.id}", decision=decision, reason="")
    assert silent.status_code == 422
    assert "必填" in text_of(silent)
    said = county.post(f"/console/queue/{case.id}", decision=decision, reason="请说明产品类别")
    county.follow(said)
    with world.session() as session:
        row = session.get(Case, case.id)
        assert (row.state, row.paused_at is not None) == (state, decision == "ask")
        asked = session.execute(select(Correction.asked).where(Correction.case_id == case.id)).scalar()
        assert asked == ("请说明产品类别" if decision == "ask" else None)


def test_offering_to_nobody_is_said_at_its_place(world: World, county: Desk) -> None:
    agencies.agency(world)
    case = of_county(world, CaseState.routing)
    answer = county.post(f"/console/queue/{case.id}/offer")
    assert answer.status_code == 422
    assert "派给所选机构" in text_of(answer)


def test_offers_are_taken_back_at_the_desk(world: World, county: Desk) -> None:
    agency = agencies.agency(world)
    case = of_county(world, CaseState.offered, agency=agency)
    page = county.get(f"/console/queue/{case.id}")
    assert agency.name in text_of(page)
    shown = text_of(county.follow(county.post(f"/console/queue/{case.id}/recall", reason="改派其他机构")))
    assert "派单已收回" in shown
    assert "待派机构" in shown


# --- one case


def test_everything_stands_on_one_time_line(world: World, county: Desk) -> None:
    owner = world.person()
    enterprise = world.enterprise(owner=owner, division_id=COUNTY)
    case = of_county(world, CaseState.diagnosis, enterprise=enterprise)
    county.follow(county.post(f"/console/cases/{case.id}/ask-correction", asked="请补充组织架构图"))
    client = world.app.test_client()
    body = {"answer": "已补充组织架构图"}
    client.post(f"/api/v1/cases/{case.id}/answer-correction", json=body, headers=owner.headers)
    for state in (CaseState.diagnosis, CaseState.planning, CaseState.training, CaseState.improvement):
        with world.session() as session:
            row = session.get(Case, case.id)
            row.state = state
        build.ready(world, row)
    page = county.get(f"/console/cases/{case.id}")
    assert page.status_code == 200
    line = page.get_data(as_text=True).split('id="timeline"', 1)[1]
    for said in (
        "要求企业补正",
        "请补充组织架构图",
        "企业答复补正",
        "已接单",
        "走访（提升指导）",
        "分层培训（班组）",
        "到场 1 人",
        "钱审核（睢宁县 · 县局经办）",
    ):
        assert said in line
    assert "138****8000" in text_of(page)
    assert "13800138000" not in page.get_data(as_text=True)


def test_whom_to_call_is_shown_once_and_noted(world: World, county: Desk) -> None:
    case = of_county(world, CaseState.diagnosis)
    answer = county.post(f"/console/cases/{case.id}/contact")
    assert "13800138000" in text_of(answer)
    assert "查看联系电话" in text_of(county.get(f"/console/cases/{case.id}"))


def test_a_case_page_costs_the_same_however_much_happened(app: Flask, world: World, county: Desk) -> None:
    case = of_county(world, CaseState.improvement)

    def cost() -> int:
        with queries(app) as seen:
            assert county.get(f"/console/cases/{case.id}").status_code == 200
        return len(seen)

    build.ready(world, case)
    cost()
    few = cost()
    with world.session() as session:
        row = session.get(Case, case.id)
        row.state = CaseState.training
    for _ in range(4):
        build.ready(world, row)
    with world.session() as session:
        session.get(Case, case.id).state = CaseState.improvement
        for number in range(5):
            asked = Correction(
                case_id=case.id, asked=f"第{number}次", asked_by=case.created_by, asked_at=now()
            )
            asked.ended_at = now()
            session.add(asked)
    assert cost() == few


def test_what_may_be_done_depends_on_who_looks(world: World, county: Desk) -> None:
    agency = agencies.agency(world)
    case = of_county(world, CaseState.diagnosis, agency=agency)
    officer = text_of(county.get(f"/console/cases/{case.id}"))
    assert "终止" in officer
    assert "进入“制定方案”须先完成" in officer
    expert = text_of(agencies.agency_desk(world, agency).get(f"/console/cases/{case.id}"))
    assert "终止原因" not in expert
    assert "企业和县局会收到通知" in expert  # what stepping on means
    branch = text_of(desk(world, "branch_staff", COUNTY).get(f"/console/cases/{case.id}"))
    assert "终止原因" not in branch
    assert "需要企业补充或更正什么" not in branch


def test_an_unannounced_calendar_is_said_where_it_decides(world: World, county: Desk) -> None:
    plain = text_of(county.get(f"/console/cases/{of_county(world).id}"))
    assert "尚未公布" not in plain
    beyond = now().replace(year=working_days.LAST_KNOWN + 1, month=1, day=8)
    case = of_county(world, due_at=beyond)
    for path in (f"cases/{case.id}", f"queue/{case.id}", "cases", "cases/list", "queue"):
        shown = text_of(county.get(f"/console/{path}"))
        assert f"国务院尚未公布 {beyond.year} 年的节假日安排" in shown, path


# --- an agency's own


def test_an_agency_answers_what_it_is_offered(world: World) -> None:
    agency = agencies.agency(world)
    at = agencies.agency_desk(world, agency)
    expert = agencies.expert(world, agency, person=at.person)
    taken, left = (of_county(world, CaseState.offered, agency=agency) for _ in range(2))
    page = text_of(at.get("/console/own-cases"))
    assert taken.number in page
    assert "13800138000" not in page
    offers = {case.id: _offer_of(world, case) for case in (taken, left)}
    accepted = at.follow(at.post(f"/console/case-offers/{offers[taken.id]}/accept"))
    assert "已接单" in text_of(accepted)
    at.follow(at.post(f"/console/case-offers/{offers[left.id]}/decline", reason="人手不足"))
    page = text_of(at.get("/console/own-cases"))
    assert taken.number in page
    assert left.number not in page
    assert "没有待答复的派单" in page
    with world.session() as session:
        assert session.get(Case, taken.id).expert_id == expert.id  # whoever accepts leads it
        assert session.get(Case, left.id).state == CaseState.routing


def test_an_agency_takes_its_steps_at_the_desk(world: World) -> None:
    agency = agencies.agency(world)
    at, expert = agencies.agency_desk(world, agency), agencies.expert(world, agency)
    case = of_county(world, CaseState.diagnosis, agency=agency)
    early = text_of(at.follow(at.post(f"/console/cases/{case.id}/advance", back=f"/console/cases/{case.id}")))
    assert "请先完成：填写诊断表；六个方面的帮扶前评分" in early
    build.ready(world, case)
    assert "已进入“制定方案”" in text_of(at.follow(at.post(f"/console/cases/{case.id}/advance")))
    at.follow(at.post(f"/console/cases/{case.id}/expert", expert_id=str(expert.id)))
    foreign = agencies.expert(world, agencies.agency(world))
    refused = at.post(f"/console/cases/{case.id}/expert", expert_id=str(foreign.id))
    assert refused.status_code == 303
    with world.session() as session:
        assert session.get(Case, case.id).expert_id == expert.id


def test_another_agency_sees_nothing_of_it(world: World) -> None:
    case = of_county(world, CaseState.diagnosis)
    stranger = agencies.agency_desk(world, agencies.agency(world))
    assert stranger.get(f"/console/cases/{case.id}").status_code == 403
    assert case.number not in text_of(stranger.get("/console/own-cases"))
    assert stranger.get(f"/console/queue/{case.id}").status_code == 403


@pytest.mark.parametrize("act", ["close", "terminate", "send-back"])
def test_the_county_ends_a_case_at_the_desk(world: World, county: Desk, act: str) -> None:
    before = {"close": CaseState.evaluation, "terminate": CaseState.training, "send-back": CaseState.revisit}
    after = {
        "close": CaseState.closed,
        "terminate": CaseState.terminated,
        "send-back": CaseState.rectification,
    }
    case = of_county(world, before[act])
    build.ready(world, case)
    county.follow(county.post(f"/console/cases/{case.id}/{act}", reason="企业停产，不再需要"))
    with world.session() as session:
        assert session.get(Case, case.id).state == after[act]


def _offer_of(world: World, case: Case) -> Any:
    with world.session() as session:
        return session.execute(select(CaseOffer.id).where(CaseOffer.case_id == case.id)).scalar_one()


def test_the_workbench_says_what_waits(world: World) -> None:
    division = "js.xz.xinyi"
    county = desk(world, "county_staff", division)
    assert "0 个帮扶申请待办" in text_of(county.get("/console/"))
    build.case(world, enterprise=world.enterprise(division_id=division), due_at=now() - timedelta(days=5))
    build.case(world, CaseState.routing, enterprise=world.enterprise(division_id=division))
    shown = text_of(county.get("/console/"))
    assert "2 个帮扶申请待办" in shown
    assert "1 个帮扶项目逾期" in shown
    agency = agencies.agency(world)
    of_county(world, CaseState.offered, agency=agency)
    assert "1 个派单待答复" in text_of(agencies.agency_desk(world, agency).get("/console/"))
