"""走访: agency and county officer at the enterprise; the officer confirms in person (notice 二（二）3)."""

from __future__ import annotations

from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import bindparam, func, select, update

from app import audit, notices
from app.access import SYSTEM, Actor
from app.errors import DomainError
from app.registers import Register
from app.services import case_acts, case_moves
from app.services.enterprises import signed_in
from app.transactions import session, transaction
from app.workbooks import Column
from app.workbooks.columns import Kind
from models.agencies import Agency, Expert
from models.base import now
from models.bookings import Booking
from models.cases import Case, Visit
from models.people import AccountState, StaffAccount, User

FIELDS = ("purpose", "starts_at", "ends_at", "place", "expert_id", "officer_id", "notes", "booking_id")


@transaction("cases.work")
def record(actor: Actor, case_id: UUID, given: dict[str, Any]) -> Visit:
    """Records a visit with FIELDS, made or to be made, and asks the officer to confirm it.

    Raises DomainError `not_found`, `case_state`, `correction_open`, `expert_not_of_agency`,
    `officer_elsewhere`, or `validation_failed` for times that do not fit and a booking of another case.
    """
    case = case_acts.hold_for(case_id, "visits")
    made = Visit(case_id=case_id, created_by=signed_in(actor), **given)
    _check(case, made)
    session().add(made)
    session().flush()
    audit.record(actor, "case.visit_recorded", case, purpose=made.purpose.label)
    _ask(case, made)
    return made


@transaction("cases.work")
def change(actor: Actor, visit_id: UUID, changes: dict[str, Any]) -> Visit:
    """Changes some of FIELDS of a visit not confirmed yet; the officer is told of another time or place.

    Raises what `record` raises, or `visit_confirmed`.
    """
    case, visit = case_acts.hold_part(Visit, visit_id, "visits")
    if visit.confirmed_at is not None:
        raise DomainError("visit_confirmed")
    changed = sorted(name for name, value in changes.items() if getattr(visit, name) != value)
    for name in changed:
        setattr(visit, name, changes[name])
    _check(case, visit)
    if changed:
        audit.record(actor, "case.visit_changed", case, purpose=visit.purpose.label, fields=changed)
    if {"officer_id", "starts_at", "place"} & set(changed):
        _ask(case, visit)
    return visit


@transaction("cases.route")
def confirm(actor: Actor, visit_id: UUID) -> UUID:
    """Confirms that the officer, who acts, took part in a visit; again changes nothing.

    Returns the case's id. Raises DomainError `not_found`, `visit_not_yours` or `visit_ahead`.
    """
    visit = session().execute(select(Visit).where(Visit.id == visit_id)).scalar()
    if visit is None:
        raise DomainError("not_found")
    moment = now()
    # Decided by the row as it is when it is changed: the agency may be naming another officer.
    mine = (Visit.id == visit_id, Visit.officer_id == actor.user_id)
    ripe = (Visit.confirmed_at.is_(None), Visit.starts_at <= moment)
    confirmed = (
        update(Visit)
        .where(*mine, *ripe)
        .values(confirmed_at=moment)
        .returning(Visit.id)
        .execution_options(synchronize_session=False)
    )
    if session().execute(confirmed).first() is None:
        still = session().execute(select(Visit.confirmed_at).where(*mine)).first()
        if still is None:
            raise DomainError("visit_not_yours")
        if still.confirmed_at is None:
            raise DomainError("visit_ahead")
        return visit.case_id
    case = session().execute(select(Case).where(Case.id == visit.case_id)).scalar_one()
    audit.record(actor, "case.visit_confirmed", case, purpose=visit.purpose.label)
    return case.id


class Participants(NamedTuple):
    """Who may take part in a case's visits, the agency's experts and the county's officers; its bookings."""

    experts: list[Any]
    officers: list[Any]
    bookings: list[Any]


@transaction("cases.work")
def participants(_actor: Actor, case_id: UUID) -> Participants:
    """Returns who may take part in the visits of a case, and its bookings; raises DomainError `not_found`."""
    case = session().execute(select(Case).where(Case.id == case_id)).scalar()
    if case is None:
        raise DomainError("not_found")
    experts = select(Expert.id, Expert.name, Expert.title).where(
        Expert.agency_id == case.agency_id, Expert.active
    )
    bookings = (
        select(Booking.id, Booking.starts_at, Booking.ends_at, Booking.expert_id, Booking.place)
        .where(Booking.case_id == case_id)
        .order_by(Booking.starts_at)
    )
    return Participants(
        list(session().execute(experts.order_by(Expert.number))),
        _officers(SYSTEM, case),
        list(session().execute(bookings)),
    )


@transaction(None)
def _officers(_system: Actor, case: Case) -> list[Any]:
    """Returns the county's staff who can confirm what they took part in, by name."""
    county = case_moves.county_staff(SYSTEM, case.division_id)
    disabled = select(StaffAccount.user_id).where(StaffAccount.state == AccountState.disabled)
    there = (User.id.in_(county), User.name.is_not(None), User.id.not_in(disabled))
    return sorted(session().execute(select(User.id, User.name).where(*there)), key=lambda one: one.name)


def _check(case: Case, visit: Visit) -> None:
    case_acts.require_times(visit)
    with session().no_autoflush:
        of_agency = (Expert.id == visit.expert_id, Expert.agency_id == case.agency_id)
        if session().execute(select(Expert.id).where(*of_agency)).first() is None:
            raise DomainError("expert_not_of_agency", fields={"expert_id": ["应为承接机构的专家"]})
        if visit.officer_id not in {one.id for one in _officers(SYSTEM, case)}:
            raise DomainError("officer_elsewhere", fields={"officer_id": ["应为企业所在县局的人员"]})
        booked = (Booking.id == visit.booking_id, Booking.case_id == case.id)
        if visit.booking_id and session().execute(select(Booking.id).where(*booked)).first() is None:
            raise DomainError("validation_failed", fields={"booking_id": ["不是本项目的预约"]})


def _ask(case: Case, visit: Visit) -> None:
    when = notices.when(visit.starts_at)
    case_moves.tell(
        case,
        [visit.officer_id],
        "case.visit",
        "走访待您确认",
        f"“{case.enterprise_name}”的走访（{visit.purpose.label}）登记您参与：{when}，{visit.place}。"
        "走访后请在管理后台“走访确认”中确认。",
        once=f"{visit.id.hex[-12:]}:{case_moves.once(now())}",
        time=when,
        place=visit.place,
    )


# --- what waits for an officer


@transaction("cases.route")
def count_to_confirm(actor: Actor) -> int:
    """Returns how many visits wait for this officer's word that they took part."""
    mine = (Visit.officer_id == actor.user_id, Visit.confirmed_at.is_(None), Visit.starts_at <= now())
    return session().execute(select(func.count()).select_from(Visit).where(*mine)).scalar_one()


def _show(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**row, "purpose": row["purpose"].label} for row in rows]


TO_CONFIRM = Register(
    "cases.visits",
    "走访确认",
    "cases.route",
    select(
        Visit.id,
        Visit.case_id,
        Case.enterprise_name,
        Case.number,
        Visit.purpose,
        Visit.starts_at,
        Visit.ends_at,
        Visit.place,
        Agency.name.label("agency"),
        Expert.name.label("expert"),
        Visit.notes,
    )
    .join(Case, Case.id == Visit.case_id)
    .join(Expert, Expert.id == Visit.expert_id)
    .join(Agency, Agency.id == Expert.agency_id)
    .where(Visit.officer_id == bindparam("officer"), Visit.confirmed_at.is_(None)),
    [
        Column("企业", "enterprise_name", width=28),
        Column("项目编号", "number", width=14),
        Column("事由", "purpose", width=10),
        Column("开始", "starts_at", kind=Kind.DATETIME),
        Column("结束", "ends_at", kind=Kind.DATETIME),
        Column("地点", "place", width=24),
        Column("机构", "agency", width=24),
        Column("专家", "expert", width=10),
        Column("情况记录", "notes", width=40),
    ],
    key=Visit.id,
    sorts={"enterprise_name": Case.enterprise_name, "starts_at": Visit.starts_at},
    default="starts_at",
    show=_show,
    of={"officer": UUID},
)
