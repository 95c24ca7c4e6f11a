"""The telephone numbers of an enterprise's people: masked everywhere, shown singly to who must call."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select

from app import audit
from app.access import SYSTEM, Actor
from app.errors import DomainError
from app.services import enterprises, memberships
from app.transactions import session, transaction
from models.enterprises import MembershipRequest, MembershipState
from models.people import RoleGrant, User


@transaction("enterprises.review")
def reveal_contact(actor: Actor, enterprise_id: UUID, user_id: UUID) -> str:
    """Returns the telephone number of a member, or of who asks to join, and leaves word of who saw it.

    PIPL 51, 54. Raises DomainError `not_found` or `not_a_member`, also where no number is bound.
    """
    enterprise = enterprises.find(enterprise_id)
    phone = _phone(SYSTEM, enterprise_id, user_id)
    if phone is None:
        raise DomainError("not_a_member")
    audit.record(actor, "personal.revealed", enterprise, user_id=str(user_id), what="phone")
    return phone


@transaction(None)
def _phone(_actor: Actor, enterprise_id: UUID, user_id: UUID) -> str | None:
    members = select(RoleGrant.user_id).where(*memberships.of(enterprise_id))
    asking = select(MembershipRequest.user_id).where(
        MembershipRequest.enterprise_id == enterprise_id, MembershipRequest.state == MembershipState.pending
    )
    concerned = User.id.in_(members.union(asking))
    return session().execute(select(User.phone).where(User.id == user_id, concerned)).scalar()
