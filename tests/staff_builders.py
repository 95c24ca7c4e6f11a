"""Accounts of staff, made by the back door."""

from __future__ import annotations

import itertools

from app.access import SYSTEM, Actor, Grant
from app.services import staff
from tests.builders import World
from tests.sign_ins import Staff

_names = itertools.count(1)


def fresh_name() -> str:
    """Returns a user name that no other test uses."""
    return f"zhang{next(_names)}"


def fresh_account(
    world: World, role: str = "county_staff", scope_id: str = "js.xz.fengxian", *, name: str = "张科员"
) -> Staff:
    """An account with a one-time password, as an administrator of the city made it."""
    administrator = Actor(SYSTEM.user_id, (Grant(staff.ADMINISTRATOR, "division", "js.xz"),))
    with world.app.app_context():
        made = staff.create(administrator, fresh_name(), name, role, scope_id)
    return Staff(made.user_id, made.login_name, made.initial_password)
