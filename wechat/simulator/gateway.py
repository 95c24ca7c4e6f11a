"""The gate before every interface: the platform's checks in their order, its answers in their form.

It stands before Flask, which would cost more than the interfaces themselves.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qsl

from wechat.simulator import faults
from wechat.simulator.errors import Refusal

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from wechat.simulator.accounts import App, Kind
    from wechat.simulator.platform import Platform

Method = Literal["GET", "POST"]
JSON = "application/json; charset=utf-8"
_ESCAPED_TEXT = re.compile(rb"(?<!\\)(?:\\\\)*\\u(?!00[0-7])[0-9a-fA-F]{4}")


@dataclass(frozen=True)
class Answer:
    """What goes back over the wire."""

    content: bytes
    content_type: str = JSON
    status: int = 200


@dataclass(frozen=True)
class Call:
    """One call that passed the gate: whose token it had, its query and its JSON body (empty for GET)."""

    app: App
    query: Mapping[str, str]
    body: dict[str, Any]


Handler = Callable[["Platform", Call], dict[str, Any] | Answer]


@dataclass(frozen=True)
class Endpoint:
    """One interface: `kind` says whose it is, `token` whether it wants an access_token.

    `to_person` marks those that send to `touser`, to whom only one message can be on its way.
    """

    path: str
    method: Method
    handler: Handler
    token: bool = True
    content_type: str = JSON
    kind: Kind = "mini_program"
    to_person: bool = False


class Gate:
    """Answers the interfaces and leaves everything else to the application behind it."""

    def __init__(self, behind: WSGIApplication, platform: Platform, endpoints: list[Endpoint]) -> None:
        self._behind = behind
        self._platform = platform
        self._endpoints = {endpoint.path: endpoint for endpoint in endpoints}

    @property
    def paths(self) -> list[str]:
        """The interfaces."""
        return sorted(self._endpoints)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        endpoint = self._endpoints.get(environ["PATH_INFO"])
        if endpoint is None:
            return self._behind(environ, start_response)
        answer = self._answer(endpoint, environ)
        headers = [("Content-Type", answer.content_type), ("Content-Length", str(len(answer.content)))]
        start_response(f"{answer.status} {HTTPStatus(answer.status).phrase}", headers)
        return [answer.content]

    def _answer(self, endpoint: Endpoint, environ: WSGIEnvironment) -> Answer:
        platform, raw = self._platform, _read(environ)
        fault = platform.faults.take(endpoint.path)
        kind = fault.kind if fault else None
        if fault and kind in ("5xx", "html", "timeout"):
            self._remember(endpoint, None, kind)
            if kind == "timeout":
                time.sleep(fault.value)
                faults.hang_up(environ)
            return error_page(fault.value if kind != "timeout" else 500)
        reply: dict[str, Any] | Answer
        engaged: tuple[str, str] | None = None
        delay = platform.latency + (fault.value if fault and kind == "slow" else 0)
        try:
            if fault and kind == "errcode":
                raise Refusal(fault.value)
            with platform.lock:
                call = self._admit(endpoint, environ, raw)
                engaged = self._engage(endpoint, call)
            _wait(delay)
            with platform.lock:
                reply = endpoint.handler(platform, call)
        except Refusal as refusal:
            if engaged is None:
                _wait(delay)
            reply = refusal.reply()
        finally:
            if engaged:
                with platform.lock:
                    platform.sending.discard(engaged)
        self._remember(endpoint, reply.get("errcode", 0) if isinstance(reply, dict) else 0, kind)
        if kind == "drop_after_accept":
            faults.hang_up(environ)
        if isinstance(reply, Answer):
            return reply
        text = json.dumps(reply, ensure_ascii=False, separators=(",", ":"))
        return Answer(text.encode(), endpoint.content_type)

    def _admit(self, endpoint: Endpoint, environ: WSGIEnvironment, raw: bytes) -> Call:
        """Checks token, method, body and quota, in that order; raises Refusal at the first that fails."""
        platform, now = self._platform, self._platform.now()
        query = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
        app = platform.app
        if endpoint.token:
            app = platform.accounts.of_token(query.get("access_token", ""), now)
            if app.kind != endpoint.kind:
                raise Refusal(48001)
        if environ["REQUEST_METHOD"] != endpoint.method:
            raise Refusal(43002 if endpoint.method == "POST" else 43001)
        body = _json_body(raw) if endpoint.method == "POST" else {}
        platform.quotas.spend(endpoint.path, now)
        return Call(app, query, body)

    def _engage(self, endpoint: Endpoint, call: Call) -> tuple[str, str] | None:
        if not endpoint.to_person:
            return None
        addressee = (call.app.appid, str(call.body.get("touser", "")))
        if addressee in self._platform.sending:
            raise Refusal(43108)
        self._platform.sending.add(addressee)
        return addressee

    def _remember(self, endpoint: Endpoint, errcode: int | None, fault: str | None) -> None:
        with self._platform.lock:
            self._platform.calls.append({"path": endpoint.path, "errcode": errcode, "fault": fault})


def error_page(status: int, title: str | None = None) -> Answer:
    """Returns the bare page a web server in front of the platform shows."""
    title = title or (f"{status} {HTTPStatus(status).phrase}" if status >= 400 else "系统维护中")
    page = f"<html><head><title>{title}</title></head><body><center><h1>{title}</h1></center></body></html>"
    return Answer(page.encode(), "text/html; charset=utf-8", status)


def _wait(seconds: float) -> None:
    if seconds:  # sleeping for no time at all still gives up the processor
        time.sleep(seconds)


def _read(environ: WSGIEnvironment) -> bytes:
    raw: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    return raw


def _json_body(raw: bytes) -> dict[str, Any]:
    if not raw:
        raise Refusal(44002)
    try:
        body = json.loads(raw)
    except ValueError:
        raise Refusal(47001) from None
    if not isinstance(body, dict):
        raise Refusal(47001)
    if _ESCAPED_TEXT.search(raw):
        # escapes such as \u4f01 would reach people's screens as they are, not as a character
        raise Refusal(40033)
    return body
