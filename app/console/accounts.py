"""Pages of an administrator: the accounts of staff."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response, url_for

from app.access import SYSTEM, Actor
from app.console.forms import Form
from app.console.frame import done, page, render, require
from app.console.lists import list_page
from app.services import agencies, financing, reference, staff, staff_directory
from app.services.staff_directory import ACCOUNTS, STAFF_ROLES
from schemas import people as shapes


@page("/accounts")
@require("people.manage")
def accounts(actor: Actor) -> Response:
    """The accounts in the divisions administered."""
    links = {"login_name": lambda row: url_for("console.account_of", account_id=row["id"])}
    return list_page(actor, ACCOUNTS, template="accounts/list.html", links=links)


@page("/accounts/new", methods=("GET", "POST"))
@require("people.manage")
def account_new(actor: Actor) -> Any:
    """A new account; its password is shown once."""
    form = Form(shapes.StaffBody)
    if form.submitted:
        with form:
            made = staff.create(actor, **form.values())
            return render("accounts/password.html", made=made, new=True)
    return form.page("accounts/new.html", **_scopes(actor))


def _scopes(actor: Actor) -> dict[str, Any]:
    """What an account's role can be held in."""
    return {
        "roles": STAFF_ROLES,
        "divisions": [one for one in reference.divisions(SYSTEM) if actor.reaches_division(one.id)],
        "agencies": [(str(one.id), one.name) for one in agencies.every(actor)],
        "banks": [(str(one.id), one.name) for one in financing.every(actor)],
    }


@page("/accounts/<uuid:account_id>")
@require("people.manage")
def account_of(actor: Actor, account_id: UUID) -> Response:
    """One account, and what can be done with it."""
    return render("accounts/account.html", account=staff_directory.get(actor, account_id))


@page("/accounts/<uuid:account_id>/name", methods=("GET", "POST"))
@require("people.manage")
def account_rename(actor: Actor, account_id: UUID) -> Any:
    """Another name."""
    account = staff_directory.get(actor, account_id)
    form = Form(shapes.NameBody, {"name": account.held.name})
    if form.submitted:
        with form:
            staff.rename(actor, account_id, **form.values())
            return _done("姓名已更正。", account_id)
    return form.page("accounts/name.html", account=account)


@page("/accounts/<uuid:account_id>/role", methods=("GET", "POST"))
@require("people.manage")
def account_role(actor: Actor, account_id: UUID) -> Any:
    """Another role or scope."""
    account = staff_directory.get(actor, account_id)
    held = account.held
    given = {"role": held.role, f"{held.scope_type}_id": held.scope_id}
    form = Form(shapes.RoleBody, given)
    if form.submitted:
        with form:
            staff.change_role(actor, account_id, **form.values())
            return _done("角色与范围已调整，该账号的登录已全部退出。", account_id)
    return form.page("accounts/role.html", account=account, **_scopes(actor))


@page("/accounts/<uuid:account_id>/disable", methods=("POST",))
@require("people.manage")
def account_disable(actor: Actor, account_id: UUID) -> Any:
    """Takes it out of use."""
    staff.disable(actor, account_id)
    return _done("账号已停用，其登录已全部退出。", account_id)


@page("/accounts/<uuid:account_id>/enable", methods=("POST",))
@require("people.manage")
def account_enable(actor: Actor, account_id: UUID) -> Any:
    """Takes it into use again."""
    staff.enable(actor, account_id)
    return _done("账号已启用。", account_id)


@page("/accounts/<uuid:account_id>/reset-password", methods=("POST",))
@require("people.manage")
def account_reset_password(actor: Actor, account_id: UUID) -> Any:
    """A generated password, shown once."""
    return render("accounts/password.html", made=staff.reset_password(actor, account_id), new=False)


@page("/accounts/<uuid:account_id>/reset-second-factor", methods=("POST",))
@require("people.manage")
def account_reset_second_factor(actor: Actor, account_id: UUID) -> Any:
    """Takes the second factor away."""
    staff.reset_second_factor(actor, account_id)
    return _done("第二道验证已重置，本人下次登录时重新启用。", account_id)


def _done(message: str, account_id: UUID) -> Any:
    return done(message, url_for("console.account_of", account_id=account_id))
