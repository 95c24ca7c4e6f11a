"""How refusals and crashes reach whoever asked: problem+json for programs, a page for people."""

from __future__ import annotations

from typing import Any

from flask import Flask, Response, g, render_template, request
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix

from app.api.frame import Json, problem, refusal_of
from app.errors import DomainError
from app.logs import log
from app.transactions import session
from models.lifecycle import IllegalMove


def init_app(app: Flask) -> None:
    """Installs the error handlers, the JSON writer and the security headers."""
    app.json = Json(app)
    proxies = app.config["SETTINGS"].trusted_proxies
    if proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=proxies, x_proto=proxies, x_host=proxies)  # type: ignore[method-assign]

    @app.before_request
    def refuse_nul() -> None:
        # Legal in an address, but in no text of PostgreSQL; in bodies and queries the shapes refuse it.
        if "\0" in request.path:
            raise DomainError("not_found")

    @app.errorhandler(DomainError)
    def refused(error: DomainError) -> Response:
        return _answer(error)

    @app.errorhandler(IllegalMove)
    def illegal(error: IllegalMove) -> Response:
        return _answer(DomainError("illegal_move", current=error.current.label, target=error.target.label))

    @app.errorhandler(HTTPException)
    def http(error: HTTPException) -> Any:
        return error.response or _answer(refusal_of(error))

    @app.errorhandler(Exception)
    def crashed(error: Exception) -> Response:
        if app.config["PROPAGATE_EXCEPTIONS"]:
            raise error
        log.error("crash", exc_info=error)
        session().rollback()
        return _answer(DomainError("internal_error"))

    @app.after_request
    def secure(response: Response) -> Response:
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        response.headers.setdefault("Referrer-Policy", "no-referrer")
        response.headers.setdefault("Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'")
        if "actor" in g:
            response.headers.setdefault("Cache-Control", "no-store")
        return response


def _answer(error: DomainError) -> Response:
    if request.path.startswith("/api/"):
        return problem(error)
    page = render_template("error.html", error=error, request_id=g.get("request_id"))
    return Response(page, status=error.status, headers=error.headers)
