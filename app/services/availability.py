"""Availability 可预约时段: the weekly windows in which an agency lets its experts be booked.

Changing or removing one leaves what is booked already. That windows of one expert never overlap is the
constraint on the table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.exc import IntegrityError

from app import audit
from app.access import Actor
from app.errors import DomainError
from app.transactions import session, transaction
from models.agencies import Expert
from models.bookings import Availability

WEEKDAYS = ("周一", "周二", "周三", "周四", "周五", "周六", "周日")


_EXPERT = select(
    Expert.id, Expert.number, Expert.agency_id, Expert.user_id, Expert.name, Expert.title
).order_by(Expert.number)
_WINDOW = select(*(getattr(Availability, column.key) for column in Availability.__table__.columns))


@transaction("bookings.manage")
def experts(actor: Actor) -> list[Any]:
    """Returns the experts of the actor's agency."""
    own = Expert.agency_id.in_(actor.reach["reach_agencies"])
    return list(session().execute(_EXPERT.where(own, Expert.active)))


@transaction("bookings.manage")
def expert_of(actor: Actor, expert_id: UUID) -> Any:
    """Returns an expert of the actor's agency; raises DomainError `not_found`."""
    found = session().execute(_EXPERT.where(Expert.id == expert_id)).first()
    if found is None or not actor.reaches_agency(found.agency_id):
        raise DomainError("not_found")
    return found


@transaction("bookings.manage")
def windows(actor: Actor, expert_id: UUID) -> list[Any]:
    """Returns an expert's windows, by weekday and time; raises DomainError `not_found`."""
    expert_of(actor, expert_id)
    of_expert = _WINDOW.where(Availability.expert_id == expert_id)
    ordered = of_expert.order_by(Availability.weekday, Availability.from_minute, Availability.valid_from)
    return list(session().execute(ordered))


@transaction("bookings.manage")
def editable(actor: Actor, availability_id: UUID) -> dict[str, Any]:
    """Returns what stands in a window of the actor's agency; raises DomainError `not_found`."""
    _find(actor, availability_id)
    found = session().execute(_WINDOW.where(Availability.id == availability_id)).one()
    return dict(found._mapping)


def _find(actor: Actor, availability_id: UUID) -> Availability:
    found = session().get(Availability, availability_id)
    if found is None or not actor.reaches_agency(found.agency_id):
        raise DomainError("not_found")
    return found


@transaction("bookings.manage")
def add(
    actor: Actor, expert_id: UUID, weekdays: Sequence[int], given: Mapping[str, Any]
) -> list[Availability]:
    """Adds the same window on each of the weekdays (0 is Monday).

    Raises DomainError `not_found`, `validation_failed` or, at the field, `availability_overlap`.
    """
    expert = expert_of(actor, expert_id)
    _check(given)
    return [_add(actor, expert, weekday, given) for weekday in sorted(set(weekdays))]


def _add(actor: Actor, expert: Any, weekday: int, given: Mapping[str, Any]) -> Availability:
    made = Availability(
        agency_id=expert.agency_id,
        expert_id=expert.id,
        expert_no=expert.number,
        weekday=weekday,
        **given,
    )
    _write(made, given, new=True)
    audit.record(actor, "availability.added", made, expert=str(expert.id))
    return made


@transaction("bookings.manage")
def change(actor: Actor, availability_id: UUID, given: Mapping[str, Any]) -> Availability:
    """Changes a window, on its weekday; raises DomainError as `add` does."""
    window = _find(actor, availability_id)
    _check(given)
    _write(window, given)
    audit.record(actor, "availability.changed", window, expert=str(window.expert_id))
    return window


@transaction("bookings.manage")
def remove(actor: Actor, availability_id: UUID) -> UUID:
    """Removes a window and returns whose it was; raises DomainError `not_found`."""
    window = _find(actor, availability_id)
    audit.record(actor, "availability.removed", window, expert=str(window.expert_id))
    session().delete(window)
    return window.expert_id


def _check(given: Mapping[str, Any]) -> None:
    wrong: dict[str, list[str]] = {}
    if given["until_minute"] <= given["from_minute"]:
        wrong["until_minute"] = ["须晚于开始时间"]
    elif given["from_minute"] + given["minutes"] > given["until_minute"]:
        wrong["minutes"] = ["时段不够一次的时长"]
    if given["valid_until"] is not None and given["valid_until"] < given["valid_from"]:
        wrong["valid_until"] = ["不能早于起始日期"]
    if given["lead_hours"] >= given["lead_days"] * 24:
        wrong["lead_hours"] = ["须短于“至多提前”，否则没有可预约的时间"]
    if wrong:
        raise DomainError("validation_failed", fields=wrong)


def _write(window: Availability, given: Mapping[str, Any], *, new: bool = False) -> None:
    weekday, expert_id = window.weekday, window.expert_id
    try:
        with session().begin_nested():
            if new:
                session().add(window)
            for name, value in given.items():
                setattr(window, name, value)
            session().flush()
    except IntegrityError:
        there = _overlapping(expert_id, weekday, given)
        says = [f"与{_text(other)} 的时段重叠" for other in there]
        raise DomainError("availability_overlap", fields={"from_minute": says}) from None


def _overlapping(expert_id: UUID, weekday: int, given: Mapping[str, Any]) -> list[Availability]:
    found = select(Availability).where(
        Availability.expert_id == expert_id,
        Availability.weekday == weekday,
        Availability.from_minute < given["until_minute"],
        Availability.until_minute > given["from_minute"],
        or_(Availability.valid_until.is_(None), Availability.valid_until >= given["valid_from"]),
    )
    if given["valid_until"] is not None:
        found = found.where(Availability.valid_from <= given["valid_until"])
    return list(session().execute(found.order_by(Availability.from_minute)).scalars())


def clock(minute: int) -> str:
    """Returns 09:00 of 540."""
    return f"{minute // 60:02}:{minute % 60:02}"


def _text(window: Availability) -> str:
    return f"{WEEKDAYS[window.weekday]} {clock(window.from_minute)}–{clock(window.until_minute)}"
