"""Two at once at a case: first with the guard off, to see the race; then exactly one of them has it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select, update

from app.access import Actor
from app.errors import DomainError
from app.services import case_evaluation, case_moves, case_offers, case_steps, cases
from app.services.cases import Wish
from app.transactions import session
from models.agencies import Agency
from models.cases import OPEN, Case, CaseOffer, CaseState, CaseTransition, OfferState
from models.lifecycle import IllegalMove
from tests import agency_builders as agencies
from tests import case_builders as build
from tests.builders import World
from tests.races import at_once

ROUNDS = 20
"""A race may be won by luck, hardly so often."""


def _outcome(app: Flask, act: Callable[[], object]) -> str:
    with app.app_context():
        try:
            act()
        except DomainError as refused:
            return refused.code
        except IllegalMove:
            return "illegal_move"
    return "done"


def _look(case_id: UUID) -> Case:
    """What everybody writes first: look at the row without holding it."""
    found = session().execute(select(Case).where(Case.id == case_id)).scalar()
    if found is None:
        raise DomainError("not_found")
    return found


def _both_accept(app: Flask, world: World, pair: list[tuple[Agency, Actor]]) -> tuple[list[str], Case]:
    case = build.case(world, CaseState.offered, agency=pair[0][0])
    build.offer(world, case, pair[1][0])
    with world.session() as behind:
        rows = select(CaseOffer.agency_id, CaseOffer.id).where(CaseOffer.case_id == case.id)
        offers = dict(behind.execute(rows).all())
    acts = [
        lambda actor=actor, offer=offers[agency.id]: _outcome(app, lambda: case_offers.accept(actor, offer))
        for agency, actor in pair
    ]
    return at_once(*acts), case


def _pair(world: World) -> list[tuple[Agency, Actor]]:
    found = []
    for _ in range(2):
        agency = agencies.agency(world, capacity=1000)
        actor = build.actor(agencies.agency_person(world, agency), "agency_staff", agency.id)
        found.append((agency, actor))
    return found


def test_without_the_guard_two_agencies_have_the_same_case(
    app: Flask, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The others' offers are closed under the same lock: without it the two would wait for each other.
    monkeypatch.setattr(case_moves, "hold", _look)
    monkeypatch.setattr(case_moves, "_close_offers", lambda *_: None)
    pair = _pair(world)
    rounds = (_both_accept(app, world, pair)[0] for _ in range(ROUNDS))
    assert any(outcomes == ["done", "done"] for outcomes in rounds), "the race did not show"


def test_of_two_agencies_that_accept_at_once_one_has_the_case(app: Flask, world: World) -> None:
    pair = _pair(world)
    for _ in range(ROUNDS):
        outcomes, case = _both_accept(app, world, pair)
        assert sorted(outcomes) == ["done", "offer_over"]
        winner = pair[outcomes.index("done")][0]
        with world.session() as behind:
            assert behind.get(Case, case.id).agency_id == winner.id
            states = select(CaseOffer.state).where(CaseOffer.case_id == case.id)
            assert sorted(behind.execute(states).scalars()) == [OfferState.accepted, OfferState.closed]
            moves = select(CaseTransition).where(
                CaseTransition.case_id == case.id, CaseTransition.to_state == CaseState.diagnosis
            )
            assert len(behind.execute(moves).all()) == 1
    with world.session() as behind:
        assert sum(behind.get(Agency, agency.id).under_way for agency, _ in pair) == ROUNDS


def _look_then_count(agency_id: UUID) -> None:
    """What everybody writes first: look whether there is room, then count one more."""
    row = session().execute(select(Agency.under_way, Agency.capacity).where(Agency.id == agency_id)).one()
    if row.under_way >= row.capacity:
        raise DomainError("agency_full")
    more = update(Agency).where(Agency.id == agency_id).values(under_way=row.under_way + 1)
    session().execute(more, execution_options={"synchronize_session": False})


def _two_cases(app: Flask, world: World) -> tuple[list[str], list[CaseState], int]:
    agency = agencies.agency(world, capacity=1)
    actors = [build.actor(agencies.agency_person(world, agency), "agency_staff", agency.id) for _ in "12"]
    made = [build.case(world, CaseState.offered, agency=agency) for _ in actors]
    with world.session() as behind:
        offers = [
            behind.execute(select(CaseOffer.id).where(CaseOffer.case_id == one.id)).scalar_one()
            for one in made
        ]
    acts = [
        lambda actor=actor, offer=offer: _outcome(app, lambda: case_offers.accept(actor, offer))
        for actor, offer in zip(actors, offers, strict=True)
    ]
    outcomes = at_once(*acts)
    with world.session() as behind:
        states = [behind.get(Case, one.id).state for one in made]
        return outcomes, states, behind.get(Agency, agency.id).under_way


def test_without_the_guard_an_agency_takes_more_than_it_has_room_for(
    app: Flask, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(case_offers, "_take_room", _look_then_count)
    rounds = (_two_cases(app, world)[0] for _ in range(ROUNDS))
    assert any(outcomes == ["done", "done"] for outcomes in rounds), "the race did not show"


def test_of_two_cases_an_agency_with_room_for_one_has_one(app: Flask, world: World) -> None:
    for _ in range(ROUNDS):
        outcomes, states, under_way = _two_cases(app, world)
        assert sorted(outcomes) == ["agency_full", "done"]
        assert sorted(states) == [CaseState.diagnosis, CaseState.offered]
        assert under_way == 1


def test_an_answer_and_a_withdrawal_at_once_come_one_after_the_other(app: Flask, world: World) -> None:
    for _ in range(ROUNDS):
        agency, owner = agencies.agency(world), world.person()
        enterprise = world.enterprise(owner=owner)
        case = build.case(world, CaseState.offered, enterprise=enterprise, agency=agency)
        with world.session() as behind:
            offer = behind.execute(select(CaseOffer.id).where(CaseOffer.case_id == case.id)).scalar_one()
        expert = build.actor(agencies.agency_person(world, agency), "agency_staff", agency.id)
        member = build.actor(owner, "owner", enterprise.id)
        outcomes = at_once(
            lambda: _outcome(app, lambda: case_offers.accept(expert, offer)),  # noqa: B023
            lambda: _outcome(app, lambda: cases.withdraw(member, case.id, "不再需要")),  # noqa: B023
        )
        assert outcomes in (["done", "done"], ["offer_over", "done"])
        with world.session() as behind:
            assert behind.get(Case, case.id).state == CaseState.withdrawn
            assert behind.get(Agency, agency.id).under_way == 0


def test_of_two_requests_at_once_one_is_open(app: Flask, world: World) -> None:
    wish = Wish("想建立质量管理体系。", "李质量", "13800138000", [])
    for _ in range(ROUNDS):
        owner = world.person()
        enterprise = world.enterprise(owner=owner)
        member = build.actor(owner, "owner", enterprise.id)
        outcomes = at_once(
            *[lambda: _outcome(app, lambda: cases.request(member, enterprise.id, wish))] * 2  # noqa: B023
        )
        assert sorted(outcomes) == ["case_open", "done"]
        with world.session() as behind:
            theirs = (Case.enterprise_id == enterprise.id, Case.state.in_(OPEN))
            assert len(behind.execute(select(Case.id).where(*theirs)).all()) == 1


@pytest.mark.parametrize("act", ["advance", "close"])
def test_a_step_is_taken_once(app: Flask, world: World, act: str) -> None:
    before = {"advance": CaseState.diagnosis, "close": CaseState.evaluation}[act]
    for _ in range(ROUNDS):
        case = build.case(world, before)
        build.ready(world, case)
        expert = build.actor(world.person(), "agency_staff", case.agency_id)
        county = build.actor(world.staff(), "county_staff")

        def step(case: Case = case, expert: Any = expert, county: Any = county) -> object:
            if act == "advance":
                return case_steps.advance(expert, case.id)
            return case_evaluation.close(county, case.id)

        outcomes = at_once(*[lambda: _outcome(app, step)] * 2)
        # The second finds the next step, which requires something else, or nothing that can be taken.
        assert sorted(outcomes) == sorted(["done", "case_incomplete" if act == "advance" else "case_state"])
