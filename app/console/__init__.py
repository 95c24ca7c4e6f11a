"""The bureau's console under /console: pages for staff, over the same services as the API."""

from __future__ import annotations

from importlib import import_module

from flask import Flask, Response, request
from flask_wtf.csrf import CSRFError

from app.console.frame import POLICY, blp, csrf, fingerprint, refuse_forged

# The pages, by domain; importing one registers its routes.
PAGES = (
    "account",
    "accounts",
    "agencies",
    "agency_calendar",
    "agency_own",
    "attendance",
    "audit_trail",
    "bookings",
    "campaign_wizard",
    "campaigns",
    "case_figures",
    "case_queue",
    "case_trainings",
    "case_work",
    "cases",
    "checkins",
    "enterprise_merges",
    "enterprise_reviews",
    "enterprises",
    "evidence",
    "filters",
    "held_certificates",
    "home",
    "lists",
    "memberships",
    "message_templates",
    "notice_routes",
    "organisations",
    "radar",
    "sending",
    "sign_in",
    "signups",
    "trainers",
    "training_calendar",
    "trainings",
    "transfers",
    "visits",
)


def init_app(app: Flask) -> None:
    """Registers the pages, the session's cookie and the protection against forged forms."""
    settings = app.config["SETTINGS"]
    app.config.update(
        SESSION_COOKIE_NAME="tizhitong",
        SESSION_COOKIE_PATH="/console",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.public_url.startswith("https://"),
        WTF_CSRF_TIME_LIMIT=None,  # as long as the session
        WTF_CSRF_SSL_STRICT=False,  # the token decides; behind a proxy the referrer may be cut
        WTF_CSRF_CHECK_DEFAULT=False,
    )
    for name in PAGES:
        import_module(f"app.console.{name}")
    csrf.init_app(app)
    app.register_error_handler(CSRFError, refuse_forged)
    app.url_defaults(fingerprint)
    app.register_blueprint(blp)
    app.after_request(_secure)


def _secure(response: Response) -> Response:
    if request.blueprint == "console":
        response.headers["Content-Security-Policy"] = POLICY
        response.headers["Referrer-Policy"] = "same-origin"
        response.headers.setdefault("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
        if request.endpoint == "console.static":
            kept = "public, max-age=31536000, immutable" if "v" in request.args else "no-cache"
            response.headers["Cache-Control"] = kept
        else:
            response.headers["Cache-Control"] = "no-store"
    return response
