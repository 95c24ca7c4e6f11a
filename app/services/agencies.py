"""Agencies that assist enterprises (帮扶机构): what they are, and who keeps that up to date.

The administrator adds those whose people need accounts; the city keeps all of it; an agency keeps what it
says of itself, but neither its name nor its approval nor whether it takes part.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from app import audit
from app.access import SYSTEM, Actor
from app.errors import DomainError
from app.registers import Register, contains
from app.services import reference
from app.transactions import session, transaction
from app.workbooks import Column
from app.workbooks.columns import Kind
from models.agencies import Agency, AgencySelection
from models.base import now
from models.people import RoleGrant

STAFF = "agency_staff"
COUNTY = "county"

_OWN = (
    Agency.id,
    Agency.name,
    Agency.approval_number,
    Agency.profile,
    Agency.telephone,
    Agency.address,
    Agency.schemes,
    Agency.counties,
    Agency.capacity,
    Agency.fee_waiver,
)

AGENCIES = Register(
    "agencies.agencies",
    "帮扶机构",
    "people.manage",
    select(Agency.id, Agency.name, Agency.approval_number, Agency.created_at),
    [
        Column("名称", "name", width=40),
        Column("批准号", "approval_number"),
        Column("添加时间", "created_at", kind=Kind.DATETIME),
    ],
    key=Agency.id,
    sorts={"name": Agency.name, "created_at": Agency.created_at},
    default="name",
    filters=[contains("name", "名称", Agency.name)],
)


@transaction("people.manage")
def add(actor: Actor, name: str, approval_number: str | None) -> Agency:
    """Adds an agency that accounts may belong to; raises DomainError `name_taken`."""
    agency = Agency(name=name, approval_number=approval_number or None)
    session().add(agency)
    _flush()
    audit.record(actor, "agency.added", agency)
    return agency


@transaction("people.manage")
def every(_actor: Actor) -> list[Agency]:
    """Returns all agencies by name."""
    return list(session().scalars(select(Agency).order_by(Agency.name)))


# --- what is kept of one


@transaction("agencies.manage")
def create(actor: Actor, values: Mapping[str, Any]) -> Agency:
    """Adds an agency with all that is known of it; raises DomainError `name_taken` `division_unknown`
    or `validation_failed` (a scheme that there is not)."""
    _check_counties(values.get("counties") or [])
    reference.check_schemes(SYSTEM, "schemes", values.get("schemes") or [])
    agency = Agency(**values)
    session().add(agency)
    _flush()
    audit.record(actor, "agency.added", agency)
    return agency


@transaction("agencies.manage")
def change(actor: Actor, agency_id: UUID, values: Mapping[str, Any]) -> Agency:
    """Changes what is kept of an agency.

    Raises DomainError `not_found`, `name_taken`, `division_unknown`, `validation_failed` (a scheme that
    there is not), `capacity_below_under_way` or `agency_still_selected` (by a county that it would no
    longer serve).
    """
    return _change(actor, agency_id, values)


@transaction("agencies.own")
def change_own(actor: Actor, agency_id: UUID, values: Mapping[str, Any]) -> Agency:
    """Changes what one's own agency says of itself; raises what `change` raises."""
    return _change(actor, own(actor, agency_id).id, values)


@transaction("agencies.own")
def mine(actor: Actor) -> Any:
    """Returns one's own agency: its name and number, and what it says of itself.

    Raises DomainError `not_found`.
    """
    wanted = select(*_OWN).where(Agency.id.in_(actor.reach["reach_agencies"]))
    found = session().execute(wanted.order_by(Agency.id).limit(1)).first()
    if found is None:
        raise DomainError("not_found")
    return found


def own(actor: Actor, agency_id: UUID) -> Agency:
    """Returns an agency that the actor may change, in the act under way; raises DomainError `not_found`."""
    found = session().get(Agency, agency_id) if actor.reaches_agency(agency_id) else None
    if found is None:
        raise DomainError("not_found")
    return found


@transaction(None)
def staff_of(_system: Actor, agency_id: UUID) -> set[UUID]:
    """Returns the people who work for an agency, at a desk or with the mini-program."""
    held = (RoleGrant.role == STAFF, RoleGrant.scope_type == "agency", RoleGrant.scope_id == str(agency_id))
    return set(session().execute(select(RoleGrant.user_id).where(*held)).scalars())


def _change(actor: Actor, agency_id: UUID, values: Mapping[str, Any]) -> Agency:
    held = select(Agency).where(Agency.id == agency_id).with_for_update()
    agency = session().execute(held, execution_options={"populate_existing": True}).scalar()
    if agency is None:
        raise DomainError("not_found")
    # Accepting a case waits for this row, so that what is counted here stays true.
    if values.get("capacity", agency.capacity) < agency.under_way:
        refusal = DomainError("capacity_below_under_way", under_way=agency.under_way)
        refusal.fields = {"capacity": [refusal.message]}
        raise refusal
    _check_counties(values.get("counties") or [])
    reference.check_schemes(SYSTEM, "schemes", values.get("schemes") or [])
    _require_selected(agency_id, values.get("counties", agency.counties))
    changed = sorted(name for name, value in values.items() if getattr(agency, name) != value)
    for name in changed:
        setattr(agency, name, values[name])
    _flush()
    if changed:
        audit.record(actor, "agency.changed", agency, fields=changed)
    return agency


def _flush() -> None:
    try:
        session().flush()
    except IntegrityError as error:
        if "uq_agencies_name" not in str(error.orig):
            raise
        message = DomainError("name_taken").message
        raise DomainError("name_taken", fields={"name": [message]}) from None


def _check_counties(counties: list[str]) -> None:
    known = {one.id for one in reference.divisions(SYSTEM) if one.kind == COUNTY}
    if unknown := sorted(set(counties) - known):
        texts = [f"没有这个县（市）区：{'、'.join(unknown)}"]
        raise DomainError("division_unknown", fields={"counties": texts})


def _require_selected(agency_id: UUID, counties: list[str]) -> None:
    """Keeps the counties that selected the agency for this year or a later one among those it serves."""
    chosen = (AgencySelection.agency_id == agency_id, AgencySelection.year >= now().year)
    selected = session().execute(select(AgencySelection.division_id).where(*chosen)).scalars()
    if left := sorted(set(selected) - set(counties)):
        names = reference.division_names(SYSTEM)
        refusal = DomainError("agency_still_selected", counties="、".join(names[one] for one in left))
        refusal.fields = {"counties": [refusal.message]}
        raise refusal
