"""What people are told of bookings, in time, and only while it is true."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select, update

from app import outbox
from app.access import SYSTEM
from app.notices import from_json
from app.services import booking_notices, notice_truth, personal_data
from app.transactions import begin, session
from models.base import set_clock
from models.bookings import Booking
from models.messages import Notice
from tests.agency_builders import agency, agency_person, expert, selection
from tests.booking_builders import at, booked, owner_of, post, told, week, working_day
from tests.builders import Person, World

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.fixture(autouse=True)
def real_time() -> Iterator[None]:
    yield
    set_clock(None)


@pytest.fixture
def meeting(client: FlaskClient, world: World) -> dict[str, Any]:
    """A booking with an expert in the field, a colleague of theirs, and the agency's desk."""
    of = agency(world)
    selection(world, of)
    person, colleague = agency_person(world, of), agency_person(world, of)
    one = expert(world, of, person=person)
    expert(world, of, person=colleague)
    week(world, one)
    owner, enterprise = owner_of(world)
    start = at(working_day(), 9)
    made = booked(client, owner, enterprise, one, start)
    return {
        **made,
        "owner": owner,
        "of": of,
        "expert": person,
        "colleague": colleague,
        "desk": agency_person(world, of),
        "start": start,
    }


def remind(app: Flask, moment: datetime) -> None:
    """Does what the job does that comes at this moment."""
    set_clock(lambda: moment)
    with app.app_context():
        booking_notices.remind(SYSTEM)


def reminders(world: World, person: Person) -> list[dict[str, str]]:
    with world.session() as s:
        found = select(Notice.facts).where(Notice.user_id == person.id, Notice.kind == "booking.reminder")
        return [from_json(facts) for facts in s.execute(found.order_by(Notice.id)).scalars()]


def test_the_expert_and_the_desk_are_told_and_colleagues_are_not(
    client: FlaskClient, world: World, meeting: dict[str, Any]
) -> None:
    assert [len(told(world, meeting[who], "booking.made")) for who in ("owner", "expert", "colleague")] == [
        1,
        1,
        0,
    ]
    later = at(working_day(1), 10).isoformat()
    post(client, meeting["owner"], meeting["id"], "change", starts_at=later)
    assert len(told(world, meeting["desk"], "booking.changed")) == 1


def test_an_expert_is_told_when_a_colleague_takes_over(
    client: FlaskClient, world: World, meeting: dict[str, Any]
) -> None:
    person = agency_person(world, meeting["of"])
    other = expert(world, meeting["of"], person=person, name="王专家")
    week(world, other)
    body = {"starts_at": meeting["start"].isoformat(), "expert_id": str(other.id)}
    assert post(client, meeting["owner"], meeting["id"], "change", **body).status_code == 200
    for who in (meeting["expert"], person):
        assert len(told(world, who, "booking.changed")) == 1
    assert told(world, meeting["colleague"], "booking.changed") == []


def test_both_sides_are_reminded_a_day_and_an_hour_before_once(
    app: Flask, world: World, meeting: dict[str, Any]
) -> None:
    start = meeting["start"]
    remind(app, start - DAY - timedelta(minutes=1))
    assert reminders(world, meeting["owner"]) == []
    for _ in range(2):
        remind(app, start - DAY + timedelta(minutes=4))
        remind(app, start - HOUR + timedelta(minutes=4))
    for who in ("owner", "expert"):
        found = reminders(world, meeting[who])
        assert [one["time"][-5:] for one in found] == ["09:00", "09:00"]
        assert found[0]["agency"] == meeting["of"].name
    assert reminders(world, meeting["desk"]) == []


def test_a_lost_reminder_is_made_up_for_only_for_a_while(
    app: Flask, world: World, meeting: dict[str, Any]
) -> None:
    remind(app, meeting["start"] - DAY + timedelta(hours=2))
    assert reminders(world, meeting["owner"]) == []
    remind(app, meeting["start"] - HOUR + timedelta(minutes=29))
    assert len(reminders(world, meeting["owner"])) == 1


def test_whoever_books_late_is_not_reminded_of_what_they_just_did(
    app: Flask, world: World, meeting: dict[str, Any]
) -> None:
    with world.session() as s:
        late = meeting["start"] - DAY + timedelta(minutes=1)
        s.execute(update(Booking).where(Booking.id == meeting["id"]).values(created_at=late))
    remind(app, meeting["start"] - DAY + timedelta(minutes=2))
    assert reminders(world, meeting["owner"]) == []
    remind(app, meeting["start"] - HOUR)
    assert len(reminders(world, meeting["owner"])) == 1


def test_what_is_cancelled_or_moved_is_not_reminded_of(
    app: Flask, client: FlaskClient, world: World, meeting: dict[str, Any]
) -> None:
    later = at(working_day(1), 10)
    post(client, meeting["owner"], meeting["id"], "change", starts_at=later.isoformat())
    remind(app, meeting["start"] - DAY)
    assert reminders(world, meeting["owner"]) == []
    remind(app, later - DAY)
    assert len(reminders(world, meeting["owner"])) == 1
    set_clock(None)
    post(client, meeting["owner"], meeting["id"], "cancel", reason="有事")
    remind(app, later - HOUR)
    assert len(reminders(world, meeting["owner"])) == 1


def untrue(app: Flask, meeting: dict[str, Any], kind: str) -> str | None:
    with app.app_context(), begin(SYSTEM):
        found = (
            session()
            .execute(select(Notice).where(Notice.user_id == meeting["owner"].id, Notice.kind == kind))
            .scalars()
            .all()
        )
        return notice_truth.untrue(SYSTEM, found).get(found[0].id)


def test_a_notice_that_waited_is_not_sent_when_it_is_no_longer_true(
    app: Flask, client: FlaskClient, world: World, meeting: dict[str, Any]
) -> None:
    assert untrue(app, meeting, "booking.made") is None
    later = at(working_day(1), 10)
    post(client, meeting["owner"], meeting["id"], "change", starts_at=later.isoformat())
    assert untrue(app, meeting, "booking.made") == "预约时间已调整"
    assert untrue(app, meeting, "booking.changed") is None
    set_clock(lambda: later)
    assert untrue(app, meeting, "booking.changed") == "预约时间已过"
    set_clock(None)
    post(client, meeting["desk"], meeting["id"], "excuse", reason="设备检修")
    assert untrue(app, meeting, "booking.changed") == "预约现为“企业请假”"
    assert untrue(app, meeting, "booking.excused") is None


def test_the_jobs_are_registered_and_run(
    app_with_platform: Flask, run_jobs: Any, world: World, meeting: dict[str, Any]
) -> None:
    set_clock(lambda: meeting["start"] - HOUR)
    with app_with_platform.app_context(), begin(SYSTEM):
        outbox.defer("bookings.remind")
        outbox.defer("bookings.lapse")
    run_jobs()
    assert len(reminders(world, meeting["owner"])) == 1


def test_whoever_closes_their_account_leaves_no_name(
    app: Flask, world: World, meeting: dict[str, Any]
) -> None:
    with app.app_context():
        personal_data.close_account(SYSTEM, meeting["owner"].id, at_once=True)
    with world.session() as s:
        kept = select(func.count()).where(
            Booking.id == meeting["id"], Booking.contact_name.is_(None), Booking.contact_phone.is_(None)
        )
        assert s.execute(kept).scalar_one() == 1
