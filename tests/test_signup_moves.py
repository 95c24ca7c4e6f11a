"""Sign-ups that staff move, many at once too: the order of locks, the waiting list, who is told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import bindparam, select, update
from sqlalchemy.exc import OperationalError

from app.access import Actor, Grant
from app.errors import DomainError
from app.prepared import Prepared
from app.services import seats, signup_moves, signup_reviews, signups, trainings
from app.services.telephone_signups import sign_up_for
from models.base import now
from models.messages import Notice
from models.signups import Signup
from models.trainings import EnterpriseSeats, Training
from tests.builders import Person, World, fresh_phone, party
from tests.races import at_once

ROUNDS = 40


def desk(person: Person, division: str = "js.xz.fengxian") -> Actor:
    return Actor(person.id, (Grant("county_staff", "division", division),))


class House:
    """An enterprise of 丰县, its owner, and a member of staff of the county."""

    def __init__(self, app: Flask, world: World) -> None:
        self.app, self.world, self.client = app, world, app.test_client()
        self.owner, self.staff = world.person(), world.staff()
        self.enterprise = world.enterprise(owner=self.owner)

    def sign_up(
        self, training: Any, *phones: str, owner: Person | None = None, enterprise: Any = None
    ) -> Any:
        body = party(enterprise or self.enterprise, *phones)
        headers = (owner or self.owner).headers
        return self.app.test_client().post(
            f"/api/v1/trainings/{training.id}/signups", json=body, headers=headers
        )

    def signed_up(self, training: Any, *phones: str, **who: Any) -> UUID:
        answer = self.sign_up(training, *phones, **who)
        assert answer.status_code == 201, answer.json
        return UUID(answer.json["items"][0]["id"])

    def others(self, training: Any) -> UUID:
        """A sign-up of somebody else's enterprise."""
        owner = self.world.person()
        return self.signed_up(training, owner=owner, enterprise=self.world.enterprise(owner=owner))

    def act(self, act: Callable[..., Any], *args: Any) -> Any:
        with self.app.app_context():
            return act(desk(self.staff), *args)

    def move(self, signup_id: UUID, training: Any) -> Signup:
        moved: Signup = self.act(signup_moves.move, signup_id, training.id)
        return moved

    def states(self, training: Any) -> list[str]:
        """The states of a training's sign-ups, in the order they were made."""
        with self.world.session() as behind:
            found = select(Signup.state).where(Signup.training_id == training.id).order_by(Signup.id)
            return [str(state) for state in behind.execute(found).scalars()]

    def counted(self, training: Any) -> tuple[int, int, dict[UUID, int]]:
        with self.world.session() as behind:
            row = behind.get(Training, training.id)
            held = select(EnterpriseSeats.enterprise_id, EnterpriseSeats.taken)
            places = behind.execute(held.where(EnterpriseSeats.training_id == training.id)).all()
            return row.taken, row.waiting, {enterprise: taken for enterprise, taken in places if taken}

    def told(self, person: Person) -> list[str]:
        with self.world.session() as behind:
            found = select(Notice.kind).where(Notice.user_id == person.id).order_by(Notice.id)
            return list(behind.execute(found).scalars())


@pytest.fixture
def house(app: Flask, world: World) -> House:
    return House(app, world)


def refusal(act: Callable[[], Any]) -> str:
    with pytest.raises(DomainError) as refused:
        act()
    return refused.value.code


# --- moved to another training


def test_a_sign_up_moves_with_its_seat(house: House) -> None:
    attendee = house.world.person()
    first, second = house.world.training(capacity=1), house.world.training(title="下半月班", capacity=1)
    signup = house.signed_up(first, str(attendee.phone))
    house.others(first)
    ticket = f"/api/v1/signups/{signup}/ticket"
    assert house.client.get(ticket, headers=attendee.headers).status_code == 200
    moved = house.move(signup, second)
    assert (house.states(first), house.states(second)) == (["cancelled", "confirmed"], ["confirmed"])
    assert (house.counted(first)[:2], house.counted(second)) == ((1, 0), (1, 0, {house.enterprise.id: 1}))
    assert house.client.get(ticket, headers=attendee.headers).json["code"] == "ticket_unavailable"
    new = house.client.get(f"/api/v1/signups/{moved.id}/ticket", headers=attendee.headers)
    assert new.status_code == 200
    assert house.told(house.owner) == house.told(attendee) == ["signup.received", "signup.moved"]
    left = house.client.get(f"/api/v1/signups/{signup}", headers=house.owner.headers).json
    assert left["state_reason"] == "已调整到“下半月班”"


def test_a_waiting_person_gets_the_seat_of_another_training(house: House) -> None:
    full, roomy = house.world.training(capacity=1), house.world.training()
    house.others(full)
    waiting = house.signed_up(full)
    house.move(waiting, roomy)
    assert (house.states(full), house.states(roomy)) == (["confirmed", "cancelled"], ["confirmed"])
    assert house.counted(full)[1] == 0


def test_what_was_approved_stays_so_and_what_was_not_is_looked_at(house: House) -> None:
    free = house.world.training()
    strict, other = house.world.training(needs_approval=True), house.world.training(needs_approval=True)
    assert house.move(house.signed_up(free), strict).state == "confirmed"
    assert house.move(house.signed_up(strict), other).state == "pending"
    assert house.move(house.signed_up(other), free).state == "confirmed"


def test_what_keeps_a_sign_up_where_it_is(house: House) -> None:
    world = house.world
    training, phone = world.training(), fresh_phone()
    signup = house.signed_up(training, phone)

    def refused(**changes: Any) -> str:
        return refusal(lambda: house.move(signup, world.training(**changes)))

    assert refusal(lambda: house.move(signup, training)) == "signup_already_there"
    full = world.training(capacity=1)
    house.others(full)
    assert refusal(lambda: house.move(signup, full)) == "training_full"
    assert refused(division_id="js.xz.peixian") == "not_found"
    assert refused(state="draft") == "training_not_open"
    assert refused(open_to=["js.xz.peixian"]) == "division_not_invited"
    assert refused(closes_at=now()) == "signup_window_closed"
    twice = world.training()
    house.signed_up(twice, phone)
    assert refusal(lambda: house.move(signup, twice)) == "attendee_duplicate"
    limited = world.training(seats_per_enterprise=1)
    house.signed_up(limited)
    assert refusal(lambda: house.move(signup, limited)) == "enterprise_seats_exceeded"
    assert (house.states(training), house.counted(training)[0]) == (["confirmed"], 1)
    assert (house.states(limited), house.counted(limited)) == (
        ["confirmed"],
        (1, 0, {house.enterprise.id: 1}),
    )
    with world.session() as behind:
        started = now() - timedelta(minutes=1)
        behind.execute(update(Training).where(Training.id == training.id).values(starts_at=started))
    assert refused() == "training_started"
    house.act(signup_reviews.cancel_for, signup, "企业来电取消")
    assert refused() == "illegal_move"


def test_staff_move_only_sign_ups_of_their_own(house: House) -> None:
    signup = house.signed_up(house.world.training(division_id="js.xz.peixian"))
    assert refusal(lambda: house.move(signup, house.world.training())) == "not_found"


def test_where_to_are_open_trainings_with_seats(house: House) -> None:
    world = house.world
    here = world.training()
    soon = [now() + timedelta(minutes=30)]  # the next ones are named first, and not more than a hundred
    roomy, full = world.training(capacity=2, sessions=soon), world.training(capacity=1, sessions=soon)
    house.others(roomy), house.others(full)
    no = [world.training(state="draft"), world.training(closes_at=now()), full, here]
    no += [world.training(division_id="js.xz.peixian"), world.training(opens_at=now() + timedelta(hours=1))]
    found = {row.id: row.free for row in house.act(signup_moves.destinations, here.id)}
    assert found[roomy.id] == 1
    assert not found.keys() & {training.id for training in no}


# --- the waiting list


def test_a_waiting_person_is_put_at_the_head(house: House) -> None:
    training = house.world.training(capacity=1, seats_per_enterprise=5)
    seated = house.others(training)
    first, second, third, fourth = (house.signed_up(training) for _ in range(4))
    house.act(signup_moves.to_head, third, "外地企业，行程已定")
    with house.world.session() as behind:
        of = select(Signup.id, Signup.waiting_no).where(Signup.training_id == training.id)
        numbers = {row.id: row.waiting_no for row in behind.execute(of)}
    assert [numbers[one] for one in (third, first, second, fourth)] == [1, 2, 3, 4]
    house.act(signup_reviews.cancel_for, seated, "企业来电取消")
    assert house.states(training) == ["cancelled", "waiting", "waiting", "confirmed", "waiting"]
    assert refusal(lambda: house.act(signup_moves.to_head, third, "再次")) == "illegal_move"


# --- each of many


def test_each_of_many_is_answered(house: House) -> None:
    training = house.world.training(needs_approval=True)
    pending, gone = house.signed_up(training), house.signed_up(training)
    house.act(signup_reviews.cancel_for, gone, "企业来电取消")
    elsewhere = house.signed_up(house.world.training(division_id="js.xz.peixian", needs_approval=True))
    staff = desk(house.staff)
    with house.app.app_context():
        answers = signup_reviews.each(
            [pending, gone, elsewhere, pending], lambda one: signup_reviews.approve(staff, one)
        )
    codes = [answer.refusal.code if answer.refusal else None for answer in answers]
    assert codes == [None, "illegal_move", "not_found"]
    assert house.states(training) == ["confirmed", "cancelled"]


# --- by telephone


def test_staff_sign_people_up_by_telephone(house: House) -> None:
    training, attendee = house.world.training(capacity=1), house.world.person()
    people = [signups.Attendee("李质量", str(attendee.phone))]
    house.act(sign_up_for, training.id, house.enterprise.id, people)
    assert house.states(training) == ["confirmed"]
    assert (house.told(house.owner), house.told(attendee)) == (["signup.made_for"], ["signup.made_for"])
    [own] = house.client.get("/api/v1/signups", headers=house.owner.headers).json["items"]
    assert own["enterprise_name"] == house.enterprise.name
    one_more = [signups.Attendee("李质量", fresh_phone())]
    elsewhere = house.world.enterprise(division_id="js.xz.peixian")
    for there in (
        (training.id, elsewhere.id),
        (house.world.training(division_id="js.xz.peixian").id, house.enterprise.id),
    ):
        assert refusal(partial(house.act, sign_up_for, *there, one_more)) == "not_found"
    late = house.world.training(closes_at=now())
    act = partial(house.act, sign_up_for, late.id, house.enterprise.id, one_more)
    assert refusal(act) == "signup_window_closed"


# --- at once


def outcome(act: Callable[[], Any]) -> str:
    """What an act of many at once came to; a ring of waits is broken by PostgreSQL."""
    try:
        answer = act()
    except DomainError as error:
        return error.code
    except OperationalError as error:
        return "deadlock" if "deadlock detected" in str(error) else str(error)
    return str(answer.status_code) if hasattr(answer, "status_code") else "done"


def _leave_and_join(house: House) -> list[str]:
    training = house.world.training(capacity=9, seats_per_enterprise=9)
    signup = house.signed_up(training)
    return at_once(
        lambda: outcome(lambda: house.act(signup_reviews.cancel_for, signup, "企业来电取消")),
        lambda: outcome(lambda: house.sign_up(training)),
    )


def _cross(house: House) -> list[str]:
    here, there = house.world.training(), house.world.training()
    one, other = house.signed_up(here), house.signed_up(there)
    answers = at_once(
        lambda: outcome(lambda: house.move(one, there)), lambda: outcome(lambda: house.move(other, here))
    )
    if "deadlock" not in answers:
        assert house.states(here) == house.states(there) == ["cancelled", "confirmed"]
    return answers


def test_without_the_order_of_locks_acts_wait_in_a_ring(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seats, "hold_places", lambda *_: None)
    assert any("deadlock" in _leave_and_join(house) for _ in range(ROUNDS))
    monkeypatch.undo()
    monkeypatch.setattr(signup_moves, "sorted", list, raising=False)
    assert any("deadlock" in _cross(house) for _ in range(ROUNDS))


def test_with_it_nobody_does(house: House) -> None:
    for _ in range(ROUNDS):
        assert _leave_and_join(house) == ["done", "201"]
        assert _cross(house) == ["done", "done"]


def test_one_seat_is_moved_into_once(house: House) -> None:
    roomy, last = house.world.training(), house.world.training(capacity=1)
    movers = [house.others(roomy) for _ in range(4)]
    answers = at_once(*(lambda one=one: outcome(lambda: house.move(one, last)) for one in movers))  # type: ignore[misc]
    assert sorted(answers) == ["done"] + ["training_full"] * 3
    assert (house.counted(roomy)[0], house.counted(last)[0]) == (3, 1)


_HEEDLESS = Prepared(
    update(Training)
    .where(Training.id == bindparam("training"), Training.taken < Training.capacity)
    .values(taken=Training.taken + bindparam("n", type_=Training.taken.type))
    .returning(Training.capacity)
)


@pytest.mark.parametrize("guarded", [False, True])
def test_nobody_is_seated_in_a_training_that_was_cancelled_meanwhile(
    house: House, monkeypatch: pytest.MonkeyPatch, guarded: bool
) -> None:
    training, take = house.world.training(), seats.take

    def cancelled_meanwhile(*given: Any) -> Any:
        [state] = at_once(lambda: house.act(trainings.cancel, training.id, "场地停电")["state"])
        assert state == "cancelled"
        return take(*given)

    monkeypatch.setattr(seats, "take", cancelled_meanwhile)
    if not guarded:
        monkeypatch.setattr(seats, "_TAKE", _HEEDLESS)
    answer = house.sign_up(training)
    assert answer.json.get("code") == ("training_not_open" if guarded else None)
    assert house.states(training) == ([] if guarded else ["confirmed"])
