"""Accounts of staff, as an administrator keeps them (GB/T 22239 身份鉴别、访问控制).

An account belongs to a division: the one its role is in, or the whole city for those of agencies and
banks. An administrator reaches the accounts of the divisions administered, and no others.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from app import audit, passwords
from app.access import ROLES, SYSTEM, Actor
from app.errors import DomainError
from app.services import proofs, roles, staff_sign_ins
from app.services.roles import OF_STAFF
from app.transactions import session, transaction
from config.settings import settings
from models.agencies import Agency
from models.financing import Bank
from models.lifecycle import move
from models.people import AccountState, RoleGrant, StaffAccount, User
from models.reference import Division

ADMINISTRATOR = "system_administrator"


@dataclass(frozen=True)
class Made:
    """An account and a password that serves for one sign-in: told once and stored as a hash."""

    account_id: UUID
    user_id: UUID
    login_name: str
    initial_password: str = field(repr=False)


@transaction("people.manage")
def create(actor: Actor, login_name: str, name: str, role: str, scope_id: str) -> Made:
    """Creates an account with a generated password that must be replaced at the first sign-in.

    Args:
        scope_id: the division, agency or bank that the role is held in.

    Raises DomainError `scope_unknown`, `permission_denied` (outside the administrator's divisions)
    or `login_name_taken`.
    """
    division_id = _division_of(actor, role, scope_id)
    return _create(SYSTEM, actor, login_name, name, role, scope_id, division_id)


def _division_of(actor: Actor, role: str, scope_id: str) -> str:
    """Returns the division that an account with that role belongs to; raises as `create` does."""
    division_id = _home(ROLES[role], scope_id) if role in OF_STAFF else None
    if division_id is None:
        raise DomainError("scope_unknown")
    if not actor.reaches_division(division_id):
        raise DomainError("permission_denied")
    return division_id


def _home(kind: str, scope_id: str) -> str | None:
    if kind == "division":
        return scope_id if session().get(Division, scope_id) else None
    try:
        found = session().get(Agency if kind == "agency" else Bank, UUID(scope_id))
    except ValueError:
        return None
    return settings().home_division if found else None


@transaction(None)
def _create(
    _system: Actor, by: Actor, login_name: str, name: str, role: str, scope_id: str, division_id: str
) -> Made:
    password = passwords.generated()
    user = User(name=name)
    account = StaffAccount(
        user_id=user.id,
        division_id=division_id,
        login_name=login_name,
        password_hash=passwords.hashed(password),
    )
    session().add(user)
    session().flush()
    session().add(account)
    try:
        session().flush()
    except IntegrityError:
        message = DomainError("login_name_taken").message
        raise DomainError("login_name_taken", fields={"login_name": [message]}) from None
    roles.grant(SYSTEM, user.id, role, ROLES[role], scope_id, by.user_id)
    audit.record(by, "staff.created", account, role=role, scope=scope_id)
    return Made(account.id, user.id, login_name, password)


@transaction(None)
def create_administrator(actor: Actor, login_name: str, division_id: str) -> Made | None:
    """Creates the first system administrator; returns None when there is one already."""
    held = select(func.count()).select_from(RoleGrant).where(RoleGrant.role == ADMINISTRATOR)
    if session().execute(held).scalar_one():
        return None
    return _create(actor, actor, login_name, "系统管理员", ADMINISTRATOR, division_id, division_id)


# --- what an administrator does with an account; each ends its sign-ins where its powers change


def _hold(actor: Actor, account_id: UUID, *, own: bool = False) -> StaffAccount:
    """Returns an account in reach, held; raises DomainError `not_found` or, unless `own`, `own_account`."""
    wanted = select(StaffAccount).where(StaffAccount.id == account_id)
    found = session().execute(wanted.with_for_update().execution_options(populate_existing=True)).scalar()
    if found is None:
        raise DomainError("not_found")
    if found.user_id == actor.user_id and not own:
        raise DomainError("own_account")
    return found


@transaction("people.manage")
def disable(actor: Actor, account_id: UUID) -> None:
    """Takes an account out of use and ends its sign-ins.

    Raises DomainError `not_found`, `own_account` or `last_administrator`; IllegalMove.
    """
    administrators = hold_administrators(SYSTEM)
    account = _hold(actor, account_id)
    move(account, AccountState.disabled)
    _keep_one(administrators, account)
    _end(SYSTEM, account, "disabled")
    audit.record(actor, "staff.disabled", account)


@transaction("people.manage")
def enable(actor: Actor, account_id: UUID) -> None:
    """Takes an account into use again; raises DomainError `not_found`, `own_account`; IllegalMove."""
    account = _hold(actor, account_id)
    move(account, AccountState.active)
    audit.record(actor, "staff.enabled", account)


@transaction("people.manage")
def reset_password(actor: Actor, account_id: UUID) -> Made:
    """Gives an account a generated password, to be replaced at the next sign-in; ends lock and sign-ins.

    Raises DomainError `not_found` or `own_account`.
    """
    account, password = _hold(actor, account_id), passwords.generated()
    account.password_hash, account.password_set_at = passwords.hashed(password), None
    proofs.forgive(account)
    _end(SYSTEM, account, "password_reset")
    audit.record(actor, "staff.password_reset", account)
    return Made(account.id, account.user_id, account.login_name, password)


@transaction("people.manage")
def reset_second_factor(actor: Actor, account_id: UUID) -> None:
    """Takes authenticator, recovery codes and WeChat away; the next sign-in makes them anew.

    Raises DomainError `not_found` or `own_account`.
    """
    account = _hold(actor, account_id)
    account.wechat_user_id = None
    _clear(SYSTEM, account)
    audit.record(actor, "staff.second_factor_reset", account)


@transaction(None)
def recover(actor: Actor, login_name: str) -> Made:
    """Lets somebody back in whom no other administrator can help: a new password and no second factor.

    Raises DomainError `not_found`.
    """
    wanted = select(StaffAccount.id).where(StaffAccount.login_name == login_name)
    account_id = session().scalar(wanted)
    if account_id is None:
        raise DomainError("not_found")
    reset_second_factor(actor, account_id)
    return reset_password(actor, account_id)


@transaction("people.manage")
def rename(actor: Actor, account_id: UUID, name: str) -> None:
    """Corrects the name of a member of staff; raises DomainError `not_found`."""
    account = _hold(actor, account_id, own=True)
    _rename(SYSTEM, account.user_id, name)
    audit.record(actor, "staff.renamed", account)


@transaction("people.manage")
def change_role(actor: Actor, account_id: UUID, role: str, scope_id: str) -> None:
    """Gives an account another role or scope, and ends its sign-ins.

    Raises DomainError `not_found`, `own_account`, `scope_unknown`, `permission_denied`, `role_conflict`
    or `last_administrator`.
    """
    administrators = hold_administrators(SYSTEM)
    account = _hold(actor, account_id)
    account.division_id = _division_of(actor, role, scope_id)
    if role != ADMINISTRATOR:
        _keep_one(administrators, account)
    roles.replace(SYSTEM, account.user_id, role, ROLES[role], scope_id, actor.user_id)
    _end(SYSTEM, account, "role_changed")
    audit.record(actor, "staff.role_changed", account, role=role, scope=scope_id)


@transaction(None)
def hold_administrators(_system: Actor) -> set[UUID]:
    """Returns the people who are system administrators with an account in use; holds them all.

    Of two who would take the last two out of use at once, the second waits here, and sees one.
    """
    active = (
        select(StaffAccount.user_id)
        .join(RoleGrant, RoleGrant.user_id == StaffAccount.user_id)
        .where(RoleGrant.role == ADMINISTRATOR, StaffAccount.state == AccountState.active)
        .order_by(StaffAccount.id, RoleGrant.id)
        .with_for_update(of=(StaffAccount, RoleGrant))
    )
    return set(session().execute(active).scalars())


def _keep_one(administrators: set[UUID], account: StaffAccount) -> None:
    if administrators == {account.user_id}:
        raise DomainError("last_administrator")


# Sign-ins and names are their owner's alone: the program acts for the administrator.


@transaction(None)
def _end(_system: Actor, account: StaffAccount, reason: str) -> None:
    staff_sign_ins.end(account, reason)


@transaction(None)
def _clear(_system: Actor, account: StaffAccount) -> None:
    proofs.clear_second_factor(account)
    staff_sign_ins.end(account, "second_factor_reset")


@transaction(None)
def _rename(_system: Actor, user_id: UUID, name: str) -> None:
    session().execute(select(User).where(User.id == user_id)).scalar_one().name = name
