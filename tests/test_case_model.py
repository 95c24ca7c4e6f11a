"""The life of cases against a small plain model: every act at every moment, allowed or refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select

from app import working_days
from app.access import SYSTEM
from app.errors import DomainError
from app.services import (
    case_corrections,
    case_evaluation,
    case_offers,
    case_routing,
    case_steps,
    cases,
)
from app.services.cases import Wish
from models.agencies import Agency
from models.base import BEIJING, set_clock
from models.cases import Case, CaseOffer, CaseTransition, Correction, Rating
from models.lifecycle import IllegalMove
from tests import agency_builders as agencies
from tests import case_builders as build
from tests.builders import World

WORKED = ("diagnosis", "planning", "training", "improvement", "evaluation", "rectification", "revisit")
NEXT = {
    "diagnosis": "planning",
    "planning": "training",
    "training": "improvement",
    "improvement": "evaluation",
    "rectification": "revisit",
}
OVER = ("refused", "closed", "withdrawn", "terminated")
RATINGS = [Rating.dissatisfied, Rating.very_dissatisfied, Rating.satisfied]
WISH = Wish("想建立质量管理体系。", "李质量", "13800138000", [])


class Model:
    """A case without a database: its state, who was asked, who has it, and what was done of its step."""

    def __init__(self) -> None:
        self.state = "requested"
        self.offers: dict[int, tuple[str, datetime]] = {}
        self.agency: int | None = None
        self.paused = self.ready = self.rated = False

    def enter(self, state: str) -> None:
        if self.state == "offered":
            self.offers = {
                who: ("closed" if answer == "waiting" else answer, until)
                for who, (answer, until) in self.offers.items()
            }
        self.state, self.ready = state, False
        if state in OVER:
            self.paused = False

    def refusal(self, *states: str) -> str | None:
        """Why an act that belongs to these states, with the clock running, is refused now."""
        if self.state not in states:
            return "case_state"
        return "correction_open" if self.paused else None


class CaseMachine(RuleBasedStateMachine):
    """Drives the acts and the model alike and compares them after every step."""

    app: Flask

    @initialize(rooms=st.lists(st.integers(1, 2), min_size=2, max_size=3))
    def begin(self, rooms: list[int]) -> None:
        self.world, self.moment = World(self.app), datetime(2026, 11, 25, 10, tzinfo=BEIJING)
        set_clock(lambda: self.moment)
        self.rooms = rooms
        self.agencies = [agencies.agency(self.world, capacity=room) for room in rooms]
        self.experts = [
            build.actor(agencies.agency_person(self.world, one), "agency_staff", one.id)
            for one in self.agencies
        ]
        self.county = build.actor(self.world.staff(), "county_staff")
        self.enterprises = [self.world.enterprise(owner=self.world.person()) for _ in range(2)]
        self.owners = [
            build.actor(self.world.member(one, "member"), "member", one.id) for one in self.enterprises
        ]
        self.models: dict[UUID, Model] = {}
        self.latest: dict[int, UUID] = {}

    def teardown(self) -> None:
        set_clock(None)

    def act(self, wanted: str | None, what: Callable[[], Any]) -> Any:
        """Does it, which must be refused as the model says, or done."""
        got: str | None
        with self.app.app_context():
            try:
                done = what()
            except DomainError as refused:
                got, done = refused.code, None
            except IllegalMove:
                got, done = "illegal_move", None
            else:
                got = None
        assert got == wanted
        return done

    def one(self, data: st.DataObject) -> tuple[int, UUID, Model]:
        who = data.draw(st.sampled_from(sorted(self.latest)))
        return who, self.latest[who], self.models[self.latest[who]]

    def under_way(self, agency: int) -> int:
        return sum(one.agency == agency and one.state in WORKED for one in self.models.values())

    @rule(who=st.integers(0, 1))
    def request(self, who: int) -> None:
        last = self.latest.get(who)
        wanted = "case_open" if last and self.models[last].state not in OVER else None
        made = self.act(wanted, lambda: cases.request(self.owners[who], self.enterprises[who].id, WISH))
        if made:
            self.models[made.id], self.latest[who] = Model(), made.id

    @precondition(lambda self: self.latest)
    @rule(data=st.data())
    def admit(self, data: st.DataObject) -> None:
        _, case_id, model = self.one(data)
        self.do_admit(case_id, model)

    def do_admit(self, case_id: UUID, model: Model) -> None:
        if self.act(model.refusal("requested"), lambda: case_routing.admit(self.county, case_id)):
            model.enter("routing")

    @precondition(lambda self: self.latest)
    @rule(data=st.data(), act=st.sampled_from(["refuse", "terminate", "withdraw"]))
    def end_early(self, data: st.DataObject, act: str) -> None:
        who, case_id, model = self.one(data)
        legal = {
            "refuse": ("requested", "routing"),
            "terminate": WORKED,
            "withdraw": (
                "requested",
                "routing",
                "offered",
                "diagnosis",
                "planning",
                "training",
                "improvement",
            ),
        }[act]
        wanted = None if model.state in legal else "illegal_move"
        acts: dict[str, Callable[[], Any]] = {
            "refuse": lambda: case_routing.refuse(self.county, case_id, "不符合条件"),
            "terminate": lambda: case_routing.terminate(self.county, case_id, "企业停产"),
            "withdraw": lambda: cases.withdraw(self.owners[who], case_id, "不再需要"),
        }
        if self.act(wanted, acts[act]):
            model.enter({"refuse": "refused", "terminate": "terminated", "withdraw": "withdrawn"}[act])

    @precondition(lambda self: self.latest)
    @rule(data=st.data())
    def offer(self, data: st.DataObject) -> None:
        _, case_id, model = self.one(data)
        self.do_offer(case_id, model, data.draw(st.sets(st.integers(0, len(self.rooms) - 1), min_size=1)))

    def do_offer(self, case_id: UUID, model: Model, chosen: set[int]) -> None:
        ids = [self.agencies[place].id for place in sorted(chosen)]
        if self.act(model.refusal("routing"), lambda: case_offers.offer(self.county, case_id, ids)):
            model.enter("offered")
            until = working_days.after(self.moment, 2)
            model.offers = dict.fromkeys(chosen, ("waiting", until))

    @precondition(lambda self: any(one.offers for one in self.models.values()))
    @rule(data=st.data(), accepts=st.booleans())
    def answer_offer(self, data: st.DataObject, accepts: bool) -> None:
        asked = [(case_id, place) for case_id, one in self.models.items() for place in sorted(one.offers)]
        self.do_answer(*data.draw(st.sampled_from(asked)), accepts=accepts)

    def do_answer(self, case_id: UUID, place: int, *, accepts: bool) -> None:
        model, expert = self.models[case_id], self.experts[place]
        answer, until = model.offers[place]
        wanted = None if answer == "waiting" and until > self.moment else "offer_over"
        if accepts and wanted is None and self.under_way(place) >= self.rooms[place]:
            wanted = "agency_full"
        offer_id = self.offers_of(case_id)[place].id
        if accepts:
            if self.act(wanted, lambda: case_offers.accept(expert, offer_id)):
                model.offers[place] = ("accepted", until)
                model.enter("diagnosis")
                model.agency = place
            return
        self.act(wanted, lambda: case_offers.decline(expert, offer_id, "人手不足"))
        if wanted is None:
            model.offers[place] = ("declined", until)
            self.back_if_none_waits(model)

    def back_if_none_waits(self, model: Model) -> None:
        if all(answer != "waiting" for answer, _ in model.offers.values()):
            model.enter("routing")

    @precondition(lambda self: self.latest)
    @rule(data=st.data())
    def recall(self, data: st.DataObject) -> None:
        _, case_id, model = self.one(data)
        if self.act(model.refusal("offered"), lambda: case_offers.recall(self.county, case_id, "改派")):
            model.enter("routing")

    @rule(hours=st.sampled_from([5, 30, 80]))
    def time_passes(self, hours: int) -> None:
        self.moment += timedelta(hours=hours)

    @rule()
    def the_clockwork_runs(self) -> None:
        with self.app.app_context():
            for case_id in case_offers.overdue(SYSTEM):
                case_offers.expire(SYSTEM, case_id)
        for model in self.models.values():
            late = [
                place
                for place, (answer, until) in model.offers.items()
                if answer == "waiting" and until <= self.moment
            ]
            for place in late:
                model.offers[place] = ("expired", model.offers[place][1])
            if late:
                self.back_if_none_waits(model)

    @precondition(lambda self: self.latest)
    @rule(data=st.data())
    def ask(self, data: st.DataObject) -> None:
        _, case_id, model = self.one(data)
        wanted = model.refusal("requested", "routing", *(state for state in WORKED if state != "evaluation"))
        if self.act(wanted, lambda: case_corrections.ask(self.county, case_id, "请补充组织架构图")):
            model.paused = True

    @precondition(lambda self: self.latest)
    @rule(data=st.data(), answers=st.booleans())
    def end_correction(self, data: st.DataObject, answers: bool) -> None:
        who, case_id, model = self.one(data)
        wanted = None if model.paused else "correction_none"
        if answers:
            done = self.act(wanted, lambda: case_corrections.answer(self.owners[who], case_id, "已补充"))
        else:
            done = self.act(wanted, lambda: case_corrections.take_back(self.county, case_id))
        if done:
            model.paused = False

    @precondition(lambda self: any(one.state in WORKED for one in self.models.values()))
    @rule(data=st.data())
    def do_the_work(self, data: st.DataObject) -> None:
        going = [case_id for case_id, one in self.models.items() if one.state in WORKED]
        case_id = data.draw(st.sampled_from(sorted(going)))
        self.do_work(case_id, self.models[case_id])

    def do_work(self, case_id: UUID, model: Model) -> None:
        if model.state == "evaluation" or model.ready:
            return
        build.ready(self.world, self.row(case_id))
        model.ready = True

    @precondition(lambda self: any(one.agency is not None for one in self.models.values()))
    @rule(data=st.data())
    def advance(self, data: st.DataObject) -> None:
        taken = [case_id for case_id, one in self.models.items() if one.agency is not None]
        case_id = data.draw(st.sampled_from(sorted(taken)))
        self.do_advance(case_id, self.models[case_id])

    def do_advance(self, case_id: UUID, model: Model) -> None:
        wanted = model.refusal(*NEXT)
        if wanted is None and not model.ready:
            wanted = "case_incomplete"
        assert model.agency is not None
        expert = self.experts[model.agency]
        if self.act(wanted, lambda: case_steps.advance(expert, case_id)):
            model.enter(NEXT[model.state])

    @precondition(lambda self: self.latest)
    @rule(data=st.data(), rating=st.sampled_from(list(Rating)))
    def rate(self, data: st.DataObject, rating: Rating) -> None:
        self.do_rate(*self.one(data), rating)

    def do_rate(self, who: int, case_id: UUID, model: Model, rating: Rating) -> None:
        wanted = model.refusal("evaluation")
        if wanted is None and model.rated:
            wanted = "case_rated"
        if self.act(wanted, lambda: case_evaluation.evaluate(self.owners[who], case_id, rating, None)):
            model.rated = True
            if rating in ("dissatisfied", "very_dissatisfied"):
                model.enter("rectification")

    @precondition(lambda self: self.latest)
    @rule(data=st.data(), well=st.booleans())
    def close_or_send_back(self, data: st.DataObject, well: bool) -> None:
        _, case_id, model = self.one(data)
        if not well:
            wanted = model.refusal("revisit")
            if self.act(wanted, lambda: case_evaluation.send_back(self.county, case_id, "企业仍不满意")):
                model.enter("rectification")
            return
        self.do_close(case_id, model)

    def do_close(self, case_id: UUID, model: Model) -> None:
        wanted = model.refusal("evaluation", "revisit")
        if wanted is None and not (model.rated if model.state == "evaluation" else model.ready):
            wanted = "case_incomplete"
        if self.act(wanted, lambda: case_evaluation.close(self.county, case_id)):
            model.enter("closed")

    @precondition(lambda self: self.latest)
    @rule(data=st.data(), steps=st.integers(4, 14), rating=st.sampled_from(RATINGS))
    def go_the_usual_way(self, data: st.DataObject, steps: int, rating: Rating) -> None:
        who, case_id, model = self.one(data)
        for _ in range(steps):
            if model.paused or model.state in OVER:
                return
            if model.state == "requested":
                self.do_admit(case_id, model)
            elif model.state == "routing":
                self.do_offer(case_id, model, set(range(len(self.rooms))))
            elif model.state == "offered":
                waits = [place for place, (answer, _) in model.offers.items() if answer == "waiting"]
                self.do_answer(case_id, waits[0], accepts=True)
            elif model.state in NEXT:
                self.do_work(case_id, model)
                self.do_advance(case_id, model)
            elif model.state == "evaluation" and not model.rated:
                self.do_rate(who, case_id, model, rating)
            else:
                self.do_work(case_id, model)
                self.do_close(case_id, model)

    def row(self, case_id: UUID) -> Any:
        with self.world.session() as session:
            return session.get(Case, case_id)

    def offers_of(self, case_id: UUID) -> dict[int, CaseOffer]:
        """The last offer to each agency, by its place in the model."""
        places = {one.id: place for place, one in enumerate(self.agencies)}
        with self.world.session() as session:
            found = select(CaseOffer).where(CaseOffer.case_id == case_id).order_by(CaseOffer.id)
            return {places[one.agency_id]: one for one in session.execute(found).scalars()}

    @invariant()
    def they_agree(self) -> None:
        for case_id, model in getattr(self, "models", {}).items():
            row = self.row(case_id)
            assert row.state == model.state
            assert (row.paused_at is not None) == model.paused
            assert (row.due_at is None) == (model.state in OVER)
            assert (row.rating is not None) == model.rated
            offers = self.offers_of(case_id)
            assert {place: offers[place].state for place in model.offers} == {
                place: answer for place, (answer, _) in model.offers.items()
            }
            assert row.agency_id == (None if model.agency is None else self.agencies[model.agency].id)
            with self.world.session() as session:
                moves = select(CaseTransition).where(CaseTransition.case_id == case_id)
                story = list(session.execute(moves.order_by(CaseTransition.id)).scalars())
                open_ = select(Correction.id).where(
                    Correction.case_id == case_id, Correction.ended_at.is_(None)
                )
                assert len(session.execute(open_).all()) == model.paused
            # Each transition begins where the one before ended, and the last one is where the case is.
            assert [one.from_state for one in story] == [None, *(one.to_state for one in story[:-1])]
            assert story[-1].to_state == model.state
        for place, agency in enumerate(getattr(self, "agencies", [])):
            with self.world.session() as session:
                assert session.get(Agency, agency.id).under_way == self.under_way(place) <= self.rooms[place]


@pytest.mark.usefixtures("world")
def test_cases_behave_like_the_model(app: Flask) -> None:
    CaseMachine.app = app
    run_state_machine_as_test(
        CaseMachine,
        settings=settings(
            max_examples=40,
            stateful_step_count=50,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
