"""Bookings over the API: held, booked, moved, taken back; and what the agency says of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from icalendar import Calendar
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from app.access import SYSTEM
from app.services import booking_moves
from models.agencies import Agency, Expert
from models.audit import AuditEvent
from models.base import now, set_clock
from models.bookings import Booking, BookingState, Meeting
from models.cases import Case, CaseOffer, CaseState
from models.enterprises import EnterpriseState
from tests.agency_builders import agency, agency_person, expert
from tests.booking_builders import (
    URL,
    absence,
    at,
    bookable,
    booked,
    booking,
    form,
    free,
    hold,
    owner_of,
    post,
    starts,
    state_of,
    told,
    week,
    window,
    working_day,
)
from tests.builders import World
from tests.case_builders import case
from tests.statements import queries


@pytest.fixture(autouse=True)
def real_time() -> Iterator[None]:
    yield
    set_clock(None)


@pytest.fixture
def offered(world: World) -> tuple[Agency, Expert]:
    return bookable(world)


# --- free slots


def test_the_free_slots_of_an_agency_are_those_of_its_experts(client: FlaskClient, world: World) -> None:
    of, first = bookable(world)
    second = expert(world, of, name="王专家")
    day = working_day()
    window(world, second, from_minute=14 * 60, until_minute=16 * 60, minutes=30, meeting=Meeting.video)
    answer = free(client, world.person(), of, day, day)
    assert starts(answer) == [at(day, h) for h in (9, 10, 11, 14)] + [at(day, 14, 30)] + [
        at(day, 15),
        at(day, 15, 30),
    ]
    assert [(one["id"], one["name"], one["fields"]) for one in answer.json["experts"]] == [
        (str(first.id), "陈*家", ["standards", "people"]),
        (str(second.id), "王*家", ["standards", "people"]),
    ]
    [item] = [one for one in answer.json["items"] if one["meeting"] == "video"]
    assert (item["expert_id"], item["minutes"], len(item["starts_at"])) == (str(second.id), 30, 4)
    only = free(client, world.person(), of, day, day, expert_id=str(second.id))
    assert len(starts(only)) == 4 and len(only.json["experts"]) == 1
    assert len(starts(free(client, world.person(), of, day, day, meeting="agency"))) == 3


def test_slots_keep_their_buffers_apart(client: FlaskClient, world: World) -> None:
    of, _ = bookable(world, buffer_before=10, buffer_after=20)
    day = working_day()
    assert starts(free(client, world.person(), of, day, day)) == [at(day, 9), at(day, 10, 30)]


def test_who_is_away_or_taken_is_not_free(client: FlaskClient, world: World) -> None:
    of, one = bookable(world, buffer_after=30)
    owner, enterprise = owner_of(world)
    days = [working_day(n) for n in range(3)]
    booking(world, one, enterprise, at(days[0], 9), blocked_until=at(days[0], 10, 30))
    absence(world, one, at(days[1], 11, 15), at(days[2], 9, 30))
    found = starts(free(client, owner, of, days[0], days[2]))
    assert found == [at(days[0], 10, 30), at(days[1], 9), at(days[2], 10, 30)]


def test_a_hold_takes_the_slot_until_its_time_is_up(
    client: FlaskClient, world: World, offered: tuple[Agency, Expert]
) -> None:
    of, one = offered
    owner, enterprise = owner_of(world)
    day = working_day()
    held = hold(client, owner, enterprise, one, at(day, 10)).json
    assert at(day, 10) not in starts(free(client, owner, of, day, day))
    over = datetime.fromisoformat(held["hold_expires_at"])
    assert timedelta(minutes=14) < over - now() <= timedelta(minutes=15)
    set_clock(lambda: over)
    assert at(day, 10) in starts(free(client, owner, of, day, day))


def test_slots_are_offered_between_the_leads(client: FlaskClient, world: World) -> None:
    of, _ = bookable(world, lead_hours=48, lead_days=20)
    day = working_day()
    asker = world.person()
    set_clock(lambda: at(day, 9) - timedelta(hours=48))
    assert at(day, 9) in starts(free(client, asker, of, day, day))
    set_clock(lambda: at(day, 9) - timedelta(hours=48) + timedelta(seconds=1))
    assert starts(free(client, asker, of, day, day)) == [at(day, 10), at(day, 11)]
    far = working_day(after=21)
    set_clock(lambda: at(far, 10) - timedelta(days=20))
    assert starts(free(client, asker, of, far, far)) == [at(far, 9), at(far, 10)]


def test_an_agency_that_no_longer_takes_part_offers_nothing(client: FlaskClient, world: World) -> None:
    of = agency(world, active=False)
    one = expert(world, of)
    week(world, one)
    gone = expert(world, agency(world), active=False)
    week(world, gone)
    day = working_day()
    owner, enterprise = owner_of(world)
    answer = free(client, owner, of, day, day)
    assert answer.json == {"experts": [], "items": []}
    for of_expert in (one, gone):
        refused = hold(client, owner, enterprise, of_expert, at(day, 9))
        assert (refused.status_code, refused.json["code"]) == (409, "slot_not_offered")


def test_days_that_cannot_be_asked_for(client: FlaskClient, world: World) -> None:
    of, _ = bookable(world)
    day, asker = working_day(), world.person()
    for first, last in ((day, day - timedelta(days=1)), (day, day + timedelta(days=42))):
        answer = free(client, asker, of, first, last)
        assert answer.status_code == 422 and list(answer.json["fields"]) == ["to"]
    answer = client.get(f"{URL}/agencies/{UUID(int=5)}/slots?from={day}&to={day}", headers=asker.headers)
    assert answer.status_code == 404


def test_how_many_statements_does_not_depend_on_how_many_experts(
    app: Flask, client: FlaskClient, world: World
) -> None:
    counts = []
    for experts in (1, 8):
        of = agency(world)
        for _ in range(experts):
            week(world, expert(world, of))
        asker = world.person()
        free(client, asker, of, working_day(), working_day())  # what is read once is read
        with queries(app) as seen:
            free(client, asker, of, working_day(), working_day() + timedelta(days=30))
        counts.append(len(seen))
    assert counts[0] == counts[1] <= 5


# --- holding and booking


def test_a_slot_is_held_and_booked(client: FlaskClient, world: World, offered: tuple[Agency, Expert]) -> None:
    of, one = offered
    owner, enterprise = owner_of(world)
    desk = agency_person(world, of)
    day = working_day()
    held = hold(client, owner, enterprise, one, at(day, 9))
    assert held.status_code == 201
    assert (held.json["state"], held.json["expert_name"], held.json["agency_name"]) == (
        "held",
        "陈专家",
        of.name,
    )
    made = post(client, owner, held.json["id"], "book", **form(contact_phone="13800138000"))
    assert made.status_code == 200
    assert made.json["state"] == "booked" and made.json["hold_expires_at"] is None
    assert made.json["contact_phone"] == "13800138000"
    assert datetime.fromisoformat(made.json["cancel_deadline"]) == at(day, 9) - timedelta(hours=24)
    with world.session() as session:
        opened = session.get(Case, UUID(made.json["case_id"]))
        assert (opened.enterprise_id, opened.state) == (enterprise.id, CaseState.offered)
    for person in (owner, desk):
        [body] = told(world, person, "booking.made")
        assert enterprise.name in body and "09:00" in body
    listed = client.get(f"{URL}/bookings?state=booked", headers=owner.headers).json["items"]
    assert [item["id"] for item in listed] == [made.json["id"]]
    one_of = client.get(f"{URL}/bookings/{made.json['id']}", headers=owner.headers)
    assert one_of.json == made.json


def test_a_booking_belongs_to_the_open_case(client: FlaskClient, world: World) -> None:
    of, one = bookable(world)
    owner, enterprise = owner_of(world)
    known = case(world, CaseState.diagnosis, enterprise=enterprise, agency=of)
    made = booked(client, owner, enterprise, one, at(working_day(), 9))
    assert made["case_id"] == str(known.id)


def test_with_a_case_at_one_agency_no_other_is_booked(client: FlaskClient, world: World) -> None:
    _, one = bookable(world)
    owner, enterprise = owner_of(world)
    other = agency(world)
    case(world, CaseState.diagnosis, enterprise=enterprise, agency=other)
    answer = hold(client, owner, enterprise, one, at(working_day(), 9))
    assert (answer.status_code, answer.json["code"]) == (409, "case_with_other_agency")
    assert other.name in answer.json["title"]


def test_an_enterprise_holds_one_slot(client: FlaskClient, world: World) -> None:
    _, one = bookable(world)
    owner, enterprise = owner_of(world)
    day = working_day()
    first = hold(client, owner, enterprise, one, at(day, 9)).json
    second = hold(client, owner, enterprise, one, at(day, 10)).json
    assert state_of(world, first["id"]) == BookingState.lapsed
    answer = post(client, owner, first["id"], "book", **form())
    assert (answer.status_code, answer.json["code"]) == (409, "hold_lapsed")
    assert post(client, owner, second["id"], "book", **form()).status_code == 200


def test_a_hold_whose_time_is_up_is_not_booked_and_gives_way(client: FlaskClient, world: World) -> None:
    _, one = bookable(world)
    (late, theirs), (quick, ours) = owner_of(world), owner_of(world)
    day = working_day()
    held = hold(client, late, theirs, one, at(day, 9)).json
    assert hold(client, quick, ours, one, at(day, 9)).json["code"] == "slot_taken"
    over = datetime.fromisoformat(held["hold_expires_at"])
    set_clock(lambda: over)
    assert post(client, late, held["id"], "book", **form()).json["code"] == "hold_lapsed"
    assert state_of(world, held["id"]) == BookingState.held  # until somebody asks for it, or the job comes
    assert hold(client, quick, ours, one, at(day, 9)).status_code == 201
    assert state_of(world, held["id"]) == BookingState.lapsed


def test_the_job_ends_the_holds_whose_time_is_up(app: Flask, client: FlaskClient, world: World) -> None:
    _, one = bookable(world)
    owner, enterprise = owner_of(world)
    other, theirs = owner_of(world)
    day = working_day()
    old = hold(client, owner, enterprise, one, at(day, 9)).json
    set_clock(lambda: datetime.fromisoformat(old["hold_expires_at"]) - timedelta(minutes=1))
    young = hold(client, other, theirs, one, at(day, 10)).json
    set_clock(lambda: datetime.fromisoformat(old["hold_expires_at"]))
    with app.app_context():
        booking_moves.lapse(SYSTEM)
    assert state_of(world, old["id"]) == BookingState.lapsed
    assert state_of(world, young["id"]) == BookingState.held


def test_what_is_held_can_be_given_up(client: FlaskClient, world: World) -> None:
    of, one = bookable(world)
    owner, enterprise = owner_of(world)
    day = working_day()
    held = hold(client, owner, enterprise, one, at(day, 9)).json
    assert post(client, owner, held["id"], "cancel", reason=None).json["state"] == "lapsed"
    assert at(day, 9) in starts(free(client, owner, of, day, day))


def test_an_expert_who_comes_is_told_where_to(client: FlaskClient, world: World) -> None:
    _, one = bookable(world, meeting=Meeting.onsite, place="")
    owner, enterprise = owner_of(world)
    held = hold(client, owner, enterprise, one, at(working_day(), 9)).json
    refused = post(client, owner, held["id"], "book", **form())
    assert refused.status_code == 422 and list(refused.json["fields"]) == ["place"]
    assert state_of(world, held["id"]) == BookingState.held
    made = post(client, owner, held["id"], "book", **form(place="丰县工业园 3 号"))
    assert made.json["place"] == "丰县工业园 3 号"
    moved = post(client, owner, held["id"], "change", starts_at=at(working_day(1), 9).isoformat())
    assert moved.json["place"] == "丰县工业园 3 号"


def test_bookings_to_come_end_with_their_case(client: FlaskClient, world: World) -> None:
    of, one = bookable(world)
    owner, enterprise = owner_of(world)
    desk = agency_person(world, of)
    made = booked(client, owner, enterprise, one, at(working_day(), 9))
    past = booking(
        world, one, enterprise, now() - timedelta(days=1), case_id=UUID(made["case_id"]), created_by=owner.id
    )
    body = {"reason": "暂不需要"}
    withdrawn = client.post(f"{URL}/cases/{made['case_id']}/withdraw", json=body, headers=owner.headers)
    assert withdrawn.status_code == 200
    assert state_of(world, made["id"]) == BookingState.cancelled
    assert state_of(world, past.id) == BookingState.booked  # what became of it is for the agency to say
    for person in (owner, desk):
        [told_of] = told(world, person, "booking.cancelled")
        assert "企业已撤回" in told_of


def test_a_booking_with_an_agency_that_does_not_get_the_case_is_taken_back(
    client: FlaskClient, world: World
) -> None:
    _, one = bookable(world)
    owner, enterprise = owner_of(world)
    other = agency(world)
    known = case(world, CaseState.offered, enterprise=enterprise, agency=other)
    made = booked(client, owner, enterprise, one, at(working_day(), 9))
    assert made["case_id"] == str(known.id)
    with world.session() as session:
        [offer_id] = session.execute(select(CaseOffer.id).where(CaseOffer.case_id == known.id)).scalars()
    theirs = agency_person(world, other)
    answer = client.post(f"{URL}/case-offers/{offer_id}/accept", headers=theirs.headers)
    assert answer.status_code == 200
    assert state_of(world, made["id"]) == BookingState.revoked


def test_an_agency_that_declines_the_case_gives_the_booking_up(client: FlaskClient, world: World) -> None:
    of, one = bookable(world)
    owner, enterprise = owner_of(world)
    desk = agency_person(world, of)
    made = booked(client, owner, enterprise, one, at(working_day(), 9))
    with world.session() as session:
        wanted = select(CaseOffer.id).where(CaseOffer.case_id == UUID(made["case_id"]))
        [offer_id] = session.execute(wanted).scalars()
    body = {"reason": "不在认证领域内"}
    answer = client.post(f"{URL}/case-offers/{offer_id}/decline", json=body, headers=desk.headers)
    assert answer.status_code in (200, 204)
    assert state_of(world, made["id"]) == BookingState.revoked
    [told_of] = told(world, owner, "booking.revoked")
    assert "不在认证领域内" in told_of


# --- what cannot be booked


def test_what_cannot_be_held_is_refused_with_the_reason(client: FlaskClient, world: World) -> None:
    of, one = bookable(world, lead_days=60)
    strange = expert(world, agency(world))
    week(world, strange)
    owner, enterprise = owner_of(world)
    day = working_day()
    weekend = day + timedelta(days=5 - day.weekday())
    absence(world, one, at(day, 11), at(day, 12))

    def code(at_: datetime, who: Expert = one) -> tuple[int, str, list[str]]:
        body = {"enterprise_id": str(enterprise.id), "expert_id": str(who.id), "starts_at": at_.isoformat()}
        answer = client.post(f"{URL}/agencies/{of.id}/bookings", json=body, headers=owner.headers)
        return answer.status_code, answer.json["code"], list(answer.json.get("fields", ()))

    assert code(now() - timedelta(hours=1)) == (409, "slot_past", ["starts_at"])
    assert code(at(day, 9, 30)) == (409, "slot_not_offered", ["starts_at"])  # not on the grid
    assert code(at(day, 12)) == (409, "slot_not_offered", ["starts_at"])  # not in the window
    assert code(at(day, 11)) == (409, "slot_not_offered", ["starts_at"])  # away
    assert code(at(weekend, 9)) == (409, "slot_not_offered", ["starts_at"])
    assert code(at(day, 9), strange) == (422, "expert_not_of_agency", ["expert_id"])
    far = working_day(after=61)
    assert code(at(far, 9)) == (409, "slot_too_far", ["starts_at"])
    set_clock(lambda: at(day, 9) - timedelta(hours=23))
    assert code(at(day, 9)) == (409, "slot_too_soon", ["starts_at"])
    assert "24 小时" in hold(client, owner, enterprise, one, at(day, 9)).json["title"]


def test_on_a_public_holiday_nobody_is_booked(client: FlaskClient, world: World) -> None:
    of, one = bookable(world, lead_days=30)
    set_clock(lambda: datetime.fromisoformat("2026-09-25T09:00:00+08:00"))
    owner, enterprise = owner_of(world)
    before, after = date(2026, 9, 30), date(2026, 10, 8)
    found = starts(free(client, owner, of, before, after))
    assert found == [at(day, hour) for day in (before, after) for hour in (9, 10, 11)]
    answer = hold(client, owner, enterprise, one, at(date(2026, 10, 1), 9))
    assert answer.json["code"] == "slot_not_offered"


def test_only_reviewed_enterprises_book(client: FlaskClient, world: World) -> None:
    _, one = bookable(world)
    owner, enterprise = owner_of(world, state=EnterpriseState.registered)
    answer = hold(client, owner, enterprise, one, at(working_day(), 9))
    assert (answer.status_code, answer.json["code"]) == (409, "enterprise_not_reviewed")
    stranger, _ = owner_of(world)
    assert hold(client, stranger, enterprise, one, at(working_day(), 9)).status_code == 404


# --- moving and taking back


def test_a_booking_moves_and_keeps_its_id(client: FlaskClient, world: World) -> None:
    of, one = bookable(world)
    other = expert(world, of, name="王专家")
    week(world, other, cancel_hours=48)
    owner, enterprise = owner_of(world)
    desk = agency_person(world, of)
    day, later = working_day(), working_day(1)
    made = booked(client, owner, enterprise, one, at(day, 9))
    moved = post(client, owner, made["id"], "change", starts_at=at(later, 10).isoformat()).json
    assert (moved["id"], moved["revision"], moved["state"]) == (made["id"], 1, "booked")
    assert datetime.fromisoformat(moved["starts_at"]) == at(later, 10)
    assert at(day, 9) in starts(free(client, owner, of, day, day, expert_id=str(one.id)))
    over = post(
        client, owner, made["id"], "change", starts_at=at(later, 10).isoformat(), expert_id=str(other.id)
    ).json
    assert (over["revision"], over["expert_name"]) == (2, "王专家")
    assert datetime.fromisoformat(over["cancel_deadline"]) == at(later, 10) - timedelta(hours=48)
    same = post(client, owner, made["id"], "change", starts_at=at(later, 10).isoformat()).json
    assert same["revision"] == 2  # nothing to move
    assert len(told(world, desk, "booking.changed")) == 2


def test_a_booking_does_not_move_to_a_slot_that_is_taken(client: FlaskClient, world: World) -> None:
    _, one = bookable(world)
    owner, enterprise = owner_of(world)
    other, theirs = owner_of(world)
    day = working_day()
    made = booked(client, owner, enterprise, one, at(day, 9))
    booked(client, other, theirs, one, at(day, 10))
    answer = post(client, owner, made["id"], "change", starts_at=at(day, 10).isoformat())
    assert (answer.status_code, answer.json["code"]) == (409, "slot_taken")
    same = client.get(f"{URL}/bookings/{made['id']}", headers=owner.headers).json
    assert same == made


def test_until_the_deadline_it_is_cancelled_and_moved(client: FlaskClient, world: World) -> None:
    of, one = bookable(world)
    owner, enterprise = owner_of(world)
    desk = agency_person(world, of)
    day = working_day()
    made = booked(client, owner, enterprise, one, at(day, 9))
    deadline = datetime.fromisoformat(made["cancel_deadline"])
    set_clock(lambda: deadline)
    for what, body in (("cancel", {"reason": "有事"}), ("change", {"starts_at": at(day, 11).isoformat()})):
        answer = post(client, owner, made["id"], what, **body)
        assert (answer.status_code, answer.json["code"]) == (409, "booking_deadline_passed")
    set_clock(lambda: deadline - timedelta(seconds=1))
    done = post(client, owner, made["id"], "cancel", reason="设备检修").json
    assert (done["state"], done["state_reason"]) == ("cancelled", "设备检修")
    [body] = told(world, desk, "booking.cancelled")
    assert "设备检修" in body
    assert at(day, 9) in starts(free(client, owner, of, day, day + timedelta(days=1)))
    again = post(client, owner, made["id"], "cancel", reason="设备检修")
    assert (again.status_code, again.json["code"]) == (409, "illegal_move")
    moved = post(client, owner, made["id"], "change", starts_at=at(day, 11).isoformat())
    assert (moved.status_code, moved.json["code"]) == (409, "illegal_move")


# --- the agency in the field


@pytest.fixture
def meeting(client: FlaskClient, world: World) -> dict[str, Any]:
    """A booking, and those on both sides of it."""
    of, one = bookable(world)
    owner, enterprise = owner_of(world)
    start = at(working_day(), 9)
    made = booked(client, owner, enterprise, one, start)
    return {**made, "owner": owner, "desk": agency_person(world, of), "start": start, "expert": one, "of": of}


def test_when_it_has_begun_the_agency_says_what_became_of_it(
    client: FlaskClient, world: World, meeting: dict[str, Any]
) -> None:
    desk = meeting["desk"]
    for what in ("seen", "no-show"):
        answer = post(client, desk, meeting["id"], what)
        assert (answer.status_code, answer.json["code"]) == (409, "booking_ahead")
    set_clock(lambda: meeting["start"])
    answer = post(client, desk, meeting["id"], "revoke", reason="专家生病")
    assert (answer.status_code, answer.json["code"]) == (409, "booking_begun")
    assert post(client, desk, meeting["id"], "seen").json == {"id": meeting["id"], "state": "seen"}
    assert post(client, desk, meeting["id"], "no-show").json["code"] == "illegal_move"


def test_whoever_did_not_come_is_told_so(client: FlaskClient, world: World, meeting: dict[str, Any]) -> None:
    set_clock(lambda: meeting["start"] + timedelta(minutes=30))
    assert post(client, meeting["desk"], meeting["id"], "no-show").json["state"] == "no_show"
    assert len(told(world, meeting["owner"], "booking.no_show")) == 1


@pytest.mark.parametrize(
    ("what", "state", "kind"),
    [("revoke", "revoked", "booking.revoked"), ("excuse", "excused", "booking.excused")],
)
def test_the_agency_takes_back_and_excuses_with_a_reason(
    client: FlaskClient, world: World, meeting: dict[str, Any], what: str, state: str, kind: str
) -> None:
    assert post(client, meeting["desk"], meeting["id"], what, reason="").status_code == 422
    set_clock(lambda: meeting["start"] - timedelta(hours=1))  # past the enterprise's own deadline
    assert post(client, meeting["desk"], meeting["id"], what, reason="临时有事").json["state"] == state
    [body] = told(world, meeting["owner"], kind)
    assert "临时有事" in body
    own = client.get(f"{URL}/bookings/{meeting['id']}", headers=meeting["owner"].headers).json
    assert own["state_reason"] == "临时有事"


def test_an_experts_agenda_is_their_own_and_a_colleagues_is_the_agencys(
    client: FlaskClient, world: World, meeting: dict[str, Any]
) -> None:
    day = meeting["start"].date()
    colleague = agency_person(world, meeting["of"])
    expert(world, meeting["of"], person=colleague)
    absence(world, meeting["expert"], at(day, 15), at(day, 17))

    def agenda(person: Any, **more: Any) -> Any:
        query = {"from": day.isoformat(), "to": day.isoformat(), **more}
        return client.get(f"{URL}/bookings/agenda", query_string=query, headers=person.headers)

    whole = agenda(meeting["desk"]).json
    assert [one["id"] for one in whole["bookings"]] == [meeting["id"]] and len(whole["absences"]) == 1
    assert (whole["bookings"][0]["contact_name"], whole["bookings"][0]["contact_phone"][3:7]) == (
        "李*量",
        "****",
    )
    assert agenda(colleague).json == {"bookings": [], "absences": []}
    assert agenda(colleague, expert_id=str(meeting["expert"].id)).json == whole
    elsewhere = agency_person(world, agency(world))
    assert agenda(elsewhere, expert_id=str(meeting["expert"].id)).json == {"bookings": [], "absences": []}


def test_whoever_goes_there_sees_whom_to_ask_for_and_leaves_word(
    client: FlaskClient, world: World, meeting: dict[str, Any]
) -> None:
    answer = post(client, meeting["desk"], meeting["id"], "contact")
    assert answer.json == {"name": "李质量", "phone": meeting["contact_phone"]}
    with world.session() as session:
        seen = select(AuditEvent.user_id).where(
            AuditEvent.verb == "personal.revealed", AuditEvent.subject_id == meeting["id"]
        )
        assert list(session.execute(seen).scalars()) == [meeting["desk"].id]
    stranger = agency_person(world, agency(world))
    assert post(client, stranger, meeting["id"], "contact").status_code == 404


# --- the calendar file


def test_the_calendar_file_follows_the_booking(client: FlaskClient, meeting: dict[str, Any]) -> None:
    owner = meeting["owner"]

    def event() -> Any:
        answer = client.get(f"{URL}/bookings/{meeting['id']}/calendar.ics", headers=owner.headers)
        assert answer.mimetype == "text/calendar"
        [found] = Calendar.from_ical(answer.get_data(as_text=True)).walk("VEVENT")
        return found

    first = event()
    assert first.decoded("dtstart") == meeting["start"] and first["sequence"] == 0
    assert "陈专家" in first["summary"] and first["status"] == "CONFIRMED"
    later = at(working_day(1), 10)
    post(client, owner, meeting["id"], "change", starts_at=later.isoformat())
    second = event()
    assert (second["uid"], second["sequence"]) == (first["uid"], 1)
    assert second.decoded("dtstart") == later
    post(client, owner, meeting["id"], "cancel", reason="有事")
    third = event()
    assert (third["uid"], third["sequence"], third["status"]) == (first["uid"], 2, "CANCELLED")


def test_what_is_only_held_has_no_calendar_file(client: FlaskClient, world: World) -> None:
    _, one = bookable(world)
    owner, enterprise = owner_of(world)
    held = hold(client, owner, enterprise, one, at(working_day(), 9)).json
    answer = client.get(f"{URL}/bookings/{held['id']}/calendar.ics", headers=owner.headers)
    assert answer.status_code == 404


def test_the_bookings_of_merged_enterprises_go_over(client: FlaskClient, world: World) -> None:
    _, one = bookable(world)
    owner, kept = owner_of(world)
    former, dropped = owner_of(world)
    made = booked(client, former, dropped, one, at(working_day(), 9))
    with world.session():
        assert booking_moves.move_to(SYSTEM, kept.id, dropped.id) == 1
    assert client.get(f"{URL}/bookings/{made['id']}", headers=owner.headers).json["id"] == made["id"]


def test_the_database_keeps_what_no_screen_lets_through(world: World) -> None:
    _, one = bookable(world)
    _, enterprise = owner_of(world)
    day = working_day()
    booking(world, one, enterprise, at(day, 9), blocked_until=at(day, 10, 30))
    with pytest.raises(IntegrityError):
        booking(world, one, enterprise, at(day, 10))
    booking(world, one, enterprise, at(day, 10, 30))
    with world.session() as session:
        rows = session.execute(select(Booking.id).where(Booking.expert_id == one.id)).all()
    assert len(rows) == 2
