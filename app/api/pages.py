"""The few pages that anybody may open: the entrance and the check of a certificate."""

from __future__ import annotations

from typing import Any

from flask import Flask, render_template, request
from werkzeug.utils import redirect

from app.access import Actor
from app.api.frame import public
from app.errors import DomainError
from app.services import certificates


def init_app(app: Flask) -> None:
    """Adds the pages."""
    app.add_url_rule("/", view_func=entrance, endpoint="entrance")
    app.add_url_rule("/verify/", view_func=verify_form, endpoint="verify_form")
    app.add_url_rule("/verify/<code>", view_func=verify, endpoint="verify")


@public
def entrance(_actor: Actor) -> str:
    """The entrance: what this is and where to go."""
    return render_template("entrance.html")


@public
def verify_form(_actor: Actor) -> Any:
    """The form for a verification code."""
    code = "".join(filter(str.isalnum, request.args.get("code", ""))).upper()
    if code and code.isascii():
        return redirect(f"/verify/{code}")
    return render_template("verify.html", facts=None, error=None, code=None)


@public
def verify(actor: Actor, code: str) -> tuple[str, int]:
    """What the certificate with this code says, or that there is none."""
    try:
        facts = certificates.verify(actor, code)
    except DomainError as error:
        return render_template("verify.html", facts=None, error=error.message, code=code), error.status
    return render_template("verify.html", facts=facts, error=None, code=code), 200
