"""Attendance of outside platforms: every row is answered, nobody is checked in twice, no seat is made up."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from app.access import Actor, Grant
from app.errors import DomainError
from app.services import attendance_imports, seats
from app.services.attendance_imports import COLUMNS, Result, import_rows
from app.tickets import TICKET
from app.transactions import session as current_session
from app.workbooks import read_rows
from models.base import now
from models.checkins import Outcome, Scan
from models.crypto import keyring
from models.enterprises import Enterprise, EnterpriseState
from models.messages import Notice
from models.signups import Signup, SignupState
from models.trainings import EnterpriseSeats, Provider, Training, TrainingState
from tests.builders import Person, World, fresh_credit_code, fresh_phone
from tests.races import at_once
from tests.workbook_builders import workbook

HEADER = [column.name for column in COLUMNS]


def officer(person: Person, role: str = "county_staff", division: str = "js.xz.fengxian") -> Actor:
    return Actor(person.id, (Grant(role, "division", division),))


@dataclass
class Desk:
    """A county's officer, an outside training that began an hour ago, and an enterprise."""

    app: Flask
    world: World
    training: Training
    enterprise: Enterprise
    staff: Person

    def sign_up(self, **changes: Any) -> Signup:
        """A confirmed sign-up, as it was made before the training began."""
        phone = changes.pop("phone", None) or fresh_phone()
        values: dict[str, Any] = {
            "training_id": self.training.id,
            "division_id": self.training.division_id,
            "enterprise_id": self.enterprise.id,
            "enterprise_name": self.enterprise.name,
            "created_by": self.staff.id,
            "attendee_name": "李质量",
            "attendee_phone": phone,
            "attendee_phone_index": keyring().blind_index(phone),
            "state": SignupState.confirmed,
        }
        with self.world.session() as s:
            signup = Signup(**{**values, **changes})
            s.add(signup)
        return signup

    def line(self, signup: Signup | None = None, **changes: Any) -> list[Any]:
        cells = {
            "credit_code": self.enterprise.credit_code,
            "phone": signup.attendee_phone if signup else fresh_phone(),
            "name": "王小明",
            "post": None,
            "session": None,
            "scanned_at": None,
        }
        return list({**cells, **changes}.values())

    def import_(
        self,
        *lines: list[Any],
        enrol: bool = False,
        by: Actor | None = None,
        training: Training | None = None,
    ) -> list[tuple[Result, str]]:
        rows = read_rows(workbook(HEADER, *lines), COLUMNS)
        with self.app.app_context():
            actor, here = by or officer(self.staff), training or self.training
            done = list(import_rows(actor, rows, here.id, enrol=enrol))
        assert [outcome.row for outcome in done] == rows
        return [(outcome.result, outcome.reason) for outcome in done]

    def accepted(self, training: Training | None = None) -> int:
        counted = select(func.count()).where(
            Scan.training_id == (training or self.training).id, Scan.outcome == Outcome.accepted
        )
        with self.world.session() as s:
            return int(s.execute(counted).scalar_one())

    def seats(self) -> tuple[int, int]:
        """How many the training says are taken, and how many confirmed sign-ups there are."""
        confirmed = select(func.count()).where(
            Signup.training_id == self.training.id, Signup.state == SignupState.confirmed
        )
        with self.world.session() as s:
            return s.get(Training, self.training.id).taken, s.execute(confirmed).scalar_one()


@pytest.fixture
def desk(app: Flask, world: World) -> Desk:
    """The county's desk."""
    return opened(app, world)


def opened(app: Flask, world: World, **changes: Any) -> Desk:
    sessions = [now() - timedelta(hours=1)]
    training = world.training(sessions=sessions, provider=Provider.province, **changes)
    return Desk(app, world, training, world.enterprise(), world.staff())


def refusals(results: list[tuple[Result, str]]) -> list[str]:
    assert {result for result, _ in results} == {Result.rejected}
    return [reason for _, reason in results]


def test_rows_become_check_ins_and_a_repeated_run_changes_nothing(desk: Desk) -> None:
    one, two = desk.sign_up(), desk.sign_up()
    lines = [desk.line(one, scanned_at=f"{now() - timedelta(minutes=5):%Y-%m-%d %H:%M}"), desk.line(two)]
    assert desk.import_(*lines) == [(Result.checked_in, "")] * 2
    with desk.world.session() as s:
        scans = s.execute(select(Scan).where(Scan.training_id == desk.training.id)).scalars().all()
    assert {scan.method.label for scan in scans} == {"导入"} and len(scans) == 2
    at = {scan.signup_id: scan.scanned_at for scan in scans}
    assert at[two.id] == desk.training.starts_at and at[one.id] > desk.training.starts_at
    assert desk.import_(*lines) == [(Result.unchanged, "")] * 2
    other = officer(desk.world.staff("city_staff", "js.xz"), "city_staff", "js.xz")
    assert desk.import_(*lines, by=other) == [(Result.unchanged, "")] * 2
    assert desk.accepted() == 2


def test_the_same_person_twice_in_one_list_is_checked_in_once(desk: Desk) -> None:
    signup = desk.sign_up()
    results = desk.import_(desk.line(signup), desk.line(signup))
    assert results == [(Result.checked_in, ""), (Result.unchanged, "")]
    assert desk.accepted() == 1


def test_every_row_that_is_not_matched_says_why(desk: Desk, world: World) -> None:
    waiting = desk.sign_up(state=SignupState.waiting, waiting_no=1)
    cancelled = desk.sign_up(state=SignupState.cancelled)
    elsewhere = world.enterprise(name="丰县另一家企业", division_id="js.xz.peixian")
    by_other = desk.sign_up(enterprise_id=elsewhere.id, enterprise_name=elsewhere.name)
    reasons = refusals(
        desk.import_(
            desk.line(credit_code=fresh_credit_code()),
            desk.line(credit_code="9132032100000000"),
            desk.line(),
            desk.line(by_other),
            desk.line(waiting),
            desk.line(cancelled),
            desk.line(desk.sign_up(), session="7"),
            desk.line(desk.sign_up(), session="下午"),
            desk.line(phone="12345"),
            desk.line(phone=None),
            desk.line(desk.sign_up(), scanned_at="2020-01-01 09:00"),
            desk.line(desk.sign_up(), scanned_at=f"{now() + timedelta(days=1):%Y-%m-%d %H:%M}"),
            desk.line(desk.sign_up(), scanned_at="昨天"),
            desk.line(name="名" * 33),
        )
    )
    expected = [
        "企业未登记",
        "应为 18 位",
        "该手机号未报名本培训",
        "该手机号以其他企业名义报名：丰县另一家企业",
        "报名未通过：当前为“候补中”",
        "该手机号的报名已取消",
        "场次不存在：“7”，本培训共 1 场",
        "场次不存在：“下午”",
        "手机号不正确",
        "手机号：不能为空",
        "签到时间应在该场次签到开始之后",
        "签到时间应在该场次签到开始之后",
        "应为日期",
        "姓名：至多 32 字",
    ]
    assert [reason for reason, said in zip(reasons, expected, strict=True) if said not in reason] == []
    assert desk.accepted() == 0


def test_an_enterprise_that_the_training_is_not_open_to(app: Flask, world: World) -> None:
    desk = opened(app, world, open_to=["js.xz.fengxian"])
    away = world.enterprise(division_id="js.xz.peixian")
    line = desk.line(credit_code=away.credit_code)
    for enrol in (False, True):
        [reason] = refusals(desk.import_(line, enrol=enrol))
        assert reason.startswith("企业在其他辖区")


def test_the_sessions_of_a_row(app: Flask, world: World) -> None:
    starts = [now() - timedelta(days=2), now() - timedelta(hours=3), now() + timedelta(days=1)]
    training = world.training(sessions=starts, provider=Provider.national)
    desk = Desk(app, world, training, world.enterprise(), world.staff())
    signup = desk.sign_up()
    assert desk.import_(desk.line(signup, session="第2场")) == [(Result.checked_in, "")]
    assert desk.import_(desk.line(signup, session=1)) == [(Result.checked_in, "")]
    reasons = refusals(
        desk.import_(desk.line(signup), desk.line(signup, session=3), desk.line(signup, session="全部"))
    )
    assert "请填写场次序号或“全部”" in reasons[0]
    assert reasons[1:] == ["第 3 场尚未开始，不能导入签到"] * 2
    over = world.training(sessions=starts[:2], provider=Provider.national)
    desk = Desk(app, world, over, world.enterprise(), world.staff())
    signup = desk.sign_up()
    timed = desk.line(signup, session="全部", scanned_at=f"{now():%Y-%m-%d %H:%M}")
    assert refusals(desk.import_(timed)) == ["填写签到时间时，请一个场次一行"]
    assert desk.import_(desk.line(signup, session="全部")) == [(Result.checked_in, "")]
    assert desk.accepted() == 2


def test_people_who_did_not_sign_up_are_enrolled(desk: Desk, world: World) -> None:
    known = world.person()
    line = desk.line(phone=known.phone, name="赵新来", post="班组长")
    assert desk.import_(line, enrol=True) == [(Result.enrolled, "")]
    assert desk.import_(line, enrol=True) == [(Result.unchanged, "")]
    with world.session() as s:
        signup = s.execute(select(Signup).where(Signup.training_id == desk.training.id)).scalar_one()
        told = s.execute(select(Notice.kind).where(Notice.user_id == known.id)).scalars().all()
        held = s.execute(
            select(EnterpriseSeats.taken).where(EnterpriseSeats.training_id == desk.training.id)
        ).scalar_one()
    assert (signup.attendee_name, signup.attendee_post) == ("赵新来", "班组长")
    assert (signup.attendee_user_id, signup.created_by) == (known.id, desk.staff.id)
    assert (told, held, desk.seats(), desk.accepted()) == (["signup.enrolled"], 1, (1, 1), 1)


def test_one_newcomer_in_two_sessions_is_enrolled_once(app: Flask, world: World) -> None:
    starts = [now() - timedelta(days=2), now() - timedelta(hours=3)]
    training = world.training(sessions=starts, provider=Provider.alliance)
    desk = Desk(app, world, training, world.enterprise(), world.staff())
    phone = fresh_phone()
    lines = [desk.line(phone=phone, session=number) for number in (1, 2)]
    assert desk.import_(*lines, enrol=True) == [(Result.enrolled, "")] * 2
    assert (desk.seats(), desk.accepted()) == ((1, 1), 2)


def test_what_bars_an_enrolment(app: Flask, world: World) -> None:
    desk = opened(app, world, seats_per_enterprise=1, capacity=2)
    barred = world.enterprise(state=EnterpriseState.refused)
    third = world.enterprise()
    results = desk.import_(
        desk.line(name=None),
        desk.line(),
        desk.line(),
        desk.line(credit_code=barred.credit_code),
        desk.line(credit_code=world.enterprise().credit_code),
        desk.line(credit_code=third.credit_code),
        enrol=True,
    )
    assert [reason for _, reason in results] == [
        "该手机号未报名本培训；补录报名须填写姓名",
        "",
        "每家企业最多 1 人，超出限额",
        "企业当前状态为“不予通过”，不能进行此项操作",
        "",
        "该培训已无空余名额",
    ]
    assert desk.seats() == (2, 2)
    with world.session() as s:
        left = s.get(EnterpriseSeats, (desk.training.id, third.id))
    assert left is None, "a refused enrolment holds no place"


def test_somebody_who_cancelled_and_came_is_enrolled_anew(desk: Desk) -> None:
    gone = desk.sign_up(state=SignupState.cancelled)
    assert desk.import_(desk.line(gone), enrol=True) == [(Result.enrolled, "")]


def test_an_enterprise_that_was_merged_stands_for_the_one_it_was_merged_into(
    desk: Desk, world: World
) -> None:
    signup = desk.sign_up()
    old = world.enterprise(state=EnterpriseState.merged, merged_into=desk.enterprise.id)
    assert desk.import_(desk.line(signup, credit_code=old.credit_code)) == [(Result.checked_in, "")]


def test_a_draft_and_a_cancelled_training_are_refused(desk: Desk, world: World) -> None:
    for state, code in (
        (TrainingState.draft, "training_not_published"),
        (TrainingState.cancelled, "training_cancelled"),
    ):
        training = world.training(sessions=[now() - timedelta(hours=1)], state=state)
        with pytest.raises(DomainError) as refused:
            desk.import_(desk.line(), training=training)
        assert refused.value.code == code


def test_only_within_reach(desk: Desk, world: World) -> None:
    line = desk.line(desk.sign_up())
    neighbour = officer(world.staff(division="js.xz.peixian"), division="js.xz.peixian")
    trainer = world.trainer(desk.training)
    assigned = Actor(trainer.id, (Grant("trainer", "training", str(desk.training.id)),))
    member = Actor(trainer.id, (Grant("member", "enterprise", str(desk.enterprise.id)),))
    for actor, enrol, code in (
        (neighbour, False, "not_found"),
        (member, False, "permission_denied"),
        (assigned, True, "permission_denied"),
    ):
        with pytest.raises(DomainError) as refused:
            desk.import_(line, by=actor, enrol=enrol)
        assert refused.value.code == code
    assert desk.import_(line, by=assigned) == [(Result.checked_in, "")]
    both = Actor(trainer.id, (*assigned.grants, Grant("county_staff", "division", "js.xz.peixian")))
    [reason] = refusals(desk.import_(desk.line(), by=both, enrol=True))
    assert reason == DomainError("not_found").message
    assert desk.seats()[0] == 0, "a trainer here who is an officer elsewhere enrols nobody here"


# --- races: each shows itself with the guard off first


def test_an_import_and_a_scan_check_somebody_in_once(desk: Desk, client: FlaskClient) -> None:
    signups = [desk.sign_up() for _ in range(8)]
    trainer = desk.world.trainer(desk.training)
    [session] = desk.world.sessions_of(desk.training)

    def scan_all() -> list[str]:
        door = desk.app.test_client()
        return [
            door.post(
                f"/api/v1/sessions/{session}/scans",
                json={"content": TICKET.code(signup.ticket_no, now()), "nonce": f"race-{signup.id.hex}"},
                headers=trainer.headers,
            ).json["outcome"]
            for signup in signups
        ]

    def import_all() -> list[str]:
        return [result for result, _ in desk.import_(*[desk.line(signup) for signup in signups])]

    scanned, imported = at_once(scan_all, import_all)
    pairs = set(zip(scanned, imported, strict=True))
    assert pairs <= {("accepted", "unchanged"), ("duplicate", "checked_in")}
    assert desk.accepted() == len(signups)


def count_then_insert(looked: threading.Barrier) -> Any:
    """What everybody writes first: count who is there, and go on if there is room."""

    def take(training_id: Any) -> None:
        confirmed = select(func.count()).where(
            Signup.training_id == training_id, Signup.state == SignupState.confirmed
        )
        held = current_session().execute(confirmed).scalar_one()
        looked.wait()
        if (
            held
            >= current_session()
            .execute(select(Training.capacity).where(Training.id == training_id))
            .scalar_one()
        ):
            raise DomainError("training_full")

    return take


def last_seat(app: Flask, world: World) -> tuple[list[Result], int]:
    """Two imports, each with a newcomer, at one seat."""
    desk = opened(app, world, capacity=1)
    lines = [desk.line(credit_code=world.enterprise().credit_code) for _ in range(2)]
    done = at_once(*[lambda line=line: desk.import_(line, enrol=True) for line in lines])
    return [result for [(result, _)] in done], desk.seats()[1]


def test_without_the_guard_the_last_seat_is_given_twice(
    app: Flask, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seats, "take_after_start", count_then_insert(threading.Barrier(2, timeout=30)))
    results, confirmed = last_seat(app, world)
    assert (results, confirmed) == ([Result.enrolled] * 2, 2)


def test_two_imports_give_the_last_seat_once(app: Flask, world: World) -> None:
    results, confirmed = last_seat(app, world)
    assert (sorted(results), confirmed) == ([Result.enrolled, Result.rejected], 1)


def test_two_imports_of_the_same_list_do_the_work_of_one(desk: Desk) -> None:
    signups = [desk.sign_up() for _ in range(5)]
    lines = [desk.line(signup) for signup in signups] + [desk.line() for _ in range(2)]
    both = at_once(*[lambda: desk.import_(*lines, enrol=True)] * 2)
    for results in zip(*both, strict=True):
        assert sum(result in (Result.checked_in, Result.enrolled) for result, _ in results) == 1, results
    assert (desk.accepted(), desk.seats()[1]) == (7, 7)


def test_a_list_longer_than_a_chunk_is_taken_in_steps(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attendance_imports, "CHUNK", 2)
    signups = [desk.sign_up() for _ in range(5)]
    lines = [desk.line(signup) for signup in signups]
    rows = read_rows(workbook(HEADER, *lines), COLUMNS)
    with desk.app.app_context():
        run = import_rows(officer(desk.staff), rows, desk.training.id, enrol=False)
        for _ in range(3):
            next(run)
        run.close()  # the process died
    assert desk.accepted() == 4, "what was done is kept"
    assert Counter(desk.import_(*lines)) == {(Result.unchanged, ""): 4, (Result.checked_in, ""): 1}
