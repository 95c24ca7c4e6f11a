"""Who acts in the demonstration: people with a role and without any means to sign in."""

from __future__ import annotations

from sqlalchemy import select

from app.access import Actor, Grant
from app.transactions import session
from models.people import RoleGrant, User


def county(division_id: str) -> Actor:
    """Returns the clerk of a county."""
    return somebody("演示经办", Grant("county_staff", "division", division_id))


def somebody(name: str, grant: Grant) -> Actor:
    """Returns the one of that name who holds the role, for what they did is told of them."""
    held = select(RoleGrant.user_id).join(User, User.id == RoleGrant.user_id)
    own = (RoleGrant.role == grant.role, RoleGrant.scope_id == grant.scope_id)
    there = [
        user_id
        for user_id, called in session().execute(held.add_columns(User.name).where(*own))
        if called == name
    ]
    if there:
        return Actor(there[0], (grant,))
    user = User(name=name)
    session().add(user)
    session().flush()
    session().add(
        RoleGrant(user_id=user.id, role=grant.role, scope_type=grant.scope_type, scope_id=grant.scope_id)
    )
    session().flush()
    return Actor(user.id, (grant,))
