"""The accounts of staff as administrators see them: the list, and each with its role and state."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, bindparam, func, select

from app.access import ROLE_NAMES, SYSTEM, Actor
from app.errors import DomainError
from app.registers import Filter, Register, choice, contains, division
from app.services import reference
from app.services.roles import OF_STAFF
from app.transactions import session, transaction
from app.workbooks import Column
from app.workbooks.columns import Kind
from models.base import now
from models.people import CONSOLE, AccountState, RoleGrant, SignIn, StaffAccount, User


@dataclass(frozen=True)
class Held:
    """What is kept of a member of staff beside the account, and is out of an administrator's reach."""

    name: str = ""
    role: str = ""
    scope_type: str = ""
    scope_id: str = ""
    scope_name: str = ""
    seen_at: datetime | None = None


@dataclass(frozen=True)
class Account:
    """An account as an administrator sees it; `row` holds the columns that are shown."""

    row: Any
    held: Held
    own: bool

    @property
    def role_name(self) -> str:
        return ROLE_NAMES.get(self.held.role, "")

    @property
    def locked_until(self) -> datetime | None:
        until: datetime | None = self.row.locked_until
        return until if until and until > now() else None


@transaction("people.manage")
def get(actor: Actor, account_id: UUID) -> Account:
    """Returns an account in reach; raises DomainError `not_found`."""
    columns = (
        StaffAccount.id,
        StaffAccount.user_id,
        StaffAccount.login_name,
        StaffAccount.state,
        StaffAccount.created_at,
        StaffAccount.password_set_at,
        StaffAccount.totp_confirmed_at,
        StaffAccount.wechat_user_id,
        StaffAccount.locked_until,
    )
    found = session().execute(select(*columns).where(StaffAccount.id == account_id)).first()
    if found is None:
        raise DomainError("not_found")
    held = held_by(SYSTEM, [found.user_id])
    return Account(found, held[found.user_id], found.user_id == actor.user_id)


@transaction(None)
def held_by(system: Actor, user_ids: Collection[UUID]) -> dict[UUID, Held]:
    """Returns name, role for the desk and last use of the console of these people."""
    whose = (RoleGrant.user_id.in_(user_ids), RoleGrant.role.in_(OF_STAFF))
    columns = (RoleGrant.user_id, RoleGrant.role, RoleGrant.scope_type, RoleGrant.scope_id)
    grants = {row.user_id: row for row in session().execute(select(*columns).where(*whose))}
    scopes = reference.scope_names(system, {(row.scope_type, row.scope_id) for row in grants.values()})
    complete = (SignIn.user_id == User.id, SignIn.client == CONSOLE, SignIn.complete)
    seen = select(func.max(SignIn.seen_at)).where(*complete).scalar_subquery()
    people = select(User.id, User.name, seen.label("seen_at")).where(User.id.in_(user_ids))
    found = {}
    for person in session().execute(people):
        grant = grants.get(person.id)
        found[person.id] = Held(
            person.name or "",
            grant.role if grant else "",
            grant.scope_type if grant else "",
            grant.scope_id if grant else "",
            scopes.get((grant.scope_type, grant.scope_id), "") if grant else "",
            person.seen_at,
        )
    return found


def _show(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    held = held_by(SYSTEM, [row["user_id"] for row in rows])
    for row in rows:
        of = held[row["user_id"]]
        row |= {"name": of.name, "role": ROLE_NAMES.get(of.role, ""), "scope": of.scope_name}
        row |= {"seen_at": of.seen_at, "factor": "已启用" if row["totp_confirmed_at"] else "未启用"}
    return rows


@transaction(None)
def _named(_system: Actor, text: str) -> list[UUID]:
    """Returns the members of staff whose name holds the text: names are encrypted, and staff are few."""
    staff = select(User.id, User.name).join(StaffAccount, StaffAccount.user_id == User.id)
    return [person.id for person in session().execute(staff) if text in (person.name or "")]


@transaction(None)
def _holders(_system: Actor, role: str) -> list[UUID]:
    return list(session().execute(select(RoleGrant.user_id).where(RoleGrant.role == role)).scalars())


def _holders_of(text: str) -> list[UUID]:
    if text not in OF_STAFF:
        raise ValueError("没有这个选项")
    return _holders(SYSTEM, text)


def _among(name: str) -> Any:
    return StaffAccount.user_id == any_(bindparam(name, type_=ARRAY(Uuid())))


STAFF_ROLES = [(role, name) for role, name in ROLE_NAMES.items() if role in OF_STAFF]

ACCOUNTS = Register(
    "people.staff",
    "工作人员账号",
    "people.manage",
    select(
        StaffAccount.id,
        StaffAccount.user_id,
        StaffAccount.login_name,
        StaffAccount.division_id,
        StaffAccount.state,
        StaffAccount.totp_confirmed_at,
        StaffAccount.created_at,
    ),
    [
        Column("用户名", "login_name"),
        Column("姓名", "name"),
        Column("角色", "role"),
        Column("范围", "scope", width=28),
        Column("状态", "state", width=10),
        Column("第二道验证", "factor", width=12),
        Column("最近使用", "seen_at", kind=Kind.DATETIME),
        Column("建立时间", "created_at", kind=Kind.DATETIME),
    ],
    key=StaffAccount.id,
    sorts={"login_name": StaffAccount.login_name, "created_at": StaffAccount.created_at},
    default="-created_at",
    filters=[
        contains("login_name", "用户名", StaffAccount.login_name),
        Filter("name", "姓名", _among("name"), lambda text: _named(SYSTEM, text)),
        Filter("role", "角色", _among("role"), _holders_of, "choice", STAFF_ROLES),
        division("division", "辖区", StaffAccount.division_id),
        choice("state", "状态", StaffAccount.state, AccountState),
    ],
    show=_show,
)
