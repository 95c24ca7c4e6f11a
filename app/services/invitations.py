"""Invitations: a code that an owner hands to a colleague, good once and for a week."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import update

from app import audit, tokens
from app.access import SYSTEM, Actor
from app.errors import DomainError
from app.services import enterprises, membership_requests, memberships
from app.transactions import session, transaction
from models.base import now
from models.enterprises import Enterprise, Invitation

LIFE = timedelta(days=7)
ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"  # without 0 O, 1 I L: the code is read out and typed
GROUPS, GROUP = 4, 4


@dataclass(frozen=True)
class Invited:
    """A fresh invitation; the code is told once and stored as a hash."""

    id: UUID
    code: str
    expires_at: datetime


@transaction("enterprises.own")
def invite(actor: Actor, enterprise_id: UUID) -> Invited:
    """Makes an invitation; raises DomainError `not_found`, `enterprise_not_eligible` (refused, merged)."""
    enterprise = enterprises.find(enterprise_id)
    enterprises.require_eligible(enterprise.state)
    code = "".join(secrets.choice(ALPHABET) for _ in range(GROUPS * GROUP))
    invitation = Invitation(
        enterprise_id=enterprise_id,
        code_hash=tokens.digest(code),
        expires_at=now() + LIFE,
        created_by=enterprises.signed_in(actor),
    )
    session().add(invitation)
    audit.record(actor, "enterprise.member_invited", enterprise, invitation=str(invitation.id))
    shown = "-".join(code[start : start + GROUP] for start in range(0, len(code), GROUP))
    return Invited(invitation.id, shown, invitation.expires_at)


@transaction("enterprises.register")
def join(actor: Actor, code: str) -> Enterprise:
    """Takes up an invitation and tells the owner.

    Raises DomainError `invitation_invalid` or `already_member`.
    """
    user_id = enterprises.signed_in(actor)
    typed = "".join(char for char in code.upper() if char in ALPHABET)
    enterprise = _take(SYSTEM, tokens.digest(typed), user_id)
    audit.record(actor, "enterprise.member_joined", enterprise, user_id=str(user_id))
    owner = memberships.owner(SYSTEM, enterprise.id)
    body = f"一名新成员凭邀请码加入了“{enterprise.name}”。"
    memberships.tell(owner, "membership.joined", enterprise, "新成员加入企业", body)
    return enterprise


@transaction(None)
def _take(_actor: Actor, code_hash: bytes, user_id: UUID) -> Enterprise:
    unused = (Invitation.code_hash == code_hash, Invitation.used_at.is_(None), Invitation.expires_at > now())
    taken = (
        update(Invitation)
        .where(*unused)
        .values(used_by=user_id, used_at=now())
        .returning(Invitation.enterprise_id, Invitation.created_by)
    )
    invitation = session().execute(taken, execution_options={"synchronize_session": False}).first()
    if invitation is None:
        raise DomainError("invitation_invalid")
    if not memberships.admit(invitation.enterprise_id, user_id, invitation.created_by):
        raise DomainError("already_member")
    membership_requests.settle(invitation.enterprise_id, user_id)
    return enterprises.find(invitation.enterprise_id)
