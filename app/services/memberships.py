"""Who belongs to an enterprise: a membership is a grant of the role owner or member in its scope.

Grants are in reach of the person alone. Each act here first finds the enterprise in the actor's own
reach, and only then takes a step of the program's (SYSTEM) that touches other people's grants.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Update, Uuid, delete, literal, select, update
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.exc import IntegrityError

from app import audit, masks, outbox
from app.access import SYSTEM, Actor
from app.errors import DomainError
from app.services import enterprises
from app.transactions import session, transaction
from models.base import new_id, now
from models.enterprises import Enterprise, Invitation
from models.people import RoleGrant, User, UserState


@dataclass(frozen=True)
class Member:
    """Somebody of an enterprise; name and phone are masked."""

    user_id: UUID
    role: str
    name: str | None
    phone: str | None
    since: datetime


def of(enterprise_id: UUID, role: str | None = None) -> list[ColumnElement[bool]]:
    """Returns the conditions on grants that pick the members of an enterprise."""
    conditions = [RoleGrant.scope_type == "enterprise", RoleGrant.scope_id == str(enterprise_id)]
    return [*conditions, RoleGrant.role == role] if role else conditions


@transaction("enterprises.read")
def members(_actor: Actor, enterprise_id: UUID) -> list[Member]:
    """Returns the members of an enterprise, the owner first; raises DomainError `not_found`."""
    enterprises.find(enterprise_id)
    return _members(SYSTEM, enterprise_id)


@transaction(None)
def _members(_actor: Actor, enterprise_id: UUID) -> list[Member]:
    rows = session().execute(
        select(RoleGrant.user_id, RoleGrant.role, User.name, User.phone, RoleGrant.created_at)
        .join(User, User.id == RoleGrant.user_id)
        .where(*of(enterprise_id))
        .order_by(RoleGrant.role.desc(), RoleGrant.id)
    )
    return [Member(id_, role, masks.name(name), masks.phone(tel), at) for id_, role, name, tel, at in rows]


@transaction(None)
def owner(_actor: Actor, enterprise_id: UUID) -> UUID | None:
    """Returns the owner of an enterprise, if it has one."""
    return session().execute(select(RoleGrant.user_id).where(*of(enterprise_id, "owner"))).scalar()


@transaction(None)
def owned(_actor: Actor, enterprise_ids: Collection[UUID]) -> set[UUID]:
    """Returns those of the enterprises that have an owner."""
    wanted = [str(enterprise_id) for enterprise_id in enterprise_ids]
    grants = select(RoleGrant.scope_id).where(
        RoleGrant.scope_type == "enterprise", RoleGrant.role == "owner", RoleGrant.scope_id.in_(wanted)
    )
    return {UUID(scope) for scope in session().execute(grants).scalars()}


@transaction(None)
def role(_actor: Actor, enterprise_id: UUID, user_id: UUID | None) -> str | None:
    """Returns the role of a person in an enterprise, None for a stranger."""
    held = select(RoleGrant.role).where(*of(enterprise_id), RoleGrant.user_id == user_id)
    return session().execute(held).scalar()


def admit(enterprise_id: UUID, user_id: UUID, granted_by: UUID | None) -> bool:
    """Makes a person a member inside the caller's act.

    Returns False if nothing changed: they belong to the enterprise already, or their account is closing.
    """
    grant = _grant(enterprise_id, user_id, "member", granted_by).on_conflict_do_nothing()
    return session().execute(grant.returning(RoleGrant.id)).scalar() is not None


def appoint(enterprise_id: UUID, user_id: UUID, granted_by: UUID | None) -> bool:
    """Makes a person the owner inside the caller's act; False if their account is closing.

    Raises DomainError `enterprise_has_owner`.
    """
    grant = _grant(enterprise_id, user_id, "owner", granted_by).on_conflict_do_update(
        index_elements=["user_id", "scope_id"],
        index_where=sql("scope_type = 'enterprise'"),
        set_={"role": "owner"},
    )
    try:
        return session().execute(grant.returning(RoleGrant.id)).scalar() is not None
    except IntegrityError:  # from the index that allows one owner
        raise DomainError("enterprise_has_owner") from None


def _grant(enterprise_id: UUID, user_id: UUID, role: str, granted_by: UUID | None) -> Insert:
    scope = (literal("enterprise"), literal(str(enterprise_id)))
    person = select(literal(new_id()), User.id, literal(role), *scope, literal(granted_by, Uuid)).where(
        User.id == user_id, User.state == UserState.active
    )
    columns = ["id", "user_id", "role", "scope_type", "scope_id", "granted_by"]
    return insert(RoleGrant).from_select(columns, person)


@transaction("enterprises.write")
def leave(actor: Actor, enterprise_id: UUID) -> None:
    """Ends the actor's own membership; raises DomainError `not_found` or `last_owner`."""
    enterprise = enterprises.find(enterprise_id)
    _part(SYSTEM, enterprise_id, actor.user_id)
    audit.record(actor, "enterprise.member_left", enterprise)
    body = f"一名成员退出了“{enterprise.name}”。"
    tell(owner(SYSTEM, enterprise_id), "membership.left", enterprise, "成员退出企业", body)


@transaction("enterprises.own")
def remove(actor: Actor, enterprise_id: UUID, user_id: UUID) -> None:
    """Ends another's membership; raises DomainError `not_found`, `not_a_member` or `last_owner`."""
    enterprise = enterprises.find(enterprise_id)
    _part(SYSTEM, enterprise_id, user_id)
    audit.record(actor, "enterprise.member_removed", enterprise, user_id=str(user_id))
    body = f"您已被移出“{enterprise.name}”，不再能查看或办理该企业的事项。"
    tell(user_id, "membership.removed", enterprise, "您已被移出企业", body)


@transaction(None)
def _part(_actor: Actor, enterprise_id: UUID, user_id: UUID | None) -> None:
    # Only a member can go; whoever was made owner a moment ago is not one any more.
    ended = delete(RoleGrant).where(*of(enterprise_id, "member"), RoleGrant.user_id == user_id)
    if session().execute(ended.returning(RoleGrant.id)).scalar() is None:
        raise DomainError("last_owner" if owner(SYSTEM, enterprise_id) == user_id else "not_a_member")


@transaction("enterprises.own")
def transfer(actor: Actor, enterprise_id: UUID, user_id: UUID) -> None:
    """Makes another member the owner and the actor a member; open invitations lapse.

    Raises DomainError `not_found`, `not_a_member` (or the account is being closed), `validation_failed`
    (to oneself) or `permission_denied` (somebody else became the owner meanwhile).
    """
    if user_id == actor.user_id:
        raise DomainError("validation_failed", fields={"user_id": ["不能转让给自己"]})
    enterprise = enterprises.find(enterprise_id)
    _hand_over(SYSTEM, enterprise_id, actor.user_id, user_id)
    void_invitations(SYSTEM, enterprise_id)
    audit.record(actor, "enterprise.transferred", enterprise, to=str(user_id))
    body = f"您已成为“{enterprise.name}”的负责人，可以邀请成员、处理加入申请。"
    tell(user_id, "membership.owner", enterprise, "您已成为企业负责人", body)


@transaction(None)
def _hand_over(_actor: Actor, enterprise_id: UUID, giver: UUID | None, taker: UUID) -> None:
    # First down, then up: at no time does an enterprise have two owners, which its index forbids.
    down = update(RoleGrant).where(*of(enterprise_id, "owner"), RoleGrant.user_id == giver)
    if not _changed(down.values(role="member")):
        raise DomainError("permission_denied")
    active = select(User.id).where(User.id == taker, User.state == UserState.active)
    up = update(RoleGrant).where(*of(enterprise_id, "member"), RoleGrant.user_id.in_(active))
    if not _changed(up.values(role="owner")):
        raise DomainError("not_a_member")


def _changed(statement: Update) -> bool:
    options = {"synchronize_session": False}
    return (
        session().execute(statement.returning(RoleGrant.id), execution_options=options).scalar() is not None
    )


@transaction(None)
def void_invitations(_actor: Actor, enterprise_id: UUID) -> None:
    """Ends the open invitations of an enterprise: those who gave them have no say any more."""
    open_ = (Invitation.enterprise_id == enterprise_id, Invitation.used_at.is_(None))
    session().execute(
        update(Invitation).where(*open_, Invitation.expires_at > now()).values(expires_at=now()),
        execution_options={"synchronize_session": False},
    )


def tell(user_id: UUID | None, kind: str, enterprise: Enterprise, title: str, body: str, **more: str) -> None:
    """Leaves a notice about an enterprise; the same may happen again, and each time is news.

    Args:
        more: what the kind tells beside the enterprise's name.
    """
    facts = {"enterprise": enterprise.name, **more}
    outbox.notify(user_id, kind, enterprise, title, body, facts, once=f"{now():%Y%m%d%H%M%S%f}")
