"""A campaign's life against a small plain model: whatever is done in whatever order, the two agree."""

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

from app.access import SYSTEM
from app.errors import DomainError
from app.services import campaign_moves, campaign_preparing, campaign_progress
from config import settings as configured
from models.base import now, set_clock
from models.deliveries import DeliveryState
from models.lifecycle import IllegalMove
from models.people import User, UserState
from tests import campaign_builders as build
from tests.builders import Person, World
from tests.conftest import test_settings

MANY = 5
OVER = ("done", "cancelled")


class Model:
    """A campaign without a database: its state, whom it told, and what became of each."""

    def __init__(self, people: list[UUID]) -> None:
        self.people = sorted(people)
        self.state = "draft"
        self.due: datetime | None = None
        self.prepared = False
        self.approved = False
        self.told: list[UUID] = []
        self.outcomes: dict[UUID, str] = {}

    def move(self, since: tuple[str, ...], target: str) -> bool:
        if self.state not in since:
            return False
        self.state = target
        return True

    def write(self, chunk: int) -> None:
        """Tells the next people, by their ids, who have not been told."""
        rest = [one for one in self.people if one not in self.told]
        self.told += rest[:chunk]

    def dispatch(self) -> None:
        if self.state != "paused":
            state = "cancelled" if self.state == "cancelled" else "waiting"
            for one in self.told:
                self.outcomes.setdefault(one, state)

    def settled(self) -> bool:
        return all(self.outcomes.get(one) not in (None, "waiting", "claimed", "sending") for one in self.told)


def when(*states: str) -> Callable[..., Any]:
    """A rule's precondition: most steps should do something; `anything_else` tries the rest."""
    return precondition(lambda self: self.model.state in states)


class CampaignMachine(RuleBasedStateMachine):
    """Drives the services and the model alike and compares them after every step."""

    app: Flask

    @initialize(many=st.integers(1, MANY), ahead=st.booleans())
    def begin(self, many: int, ahead: bool) -> None:
        self.world = World(self.app)
        self.moment = now()
        set_clock(lambda: self.moment)
        self.author, self.other = self.world.staff(), self.world.staff()
        made = build.template(self.world)
        self.people, enterprises = build.owners(self.world, many)
        for one in self.people:
            build.subscribed(self.world, one, made)
        values = {"templates": build.by_template(made), **build.listed(enterprises)}
        self.id = build.campaign(self.world, self.author, **values).id
        self.model = Model([one.id for one in self.people])
        self.after = UUID(int=0)
        if ahead:  # the way there is long, and most of what may go wrong lies behind it
            self.submit(None)
            self.approve(by_author=False)
            self.the_clock_starts_it()
            self.the_job_prepares_it(MANY)
            self.notices_are_dispatched()

    def teardown(self) -> None:
        set_clock(None)

    def does(self, expected: bool, act: object, *given: object, by: Person | None = None) -> None:
        """Does an act and asserts that it is refused exactly when the model says so."""
        staff = build.actor_of(by or self.author)
        with self.app.app_context():
            if expected:
                act(staff, self.id, *given)  # type: ignore[operator]
            else:
                with pytest.raises((DomainError, IllegalMove)):
                    act(staff, self.id, *given)  # type: ignore[operator]

    @when("draft")
    @rule(hours=st.sampled_from([None, None, 2]))
    def submit(self, hours: int | None) -> None:
        due = None if hours is None else self.moment + timedelta(hours=hours)
        many = len(self.model.people) > 2
        moved = bool(self.model.people) and self.model.move(("draft",), "approving" if many else "scheduled")
        self.does(moved, campaign_moves.submit, due)
        if moved:
            self.model.due = due

    @when("approving")
    @rule(by_author=st.booleans())
    def approve(self, by_author: bool) -> None:
        moved = not by_author and self.model.move(("approving",), "scheduled")
        self.does(moved, campaign_moves.approve, by=self.author if by_author else self.other)

    @when("approving")
    @rule()
    def give_back(self) -> None:
        moved = self.model.move(("approving",), "draft")
        self.does(moved, campaign_moves.return_, "请改标题", by=self.other)

    @when("approving", "scheduled")
    @rule()
    def withdraw(self) -> None:
        self.does(self.model.move(("approving", "scheduled"), "draft"), campaign_moves.withdraw)

    @when("preparing", "running")
    @rule()
    def pause(self) -> None:
        moved = self.model.move(("preparing", "running"), "paused")
        self.does(moved, campaign_moves.pause)
        if moved:
            self._turn("claimed", "waiting")

    @when("paused")
    @rule()
    def resume(self) -> None:
        target = "running" if self.model.prepared else "preparing"
        self.does(self.model.move(("paused",), target), campaign_moves.resume)

    @when("draft", "approving", "scheduled", "preparing", "running", "paused")
    @rule(sure=st.integers(0, 7))  # else most lives would be short
    def cancel(self, sure: int = 0) -> None:
        if sure:
            return
        moved = self.model.state not in OVER
        self.does(moved, campaign_moves.cancel, "不发了", by=self.other)
        if moved:
            self.model.state = "cancelled"
            self._turn("waiting", "cancelled")
            self._turn("claimed", "cancelled")

    def _turn(self, since: str, target: str) -> None:
        for one, outcome in self.model.outcomes.items():
            if outcome == since:
                self.model.outcomes[one] = target

    @when("scheduled")
    @rule()
    def the_clock_starts_it(self) -> None:
        due = self.model.due is None or self.model.due <= self.moment
        moved = due and self.model.move(("scheduled",), "preparing")
        with self.app.app_context():
            assert campaign_moves.start(SYSTEM, self.id) == moved
        self.after = UUID(int=0)

    @rule(hours=st.sampled_from([1, 2]))
    def time_passes(self, hours: int) -> None:
        self.moment += timedelta(hours=hours)

    @when("preparing", "paused")
    @rule()
    def one_more_chunk_is_written_and_the_job_dies(self) -> None:
        with self.app.app_context():
            last = campaign_preparing._write(SYSTEM, self.id, self.after, 1)
        if self.model.state != "preparing":
            assert last is None
            return
        if last is not None:
            self.model.told += [last] if last not in self.model.told else []
            self.after = last

    @when("preparing", "paused")
    @rule(chunk=st.integers(1, MANY))
    def the_job_prepares_it(self, chunk: int) -> None:
        with self.app.app_context():
            campaign_preparing.prepare(self.id, chunk)
        if self.model.move(("preparing",), "running"):
            self.model.write(len(self.model.people))
            self.model.prepared = True

    @when("preparing", "running", "paused", "cancelled")
    @rule()
    def notices_are_dispatched(self) -> None:
        build.dispatched(self.world)
        self.model.dispatch()

    @precondition(lambda self: "waiting" in self.model.outcomes.values())
    @rule(data=st.data())
    def a_worker_takes_one(self, data: st.DataObject) -> None:
        if self.model.state in ("paused", "cancelled"):
            return
        waiting = sorted(one for one, outcome in self.model.outcomes.items() if outcome == "waiting")
        self._set(data.draw(st.sampled_from(waiting)), "claimed")

    @precondition(lambda self: {"claimed", "sending"} & set(self.model.outcomes.values()))
    @rule(data=st.data(), outcome=st.sampled_from(["sent", "failed", "refused", "unknown"]))
    def it_goes_on(self, data: st.DataObject, outcome: str) -> None:
        held = {one: state for one, state in self.model.outcomes.items() if state in ("claimed", "sending")}
        one = data.draw(st.sampled_from(sorted(held)))
        self._set(one, "sending" if held[one] == "claimed" else outcome)

    def _set(self, user_id: UUID, state: str) -> None:
        failed = {"errcode": -1, "attempts": 5} if state == "failed" else {}
        person = next(one for one in self.people if one.id == user_id)
        build.settle(self.world, self.id, DeliveryState[state], person, **failed)
        self.model.outcomes[user_id] = state

    @when("running", "paused", "done")
    @rule()
    def what_is_over_is_ended(self) -> None:
        with self.app.app_context():
            campaign_progress.finish(SYSTEM)
        if self.model.settled():
            self.model.move(("running",), "done")

    @precondition(lambda self: "failed" in self.model.outcomes.values())
    @rule()
    def retry(self) -> None:
        failed = "failed" in self.model.outcomes.values()
        moved = failed and self.model.move(("running", "done"), "running")
        self.does(moved, campaign_progress.retry)
        if moved:
            self._turn("failed", "waiting")

    @rule(act=st.sampled_from(["submit", "give_back", "withdraw", "pause", "resume", "retry"]))
    def anything_else(self, act: str) -> None:
        getattr(self, act)(*([None] if act == "submit" else []))

    @precondition(lambda self: len(self.model.people) > 1 and not self.model.told)
    @rule()
    def somebody_closes_their_account(self) -> None:
        gone = self.model.people.pop()
        with self.world.session() as session:
            session.get(User, gone).state = UserState.closed

    @invariant()
    def they_agree(self) -> None:
        if not hasattr(self, "model"):
            return
        assert build.state_of(self.world, self.id).value == self.model.state
        told = build.told(self.world, self.id)
        assert len(told) == len(set(told)) and sorted(told) == sorted(self.model.told)
        states = build.states_of(self.world, self.id)
        assert {one: state.value for one, state in states.items()} == self.model.outcomes
        if self.model.state == "done":
            assert set(states) == set(told)


@pytest.mark.usefixtures("world")
def test_a_campaign_behaves_like_the_model(app: Flask) -> None:
    CampaignMachine.app = app
    usual = configured.settings()
    configured.use(test_settings(usual.database_url, usual.redis_url, campaign_approval_above=2))
    try:
        run_state_machine_as_test(
            CampaignMachine,
            settings=settings(
                max_examples=40,
                stateful_step_count=50,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        configured.use(usual)
