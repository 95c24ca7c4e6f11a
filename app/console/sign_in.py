"""Pages of signing in: password or scan, then what else is due, step by step."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import segno
from flask import Response, flash, redirect, request, session, url_for

from app.access import SYSTEM, Actor
from app.console.devices import device_of
from app.console.forms import Form
from app.console.frame import blp, own_path, page, public, render
from app.errors import DomainError
from app.limits import count_sign_in
from app.services import scan_requests, staff_sign_ins
from app.services.scan_requests import Stage
from app.services.staff_sign_ins import Due, Opened, Step
from schemas import people as shapes

HALF_OPEN = "half_open"
SCAN = "scan"
NEXT = "next"


def device() -> str:
    """Returns what this browser is called in the list of one's sign-ins."""
    return device_of(request.user_agent.string)


def go_on(opened: Opened) -> Any:
    """Keeps the sign-in's token and leads to its next step; a complete one gets a session of its own."""
    if opened.step == Step.done:
        begin_session(opened)
        return redirect(_after(), 303)
    session[HALF_OPEN] = opened.token
    return redirect(_page_of(opened.step), 303)


def begin_session(opened: Opened) -> None:
    """Begins the session anew with a complete sign-in: nothing of the one before is carried over."""
    wanted = session.get(NEXT)
    session.clear()
    session["token"] = opened.token
    if wanted:
        session[NEXT] = wanted


def _after() -> str:
    return own_path(session.pop(NEXT, None)) or url_for("console.home")


def at_step(step: Step) -> Callable[[Callable[[Due], Any]], Callable[[Actor], Any]]:
    """Makes a view the page of one step: it gets what is due, or another page is led to."""

    def decorate(view: Callable[[Due], Any]) -> Callable[[Actor], Any]:
        @wraps(view)
        def run(_actor: Actor) -> Any:
            try:
                due = staff_sign_ins.due(SYSTEM, session.get(HALF_OPEN, ""))
            except DomainError:
                flash("登录已超时，请重新登录。", "warning")
                return redirect(url_for("console.sign_in"), 303)
            return view(due) if due.step == step else redirect(_page_of(due.step), 303)

        return run

    return decorate


def _page_of(step: Step) -> str:
    return url_for(f"console.sign_in_{step}")


@page("/sign-in", methods=("GET", "POST"))
@public
def sign_in(_actor: Actor) -> Any:
    """By user name and password."""
    if "token" in session:
        return redirect(url_for("console.home"), 303)
    if wanted := own_path(request.args.get("next")):
        session[NEXT] = wanted
    form = Form(shapes.PasswordSignInBody)
    if form.submitted:
        count_sign_in()
        with form:
            return go_on(staff_sign_ins.begin(**form.values(), device=device()))
    return form.page("sign_in/password.html")


@page("/sign-in/scan", methods=("GET", "POST"))
@public
def sign_in_scan(_actor: Actor) -> Any:
    """By scanning with the mini-program; the page asks by POST how far it is, and goes on by itself."""
    if request.method == "GET":
        if "token" in session:
            return redirect(url_for("console.home"), 303)
        if _stage() != Stage.waiting:
            keep(scan_requests.ask_sign_in(device()))
        return render("sign_in/scan.html", scan=session[SCAN])
    return followed(lambda: go_on(scan_requests.exchange(SYSTEM, session.pop(SCAN)["secret"])))


def keep(asked: scan_requests.Asked) -> None:
    """Keeps what this browser alone holds of a code on its screen."""
    session[SCAN] = {"secret": asked.secret, "number": asked.number, "digits": asked.digits}


def _stage() -> Stage:
    return scan_requests.stage(SYSTEM, session.get(SCAN, {}).get("secret", ""))


def followed(confirmed: Any) -> Response:
    """Returns how far the code is, as a part of its page; leads on when it is confirmed."""
    stage = _stage()
    if stage == Stage.waiting:
        return Response(status=204)
    if stage == Stage.gone:
        return render("sign_in/_gone.html")
    return Response(status=204, headers={"HX-Redirect": confirmed().headers["Location"]})


@page("/sign-in/scan.png")
@public
def sign_in_scan_image(_actor: Actor) -> Response:
    """The picture to scan: of this browser's own request."""
    if SCAN not in session:
        raise DomainError("scan_request_gone")
    return Response(scan_requests.image(session[SCAN]["number"]), mimetype="image/png")


@page("/sign-in/code", methods=("GET", "POST"))
@public
@at_step(Step.code)
def sign_in_code(_due: Due) -> Any:
    """The second factor."""
    form = Form(shapes.CodeBody)
    if form.submitted:
        with form:
            return go_on(staff_sign_ins.give_code(session[HALF_OPEN], **form.values()))
    return form.page("sign_in/code.html")


@page("/sign-in/new-password", methods=("GET", "POST"))
@public
@at_step(Step.password)
def sign_in_password(due: Due) -> Any:
    """A password of one's own."""
    form = Form(shapes.NewPasswordBody)
    if form.submitted:
        with form:
            return go_on(
                staff_sign_ins.set_password(SYSTEM, session[HALF_OPEN], form.values()["new_password"])
            )
    return form.page("sign_in/new_password.html", login_name=due.login_name)


@page("/sign-in/authenticator", methods=("GET", "POST"))
@public
@at_step(Step.enrol)
def sign_in_enrol(due: Due) -> Any:
    """The authenticator, taken into use by its first code; then the recovery codes, shown once."""
    form = Form(shapes.CodeBody)
    if form.submitted:
        with form:
            enrolled = staff_sign_ins.confirm_enrolment(session[HALF_OPEN], **form.values())
            begin_session(enrolled.opened)
            return render("sign_in/recovery_codes.html", codes=enrolled.recovery_codes, after=_after())
    enrolment = staff_sign_ins.enrolment(SYSTEM, session[HALF_OPEN])
    return form.page(
        "sign_in/authenticator.html",
        login_name=due.login_name,
        enrolment=enrolment,
        picture=segno.make(enrolment.address, error="m").svg_data_uri(scale=5, border=2),
    )


@blp.app_template_filter()
def in_fours(secret: str) -> str:
    """Returns a secret in groups of four, as people type it."""
    return " ".join(secret[at : at + 4] for at in range(0, len(secret), 4))
