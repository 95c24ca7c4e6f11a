"""Reminders before a session, and the certificate after the last: once, and only where they still hold."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, text, update

from app import jobs, outbox
from app.access import SYSTEM
from app.notices import from_json
from app.services import certificates, reminders
from app.transactions import begin
from models.base import new_id, now, set_clock
from models.checkins import Method, Outcome, Scan
from models.messages import Notice
from models.signups import Signup
from models.trainings import Training
from tests.builders import Person, World, party
from tests.training_requests import body, hours, patch, post, published, sign_up

DAY, HOUR = 1440, 60


@pytest.fixture(autouse=True)
def real_time() -> Iterator[None]:
    yield
    set_clock(None)


def at(moment: datetime) -> None:
    set_clock(lambda: moment)


def enqueued(world: World, training_id: str, task: str = "reminders.remind") -> list[tuple[datetime, Any]]:
    """When the jobs of a training are due, and what they are given."""
    sessions = "SELECT id::text FROM training_sessions WHERE training_id = :id"
    of_it = f"(args->>'session_id' IN ({sessions}) OR args->>'training_id' = CAST(:id AS text))"
    with world.session() as session:
        found = session.execute(
            text(
                "SELECT scheduled_at, args FROM procrastinate_jobs"
                f" WHERE task_name = :task AND status = 'todo' AND {of_it} ORDER BY scheduled_at, id"
            ),
            {"id": UUID(training_id), "task": task},
        )
        return [(due, args if isinstance(args, dict) else json.loads(args)) for due, args in found]


def run(app: Flask, world: World, training_id: str) -> None:
    """Does what the training's reminder jobs do that are due at the test's time."""
    with app.app_context():
        for due, args in enqueued(world, training_id):
            if due <= now():
                begins = datetime.fromisoformat(args["starts_at"])
                reminders.remind(SYSTEM, UUID(args["session_id"]), begins, args["minutes"])


def catch_up(app: Flask) -> None:
    with app.app_context():
        for reminder in reminders.lately_due(SYSTEM):
            reminders.remind(SYSTEM, *reminder)


def reminded(world: World, person: Person, kind: str = "training.reminder") -> list[dict[str, str]]:
    with world.session() as session:
        found = select(Notice.facts).where(Notice.user_id == person.id, Notice.kind == kind)
        return [from_json(facts) for facts in session.execute(found.order_by(Notice.id)).scalars()]


def starts(training: dict[str, Any], session: int = 0) -> datetime:
    return datetime.fromisoformat(training["sessions"][session]["starts_at"])


@pytest.fixture
def training(client: FlaskClient, world: World) -> dict[str, Any]:
    return published(client, world.staff(), opens_at=hours(-1, now()), open_to=["js.xz"], capacity=4)


# --- what is set


def test_a_training_says_when_it_reminds(client: FlaskClient, world: World) -> None:
    staff = world.staff()
    made = post(client, staff, "", body()).json
    assert made["remind_before"] == [DAY, HOUR]
    given = post(client, staff, "", body(remind_before=[30, 4320, 30])).json
    assert given["remind_before"] == [4320, 30]
    assert patch(client, staff, given["id"], remind_before=[]).json["remind_before"] == []
    assert post(client, staff, f"/{given['id']}/copy").json["remind_before"] == []


@pytest.mark.parametrize("leads", [[9], [20_161], [10, 20, 30, 40, 50, 60], ["60"], None])
def test_what_cannot_be_a_lead_is_refused_at_its_field(client: FlaskClient, world: World, leads: Any) -> None:
    answer = post(client, world.staff(), "", body(remind_before=leads))
    assert answer.status_code == 422
    assert all(field.split(".")[0] == "remind_before" for field in answer.json["fields"])


# --- jobs


def test_publishing_enqueues_a_job_for_each_session_and_lead(
    client: FlaskClient, world: World, training: dict[str, Any]
) -> None:
    assert [(due, args["minutes"]) for due, args in enqueued(world, training["id"])] == [
        (starts(training, session) - timedelta(minutes=lead), lead)
        for session, lead in ((0, DAY), (1, DAY), (0, HOUR), (1, HOUR))
    ]
    [(due, _)] = enqueued(world, training["id"], "certificates.tell_earned")
    assert due == datetime.fromisoformat(training["ends_at"])


def test_a_draft_enqueues_nothing_and_a_lead_that_is_past_neither(client: FlaskClient, world: World) -> None:
    staff = world.staff()
    soon = [{"starts_at": hours(5, now()), "ends_at": hours(7, now())}]
    draft = post(
        client, staff, "", body(sessions=soon, opens_at=hours(-1, now()), closes_at=hours(1, now()))
    ).json
    assert enqueued(world, draft["id"]) == []
    post(client, staff, f"/{draft['id']}/publish")
    assert [args["minutes"] for _, args in enqueued(world, draft["id"])] == [HOUR]


def test_only_new_times_and_leads_are_enqueued_anew(
    client: FlaskClient, world: World, training: dict[str, Any]
) -> None:
    staff = world.staff()
    patch(client, staff, training["id"], title="新名称", place="二楼")
    assert len(enqueued(world, training["id"])) == 4
    patch(client, staff, training["id"], remind_before=[120])
    assert [args["minutes"] for _, args in enqueued(world, training["id"])].count(120) == 2


# --- telling


def test_the_confirmed_and_who_signed_them_up_are_reminded_once_each_time(
    app: Flask, client: FlaskClient, world: World, training: dict[str, Any]
) -> None:
    owner = sign_up(client, world, training["id"], 2)
    attendee, boss = world.person(), world.person()
    client.post(
        f"/api/v1/trainings/{training['id']}/signups",
        json=party(world.enterprise(owner=boss), str(attendee.phone)),
        headers=boss.headers,
    )
    sign_up(client, world, training["id"])
    waiting = sign_up(client, world, training["id"])
    at(starts(training) - timedelta(days=1) + timedelta(seconds=1))
    for _ in range(2):
        run(app, world, training["id"])
        catch_up(app)
    for person in (owner, attendee, boss):
        [told] = reminded(world, person)
        assert (told["training"], told["session"]) == (training["title"], training["sessions"][0]["title"])
        assert told["time"].endswith(f"{starts(training):%H:%M}")
    assert reminded(world, waiting) == []
    at(starts(training) - timedelta(hours=1))
    run(app, world, training["id"])
    assert len(reminded(world, owner)) == 3, "the second session's day ahead, and the first one's hour"
    assert len({told["session"] for told in reminded(world, owner)}) == 2


def test_never_after_the_start_and_never_a_lead_that_a_nearer_one_has_overtaken(
    app: Flask, client: FlaskClient, world: World, training: dict[str, Any]
) -> None:
    owner = sign_up(client, world, training["id"])
    with app.app_context():
        [session_id, _] = [UUID(one["id"]) for one in training["sessions"]]
        for moment, told in ((timedelta(0), 0), (timedelta(minutes=-50), 1)):
            at(starts(training) + moment)
            assert reminders.remind(SYSTEM, session_id, starts(training), DAY) == 0
            assert reminders.remind(SYSTEM, session_id, starts(training), HOUR) == told
    assert len(reminded(world, owner)) == 1


def test_a_moved_or_cancelled_training_makes_old_jobs_void(
    app: Flask, client: FlaskClient, world: World, training: dict[str, Any]
) -> None:
    owner, staff = sign_up(client, world, training["id"]), world.staff()
    sessions = [
        {name: one[name] for name in ("title", "starts_at", "ends_at")} for one in training["sessions"]
    ]
    sessions[0] |= {"starts_at": hours(-3), "ends_at": hours(-1)}
    assert patch(client, staff, training["id"], closes_at=hours(-30), sessions=sessions).status_code == 200
    at(starts(training) - timedelta(days=1))
    [session_id, _] = [UUID(one["id"]) for one in training["sessions"]]
    with app.app_context():
        assert reminders.remind(SYSTEM, session_id, starts(training), DAY) == 0
        moved = starts(training) - timedelta(hours=3)
        assert reminders.remind(SYSTEM, session_id, moved, DAY) == 1
    cancelled = post(client, world.staff(), f"/{training['id']}/cancel", {"reason": "台风"})
    assert cancelled.status_code == 200, cancelled.json
    with app.app_context():
        at(moved - timedelta(hours=1))
        assert reminders.remind(SYSTEM, session_id, moved, HOUR) == 0
        assert session_id not in {one[0] for one in reminders.lately_due(SYSTEM)}
    assert len(reminded(world, owner)) == 1


def test_who_signs_up_later_is_not_told_of_a_day_that_has_passed(
    app: Flask, client: FlaskClient, world: World
) -> None:
    training = world.training(sessions=[now() + timedelta(hours=20)])
    late = sign_up(client, world, training.id)
    catch_up(app)
    [session_id] = world.sessions_of(training)
    with app.app_context():
        assert reminders.remind(SYSTEM, session_id, training.starts_at, DAY) == 0
        at(training.starts_at - timedelta(hours=1))
        assert reminders.remind(SYSTEM, session_id, training.starts_at, HOUR) == 1
    assert len(reminded(world, late)) == 1


def test_what_a_lost_job_left_is_made_up_for_a_while(
    app: Flask, client: FlaskClient, world: World, training: dict[str, Any]
) -> None:
    owner = sign_up(client, world, training["id"])
    at(starts(training) - timedelta(days=1) + reminders.CATCH_UP + timedelta(minutes=1))
    catch_up(app)
    missed = [told["session"] for told in reminded(world, owner)]
    assert training["sessions"][0]["title"] not in missed
    at(starts(training) - timedelta(minutes=40))
    catch_up(app)
    assert reminded(world, owner)[-1]["session"] == training["sessions"][0]["title"]


def test_the_worker_reminds(app: Flask, client: FlaskClient, world: World) -> None:
    training = world.training(sessions=[now() + timedelta(minutes=59)])
    owner = sign_up(client, world, training.id)
    with world.session() as session:  # who signed up before the hour
        session.execute(
            update(Signup)
            .values(created_at=now() - timedelta(days=2))
            .where(Signup.training_id == training.id)
        )
    [session_id] = world.sessions_of(training)
    with app.app_context(), begin(SYSTEM):
        for _ in range(2):
            args = {
                "session_id": str(session_id),
                "starts_at": training.starts_at.isoformat(),
                "minutes": HOUR,
            }
            outbox.defer("reminders.remind", **args)
        outbox.defer("reminders.catch_up", timestamp=0)
    jobs.run(app, wait=False)
    assert len(reminded(world, owner)) == 1


# --- certificates


def attend(world: World, training: Training, person: Person, *sessions: UUID) -> None:
    with world.session() as session:
        signup = session.execute(
            select(Signup).where(Signup.training_id == training.id, Signup.attendee_user_id == person.id)
        ).scalar_one()
        session.add_all(
            Scan(
                session_id=one,
                training_id=training.id,
                division_id=training.division_id,
                signup_id=signup.id,
                by_user_id=person.id,
                outcome=Outcome.accepted,
                method=Method.manual,
                scanned_at=now(),
                nonce=new_id().hex,
            )
            for one in sessions
        )


def test_who_has_earned_the_certificate_is_told_once_when_it_is_over(
    app: Flask, client: FlaskClient, world: World
) -> None:
    begins = now() + timedelta(hours=3)
    training = world.training(sessions=[begins, begins + timedelta(hours=3)], certificate_percent=50)
    came, late, absent = (sign_up(client, world, training.id) for _ in range(3))
    first, _ = world.sessions_of(training)
    attend(world, training, came, first)
    with app.app_context():
        assert certificates.tell_earned(SYSTEM, training.id) == 0, "it is not over"
        at(training.ends_at)
        assert training.id in certificates.lately_ended(SYSTEM)
        assert certificates.tell_earned(SYSTEM, training.id) == 1
        attend(world, training, late, first)  # taken over from the paper sheet the day after
        at(training.ends_at + timedelta(days=1))
        assert certificates.tell_earned(SYSTEM, training.id) == 1
    counted = [len(reminded(world, one, "certificate.ready")) for one in (came, late, absent)]
    assert counted == [1, 1, 0]
    [signup] = client.get("/api/v1/signups", headers=came.headers).json["items"]
    issued = client.post(f"/api/v1/signups/{signup['id']}/certificate", headers=came.headers)
    assert issued.status_code == 200, issued.json
    assert len(reminded(world, came, "certificate.ready")) == 1, "and not again when it is issued"


def test_a_certificate_that_staff_issue_is_told_by_its_sign_up(
    app: Flask, client: FlaskClient, world: World
) -> None:
    training = world.training(sessions=[now() + timedelta(hours=1)])
    came = sign_up(client, world, training.id)
    attend(world, training, came, *world.sessions_of(training))
    at(training.ends_at)
    with app.app_context():
        assert certificates.issue_earned(SYSTEM, training.id) == 1
        assert certificates.tell_earned(SYSTEM, training.id) == 0
    assert reminded(world, came, "certificate.ready")[0]["training"] == training.title
    with world.session() as session:
        told = session.execute(
            select(Notice.subject_type, Notice.subject_id).where(
                Notice.user_id == came.id, Notice.kind == "certificate.ready"
            )
        ).one()
        signup = session.execute(select(Signup.id).where(Signup.training_id == training.id)).scalar_one()
        assert tuple(told) == ("signups", signup)
