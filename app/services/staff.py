"""Staff accounts: user name, password and role (GB/T 22239 身份鉴别、访问控制)."""

from __future__ import annotations

import secrets
import string
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from app import audit
from app.access import ROLES, SYSTEM, Actor
from app.errors import DomainError
from app.services import people
from app.transactions import session, transaction
from models.base import now
from models.people import RoleGrant, StaffAccount, User
from models.reference import Division

PASSWORD_LIFE = timedelta(days=180)
FAILURES = 5
"""Wrong passwords in a row before the account is locked; each further one doubles the minute."""

_hasher = PasswordHasher()
_NOBODYS_HASH = _hasher.hash(
    secrets.token_urlsafe(16)
)  # so that an unknown name takes as long as a wrong password


@dataclass(frozen=True)
class Made:
    """A new account; the password is told once and stored as a hash."""

    user_id: UUID
    login_name: str
    initial_password: str


@transaction("people.manage")
def create(actor: Actor, login_name: str, name: str, role: str, division_id: str) -> Made:
    """Creates an account with a generated password that must be replaced at the first sign-in.

    Raises DomainError `scope_unknown`, `permission_denied` (outside the administrator's divisions)
    or `login_name_taken`.
    """
    if ROLES.get(role) != "division" or session().get(Division, division_id) is None:
        raise DomainError("scope_unknown")
    if not actor.reaches_division(division_id):
        raise DomainError("permission_denied")
    return _create(SYSTEM, actor.user_id, login_name, name, role, division_id)


@transaction(None)
def _create(
    actor: Actor, granted_by: UUID | None, login_name: str, name: str, role: str, division_id: str
) -> Made:
    password = _generate()
    user = User(name=name)
    account = StaffAccount(user_id=user.id, login_name=login_name, password_hash=_hasher.hash(password))
    grant = RoleGrant(
        user_id=user.id, role=role, scope_type="division", scope_id=division_id, granted_by=granted_by
    )
    session().add(user)
    session().flush()
    session().add_all([account, grant])
    try:
        session().flush()
    except IntegrityError:
        raise DomainError("login_name_taken") from None
    audit.record(
        Actor(granted_by) if granted_by else actor, "staff.created", account, role=role, division=division_id
    )
    return Made(user.id, login_name, password)


@transaction(None)
def create_administrator(actor: Actor, login_name: str, division_id: str) -> Made | None:
    """Creates the first system administrator; returns None when there is one already."""
    held = select(func.count()).select_from(RoleGrant).where(RoleGrant.role == "system_administrator")
    if session().execute(held).scalar_one():
        return None
    return _create(actor, None, login_name, "系统管理员", "system_administrator", division_id)


def sign_in(login_name: str, password: str, new_password: str | None) -> people.SignedIn:
    """Signs a member of staff in by password.

    Raises DomainError `staff_sign_in_failed`, `staff_locked`, `password_change_required` (first sign-in,
    or the password is older than 180 days, and no new one was given) or `password_too_weak`.
    """
    answer = _sign_in(SYSTEM, login_name, password, new_password)
    if isinstance(answer, DomainError):
        raise answer
    return answer


@transaction(None)
def _sign_in(
    actor: Actor, login_name: str, password: str, new_password: str | None
) -> people.SignedIn | DomainError:
    # Refusals are returned, not raised: the count of failures must stay.
    account = (
        session()
        .execute(select(StaffAccount).where(StaffAccount.login_name == login_name).with_for_update())
        .scalar()
    )
    if account is not None and account.locked_until is not None and account.locked_until > now():
        wait = round((account.locked_until - now()).total_seconds()) + 1
        return DomainError("staff_locked", headers={"Retry-After": str(wait)}, retry_after=wait)
    try:
        _hasher.verify(account.password_hash if account else _NOBODYS_HASH, password)
    except VerifyMismatchError:
        if account is not None:
            account.failures += 1
            if account.failures >= FAILURES:
                account.locked_until = now() + timedelta(minutes=2 ** min(account.failures - FAILURES, 10))
            audit.record(actor, "staff.sign_in_failed", account, failures=account.failures)
        return DomainError("staff_sign_in_failed")
    if account is None:
        return DomainError("staff_sign_in_failed")
    if new_password is not None:
        if not _strong(new_password, login_name) or new_password == password:
            return DomainError("password_too_weak")
        account.password_hash, account.password_set_at = _hasher.hash(new_password), now()
        people.end_sign_ins(account.user_id, "password_changed")
        audit.record(actor, "staff.password_set", account)
    if account.password_set_at is None or account.password_set_at + PASSWORD_LIFE < now():
        return DomainError("password_change_required")
    account.failures, account.locked_until = 0, None
    return people.open_sign_in(actor, account.user_id, "staff")


def _strong(password: str, login_name: str) -> bool:
    classes = (str.islower, str.isupper, str.isdigit, lambda c: not c.isalnum())
    held = sum(any(test(character) for character in password) for test in classes)
    return len(password) >= 8 and held >= 3 and not (login_name and login_name.lower() in password.lower())


def _generate() -> str:
    # Without the letters that people misread: the password is typed from a screen.
    alphabet = "".join(sorted(set(string.ascii_letters + string.digits) - set("0OoIl1")))
    while True:
        password = "-".join("".join(secrets.choice(alphabet) for _ in range(5)) for _ in range(3))
        if _strong(password, ""):
            return password
