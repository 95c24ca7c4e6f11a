"""Free slots: a month of an agency with fifty experts, some of whose time is taken."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from itertools import cycle, islice
from typing import Any

from sqlalchemy import insert

from bench.scenes import Request, Scene
from models.agencies import Agency
from models.base import BEIJING, new_id, now
from models.bookings import Absence, Availability, Booking, BookingState, Meeting
from tests.agency_builders import agency, expert
from tests.builders import World

EXPERTS, DAYS, SHARE = 50, 31, 3
MORNING, AFTERNOON = (9 * 60, 12 * 60), (14 * 60, 17 * 60)


class FreeSlots(Scene):
    """The free slots of a month: two windows a weekday for each expert, and a third of the hours taken."""

    name, kind, goal = f"free slots of a month, {EXPERTS} experts", "slots", 0.3
    at_once = (8,)
    count = 200
    warm_up = 20
    mark = b'"starts_at":["'

    def __init__(self, world: World) -> None:
        self._readers = [world.person() for _ in range(3)]
        made = agency(world)
        self._first = now().date() + timedelta(days=1)
        self._last = self._first + timedelta(days=DAYS - 1)
        self._fill(world, made)
        self._path = f"/api/v1/agencies/{made.id}/slots?from={self._first}&to={self._last}"

    def _fill(self, world: World, made: Agency) -> None:
        owner = world.person()
        enterprise = world.enterprise(owner=owner)
        windows, absences, bookings = [], [], []
        for number in range(EXPERTS):
            one = expert(world, made)
            whose = {"agency_id": made.id, "expert_id": one.id}
            for weekday in range(5):
                for begins, ends in (MORNING, AFTERNOON):
                    windows.append(
                        {
                            "id": new_id(),
                            **whose,
                            "expert_no": one.number,
                            "weekday": weekday,
                            "from_minute": begins,
                            "until_minute": ends,
                            "valid_from": date(2026, 1, 1),
                            "meeting": Meeting.onsite,
                            "lead_days": 60,
                        }
                    )
            day = _midnight(self._first + timedelta(days=number % DAYS))
            absences.append(
                {"id": new_id(), **whose, "starts_at": day, "ends_at": day + timedelta(days=1), "reason": ""}
            )
            bookings += [
                _booking(one.number, start, {**whose, "enterprise_id": enterprise.id, "created_by": owner.id})
                for start in islice(self._hours(), number % SHARE, None, SHARE)
            ]
        with world.session() as session:
            session.execute(insert(Availability), windows)
            session.execute(insert(Absence), absences)
            session.execute(insert(Booking), bookings)

    def _hours(self) -> Any:
        for day in (self._first + timedelta(days=n) for n in range(DAYS)):
            if day.weekday() < 5:
                for hour in (9, 10, 11, 14, 15, 16):
                    yield _midnight(day) + timedelta(hours=hour)

    def requests(self, number: int) -> list[Request]:
        readers = islice(cycle(self._readers), number)
        return [Request("GET", self._path, reader.token, {}) for reader in readers]


def _booking(number: int, start: datetime, of: dict[str, Any]) -> dict[str, Any]:
    end = start + timedelta(hours=1)
    return {
        "id": new_id(),
        **of,
        "expert_no": number,
        "enterprise_name": "丰县小微车辆配件厂",
        "division_id": "js.xz.fengxian",
        "starts_at": start,
        "ends_at": end,
        "blocked_from": start,
        "blocked_until": end,
        "meeting": Meeting.onsite,
        "place": "丰县工业园 3 号",
        "need": "想建立质量管理体系。",
        "state": BookingState.booked,
        "cancel_deadline": start,
        "revision": 0,
    }


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), BEIJING)
