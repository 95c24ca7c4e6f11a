"""Merging an enterprise that was registered twice: what belongs to one goes over to the other.

The two rows are held in the order of their credit codes, as an import holds them, so that of two merges
of the same pair one finds the other done. Whatever began before a merge, and saw neither as merged, may
still write a row for the one that is gone: a job moves it a minute later, when no such act runs any more
(a statement has thirty seconds).
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Uuid, delete, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert

from app import audit, outbox
from app.access import SYSTEM, Actor
from app.errors import DomainError
from app.services import booking_moves, cases, enterprises, held_certificates, memberships, sizing
from app.services.enterprises import NEEDS_SURVEY, Profile
from app.transactions import changed, session, transaction
from models.base import now
from models.checkins import AttendanceCertificate
from models.enterprises import Enterprise, EnterpriseState, Invitation, MembershipRequest, MembershipState
from models.held_certificates import HeldCertificate
from models.people import RoleGrant
from models.signups import ACTIVE, Signup
from models.trainings import EnterpriseSeats, Training

AFTERWARDS = timedelta(minutes=1)
"""When every act that began before a merge has ended."""

TAKEABLE = ("name", "division_id", *list(Profile.__dataclass_fields__)[1:], NEEDS_SURVEY)
"""What the kept enterprise may take from the other; the credit code is its own."""

_UNSYNCHRONISED = {"synchronize_session": False}


@transaction("enterprises.review")
def merge(actor: Actor, keep_id: UUID, drop_id: UUID, taken: Collection[str], reason: str) -> Enterprise:
    """Merges one enterprise into another, which takes over all that belongs to it.

    The kept one's owner stays, the other's becomes a member of it; where the kept one has none, the other's
    owner is its owner. Both owners are told.

    Args:
        taken: those of TAKEABLE that the kept one takes from the other.

    Raises DomainError `reason_required`, `merge_with_itself`, `not_found` (either is out of reach),
    `enterprise_not_eligible` (either is merged already, or the kept one refused), `industry_unknown`,
    `size_figures_missing` or `merge_open_cases` (each has one: staff end one of them first).
    """
    if not reason:
        raise DomainError("reason_required", fields={"reason": ["必填"]})
    keep, drop = pair(keep_id, drop_id, lock=True)
    values = _taken_over(actor, keep, drop, taken)
    told = {memberships.owner(SYSTEM, one.id): one.name for one in (drop, keep)}
    kept = (enterprises.write(keep_id, values) if values else None) or keep
    moved = _move(SYSTEM, keep_id, drop_id, late=False)
    into = {"state": EnterpriseState.merged, "merged_into": keep_id, "state_reason": reason}
    enterprises.write(drop_id, into)
    detail: dict[str, Any] = {"reason": reason, "moved": moved, "fields": sorted(taken)}
    audit.record(actor, "enterprise.absorbed", keep, enterprise=str(drop_id), **detail)
    audit.record(actor, "enterprise.merged", drop, into=str(keep_id), **detail)
    body = f"“{drop.name}”（{drop.credit_code}）已并入“{keep.name}”（{keep.credit_code}）：{reason}"
    for owner in told:
        memberships.tell(owner, "enterprise.merged", keep, "企业已合并", body, reason=reason)
    outbox.defer("enterprises.finish_merge", at=now() + AFTERWARDS, enterprise_id=str(drop_id))
    return kept


@transaction(None)
def finish(_actor: Actor, drop_id: UUID) -> None:
    """Takes over what acts that were under way wrote for a merged enterprise after it was merged."""
    merged = enterprises.find(drop_id)
    if merged.merged_into is None:
        raise DomainError("not_found")
    enterprises.find(merged.merged_into, lock=True)
    moved = _move(SYSTEM, merged.merged_into, drop_id, late=True)
    if any(moved.values()):
        kept = enterprises.find(merged.merged_into)
        audit.record(SYSTEM, "enterprise.merge_finished", kept, enterprise=str(drop_id), moved=moved)


def pair(keep_id: UUID, drop_id: UUID, *, lock: bool = False) -> tuple[Enterprise, Enterprise]:
    """Returns the two of a merge, in the reach of the running act.

    Raises DomainError `merge_with_itself`, `not_found` or `enterprise_not_eligible`.
    """
    if keep_id == drop_id:
        raise DomainError("merge_with_itself")
    wanted = select(Enterprise).where(Enterprise.id.in_((keep_id, drop_id)))
    if lock:
        # Rows that refer to either may be written meanwhile (FOR NO KEY UPDATE): nobody waits for a merge.
        wanted = wanted.order_by(Enterprise.credit_code).with_for_update(key_share=True)
    rows = session().execute(wanted, execution_options={"populate_existing": True}).scalars()
    found = {enterprise.id: enterprise for enterprise in rows}
    if len(found) < 2:
        raise DomainError("not_found")
    keep, drop = found[keep_id], found[drop_id]
    enterprises.require_eligible(keep.state)
    if EnterpriseState.merged not in EnterpriseState.moves().get(drop.state, ()):
        raise DomainError("enterprise_not_eligible", state=drop.state.label)
    return keep, drop


def _taken_over(actor: Actor, keep: Enterprise, drop: Enterprise, taken: Collection[str]) -> dict[str, Any]:
    values = {name: getattr(drop, name) for name in TAKEABLE if name in taken}
    profile = {name: values.get(name, getattr(keep, name)) for name in Profile.__dataclass_fields__}
    if values.keys() & profile.keys():
        values |= Profile(**profile).columns(sizing.yardstick(actor))
    if NEEDS_SURVEY in values:
        values["needs_survey_version"] = drop.needs_survey_version
    return values


# What belongs to an enterprise is in many people's reach: the program moves it for them.


@transaction(None)
def _move(_actor: Actor, keep_id: UUID, drop_id: UUID, *, late: bool) -> dict[str, int]:
    """Moves all rows of one enterprise to the other, and returns how many by kind."""
    moved = {"members": _move_members(keep_id, drop_id), "requests": _move_requests(keep_id, drop_id)}
    memberships.void_invitations(SYSTEM, drop_id)
    moved["invitations"] = _move_rows(Invitation, keep_id, drop_id)
    moved["signups"] = _move_signups(keep_id, drop_id)
    moved["cases"] = cases.move_to(SYSTEM, keep_id, drop_id, late=late)
    moved["bookings"] = booking_moves.move_to(SYSTEM, keep_id, drop_id)
    moved["certificates"] = _move_rows(AttendanceCertificate, keep_id, drop_id)
    moved["held_certificates"] = _move_held_certificates(keep_id, drop_id)
    session().execute(
        update(Enterprise).where(Enterprise.merged_into == drop_id).values(merged_into=keep_id),
        execution_options=_UNSYNCHRONISED,
    )
    return moved


def _move_rows(model: Any, keep_id: UUID, drop_id: UUID) -> int:
    moved = update(model).where(model.enterprise_id == drop_id).values(enterprise_id=keep_id)
    return changed(moved)


def _move_members(keep_id: UUID, drop_id: UUID) -> int:
    heir = memberships.owner(SYSTEM, drop_id)
    if memberships.owner(SYSTEM, keep_id) is not None:
        heir = None
    there = select(RoleGrant.user_id).where(*memberships.of(keep_id)).scalar_subquery()
    both = changed(delete(RoleGrant).where(*memberships.of(drop_id), RoleGrant.user_id.in_(there)))
    over = update(RoleGrant).where(*memberships.of(drop_id)).values(scope_id=str(keep_id), role="member")
    moved = both + changed(over)
    if heir is not None:
        memberships.appoint(keep_id, heir, None)
    return moved


def _move_requests(keep_id: UUID, drop_id: UUID) -> int:
    waiting = (MembershipRequest.enterprise_id == drop_id, MembershipRequest.state == MembershipState.pending)
    members = select(RoleGrant.user_id).where(*memberships.of(keep_id)).scalar_subquery()
    asked = select(MembershipRequest.user_id).where(
        MembershipRequest.enterprise_id == keep_id, MembershipRequest.state == MembershipState.pending
    )
    # Whoever got in with the merge need not ask any more; whoever asked both is answered once.
    for known, answer in ((members, MembershipState.approved), (asked, MembershipState.refused)):
        changed(
            update(MembershipRequest)
            .where(*waiting, MembershipRequest.user_id.in_(known))
            .values(state=answer)
        )
    division = select(Enterprise.division_id).where(Enterprise.id == keep_id).scalar_subquery()
    over = update(MembershipRequest).where(MembershipRequest.enterprise_id == drop_id)
    return changed(over.values(enterprise_id=keep_id, division_id=division))


def _move_held_certificates(keep_id: UUID, drop_id: UUID) -> int:
    changed(delete(HeldCertificate).where(*held_certificates.twice(keep_id, drop_id)))
    division = select(Enterprise.division_id).where(Enterprise.id == keep_id).scalar_subquery()
    over = update(HeldCertificate).where(HeldCertificate.enterprise_id == drop_id)
    return changed(over.values(enterprise_id=keep_id, division_id=division))


def _move_signups(keep_id: UUID, drop_id: UUID) -> int:
    """Moves the sign-ups, and counts anew what the kept enterprise holds of each training.

    Locks are taken as everybody takes them (app/services/seats.py), so that what is counted stays true.
    """
    place = (EnterpriseSeats.training_id, literal(keep_id, Uuid), EnterpriseSeats.division_id, literal(0))
    of_dropped = select(*place).where(EnterpriseSeats.enterprise_id == drop_id)
    columns = ["training_id", "enterprise_id", "division_id", "taken"]
    places = insert(EnterpriseSeats).from_select(columns, of_dropped.order_by(EnterpriseSeats.training_id))
    session().execute(places.on_conflict_do_nothing())
    held = select(EnterpriseSeats.training_id).where(EnterpriseSeats.enterprise_id.in_((keep_id, drop_id)))
    in_order = held.order_by(EnterpriseSeats.training_id, EnterpriseSeats.enterprise_id)
    trainings = set(session().execute(in_order.with_for_update()).scalars())
    rows = select(Training.id).where(Training.id.in_(trainings)).order_by(Training.id)
    session().execute(rows.with_for_update(key_share=True))
    moved = _move_rows(Signup, keep_id, drop_id)
    changed(delete(EnterpriseSeats).where(EnterpriseSeats.enterprise_id == drop_id))
    active = (
        select(func.count())
        .select_from(Signup)
        .where(
            Signup.training_id == EnterpriseSeats.training_id,
            Signup.enterprise_id == keep_id,
            Signup.state.in_(ACTIVE),
        )
        .scalar_subquery()
    )
    changed(update(EnterpriseSeats).where(EnterpriseSeats.enterprise_id == keep_id).values(taken=active))
    return moved
