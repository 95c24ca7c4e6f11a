"""Time in cases: what stops the clock, what nobody answered, and whom what is overdue is told."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from app.access import SYSTEM
from app.errors import DomainError
from app.jobs.cases import expire_offers, watch_deadlines
from app.services import case_corrections, case_deadlines
from models.agencies import Agency
from models.base import BEIJING, set_clock
from models.cases import Case, CaseOffer, CaseState, CaseTransition, Correction, OfferState
from models.messages import Notice
from tests import agency_builders as agencies
from tests import case_builders as build
from tests.builders import Person, World


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BEIJING)


class Hours:
    """A clock that a test sets, and everything that may be asked of a case at those hours."""

    def __init__(self, app: Flask, client: FlaskClient, world: World) -> None:
        self.app, self.client, self.world = app, client, world
        self.turn("2026-11-25 10:00")
        self.owner, self.officer = world.person(), world.staff()
        self.city = world.staff("city_staff", "js.xz")
        self.enterprise = world.enterprise(owner=self.owner)

    def turn(self, text: str) -> None:
        moment = at(text)
        set_clock(lambda: moment)

    def post(self, path: str, who: Person, body: Any = None) -> Any:
        return self.client.post(f"/api/v1/{path}", json=body, headers=who.headers)

    def case(self, state: CaseState, **given: Any) -> Case:
        return build.case(self.world, state, enterprise=self.enterprise, **given)

    def now(self, case: Case) -> Any:
        with self.world.session() as session:
            return session.get(Case, case.id)

    def run(self) -> None:
        with self.app.app_context():
            watch_deadlines()

    def told(self, who: Person, kind: str, of: Case) -> int:
        with self.world.session() as session:
            mine = select(Notice.id).where(
                Notice.user_id == who.id, Notice.kind == kind, Notice.subject_id == of.id
            )
            return len(session.execute(mine).all())


@pytest.fixture
def hours(app: Flask, client: FlaskClient, world: World) -> Iterator[Hours]:
    yield Hours(app, client, world)
    set_clock(None)


# --- corrections


def test_a_correction_stops_the_clock_and_what_was_left_is_left_again(hours: Hours, world: World) -> None:
    case = hours.case(CaseState.diagnosis, due_at=at("2026-11-27 11:00"))
    expert = agencies.agency_person(world, _agency(hours, case))
    asked = hours.post(f"cases/{case.id}/ask-correction", expert, {"asked": "请补充组织架构图"})
    assert asked.json["paused_at"] is not None, asked.json
    assert hours.told(hours.owner, "case.correction_asked", case) == 1
    again = hours.post(f"cases/{case.id}/ask-correction", expert, {"asked": "再补充一份"})
    assert again.json["code"] == "correction_open"
    build.ready(world, case)
    assert hours.post(f"cases/{case.id}/advance", expert).json["code"] == "correction_open"
    hours.turn("2026-11-28 09:00")
    hours.run()
    assert hours.told(hours.officer, "case.overdue", case) == 0  # the deadline is past, but the clock stands
    hours.turn("2026-11-30 09:00")
    answered = hours.post(f"cases/{case.id}/answer-correction", hours.owner, {"answer": "已补充，见附件。"})
    assert answered.json["paused_at"] is None
    assert at("2026-12-02 10:00") == datetime.fromisoformat(answered.json["due_at"])
    assert hours.told(expert, "case.correction_answered", case) == 1
    assert hours.post(f"cases/{case.id}/advance", expert).json["state"] == "planning"
    with world.session() as session:
        last = select(CaseTransition.paused_seconds).where(CaseTransition.case_id == case.id)
        seconds = session.execute(last.order_by(CaseTransition.id.desc()).limit(1)).scalar_one()
    assert seconds == timedelta(days=4, hours=23).total_seconds()


def test_a_correction_may_be_taken_back(hours: Hours, world: World) -> None:
    case = hours.case(CaseState.planning, due_at=at("2026-11-27 11:00"))
    expert = agencies.agency_person(world, _agency(hours, case))
    assert hours.post(f"cases/{case.id}/take-back-correction", expert).json["code"] == "correction_none"
    hours.post(f"cases/{case.id}/ask-correction", expert, {"asked": "请补充图纸"})
    hours.turn("2026-11-26 10:00")
    back = hours.post(f"cases/{case.id}/take-back-correction", expert)
    assert (back.json["paused_at"], back.json["due_at"]) == (None, at("2026-11-30 11:00").isoformat())
    late = hours.post(f"cases/{case.id}/answer-correction", hours.owner, {"answer": "图纸在此"})
    assert late.json["code"] == "correction_none"
    with world.session() as session:
        [kept] = session.execute(select(Correction).where(Correction.case_id == case.id)).scalars()
        assert (kept.answer, kept.ended_by) == (None, expert.id)


def test_what_was_overdue_stays_overdue(hours: Hours, world: World) -> None:
    due = at("2026-11-24 10:00")
    case = hours.case(CaseState.diagnosis, due_at=due)
    expert = agencies.agency_person(world, _agency(hours, case))
    hours.post(f"cases/{case.id}/ask-correction", expert, {"asked": "请补充"})
    hours.turn("2026-11-30 10:00")
    hours.post(f"cases/{case.id}/answer-correction", hours.owner, {"answer": "已补充"})
    assert hours.now(case).due_at == due


@pytest.mark.parametrize("state", [CaseState.offered, CaseState.evaluation, CaseState.closed])
def test_where_no_correction_can_be_asked(hours: Hours, app: Flask, state: CaseState) -> None:
    case = hours.case(state)
    county = build.actor(hours.officer, "county_staff")
    with app.app_context(), pytest.raises(DomainError) as refused:
        case_corrections.ask(county, case.id, "请补充")
    assert refused.value.code == "case_state"
    assert hours.now(case).paused_at is None


def test_ending_a_case_ends_its_correction(hours: Hours, world: World) -> None:
    case = hours.case(CaseState.diagnosis)
    expert = agencies.agency_person(world, _agency(hours, case))
    hours.post(f"cases/{case.id}/ask-correction", expert, {"asked": "请补充"})
    ended = hours.post(f"cases/{case.id}/withdraw", hours.owner, {"reason": "不再需要"})
    assert (ended.json["state"], ended.json["paused_at"]) == ("withdrawn", None)
    with world.session() as session:
        [kept] = session.execute(select(Correction).where(Correction.case_id == case.id)).scalars()
        assert kept.ended_at is not None


# --- offers that nobody answers


def test_an_offer_that_nobody_answers_returns_to_the_queue(hours: Hours, world: World) -> None:
    agency = agencies.agency(world)
    expert = agencies.agency_person(world, agency)
    case = hours.case(CaseState.offered, agency=agency)
    offer_id = _offer(hours, case).id
    hours.turn("2026-11-27 09:59")
    hours.run()
    assert hours.now(case).state == CaseState.offered
    hours.turn("2026-11-27 10:00")
    late = hours.post(f"case-offers/{offer_id}/accept", expert)
    assert (late.json["code"], "逾期" in late.json["title"]) == ("offer_over", True)
    with hours.app.app_context():
        expire_offers(str(case.id))
        expire_offers(str(case.id))  # twice is once
    assert _offer(hours, case).state == OfferState.expired
    back = hours.now(case)
    assert back.state == CaseState.routing
    assert back.due_at == at("2026-12-02 10:00")
    assert hours.told(hours.officer, "case.moved", case) == 1


def test_offers_of_a_case_end_one_by_one(hours: Hours, world: World) -> None:
    case = hours.case(CaseState.offered)
    later = agencies.agency(world)
    build.offer(world, case, later, answer_by=at("2026-11-30 10:00"))
    hours.turn("2026-11-27 12:00")
    hours.run()
    assert hours.now(case).state == CaseState.offered  # one may still answer
    hours.turn("2026-11-30 12:00")
    hours.run()
    assert hours.now(case).state == CaseState.routing


# --- what is overdue


def test_the_county_is_told_at_the_deadline_and_the_city_later_each_once(hours: Hours) -> None:
    case = hours.case(CaseState.requested, due_at=at("2026-11-27 15:00"))
    hours.turn("2026-11-27 14:59")
    hours.run()
    assert hours.told(hours.officer, "case.overdue", case) == 0
    hours.turn("2026-11-27 15:00")
    for _ in range(3):
        hours.run()
    assert (
        hours.told(hours.officer, "case.overdue", case),
        hours.told(hours.city, "case.overdue", case),
    ) == (1, 0)
    hours.turn("2026-12-02 14:59")  # three working days more, over a weekend
    hours.run()
    assert hours.told(hours.city, "case.overdue", case) == 0
    hours.turn("2026-12-02 15:00")
    for _ in range(3):
        hours.run()
    assert (
        hours.told(hours.officer, "case.overdue", case),
        hours.told(hours.city, "case.overdue", case),
    ) == (1, 1)
    assert hours.now(case).escalated == case_deadlines.CITY


def test_a_new_step_begins_to_count_anew(hours: Hours, world: World) -> None:
    case = hours.case(CaseState.diagnosis, due_at=at("2026-11-24 10:00"))
    hours.run()
    assert hours.now(case).escalated == case_deadlines.COUNTY
    expert = agencies.agency_person(world, _agency(hours, case))
    build.ready(world, case)
    hours.post(f"cases/{case.id}/advance", expert)
    moved = hours.now(case)
    assert (moved.escalated, moved.due_at) == (0, at("2026-12-09 10:00"))


def test_who_moved_a_case_meanwhile_leaves_nothing_to_tell(hours: Hours) -> None:
    case = hours.case(CaseState.requested, due_at=at("2026-11-24 10:00"))
    with hours.app.app_context():
        [late] = [one for one in case_deadlines.to_escalate(SYSTEM) if one.case_id == case.id]
    hours.post(f"cases/{case.id}/withdraw", hours.owner, {"reason": "不再需要"})
    with hours.app.app_context():
        assert case_deadlines.escalate(SYSTEM, late) is False
    assert hours.told(hours.officer, "case.overdue", case) == 0


def _agency(hours: Hours, case: Case) -> Agency:
    with hours.world.session() as session:
        return session.get(Agency, case.agency_id)  # type: ignore[no-any-return]


def _offer(hours: Hours, case: Case) -> CaseOffer:
    with hours.world.session() as session:
        wanted = select(CaseOffer).where(CaseOffer.case_id == case.id).order_by(CaseOffer.id).limit(1)
        return session.execute(wanted).scalar_one()  # type: ignore[no-any-return]
