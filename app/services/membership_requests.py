"""Requests to join an enterprise: answered by its owner, or by county staff where it has none."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import bindparam, select, update
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import insert

from app import audit, masks, outbox
from app.access import SYSTEM, Actor
from app.errors import DomainError
from app.pagination import Listing, Page
from app.services import enterprises, memberships
from app.transactions import session, transaction
from models.base import new_id
from models.enterprises import Enterprise, MembershipRequest, MembershipState
from models.lifecycle import IllegalMove
from models.people import User

PENDING = MembershipState.pending
_LISTED = select(
    MembershipRequest.id,
    MembershipRequest.enterprise_id,
    MembershipRequest.user_id,
    MembershipRequest.note,
    MembershipRequest.state,
    MembershipRequest.created_at,
)
_MINE = Listing(_LISTED, [MembershipRequest.id], newest=True)
_WAITING = Listing(
    _LISTED.where(MembershipRequest.state == PENDING),
    [MembershipRequest.id],
    newest=True,
    enterprise=MembershipRequest.enterprise_id == bindparam("enterprise"),
)


@transaction("enterprises.register")
def request(actor: Actor, code: str, note: str | None) -> MembershipRequest:
    """Asks to join the enterprise of a credit code, and tells its owner.

    Raises DomainError `phone_required`, `not_found`, `enterprise_not_eligible` (refused), `enterprise_merged`
    (whose details name the one to ask instead), `already_member` or `membership_request_pending`.
    """
    enterprises.require_phone(actor)
    enterprise = enterprises.by_credit_code(SYSTEM, code)
    if enterprise.merged_into is not None:
        other = enterprises.kept(SYSTEM, enterprise)
        raise DomainError("enterprise_merged", name=other.name, credit_code=other.credit_code)
    enterprises.require_eligible(enterprise.state)
    owner = memberships.owner(SYSTEM, enterprise.id)
    # A member may ask again where the owner is gone: to be made the owner by county staff.
    if owner is not None and memberships.role(SYSTEM, enterprise.id, actor.user_id):
        raise DomainError("already_member")
    made = _ask(enterprise, enterprises.signed_in(actor), note)
    audit.record(actor, "membership.requested", made)
    body = f"有人申请加入“{enterprise.name}”，请核实后处理。"
    facts = {"enterprise": enterprise.name}
    outbox.notify(owner, "membership.requested", made, "新的加入申请", body, facts)
    return made


def _ask(enterprise: Enterprise, user_id: UUID, note: str | None) -> MembershipRequest:
    asked = (
        insert(MembershipRequest)
        .values(
            id=new_id(),
            enterprise_id=enterprise.id,
            division_id=enterprise.division_id,
            user_id=user_id,
            note=note,
            state=PENDING,
        )
        .on_conflict_do_nothing(
            index_elements=["enterprise_id", "user_id"], index_where=sql("state = 'pending'")
        )
        .returning(MembershipRequest)
    )
    made = session().execute(asked).scalar()
    if made is None:
        raise DomainError("membership_request_pending")
    return made


@transaction("enterprises.register")
def mine(_actor: Actor, cursor: str | None, limit: int) -> Page:
    """Returns one page of the person's own requests, newest first."""
    page = _MINE.page(cursor, limit)
    names = _names(SYSTEM, {row.enterprise_id for row in page.items})
    return Page(
        [{**row._asdict(), "enterprise_name": names[row.enterprise_id]} for row in page.items], page.next
    )


@transaction("enterprises.own")
def of_enterprise(_actor: Actor, enterprise_id: UUID, cursor: str | None, limit: int) -> Page:
    """Returns one page of the requests that wait for the owner; raises DomainError `not_found`."""
    enterprises.find(enterprise_id)
    return _waiting(cursor, limit, enterprise_id)


@transaction("enterprises.review")
def in_divisions(_actor: Actor, cursor: str | None, limit: int) -> Page:
    """Returns one page of the requests that wait in the staff's divisions, and whether an owner is there."""
    return _waiting(cursor, limit)


def _waiting(cursor: str | None, limit: int, enterprise_id: UUID | None = None) -> Page:
    page = _WAITING.page(cursor, limit, enterprise=enterprise_id)
    enterprise_ids = {row.enterprise_id for row in page.items}
    names, owned = _names(SYSTEM, enterprise_ids), memberships.owned(SYSTEM, enterprise_ids)
    people = applicants(SYSTEM, {row.user_id for row in page.items})
    items = [
        {
            **row._asdict(),
            **people[row.user_id],
            "enterprise_name": names[row.enterprise_id],
            "has_owner": row.enterprise_id in owned,
        }
        for row in page.items
    ]
    return Page(items, page.next)


@transaction(None)
def _names(_actor: Actor, enterprise_ids: set[UUID]) -> dict[UUID, str]:
    found = select(Enterprise.id, Enterprise.name).where(Enterprise.id.in_(enterprise_ids))
    return dict(session().execute(found).all())


@transaction(None)
def applicants(_actor: Actor, user_ids: set[UUID]) -> dict[UUID, dict[str, str | None]]:
    """Returns the masked names and telephone numbers of people."""
    found = session().execute(select(User.id, User.name, User.phone).where(User.id.in_(user_ids)))
    return {row.id: {"name": masks.name(row.name), "phone": masks.phone(row.phone)} for row in found}


@transaction("enterprises.own")
def approve(actor: Actor, enterprise_id: UUID, request_id: UUID) -> None:
    """Makes the applicant a member, as the owner.

    Raises DomainError `not_found`, `applicant_gone` (the account is being closed), IllegalMove.
    """
    answered = _answer(request_id, MembershipState.approved, enterprise_id)
    admitted = memberships.admit(enterprise_id, answered.user_id, actor.user_id)
    if not admitted and memberships.role(SYSTEM, enterprise_id, answered.user_id) is None:
        raise DomainError("applicant_gone")
    _tell_approved(actor, answered, "您已成为“{name}”的成员。")


@transaction("enterprises.own")
def refuse(actor: Actor, enterprise_id: UUID, request_id: UUID) -> None:
    """Refuses the applicant, as the owner; raises DomainError `not_found`, IllegalMove."""
    _tell_refused(actor, _answer(request_id, MembershipState.refused, enterprise_id))


@transaction("enterprises.review")
def appoint(actor: Actor, request_id: UUID) -> None:
    """Makes the applicant the owner of an enterprise that has none, as county staff.

    Raises DomainError `not_found`, `enterprise_has_owner`, `enterprise_not_eligible`, `applicant_gone`,
    IllegalMove.
    """
    asked = select(MembershipRequest.enterprise_id).where(MembershipRequest.id == request_id)
    enterprise_id = session().execute(asked).scalar()
    if enterprise_id is None:
        raise DomainError("not_found")
    # An import looks for an owner under this lock before it overwrites anything, and a merge takes the
    # requests along under it.
    enterprises.require_eligible(enterprises.find(enterprise_id, lock=True).state)
    answered = _answer(request_id, MembershipState.approved)
    if not memberships.appoint(answered.enterprise_id, answered.user_id, actor.user_id):
        raise DomainError("applicant_gone")
    memberships.void_invitations(SYSTEM, answered.enterprise_id)
    _tell_approved(actor, answered, "您已成为“{name}”的负责人，可以邀请成员、处理加入申请。")


@transaction("enterprises.review")
def turn_down(actor: Actor, request_id: UUID) -> None:
    """Refuses the applicant of an enterprise without owner, as county staff.

    Raises DomainError `not_found`, `enterprise_has_owner`, IllegalMove.
    """
    answered = _answer(request_id, MembershipState.refused)
    if memberships.owner(SYSTEM, answered.enterprise_id) is not None:
        raise DomainError("enterprise_has_owner")
    _tell_refused(actor, answered)


def _answer(
    request_id: UUID, target: MembershipState, enterprise_id: UUID | None = None
) -> MembershipRequest:
    wanted = [MembershipRequest.id == request_id]
    if enterprise_id is not None:
        wanted.append(MembershipRequest.enterprise_id == enterprise_id)
    before = MembershipRequest.state.in_(MembershipState.before(target))
    answered = (
        session()
        .execute(
            update(MembershipRequest)
            .where(*wanted, before)
            .values(state=target)
            .returning(MembershipRequest),
            execution_options={"populate_existing": True, "synchronize_session": False},
        )
        .scalar()
    )
    if answered is None:
        state = session().execute(select(MembershipRequest.state).where(*wanted)).scalar()
        raise IllegalMove(state, target) if state else DomainError("not_found")
    return answered


def settle(enterprise_id: UUID, user_id: UUID) -> None:
    """Closes the waiting request of somebody who got in another way, inside the caller's act."""
    own = (MembershipRequest.enterprise_id == enterprise_id, MembershipRequest.user_id == user_id)
    session().execute(
        update(MembershipRequest)
        .where(*own, MembershipRequest.state == PENDING)
        .values(state=MembershipState.approved),
        execution_options={"synchronize_session": False},
    )


def _tell_approved(actor: Actor, answered: MembershipRequest, body: str) -> None:
    audit.record(actor, "membership.approved", answered, enterprise_id=str(answered.enterprise_id))
    name = enterprises.find(answered.enterprise_id).name
    facts = {"enterprise": name}
    told = body.format(name=name)
    outbox.notify(answered.user_id, "membership.approved", answered, "加入申请已通过", told, facts)


def _tell_refused(actor: Actor, answered: MembershipRequest) -> None:
    audit.record(actor, "membership.refused", answered, enterprise_id=str(answered.enterprise_id))
    name = enterprises.find(answered.enterprise_id).name
    facts = {"enterprise": name}
    told = f"您加入“{name}”的申请未获同意。"
    outbox.notify(answered.user_id, "membership.refused", answered, "加入申请未获同意", told, facts)
