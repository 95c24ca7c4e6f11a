"""Who may do what to which rows: actors, roles, permissions, and the guard on every query."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

from sqlalchemy import Table, event
from sqlalchemy.orm import ORMExecuteState, Session, with_loader_criteria
from sqlalchemy.sql import visitors

from app.errors import DomainError
from models.base import Base, division_patterns

PERSON = "person"  # what everybody who is signed in is, in the scope of themselves
MEMBERS = frozenset({"owner", "member"})
BUREAU = frozenset({"county_staff", "city_staff"})
DESK = frozenset({"branch_staff", "agency_staff", "bank_officer"}) | BUREAU
"""Who does the programme's business at a desk."""
APART = frozenset({"system_administrator", "auditor"})
"""Who keeps the system and does none of its business, nor each other's (GB/T 22239 三员分立)."""

# role → the kind of scope in which it is granted
ROLES: dict[str, str] = {
    "owner": "enterprise",
    "member": "enterprise",
    "trainer": "training",
    "branch_staff": "division",
    "county_staff": "division",
    "city_staff": "division",
    "agency_staff": "agency",
    "bank_officer": "bank",
    "auditor": "division",
    "system_administrator": "division",
}

ROLE_NAMES: dict[str, str] = {
    "owner": "企业负责人",
    "member": "企业成员",
    "trainer": "讲师/签到员",
    "branch_staff": "基层分局",
    "county_staff": "县局经办",
    "city_staff": "市局经办",
    "agency_staff": "帮扶机构",
    "bank_officer": "银行客户经理",
    "auditor": "审计员",
    "system_administrator": "系统管理员",
}


@dataclass(frozen=True)
class Permission:
    """The roles that hold a permission.

    Acting `for_staff`, rows that are public are not in reach; under one that is `own`, rows of the person
    who acts are, as they are under every permission that anybody holds.
    """

    roles: frozenset[str]
    for_staff: bool = False
    own: bool = False

    @property
    def reaches_own(self) -> bool:
        return self.own or PERSON in self.roles


PERMISSIONS: dict[str, Permission] = {
    "people.self": Permission(frozenset({PERSON})),
    "people.staff": Permission(DESK | APART, own=True),
    "people.manage": Permission(frozenset({"system_administrator"}), for_staff=True),
    "audit.read": Permission(frozenset({"auditor"}), for_staff=True),
    "enterprises.register": Permission(frozenset({PERSON})),
    "enterprises.read": Permission(MEMBERS | BUREAU | {PERSON, "branch_staff"}),
    "enterprises.write": Permission(MEMBERS),
    "enterprises.own": Permission(frozenset({"owner"})),
    "enterprises.review": Permission(BUREAU, for_staff=True),
    "enterprises.desk": Permission(BUREAU | {"branch_staff"}, for_staff=True),
    "held_certificates.write": Permission(MEMBERS | BUREAU),
    "trainings.read": Permission(frozenset({PERSON, "trainer"}) | BUREAU),
    "trainings.desk": Permission(DESK),
    "trainings.manage": Permission(BUREAU, for_staff=True),
    "signups.read": Permission(frozenset({PERSON}) | MEMBERS | BUREAU),
    "signups.write": Permission(MEMBERS),
    "signups.review": Permission(BUREAU, for_staff=True),
    "signups.roster": Permission(frozenset({"trainer"}) | BUREAU, for_staff=True),
    "checkins.self": Permission(frozenset({PERSON})),
    "checkins.write": Permission(frozenset({"trainer"}) | BUREAU, for_staff=True),
    "agencies.read": Permission(frozenset({PERSON})),
    "agencies.desk": Permission(DESK),
    "agencies.manage": Permission(frozenset({"city_staff"}), for_staff=True),
    "agencies.select": Permission(BUREAU, for_staff=True),
    "agencies.own": Permission(frozenset({"agency_staff"}), for_staff=True),
    "bookings.read": Permission(MEMBERS),
    "bookings.write": Permission(MEMBERS),
    "bookings.desk": Permission(BUREAU | {"branch_staff", "agency_staff"}, for_staff=True),
    "bookings.manage": Permission(frozenset({"agency_staff"}), for_staff=True),
    "cases.read": Permission(MEMBERS | {"agency_staff"}),
    "cases.write": Permission(MEMBERS),
    "cases.desk": Permission(BUREAU | {"branch_staff", "agency_staff"}, for_staff=True),
    "cases.route": Permission(BUREAU, for_staff=True),
    "cases.correct": Permission(BUREAU | {"agency_staff"}, for_staff=True),
    "cases.work": Permission(frozenset({"agency_staff"}), for_staff=True),
    "evidence.read": Permission(DESK - {"bank_officer"} | MEMBERS),
    "evidence.write": Permission(MEMBERS | BUREAU | {"agency_staff"}),
    "messages.read": Permission(frozenset({PERSON})),
    "messages.desk": Permission(BUREAU, for_staff=True),
    "messages.templates": Permission(frozenset({"city_staff"}), for_staff=True),
    "messages.send": Permission(BUREAU, for_staff=True),
}


@dataclass(frozen=True)
class Grant:
    """A role held in one scope: (role, scope type, scope id)."""

    role: str
    scope_type: str
    scope_id: str


@dataclass(frozen=True)
class Actor:
    """Who acts, with which grants, and under which one permission at the moment."""

    user_id: UUID | None
    grants: tuple[Grant, ...] = ()
    permission: str | None = None
    everything: bool = False
    closing_at: datetime | None = None

    def may(self, permission: str) -> bool:
        """Returns whether any grant carries the permission, in whatever scope."""
        roles = PERMISSIONS[permission].roles
        return (
            self.everything
            or (PERSON in roles and self.user_id is not None)
            or any(g.role in roles for g in self.grants)
        )

    def acting(self, permission: str) -> Actor:
        """Returns this actor narrowed to one permission.

        Raises DomainError `permission_denied` or, for somebody whose account is being closed and who
        may only look after themselves, `account_closing`.
        """
        if self.permission == permission:
            return self
        if self.closing_at is not None and permission != "people.self":
            raise DomainError("account_closing", date=f"{self.closing_at:%Y年%m月%d日}")
        if not self.may(permission):
            raise DomainError("permission_denied")
        return replace(self, permission=permission)

    @property
    def home(self) -> str | None:
        """The division that a member of staff works for, if any."""
        return next((grant.scope_id for grant in self.grants if grant.scope_type == "division"), None)

    @property
    def for_staff(self) -> bool:
        return self.permission is not None and PERMISSIONS[self.permission].for_staff

    @cached_property
    def reach(self) -> dict[str, Any]:
        """The bound values of every narrowed statement: the scopes in which the permission is held."""
        permission = PERMISSIONS[self.permission] if self.permission else Permission(frozenset())
        held: dict[str, list[str]] = {"division": [], "enterprise": [], "training": [], "agency": []}
        for grant in self.grants:
            if grant.role in permission.roles and grant.scope_type in held:
                held[grant.scope_type].append(grant.scope_id)
        return {
            "reach_user": self.user_id if permission.reaches_own else None,
            "reach_divisions": division_patterns(tuple(held["division"])),
            "reach_enterprises": [UUID(scope) for scope in held["enterprise"]],
            "reach_trainings": [UUID(scope) for scope in held["training"]],
            "reach_agencies": [UUID(scope) for scope in held["agency"]],
        }

    def reaches_division(self, division_id: str) -> bool:
        """Returns whether a row of that division would be in reach: for rows about to be made."""
        patterns = self.reach["reach_divisions"]
        return self.everything or any(
            division_id.startswith(p[:-1]) if p.endswith("%") else division_id == p for p in patterns
        )

    def reaches_agency(self, agency_id: UUID) -> bool:
        """Returns whether what belongs to that agency is this actor's to change."""
        return self.everything or agency_id in self.reach["reach_agencies"]


SYSTEM = Actor(user_id=None, everything=True)
"""The program itself: jobs, the command line, and steps that a service takes on its own behalf."""

NOBODY = Actor(user_id=None)
"""Somebody not signed in: reaches what is everybody's and nothing else."""


class NoActor(RuntimeError):
    """A query was issued outside every business act: a mistake in the program, never of the user."""


_models_in: WeakKeyDictionary[Any, tuple[Any, ...]] = WeakKeyDictionary()
_by_table: dict[Any, Any] = {}
_criteria: dict[tuple[Any, bool], Any] = {}


def guard(session: type[Session] | Any) -> None:
    """Installs the guard: every ORM statement is narrowed to its actor's reach, or raises NoActor."""
    event.listen(session, "do_orm_execute", _narrow)
    event.listen(session, "before_flush", _refuse_without_actor)


def acting_in(session: Session) -> Actor:
    """Returns who acts in the session; raises NoActor outside every business act."""
    actor: Actor | None = session.info.get("actor")
    if actor is None:
        raise NoActor("a statement outside every business act")
    return actor


def narrowed(statement: Any, actor: Actor) -> Any:
    """Returns the statement narrowed to the actor's reach; it takes `actor.reach` as parameters."""
    if actor.everything or statement.is_insert:
        return statement
    scoped = [model for model in _scoped_models(statement) if model.__scope__ is not None]
    return (
        statement.options(*(_criterion(model, actor.for_staff) for model in scoped)) if scoped else statement
    )


def _narrow(state: ORMExecuteState) -> None:
    actor = acting_in(state.session)
    if state.is_column_load:
        return
    statement = narrowed(state.statement, actor)
    if statement is state.statement:
        return
    given = state.parameters or {}
    if not isinstance(given, Mapping):
        raise NoActor("a narrowed statement runs with one set of parameters")
    state.statement, state.parameters = statement, {**given, **actor.reach}


def _criterion(model: Any, for_staff: bool) -> Any:
    key = (model, for_staff)
    if key not in _criteria:
        condition = model.__scope__.condition(model, for_staff=for_staff)
        _criteria[key] = with_loader_criteria(model, condition, include_aliases=True)
    return _criteria[key]


def _scoped_models(statement: Any) -> tuple[Any, ...]:
    """The models whose tables stand anywhere in the statement (count() and EXISTS included)."""
    found = _models_in.get(statement)
    if found is None:
        if not _by_table:
            _by_table.update({mapper.local_table: mapper.class_ for mapper in Base.registry.mappers})
        tables = {getattr(element, "table", element) for element in visitors.iterate(statement)}
        found = tuple(_by_table[table] for table in tables if isinstance(table, Table) and table in _by_table)
        _models_in[statement] = found
    return found


def _refuse_without_actor(session: Session, _context: Any, _instances: Any) -> None:
    acting_in(session)
