"""Pages of one's own account: password, sign-ins, second factor and WeChat."""

from __future__ import annotations

from typing import Any

from flask import Response, flash, redirect, request, session, url_for

from app.access import Actor
from app.console.forms import Form
from app.console.frame import done, page, render, require
from app.console.sign_in import SCAN, device, followed, go_on, keep
from app.errors import DomainError
from app.services import own_account, scan_requests
from schemas import people as shapes


@page("/account")
@require("people.staff")
def account(actor: Actor) -> Response:
    """What there is of it, and where one is signed in."""
    return render(
        "account/account.html",
        account=own_account.get(actor),
        sign_ins=own_account.sign_ins(actor, session["token"]),
    )


@page("/sign-out", methods=("POST",))
@require("people.staff")
def sign_out(actor: Actor) -> Any:
    """Ends the sign-in of this browser."""
    own_account.sign_out(actor, session["token"])
    session.clear()
    flash("已退出登录。", "success")
    return redirect(url_for("console.sign_in"), 303)


@page("/account/sign-ins/end-others", methods=("POST",))
@require("people.staff")
def account_end_others(actor: Actor) -> Any:
    """Ends all other sign-ins."""
    ended = own_account.end_other_sign_ins(actor, session["token"])
    return done(f"已退出其他 {ended} 处登录。" if ended else "没有其他登录。", url_for("console.account"))


@page("/account/password", methods=("GET", "POST"))
@require("people.staff")
def account_password(actor: Actor) -> Any:
    """Another password."""
    form = Form(shapes.PasswordChangeBody)
    if form.submitted:
        with form:
            given = form.values()
            own_account.change_password(
                actor, session["token"], given["current_password"], given["new_password"]
            )
            return done("密码已修改，其他登录已全部退出。", url_for("console.account"))
    return form.page("account/password.html", login_name=own_account.get(actor)["login_name"])


@page("/account/recovery-codes", methods=("GET", "POST"))
@require("people.staff")
def account_recovery_codes(actor: Actor) -> Any:
    """New recovery codes, shown once."""
    form = Form(shapes.CodeBody)
    if form.submitted:
        with form:
            codes = own_account.renew_recovery_codes(actor, **form.values())
            return render("account/recovery_codes.html", codes=codes)
    return form.page("account/prove.html", act="recovery_codes")


@page("/account/authenticator", methods=("GET", "POST"))
@require("people.staff")
def account_authenticator(actor: Actor) -> Any:
    """Another authenticator: ends every sign-in, and begins with the step that takes the new one into use."""
    form = Form(shapes.CodeBody)
    if form.submitted:
        with form:
            opened = own_account.replace_second_factor(actor, session["token"], **form.values())
            session.clear()
            return go_on(opened)
    return form.page("account/prove.html", act="authenticator")


@page("/account/wechat", methods=("GET", "POST"))
@require("people.staff")
def account_wechat(actor: Actor) -> Any:
    """Asks to bind WeChat."""
    form = Form(shapes.CodeBody)
    if form.submitted:
        with form:
            keep(scan_requests.ask_binding(actor, device(), **form.values()))
            return redirect(url_for("console.account_wechat_scan"), 303)
    return form.page("account/prove.html", act="wechat")


@page("/account/wechat/scan", methods=("GET", "POST"))
@require("people.staff")
def account_wechat_scan(_actor: Actor) -> Any:
    """The code to scan; the page asks by POST how far it is, and goes on by itself."""
    if SCAN not in session:
        return redirect(url_for("console.account_wechat"), 303)
    if request.method == "GET":
        return render("account/wechat.html", scan=session[SCAN])
    return followed(_bound)


def _bound() -> Any:
    session.pop(SCAN)
    return done("微信已绑定，今后可扫码登录。", url_for("console.account"))


@page("/account/wechat.png")
@require("people.staff")
def account_wechat_image(_actor: Actor) -> Response:
    """The picture to scan."""
    if SCAN not in session:
        raise DomainError("scan_request_gone")
    return Response(scan_requests.image(session[SCAN]["number"]), mimetype="image/png")


@page("/account/wechat/unbind", methods=("POST",))
@require("people.staff")
def account_wechat_unbind(actor: Actor) -> Any:
    """Ends signing in by scanning."""
    own_account.unbind_wechat(actor)
    return done("已解除微信绑定。", url_for("console.account"))
