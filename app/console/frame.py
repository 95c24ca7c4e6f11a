"""What every page of the console shares: who acts, permissions, answers, refusals and assets."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from functools import cache, wraps
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from flask import Blueprint, Response, flash, g, redirect, render_template, request, session, url_for
from flask_wtf.csrf import CSRFError, CSRFProtect
from markupsafe import Markup, escape

from app.access import NOBODY, Actor
from app.console.navigation import items_for
from app.errors import DomainError
from app.limits import count_user
from app.services import people, sending_alerts, transfers
from config.settings import settings
from models.lifecycle import IllegalMove

blp = Blueprint(
    "console",
    __name__,
    url_prefix="/console",
    template_folder="templates",
    static_folder="static",
)
csrf = CSRFProtect()

POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none';"
    " form-action 'self'; frame-ancestors 'none'"
)
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
FORM_BYTES = 64 * 1024
"""What a form adds to the files that it carries."""
UPLOADED_AT_ONCE = 5
"""How many files of the largest size one form may carry."""
SIGN_IN = "console.sign_in"
# What a person must hear of on a page of its own, also after a POST.
PAGES_OF_THEIR_OWN = frozenset({"not_found", "permission_denied", "rate_limited"})

View = Callable[..., Any]
_uploads: set[str] = set()


def page(
    rule: str, *, methods: tuple[str, ...] = ("GET",), endpoint: str | None = None, upload: bool = False
) -> Callable[[View], View]:
    """Registers a page; raises TypeError for one that says neither @require(…) nor @public.

    Args:
        endpoint: the name for `url_for`, without "console."; otherwise the view's.
        upload: the page takes files, which are larger than a form may be.
    """

    def decorate(view: View) -> View:
        if not hasattr(view, "permission"):
            raise TypeError(f"{view.__name__}: declares neither @require(…) nor @public")
        blp.add_url_rule(rule, endpoint or view.__name__, view, methods=list(methods))
        if upload:
            _uploads.add(f"console.{endpoint or view.__name__}")
        return view

    return decorate


def require(permission: str) -> Callable[[View], View]:
    """Declares the permission under which a page acts; the view gets its actor, narrowed to it.

    Whoever is not signed in is led to the sign-in page; whoever may not is told so (403).
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def run(*args: Any, **kwargs: Any) -> Any:
            token = session.get("token")
            if not token:
                raise DomainError("sign_in_required")
            g.actor = people.authenticate_at_desk(token)
            count_user(str(g.actor.user_id))
            return view(g.actor.acting(permission), *args, **kwargs)

        run.permission = permission  # type: ignore[attr-defined]
        return run

    return decorate


def public(view: View) -> View:
    """Declares a page open to everybody; the view gets NOBODY as its actor."""

    @wraps(view)
    def run(*args: Any, **kwargs: Any) -> Any:
        return view(NOBODY, *args, **kwargs)

    run.permission = None  # type: ignore[attr-defined]
    return run


def may(permission: str) -> bool:
    """Returns whether whoever is signed in holds the permission: for what a page offers, never for a rule."""
    actor: Actor | None = g.get("actor")
    return actor is not None and actor.may(permission)


# --- answers


def render(template: str, status: int = 200, **values: Any) -> Response:
    """Returns a page of the console's templates."""
    return Response(render_template(f"console/{template}", **values), status=status)


def done(message: str, url: str) -> Any:
    """Says what was done and leads on: a reload repeats nothing."""
    flash(message, "success")
    return redirect(url, 303)


def back(otherwise: str) -> str:
    """Returns the page of ours that the person came from, by the form's `back` or the referrer."""
    for candidate in (request.form.get("back"), request.args.get("back"), request.referrer):
        if local := own_path(candidate):
            return local
    return otherwise


def own_path(address: str | None) -> str | None:
    """Returns path and query of an address of the console's; None for anybody else's (no open redirect)."""
    if not address or re.search(r"[\x00-\x20\\]", address):
        return None
    parts = urlsplit(address)
    if parts.netloc and parts.netloc != request.host:
        return None
    if not (parts.path == "/console" or parts.path.startswith("/console/")) or "//" in parts.path:
        return None
    return parts.path + (f"?{parts.query}" if parts.query else "")


def attachment(name: str, content: bytes, media_type: str = XLSX) -> Response:
    """Returns a file to be saved, never shown as a page."""
    response = Response(content, mimetype=media_type)
    # A header is Latin-1: RFC 8187 carries the Chinese name.
    response.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(name)}"
    return response


# --- refusals


@blp.errorhandler(IllegalMove)
def _illegal(error: IllegalMove) -> Any:
    return _refused(DomainError("illegal_move", current=error.current.label, target=error.target.label))


@blp.errorhandler(DomainError)
def _refused(error: DomainError) -> Any:
    """Leads to the sign-in page, back to the page one came from, or says it on a page."""
    if error.status == 401:
        return _to_sign_in(error)
    on_a_page = error.code in PAGES_OF_THEIR_OWN or "HX-Request" in request.headers
    if request.method == "POST" and not on_a_page:
        fields = "；".join(text for texts in error.fields.values() for text in texts)
        flash(f"{error.message}{'：' + fields if fields else ''}", "danger")
        return redirect(back(url_for("console.home")), 303)
    # Whose it is or whether it exists at all is not told: both are out of reach.
    status = 403 if error.code == "not_found" else error.status
    response = render("error.html", status, error=error)
    response.headers.update(error.headers)
    return response


def _to_sign_in(error: DomainError) -> Any:
    if "token" in session:
        session.clear()
        flash("长时间没有操作或已在别处退出，请重新登录。", "warning")
    wanted = own_path(request.full_path.rstrip("?")) if request.method == "GET" else None
    url = url_for(SIGN_IN, next=wanted) if wanted else url_for(SIGN_IN)
    if request.headers.get("HX-Request"):
        return Response(status=error.status, headers={"HX-Redirect": url})
    if request.accept_mimetypes.best == "application/json":
        return Response(status=error.status)
    return redirect(url, 303)


def refuse_forged(error: CSRFError) -> Response:
    """Says that a form is too old, or not ours."""
    stale = DomainError("form_expired")
    return render("error.html", stale.status, error=stale)


@blp.before_request
def _admit() -> None:
    """Lets files in where a page takes them, and only forms of ours."""
    if request.endpoint in _uploads:
        request.max_content_length = UPLOADED_AT_ONCE * settings().file_megabytes * 1024 * 1024 + FORM_BYTES
    csrf.protect()


# --- assets and what templates know


@cache
def _digest(path: str) -> str:
    return hashlib.sha256((Path(__file__).parent / "static" / path).read_bytes()).hexdigest()[:12]


def fingerprint(endpoint: str, values: dict[str, Any]) -> None:
    """Puts a file's digest into its address, so that browsers may keep it for good."""
    if endpoint == "console.static" and "v" not in values:
        values["v"] = _digest(values["filename"])


@blp.app_template_global()
def icon(name: str, label: str = "") -> Markup:
    """Returns a picture of the sprite; with a label where no text stands beside it."""
    named = Markup('role="img" aria-label="{}"').format(label) if label else Markup('aria-hidden="true"')
    sprite = url_for("console.static", filename="vendor/icons.svg")
    return Markup('<svg class="icon" {}><use href="{}#{}"></use></svg>').format(named, sprite, escape(name))


@blp.context_processor
def _surroundings() -> dict[str, Any]:
    actor: Actor | None = g.get("actor")
    if actor is None:
        return {"who": None, "may": may}
    return {
        "who": people.card(actor),
        "nav": items_for(actor),
        "under_way": transfers.under_way(actor.acting("people.staff")) if actor.may("people.staff") else 0,
        "may": may,
        "sending_standing": lambda: sending_alerts.standing(actor),
    }
