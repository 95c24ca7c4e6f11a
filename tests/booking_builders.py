"""Windows, absences and bookings, made by the back door, and what enterprises ask for over HTTP."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from flask.testing import FlaskClient
from sqlalchemy import select

from app.working_days import is_public_holiday
from models.agencies import Agency, Expert
from models.base import BEIJING, now
from models.bookings import Absence, Availability, Booking, BookingState, Meeting
from models.enterprises import Enterprise
from models.messages import Notice
from tests.agency_builders import agency, expert, selection
from tests.builders import Person, World, fresh_phone

URL = "/api/v1"


def working_day(ahead: int = 0, after: int = 3) -> date:
    """A weekday that is no holiday, at least `after` days from now, or so many such days further on."""
    day = now().date() + timedelta(days=after)
    while True:
        if day.weekday() < 5 and not is_public_holiday(day):
            if not ahead:
                return day
            ahead -= 1
        day += timedelta(days=1)


def at(day: date, hour: int, minute: int = 0) -> datetime:
    """A time of a day in Beijing."""
    return datetime.combine(day, time(hour, minute), BEIJING)


def window(world: World, of: Expert, weekday: int | None = None, **changes: Any) -> Availability:
    """A window from 9 to 12 with hours from a day until a month ahead; on the next working day's weekday."""
    values: dict[str, Any] = {
        "agency_id": of.agency_id,
        "expert_id": of.id,
        "expert_no": of.number,
        "weekday": working_day().weekday() if weekday is None else weekday,
        "from_minute": 9 * 60,
        "until_minute": 12 * 60,
        "valid_from": date(2026, 1, 1),
        "meeting": Meeting.agency,
        "place": "徐州市云龙区和平路 1 号",
        "minutes": 60,
    }
    made = Availability(**{**values, **changes})
    with world.session() as session:
        session.add(made)
        session.flush()
    return made


def week(world: World, of: Expert, **changes: Any) -> None:
    """The same window on every weekday."""
    for weekday in range(5):
        window(world, of, weekday, **changes)


def absence(world: World, of: Expert, starts_at: datetime, ends_at: datetime) -> Absence:
    """A time in which the expert is away."""
    made = Absence(agency_id=of.agency_id, expert_id=of.id, starts_at=starts_at, ends_at=ends_at)
    with world.session() as session:
        session.add(made)
        session.flush()
    return made


def bookable(world: World, county: str | None = "js.xz.fengxian", **changes: Any) -> tuple[Agency, Expert]:
    """An agency that a county has selected, with an expert who can be booked on weekdays from 9 to 12."""
    of = agency(world)
    if county:
        selection(world, of, county)
    made = expert(world, of)
    week(world, made, **changes)
    return of, made


def booking(
    world: World,
    of: Expert,
    enterprise: Enterprise,
    starts_at: datetime,
    *,
    state: BookingState = BookingState.booked,
    minutes: int = 60,
    created_by: UUID | None = None,
    **changes: Any,
) -> Booking:
    """An hour of the expert's, booked by somebody of the enterprise."""
    ends_at = starts_at + timedelta(minutes=minutes)
    values: dict[str, Any] = {
        "agency_id": of.agency_id,
        "expert_id": of.id,
        "expert_no": of.number,
        "enterprise_id": enterprise.id,
        "enterprise_name": enterprise.name,
        "division_id": enterprise.division_id,
        "created_by": created_by or world.member(enterprise).id,
        "starts_at": starts_at,
        "ends_at": ends_at,
        "blocked_from": starts_at,
        "blocked_until": ends_at,
        "meeting": Meeting.agency,
        "place": "徐州市云龙区和平路 1 号",
        "need": "想建立质量管理体系。",
        "contact_name": "李质量",
        "contact_phone": "13800138000",
        "state": state,
        "hold_expires_at": now() + timedelta(minutes=15) if state == BookingState.held else None,
        "cancel_deadline": starts_at - timedelta(hours=24),
    }
    made = Booking(**{**values, **changes})
    with world.session() as session:
        session.add(made)
        session.flush()
    return made


# --- over HTTP


def owner_of(world: World, **changes: Any) -> tuple[Person, Enterprise]:
    """The owner of a reviewed enterprise."""
    owner = world.person()
    return owner, world.enterprise(owner=owner, **changes)


def hold(client: FlaskClient, owner: Person, enterprise: Enterprise, of: Expert, starts_at: datetime) -> Any:
    body = {
        "enterprise_id": str(enterprise.id),
        "expert_id": str(of.id),
        "starts_at": starts_at.isoformat(),
    }
    return client.post(f"{URL}/agencies/{of.agency_id}/bookings", json=body, headers=owner.headers)


def post(client: FlaskClient, person: Person, booking_id: Any, what: str, **body: Any) -> Any:
    return client.post(f"{URL}/bookings/{booking_id}/{what}", json=body or None, headers=person.headers)


def form(**changes: Any) -> dict[str, Any]:
    """What an enterprise fills in."""
    values = {
        "need": "返工多，想建立质量管理体系。",
        "contact_name": "李质量",
        "contact_phone": fresh_phone(),
    }
    return {**values, **changes}


def booked(
    client: FlaskClient, owner: Person, enterprise: Enterprise, of: Expert, starts_at: datetime
) -> dict[str, Any]:
    """A slot held and booked."""
    held = hold(client, owner, enterprise, of, starts_at)
    assert held.status_code == 201, held.json
    answer = post(client, owner, held.json["id"], "book", **form())
    assert answer.status_code == 200, answer.json
    made: dict[str, Any] = answer.json
    return made


def free(client: FlaskClient, person: Person, of: Agency, first: date, last: date, **query: Any) -> Any:
    """The answer to a question for free slots."""
    asked = {"from": first.isoformat(), "to": last.isoformat(), **query}
    return client.get(f"{URL}/agencies/{of.id}/slots", query_string=asked, headers=person.headers)


def starts(answer: Any) -> list[datetime]:
    """When the slots of an answer begin."""
    assert answer.status_code == 200, answer.json
    return sorted(datetime.fromisoformat(one) for item in answer.json["items"] for one in item["starts_at"])


def state_of(world: World, booking_id: Any) -> BookingState:
    with world.session() as session:
        found = session.execute(select(Booking.state).where(Booking.id == UUID(str(booking_id))))
        state: BookingState = found.scalar_one()
        return state


def told(world: World, person: Person, kind: str) -> list[str]:
    """What a person was told of bookings."""
    with world.session() as session:
        found = select(Notice.body).where(Notice.user_id == person.id, Notice.kind == kind)
        return list(session.execute(found.order_by(Notice.id)).scalars())
