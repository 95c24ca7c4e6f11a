"""Roles that people hold: granted once each, and never two that exclude each other (三员分立).

The person's row is the lock of what the person may be: whoever grants holds it.
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from app.access import APART, DESK, Actor
from app.errors import DomainError
from app.transactions import session, transaction
from models.base import new_id
from models.people import RoleGrant, User, UserState

OF_STAFF = DESK | APART
"""The roles that come with an account for the desk: one each."""


@transaction(None)
def grant(
    _actor: Actor, user_id: UUID, role: str, scope_type: str, scope_id: str, granted_by: UUID | None
) -> bool:
    """Grants a role to a person; returns whether it is new.

    Raises DomainError `not_found` (nobody, or one whose account is closed or closing) or `role_conflict`.
    """
    return _add(_hold(user_id), user_id, role, scope_type, scope_id, granted_by)


@transaction(None)
def replace(
    _actor: Actor, user_id: UUID, role: str, scope_type: str, scope_id: str, granted_by: UUID | None
) -> None:
    """Makes this the person's one role of an account for the desk; raises as `grant` does."""
    kept = [held for held in _hold(user_id) if held not in OF_STAFF]
    of_staff = (RoleGrant.user_id == user_id, RoleGrant.role.in_(OF_STAFF))
    session().execute(delete(RoleGrant).where(*of_staff))
    _add(kept, user_id, role, scope_type, scope_id, granted_by)


def excludes(role: str, other: str) -> bool:
    """Returns whether nobody may hold both: who keeps the system does nothing else in it."""
    return role != other and bool(APART & {role, other})


def _hold(user_id: UUID) -> Iterable[str]:
    """Returns the roles that the person holds, who is held until the transaction ends."""
    person = select(User.id).where(User.id == user_id, User.state == UserState.active).with_for_update()
    if session().execute(person).first() is None:
        raise DomainError("not_found")
    return session().execute(select(RoleGrant.role).where(RoleGrant.user_id == user_id)).scalars().all()


def _add(
    held: Iterable[str], user_id: UUID, role: str, scope_type: str, scope_id: str, granted_by: UUID | None
) -> bool:
    if any(excludes(role, other) for other in held):
        raise DomainError("role_conflict")
    granted = insert(RoleGrant).values(
        id=new_id(),
        user_id=user_id,
        role=role,
        scope_type=scope_type,
        scope_id=scope_id,
        granted_by=granted_by,
    )
    made = granted.on_conflict_do_nothing(index_elements=["user_id", "role", "scope_id"])
    return session().execute(made.returning(RoleGrant.id)).first() is not None
