"""What every endpoint shares: sign-in, permission, limits, idempotency, errors and the OpenAPI document."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from functools import wraps
from typing import Any, cast

import flask_smorest
import marshmallow
import orjson
import webargs
from flask import Request, Response, g, request
from flask.json.provider import JSONProvider
from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from webargs.flaskparser import FlaskParser
from werkzeug.exceptions import HTTPException

from app.access import NOBODY, Actor
from app.errors import DomainError, by_field
from app.limits import count_user
from app.services import people
from app.transactions import begin
from models.requests import IdempotencyKey
from schemas.base import Problem

PROBLEM = "application/problem+json"
STATUSES = (400, 401, 403, 404, 409, 410, 413, 415, 422, 429, 503)

# What werkzeug and webargs refuse by themselves, by status.
_CODES = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    415: "unsupported_media_type",
    422: "validation_failed",
}


class Json(JSONProvider):
    """JSON by orjson, which writes UUIDs, enums and aware times as they are."""

    def dumps(self, obj: Any, **_: Any) -> str:
        return orjson.dumps(obj).decode()

    def loads(self, s: str | bytes, **_: Any) -> Any:
        return orjson.loads(s)

    def response(self, *args: Any, **kwargs: Any) -> Response:
        return Response(orjson.dumps(self._prepare_response_obj(args, kwargs)), mimetype="application/json")


class Api(flask_smorest.Api):  # type: ignore[misc]
    """The API and its OpenAPI document."""

    DEFAULT_ERROR_RESPONSE_NAME = None

    def describe(self) -> None:
        """Adds what the endpoints' documents refer to."""
        self.spec.components.security_scheme("bearer", {"type": "http", "scheme": "bearer"})
        content = {PROBLEM: {"schema": Problem}}
        description = "拒绝：RFC 9457，code 为稳定的错误代码"
        self.spec.components.response("problem", {"description": description, "content": content})

    def _register_error_handlers(self) -> None:
        """Leaves the application's own handlers in place: they know pages as well as the API."""


def refusal_of(error: HTTPException) -> DomainError:
    """Returns what werkzeug or webargs refused as one of our refusals."""
    messages = getattr(error, "data", {}).get("messages", {})
    status = error.code or 500
    code = _CODES.get(status, "internal_error" if status >= 500 else "bad_request")
    if status == 400 and "json" in messages:
        code = "malformed_json"
    fields = by_field(messages) if status == 422 else {}
    headers = {name: value for name, value in error.get_headers() if name in ("Allow", "Retry-After")}
    return DomainError(code, fields=fields, headers=headers)


def problem(error: DomainError) -> Response:
    """Returns a refusal as RFC 9457 problem+json."""
    body = error.problem() | {"instance": g.get("request_id")}
    response = Response(orjson.dumps(body, default=str), status=error.status, mimetype=PROBLEM)
    response.headers.update(error.headers)
    if error.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


class Parser(FlaskParser):
    """Reads what came in: strict JSON and nothing else, and no query that the endpoint does not know."""

    DEFAULT_UNKNOWN_BY_LOCATION = {**FlaskParser.DEFAULT_UNKNOWN_BY_LOCATION, "query": marshmallow.RAISE}

    def _raw_load_json(self, req: Request) -> Any:
        content = req.get_data()
        if not content:
            return webargs.missing
        if not req.is_json:
            raise DomainError("unsupported_media_type")
        try:
            return orjson.loads(content)
        except orjson.JSONDecodeError:
            raise DomainError("malformed_json") from None


View = Callable[..., Any]
Decorator = Callable[[View], View]


class Blueprint(flask_smorest.Blueprint):  # type: ignore[misc]
    """A domain's endpoints; every refusal they may answer is in the document."""

    ARGUMENTS_PARSER = Parser()

    def arguments(self, schema: Any, *, location: str = "json", **kwargs: Any) -> Decorator:
        """Hands the view what came in at `location`, checked by `schema`."""
        if isinstance(schema, type):
            schema = schema()  # once: webargs would make a new one for every request
        return cast(Decorator, super().arguments(schema, location=location, **kwargs))

    def response(self, status: int, schema: Any = None, **kwargs: Any) -> Decorator:
        """Answers with what the view returns, in the shape of `schema`."""
        return cast(Decorator, super().response(status, schema, **kwargs))

    def route(self, rule: str, *, parameters: Any = None, **options: Any) -> Decorator:
        """Registers a view that says who may call it; raises TypeError for one that does not."""
        register = super().route(rule, parameters=parameters, **options)
        methods = options.get("methods") or ["GET"]

        def decorate(view: Any) -> Any:
            if not hasattr(view, "permission"):
                raise TypeError(f"{view.__name__}: declares neither @require(…) nor @public")
            document: dict[str, Any] = {
                "security": [{"bearer": []}] if view.permission else [],
                "responses": {str(status): "problem" for status in STATUSES},
            }
            if view.permission:
                document["x-permission"] = view.permission
                if view.keyed and "POST" in methods:
                    document["parameters"] = [IDEMPOTENCY_KEY]
            return register(self.doc(**document)(view))

        return decorate


IDEMPOTENCY_KEY = {
    "in": "header",
    "name": "Idempotency-Key",
    "schema": {"type": "string", "minLength": 8, "maxLength": 64, "pattern": "^[A-Za-z0-9_-]+$"},
    "description": "客户端生成的一次性编号；重复提交时返回第一次的答复。",
}
_KEY = re.compile("[A-Za-z0-9_-]{8,64}")


def public(view: View) -> View:
    """Declares a route open to everybody, signed in or not; the view gets NOBODY as its actor."""

    @wraps(view)
    def run(*args: Any, **kwargs: Any) -> Any:
        return view(NOBODY, *args, **kwargs)

    run.permission = None  # type: ignore[attr-defined]
    return run


def require(permission: str, *, keyed: bool = True) -> Decorator:
    """Declares the permission under which a route acts; the view gets its actor, narrowed to it.

    A POST takes an Idempotency-Key unless `keyed` is False, as for a view that calls the platform: the
    key holds a transaction open from before the act, and no network call may run inside one.

    Refusals: `sign_in_required`, `token_expired`, `permission_denied`, `rate_limited`.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def run(*args: Any, **kwargs: Any) -> Any:
            scheme, _, token = request.headers.get("Authorization", "").partition(" ")
            if scheme.lower() != "bearer" or not token:
                raise DomainError("sign_in_required")
            actor = g.actor = people.authenticate(token)
            count_user(str(actor.user_id))

            def act() -> Any:
                return view(actor.acting(permission), *args, **kwargs)

            key = request.headers.get("Idempotency-Key") if keyed and request.method == "POST" else None
            # Whoever left an enterprise and did not hear so may ask again, without the permission to leave.
            return act() if key is None else _once(actor, key, act)

        run.permission = permission  # type: ignore[attr-defined]
        run.keyed = keyed  # type: ignore[attr-defined]
        return run

    return decorate


def _once(actor: Actor, key: str, run: Callable[[], Response]) -> Response:
    """Runs a POST once per key: the key's row and the answer are part of the act's own transaction.

    A second request with the key waits for the first and gets its answer; one that was refused left
    no row, so that it may be tried again.
    """
    if not _KEY.fullmatch(key):
        raise DomainError("validation_failed", fields={"Idempotency-Key": ["应为 8–64 个字母、数字、- 或 _"]})
    content = b"\0".join((request.method.encode(), request.full_path.encode(), request.get_data()))
    fingerprint = hashlib.sha256(content).digest()
    own = (IdempotencyKey.user_id == actor.user_id, IdempotencyKey.key == key)
    with begin(actor.acting("people.self")) as session:
        mine = session.execute(
            insert(IdempotencyKey)
            .values(user_id=actor.user_id, key=key, fingerprint=fingerprint)
            .on_conflict_do_nothing()
            .returning(IdempotencyKey.key)
        ).first()
        if mine is None:
            first = session.execute(
                select(IdempotencyKey.fingerprint, IdempotencyKey.status, IdempotencyKey.answer).where(*own)
            ).one()
            if first.fingerprint != fingerprint:
                raise DomainError("idempotency_key_reused")
            return Response(first.answer, status=first.status, mimetype="application/json")
        response = run()
        session.execute(
            update(IdempotencyKey)
            .where(*own)
            .values(status=response.status_code, answer=response.get_data(as_text=True))
        )
        return response
