"""Bookings at the console: the agency's calendar, windows and absences, and the county's register."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from app.services.booking_desk import REGISTER
from models.agencies import Agency, Expert
from models.base import now, set_clock
from models.bookings import Absence, Availability, BookingState, Touched
from tests.agency_builders import agency, agency_desk, expert
from tests.booking_builders import (
    absence,
    at,
    bookable,
    booking,
    free,
    owner_of,
    starts,
    state_of,
    told,
    window,
    working_day,
)
from tests.builders import World
from tests.console_client import Desk, desk, text_of


@pytest.fixture(autouse=True)
def real_time() -> Iterator[None]:
    yield
    set_clock(None)


@pytest.fixture
def office(world: World) -> tuple[Desk, Agency, Expert]:
    """An agency's desk, and an expert who cannot be booked yet."""
    of = agency(world)
    return agency_desk(world, of), of, expert(world, of)


def filled(**changes: Any) -> dict[str, Any]:
    """The form of a window."""
    values = {
        "weekdays": ["0", "2"],
        "from_minute": "09:00",
        "until_minute": "12:00",
        "valid_from": now().date().isoformat(),
        "valid_until": "",
        "meeting": "agency",
        "place": "徐州市云龙区和平路 1 号",
        "minutes": "60",
        "buffer_before": "0",
        "buffer_after": "0",
        "lead_hours": "24",
        "lead_days": "30",
        "cancel_hours": "24",
    }
    return {**values, **changes}


def windows(world: World, one: Expert) -> list[Availability]:
    with world.session() as session:
        found = select(Availability).where(Availability.expert_id == one.id)
        return list(session.execute(found.order_by(Availability.weekday)).scalars())


# --- windows


def test_windows_are_added_changed_and_removed(world: World, office: tuple[Desk, Agency, Expert]) -> None:
    staff, _, one = office
    pages = f"/console/experts/{one.id}/availability"
    assert "还没有可预约时段" in text_of(staff.get(pages))
    shown = staff.follow(staff.post(f"{pages}/new", **filled()))
    assert "已添加 2 个时段" in text_of(shown) and "周三" in text_of(shown)
    monday, wednesday = windows(world, one)
    assert (monday.weekday, monday.from_minute, monday.until_minute, wednesday.weekday) == (0, 540, 720, 2)
    edit = f"/console/availability/{monday.id}/edit"
    assert 'value="09:00"' in staff.get(edit).get_data(as_text=True)
    fields = filled(from_minute="13:30", until_minute="17:00", minutes="30")
    fields.pop("weekdays")
    assert "修改已保存" in text_of(staff.follow(staff.post(edit, **fields)))
    assert windows(world, one)[0].from_minute == 13 * 60 + 30
    staff.follow(staff.post(f"/console/availability/{monday.id}/remove"))
    assert [each.id for each in windows(world, one)] == [wednesday.id]


def test_windows_that_overlap_are_refused_at_the_field(
    world: World, office: tuple[Desk, Agency, Expert]
) -> None:
    staff, _, one = office
    there = window(world, one, 2, from_minute=10 * 60, until_minute=11 * 60)
    new = f"/console/experts/{one.id}/availability/new"
    answer = staff.post(new, **filled())
    assert answer.status_code == 409
    page = answer.get_data(as_text=True)
    wrong = re.search(r'id="i-from_minute-wrong"[^>]*>([^<]*)', page)
    assert wrong and wrong[1] == "与周三 10:00–11:00 的时段重叠"
    assert 'value="09:00"' in page  # what was typed is kept
    assert len(windows(world, one)) == 1  # Monday's, which would do, neither
    later = (now().date() + timedelta(days=100)).isoformat()
    early = there.valid_from.isoformat()
    staff.post(new, **filled(weekdays=["2"], from_minute="11:00"))  # ends where the other begins
    edit = f"/console/availability/{there.id}/edit"
    fields = filled(valid_from=early, valid_until=later, until_minute="11:30")
    fields.pop("weekdays")
    answer = staff.post(edit, **fields)
    assert answer.status_code == 409 and "与周三 11:00–12:00 的时段重叠" in text_of(answer)


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("from_minute", {"from_minute": "25:00"}),
        ("until_minute", {"until_minute": "08:00"}),
        ("minutes", {"minutes": "200"}),
        ("minutes", {"minutes": "5"}),
        ("buffer_after", {"buffer_after": "一刻钟"}),
        ("valid_until", {"valid_until": "2026-01-01"}),
        ("lead_hours", {"lead_hours": "48", "lead_days": "2"}),
        ("meeting", {"meeting": "fax"}),
        ("weekdays", {"weekdays": []}),
    ],
)
def test_what_is_wrong_in_a_window_stands_at_its_field(
    world: World, office: tuple[Desk, Agency, Expert], field: str, changes: dict[str, Any]
) -> None:
    staff, _, one = office
    answer = staff.post(f"/console/experts/{one.id}/availability/new", **filled(**changes))
    assert answer.status_code == 422
    assert f'id="i-{field}-wrong"' in answer.get_data(as_text=True)
    assert windows(world, one) == []


def test_another_agencys_expert_is_out_of_reach(world: World, office: tuple[Desk, Agency, Expert]) -> None:
    staff, _, _ = office
    strange = expert(world, agency(world))
    there = window(world, strange)
    away = absence(world, strange, now() + timedelta(days=1), now() + timedelta(days=2))
    assert staff.post(f"/console/experts/{strange.id}/availability/new", **filled()).status_code == 403
    for path in (f"availability/{there.id}/remove", f"absences/{away.id}/remove"):
        assert staff.post(f"/console/{path}").status_code == 403
    assert len(windows(world, strange)) == 1


# --- absences


def away_form(day: Any, **changes: Any) -> dict[str, Any]:
    return {
        "starts_at": f"{day}T08:00",
        "ends_at": f"{day}T18:00",
        "reason": "外出评审",
        **changes,
    }


def test_an_absence_takes_the_slots_away_until_it_is_taken_back(client: FlaskClient, world: World) -> None:
    of, one = bookable(world)
    staff, day, asker = agency_desk(world, of), working_day(), world.person()
    shown = staff.follow(staff.post(f"/console/experts/{one.id}/absences/new", **away_form(day)))
    assert "已登记不在岗" in text_of(shown) and "外出评审" in text_of(shown)
    assert starts(free(client, asker, of, day, day)) == []
    with world.session() as session:
        [made] = session.execute(select(Absence).where(Absence.expert_id == one.id)).scalars()
    staff.follow(staff.post(f"/console/absences/{made.id}/remove"))
    assert len(starts(free(client, asker, of, day, day))) == 3


def test_an_absence_over_bookings_tells_which_and_asks(world: World) -> None:
    of, one = bookable(world)
    staff, day = agency_desk(world, of), working_day()
    (owner, enterprise), (other, theirs) = owner_of(world, name="甲厂"), owner_of(world, name="乙厂")
    first = booking(world, one, enterprise, at(day, 9), created_by=owner.id)
    second = booking(world, one, theirs, at(day, 11), created_by=other.id)
    booking(world, one, enterprise, at(working_day(1), 9), created_by=owner.id)
    held = booking(world, one, world.enterprise(), at(day, 10), state=BookingState.held)
    new = f"/console/experts/{one.id}/absences/new"
    asked = staff.post(new, **away_form(day))
    says = text_of(asked)
    assert asked.status_code == 409 and "已有 2 个预约" in says and "甲厂" in says and "乙厂" in says
    assert state_of(world, first.id) == BookingState.booked
    done = staff.post(new, **away_form(day, bookings=Touched.revoke.value))
    assert "已取消 2 个预约并通知企业" in text_of(staff.follow(done))
    assert [state_of(world, each.id) for each in (first, second, held)] == [
        BookingState.revoked,
        BookingState.revoked,
        BookingState.lapsed,
    ]
    for person in (owner, other):
        [body] = told(world, person, "booking.revoked")
        assert "外出评审" in body


def test_bookings_in_an_absence_may_be_kept(world: World) -> None:
    of, one = bookable(world)
    staff, day = agency_desk(world, of), working_day()
    owner, enterprise = owner_of(world)
    made = booking(world, one, enterprise, at(day, 9), created_by=owner.id)
    done = staff.post(f"/console/experts/{one.id}/absences/new", **away_form(day, bookings="keep"))
    assert "已登记不在岗。" in text_of(staff.follow(done))
    assert state_of(world, made.id) == BookingState.booked and told(world, owner, "booking.revoked") == []


@pytest.mark.parametrize(
    "changes",
    [{"ends_at": "2026-01-01T08:00"}, {"starts_at": "2020-01-01T08:00"}, {"ends_at": ""}],
)
def test_what_is_wrong_in_an_absence_stands_at_its_field(world: World, changes: dict[str, Any]) -> None:
    of, one = bookable(world)
    answer = agency_desk(world, of).post(
        f"/console/experts/{one.id}/absences/new", **away_form(working_day(), **changes)
    )
    assert answer.status_code == 422 and 'id="i-ends_at-wrong"' in answer.get_data(as_text=True)


# --- the calendar


def test_the_calendar_shows_a_month_and_a_week_of_an_expert(world: World) -> None:
    of, one = bookable(world)
    other = expert(world, of, name="王专家")
    staff, day = agency_desk(world, of), working_day()
    _, enterprise = owner_of(world, name="丙厂")
    booking(world, one, enterprise, at(day, 9))
    absence(world, one, at(day, 14), at(day, 16))
    month = text_of(staff.get("/console/agency-calendar", month=f"{day:%Y-%m}"))
    assert "丙厂" in month and "不在岗" in month and "可预约 2 个时段" in month
    week = text_of(staff.get("/console/agency-calendar", week=day.isoformat(), expert=one.id))
    assert "丙厂" in week and "可预约 10:00、11:00" in week
    assert "丙厂" not in text_of(staff.get("/console/agency-calendar", week=day.isoformat(), expert=other.id))
    empty = text_of(staff.get("/console/agency-calendar", week="2020-01-06"))
    assert "这一周没有预约" in empty
    assert staff.get("/console/agency-calendar", week="x", month="y", expert="z").status_code == 200


def test_without_experts_the_calendar_says_what_to_do(world: World) -> None:
    staff = agency_desk(world, agency(world))
    assert "本机构还没有专家" in text_of(staff.get("/console/agency-calendar"))


# --- the register and one booking


def test_the_county_sees_the_bookings_of_its_enterprises(world: World) -> None:
    of, one = bookable(world)
    _, ours = owner_of(world, name="丰县丁厂")
    _, far = owner_of(world, name="沛县戊厂", division_id="js.xz.peixian")
    made = booking(world, one, ours, at(working_day(), 9))
    booking(world, one, far, at(working_day(), 10))
    booking(world, one, world.enterprise(), at(working_day(), 11), state=BookingState.held)
    county = desk(world, "county_staff")
    shown = text_of(county.get("/console/bookings", agency=of.name))
    assert "丰县丁厂" in shown and "沛县戊厂" not in shown and "填写中" not in shown.split("共 1 条")[1]
    assert "李*量" in shown and "138****8000" in shown
    page = text_of(county.get(f"/console/bookings/{made.id}"))
    assert "丰县丁厂" in page and "13800138000" not in page and "查看姓名和电话" not in page
    both = text_of(agency_desk(world, of).get("/console/bookings"))
    assert "丰县丁厂" in both and "沛县戊厂" in both
    assert "丰县丁厂" not in text_of(agency_desk(world, agency(world)).get("/console/bookings"))


def test_the_register_is_narrowed_and_taken_out(world: World) -> None:
    of, one = bookable(world)
    _, enterprise = owner_of(world)
    day = working_day()
    for hour, state in ((9, "booked"), (10, "cancelled"), (11, "seen")):
        booking(world, one, enterprise, at(day, hour), state=BookingState(state))
    staff = agency_desk(world, of)
    for asked, number in (
        ({}, 3),
        ({"state": "seen"}, 1),
        ({"from": day.isoformat(), "to": day.isoformat()}, 3),
        ({"to": (day - timedelta(days=1)).isoformat()}, 0),
        ({"enterprise": "没有这家"}, 0),
    ):
        shown = text_of(staff.get("/console/bookings", **asked))
        assert (f"共 {number} 条" in shown) == bool(number) or not number, (asked, shown)
    answer = staff.post(f"/console/exports/{REGISTER.name}", sort="-starts_at")
    assert answer.status_code == 303 and "/transfers/" in answer.headers["Location"]


def test_the_agency_says_what_became_of_a_booking(client: FlaskClient, world: World) -> None:
    of, one = bookable(world)
    staff = agency_desk(world, of)
    owner, enterprise = owner_of(world)
    start = now() + timedelta(minutes=5)
    made = booking(world, one, enterprise, start, created_by=owner.id)
    page = f"/console/bookings/{made.id}"
    assert "取消预约" in text_of(staff.get(page)) and "已见面" not in text_of(staff.get(page))
    revealed = text_of(staff.post(f"{page}/contact"))
    assert "李质量" in revealed and "13800138000" in revealed
    assert staff.get(f"{page}/calendar.ics").mimetype == "text/calendar"
    set_clock(lambda: start)
    assert "取消预约" not in text_of(staff.get(page)).split("办理记录")[0].split("企业取消、改约截止")[0]
    shown = text_of(staff.follow(staff.post(f"{page}/seen")))
    assert "已登记见面" in shown and "登记已见面" in shown  # the message, and the history
    assert state_of(world, made.id) == BookingState.seen
    again = text_of(staff.follow(staff.post(f"{page}/no-show", back=page)))
    assert "当前状态为“已见面”" in again


@pytest.mark.parametrize(("what", "state"), [("revoke", "revoked"), ("excuse", "excused")])
def test_the_agency_takes_a_booking_back_for_a_reason(world: World, what: str, state: str) -> None:
    of, one = bookable(world)
    staff = agency_desk(world, of)
    owner, enterprise = owner_of(world)
    made = booking(world, one, enterprise, at(working_day(), 9), created_by=owner.id)
    staff.post(f"/console/bookings/{made.id}/{what}", reason="")
    assert state_of(world, made.id) == BookingState.booked
    shown = text_of(staff.follow(staff.post(f"/console/bookings/{made.id}/{what}", reason="设备检修")))
    assert "设备检修" in shown and state_of(world, made.id) == BookingState(state)
    assert len(told(world, owner, f"booking.{state}")) == 1


def test_a_booking_that_does_not_exist_is_out_of_reach(world: World) -> None:
    assert desk(world, "county_staff").get(f"/console/bookings/{UUID(int=9)}").status_code == 403
