"""Experts of an agency (专家), as the agency keeps them, and their work with the mini-program.

An expert who is bound to a person by phone acts for the agency there: the binding is a grant of the role
in the agency's scope, as for its people at a desk.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError

from app import audit
from app.access import SYSTEM, Actor
from app.errors import DomainError
from app.services import agencies, people, roles
from app.transactions import session, transaction
from models.agencies import Expert
from models.base import now
from models.bookings import Booking, BookingState
from models.cases import OPEN, Case
from models.crypto import keyring
from models.people import RoleGrant, User


@transaction("agencies.own")
def listed(actor: Actor, agency_id: UUID) -> list[dict[str, Any]]:
    """Returns one's own agency's experts, those in post first, with the phone that each is bound to.

    Raises DomainError `not_found`.
    """
    agencies.own(actor, agency_id)
    columns = (Expert.id, Expert.name, Expert.title, Expert.fields, Expert.active, Expert.user_id)
    wanted = select(*columns).where(Expert.agency_id == agency_id)
    found = session().execute(wanted.order_by(Expert.active.desc(), Expert.number)).all()
    phones = _phones(SYSTEM, [one.user_id for one in found if one.user_id])
    return [{**one._mapping, "phone": phones.get(one.user_id)} for one in found]


@transaction("agencies.own")
def get(actor: Actor, expert_id: UUID) -> Any:
    """Returns an expert of one's own agency; raises DomainError `not_found`."""
    columns = (Expert.id, Expert.agency_id, Expert.name, Expert.title, Expert.fields)
    found = session().execute(select(*columns).where(Expert.id == expert_id)).first()
    if found is None or not actor.reaches_agency(found.agency_id):
        raise DomainError("not_found")
    return found


@transaction("agencies.own")
def add(actor: Actor, agency_id: UUID, values: Mapping[str, Any]) -> Expert:
    """Adds an expert, in post, to one's own agency; raises DomainError `not_found`."""
    expert = Expert(agency_id=agencies.own(actor, agency_id).id, **values)
    session().add(expert)
    session().flush()
    audit.record(actor, "expert.added", expert)
    return expert


@transaction("agencies.own")
def change(actor: Actor, expert_id: UUID, values: Mapping[str, Any]) -> Expert:
    """Changes what is kept of an expert; raises DomainError `not_found`."""
    expert = _hold(actor, expert_id)
    changed = sorted(name for name, value in values.items() if getattr(expert, name) != value)
    for name in changed:
        setattr(expert, name, values[name])
    if changed:
        audit.record(actor, "expert.changed", expert, fields=changed)
    return expert


@transaction("agencies.own")
def deactivate(actor: Actor, expert_id: UUID) -> None:
    """Takes an expert out of post, and the work with the mini-program away.

    Raises DomainError `not_found`, or `expert_busy` while there are bookings to come or open cases.
    """
    expert = _hold(actor, expert_id)
    if not expert.active:
        return
    bookings = select(func.count()).select_from(Booking)
    coming = (Booking.state.in_((BookingState.held, BookingState.booked)), Booking.ends_at > now())
    booked = session().execute(bookings.where(Booking.expert_id == expert.id, *coming)).scalar_one()
    cases = select(func.count()).select_from(Case)
    worked = session().execute(cases.where(Case.expert_id == expert.id, Case.state.in_(OPEN))).scalar_one()
    if booked or worked:
        raise DomainError("expert_busy", bookings=booked, cases=worked)
    expert.active = False
    audit.record(actor, "expert.deactivated", expert)
    _unbind(actor, expert)


@transaction("agencies.own")
def activate(actor: Actor, expert_id: UUID) -> None:
    """Puts an expert in post again; raises DomainError `not_found`."""
    expert = _hold(actor, expert_id)
    if not expert.active:
        expert.active = True
        audit.record(actor, "expert.activated", expert)


@transaction("agencies.own")
def bind(actor: Actor, expert_id: UUID, phone: str) -> None:
    """Lets the person who has bound this phone act as the expert in the mini-program.

    Raises DomainError `not_found`, `expert_inactive`, `expert_bound` (first to be unbound),
    `expert_person_unknown`, `expert_person_taken` (another expert's already) or `role_conflict`.
    """
    expert = _hold(actor, expert_id)
    if not expert.active:
        raise DomainError("expert_inactive")
    if expert.user_id is not None:
        raise DomainError("expert_bound")
    user_id = people.find_by_phone(SYSTEM, keyring().blind_index(phone))
    if user_id is None:
        raise _at_phone("expert_person_unknown")
    _grant(SYSTEM, expert, user_id, actor.user_id)
    expert.user_id = user_id
    try:
        session().flush()
    except IntegrityError:
        raise _at_phone("expert_person_taken") from None
    audit.record(actor, "expert.bound", expert, user_id=str(user_id))


@transaction("agencies.own")
def unbind(actor: Actor, expert_id: UUID) -> None:
    """Takes the work with the mini-program away, effective at once; raises DomainError `not_found`."""
    _unbind(actor, _hold(actor, expert_id))


def _unbind(actor: Actor, expert: Expert) -> None:
    user_id, expert.user_id = expert.user_id, None
    if user_id is not None:
        session().flush()
        _revoke(SYSTEM, expert.agency_id, user_id)
        audit.record(actor, "expert.unbound", expert, user_id=str(user_id))


def _hold(actor: Actor, expert_id: UUID) -> Expert:
    """Returns an expert of one's own agency, held until the act is over; raises DomainError `not_found`."""
    wanted = select(Expert).where(Expert.id == expert_id).with_for_update()
    found = session().execute(wanted, execution_options={"populate_existing": True}).scalar()
    if found is None or not actor.reaches_agency(found.agency_id):
        raise DomainError("not_found")
    return found


def _at_phone(code: str) -> DomainError:
    refusal = DomainError(code)
    refusal.fields = {"phone": [refusal.message]}
    return refusal


# The grants and phones of other people are out of every agency's reach: the program acts for them.


@transaction(None)
def _grant(system: Actor, expert: Expert, user_id: UUID, granted_by: UUID | None) -> None:
    try:
        roles.grant(system, user_id, agencies.STAFF, "agency", str(expert.agency_id), granted_by)
    except DomainError as refusal:
        raise _at_phone("expert_person_unknown" if refusal.code == "not_found" else refusal.code) from None


@transaction(None)
def _revoke(_system: Actor, agency_id: UUID, user_id: UUID) -> None:
    held = (RoleGrant.role == agencies.STAFF, RoleGrant.scope_id == str(agency_id))
    session().execute(delete(RoleGrant).where(RoleGrant.user_id == user_id, *held))


@transaction(None)
def _phones(_system: Actor, user_ids: list[UUID]) -> dict[UUID, str | None]:
    return dict(session().execute(select(User.id, User.phone).where(User.id.in_(user_ids))).all())
