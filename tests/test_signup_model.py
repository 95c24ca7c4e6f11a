"""Sign-up, cancellation, promotion, offers, moves and check-in against a small plain model."""

from __future__ import annotations

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

from app.access import SYSTEM, Actor, Grant
from app.errors import DomainError
from app.services import seats, signup_moves
from app.tickets import TICKET
from models.base import now, set_clock
from models.trainings import Training
from tests.builders import World, fresh_phone, party


class Model:
    """What sign-ups are, without a database: a list of people in order, and a number of seats."""

    def __init__(self, capacity: int, limit: int, offer_minutes: int | None) -> None:
        self.capacity, self.limit, self.offer_minutes = capacity, limit, offer_minutes
        self.states: dict[str, str] = {}
        self.enterprise: dict[str, int] = {}
        self.queue: list[str] = []
        self.offers: dict[str, datetime] = {}
        self.checked_in: set[str] = set()

    def taken(self) -> int:
        return sum(state in ("confirmed", "offered") for state in self.states.values())

    def places_of(self, enterprise: int) -> int:
        active = ("confirmed", "offered", "waiting")
        return sum(state in active and self.enterprise[i] == enterprise for i, state in self.states.items())

    def verdict(self, enterprise: int, people: int) -> str:
        free = self.capacity - self.taken()
        if self.places_of(enterprise) + people > self.limit:
            return "enterprise_seats_exceeded"
        if self.queue or free == 0:
            return "waiting"
        return "confirmed" if people <= free else "seats_insufficient"

    def takes(self, enterprise: int) -> str | None:
        """Why one more of the enterprise cannot be moved here; None when it can."""
        if self.places_of(enterprise) >= self.limit:
            return "enterprise_seats_exceeded"
        return "training_full" if self.taken() >= self.capacity else None

    def leave(self, signup: str, state: str, moment: datetime) -> None:
        self.states[signup] = state
        self.offers.pop(signup, None)
        if signup in self.queue:
            self.queue.remove(signup)
        self.promote(moment)

    def promote(self, moment: datetime) -> None:
        while self.queue and self.taken() < self.capacity:
            head = self.queue.pop(0)
            if self.offer_minutes is None:
                self.states[head] = "confirmed"
            else:
                self.states[head] = "offered"
                self.offers[head] = moment + timedelta(minutes=self.offer_minutes)


class SignupMachine(RuleBasedStateMachine):
    """Drives the API and the model alike and compares them after every step."""

    app: Flask

    @initialize(
        capacity=st.integers(1, 3), limit=st.integers(1, 3), offer_minutes=st.sampled_from([None, None, 20])
    )
    def begin(self, capacity: int, limit: int, offer_minutes: int | None) -> None:
        self.world, self.client = World(self.app), self.app.test_client()
        self.moment = now()
        set_clock(lambda: self.moment)
        self.model = Model(capacity, limit, offer_minutes)
        self.training = self.world.training(
            capacity=capacity,
            seats_per_enterprise=limit,
            offer_minutes=offer_minutes,
            sessions=[self.moment + timedelta(hours=12)],
        )
        with self.world.session() as session:  # scanning is open from the first minute on
            for row in session.get(Training, self.training.id), *self._sessions(session):
                if hasattr(row, "checkin_from"):
                    row.checkin_from = self.moment - timedelta(hours=1)
        self.other_model = Model(2, limit, None)
        self.other = self.world.training(
            capacity=2, seats_per_enterprise=limit, sessions=[self.moment + timedelta(hours=12)]
        )
        self.owners = [self.world.person() for _ in range(3)]
        self.enterprises = [self.world.enterprise(owner=owner) for owner in self.owners]
        self.staff = self.world.staff()
        self.desk = Actor(self.staff.id, (Grant("county_staff", "division", "js.xz.fengxian"),))
        [self.session_id] = self.world.sessions_of(self.training)
        self.scans = 0

    def _sessions(self, session: Any) -> Any:
        from models.trainings import TrainingSession

        return session.query(TrainingSession).filter_by(training_id=self.training.id)

    def post(self, path: str, who: Any, body: Any = None) -> Any:
        return self.client.post(f"/api/v1/{path}", json=body, headers=who.headers)

    def teardown(self) -> None:
        set_clock(None)

    @rule(enterprise=st.integers(0, 2), people=st.integers(1, 2))
    def sign_up(self, enterprise: int, people: int) -> None:
        expected = self.model.verdict(enterprise, people)
        body = party(self.enterprises[enterprise], *(fresh_phone() for _ in range(people)))
        answer = self.post(f"trainings/{self.training.id}/signups", self.owners[enterprise], body)
        if answer.status_code != 201:
            assert answer.json["code"] == expected
            return
        for item in answer.json["items"]:
            assert item["state"] == expected
            self.model.states[item["id"]] = expected
            self.model.enterprise[item["id"]] = enterprise
            if expected == "waiting":
                self.model.queue.append(item["id"])

    @precondition(lambda self: self.model.states)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        signup = data.draw(st.sampled_from(sorted(self.model.states)))
        answer = self.post(f"signups/{signup}/cancel", self.owners[self.model.enterprise[signup]])
        if self.model.states[signup] in ("cancelled", "expired"):
            assert answer.json["code"] == "illegal_move"
        else:
            assert answer.json["state"] == "cancelled"
            self.model.leave(signup, "cancelled", self.moment)

    @precondition(lambda self: self.model.states or self.other_model.states)
    @rule(data=st.data())
    def staff_move_one(self, data: st.DataObject) -> None:
        here, there, to = self.model, self.other_model, self.other.id
        signup = data.draw(st.sampled_from(sorted({**here.states, **there.states})))
        if signup in there.states:
            here, there, to = there, here, self.training.id
        enterprise = here.enterprise[signup]
        refusal = there.takes(enterprise)
        if here.states[signup] in ("cancelled", "expired") and refusal != "enterprise_seats_exceeded":
            refusal = "illegal_move"
        if refusal:
            with self.app.app_context(), pytest.raises(DomainError) as refused:
                signup_moves.move(self.desk, UUID(signup), to)
            assert refused.value.code == refusal
            return
        with self.app.app_context():
            moved = signup_moves.move(self.desk, UUID(signup), to)
        assert moved.state == "confirmed"
        here.leave(signup, "cancelled", self.moment)
        there.states[str(moved.id)], there.enterprise[str(moved.id)] = "confirmed", enterprise

    @precondition(lambda self: self.model.queue)
    @rule(data=st.data())
    def staff_put_one_at_the_head(self, data: st.DataObject) -> None:
        signup = data.draw(st.sampled_from(self.model.queue))
        with self.app.app_context():
            signup_moves.to_head(self.desk, UUID(signup), "行程已定")
        self.model.queue.remove(signup)
        self.model.queue.insert(0, signup)

    @precondition(lambda self: self.model.offers)
    @rule(data=st.data())
    def accept(self, data: st.DataObject) -> None:
        signup = data.draw(st.sampled_from(sorted(self.model.offers)))
        answer = self.post(f"signups/{signup}/accept-offer", self.owners[self.model.enterprise[signup]])
        if self.model.offers[signup] <= self.moment:
            assert answer.json["code"] == "offer_expired"
        else:
            assert answer.json["state"] == "confirmed"
            self.model.states[signup] = "confirmed"
            del self.model.offers[signup]

    @rule(minutes=st.sampled_from([1, 19, 21]))
    def time_passes(self, minutes: int) -> None:
        self.moment += timedelta(minutes=minutes)

    @rule()
    def the_clockwork_runs(self) -> None:
        with self.app.app_context():
            seats.expire_offers(SYSTEM, self.training.id)
        overdue = [signup for signup, until in self.model.offers.items() if until <= self.moment]
        for signup in sorted(overdue, key=list(self.model.states).index):
            self.model.leave(signup, "expired", self.moment)

    @precondition(lambda self: self.model.capacity < 5)
    @rule()
    def a_seat_is_added(self) -> None:
        answer = self.client.patch(
            f"/api/v1/trainings/{self.training.id}",
            json={"capacity": self.model.capacity + 1},
            headers=self.staff.headers,
        )
        assert answer.status_code == 200, answer.json
        self.model.capacity += 1
        self.model.promote(self.moment)

    @precondition(lambda self: self.model.states)
    @rule(data=st.data())
    def scan(self, data: st.DataObject) -> None:
        signup = data.draw(st.sampled_from(sorted(self.model.states)))
        owner = self.owners[self.model.enterprise[signup]]
        shown = self.client.get(f"/api/v1/signups/{signup}/ticket", headers=owner.headers)
        state = self.model.states[signup]
        if state != "confirmed":
            assert shown.json["code"] == "ticket_unavailable"
            return
        content = shown.json["codes"][0]["content"]
        assert TICKET.was_shown(content, self.moment)
        self.scans += 1
        body = {"content": content, "nonce": f"{self.training.id.hex[:24]}-{self.scans}"}
        answer = self.post(f"sessions/{self.session_id}/scans", self.staff, body)
        assert answer.json["outcome"] == ("duplicate" if signup in self.model.checked_in else "accepted")
        self.model.checked_in.add(signup)

    @invariant()
    def they_agree(self) -> None:
        if not hasattr(self, "model"):
            return
        url = f"/api/v1/trainings/{self.training.id}/roster?limit=200"
        rows = self.client.get(url, headers=self.staff.headers).json["items"]
        assert {row["id"]: row["state"] for row in rows} == self.model.states
        waiting = sorted(
            (row for row in rows if row["state"] == "waiting"), key=lambda row: row["waiting_no"]
        )
        assert [row["id"] for row in waiting] == self.model.queue
        assert {row["id"] for row in rows if row["attended"]} == self.model.checked_in
        with self.world.session() as session:
            for training, model in (self.training, self.model), (self.other, self.other_model):
                row = session.get(Training, training.id)
                assert (row.taken, row.waiting) == (model.taken(), len(model.queue))
        assert not self.model.queue or self.model.taken() == self.model.capacity


@pytest.mark.usefixtures("world")
def test_sign_ups_behave_like_the_model(app: Flask) -> None:
    SignupMachine.app = app
    run_state_machine_as_test(
        SignupMachine,
        settings=settings(
            max_examples=25,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
