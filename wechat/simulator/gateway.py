"""The gate before every interface: the platform's checks in their order, its answers in their form."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from flask import Flask, Response, request

from wechat.simulator import faults
from wechat.simulator.errors import Refusal

if TYPE_CHECKING:
    from wechat.simulator.platform import Platform

_ESCAPED_TEXT = re.compile(rb"(?<!\\)(?:\\\\)*\\u(?!00[0-7])[0-9a-fA-F]{4}")


@dataclass(frozen=True)
class Call:
    """One call that passed the gate: its query and its JSON body (empty for GET)."""

    query: Mapping[str, str]
    body: dict[str, Any]


Handler = Callable[["Platform", Call], dict[str, Any] | Response]


@dataclass(frozen=True)
class Endpoint:
    """One interface: `token` says whether it wants an access_token."""

    path: str
    method: Literal["GET", "POST"]
    handler: Handler
    token: bool = True
    content_type: str = "application/json; charset=utf-8"


def register(app: Flask, platform: Platform, endpoints: list[Endpoint]) -> None:
    """Opens the interfaces on the application."""
    for endpoint in endpoints:
        app.add_url_rule(
            endpoint.path,
            endpoint=endpoint.path,
            view_func=_view(platform, endpoint),
            methods=["GET", "POST"],
        )


def _view(platform: Platform, endpoint: Endpoint) -> Callable[[], Response]:
    def view() -> Response:
        fault = platform.faults.take(endpoint.path)
        if fault and (answer := faults.strike(fault)):
            _remember(platform, endpoint, None, fault.kind)
            return answer
        try:
            if fault and fault.kind == "errcode":
                raise Refusal(fault.value)
            with platform.lock:
                reply = endpoint.handler(platform, _admit(platform, endpoint))
        except Refusal as refusal:
            reply = refusal.reply()
        errcode = reply.get("errcode", 0) if isinstance(reply, dict) else 0
        _remember(platform, endpoint, errcode, fault.kind if fault else None)
        if fault and fault.kind == "drop_after_accept":
            return faults.hang_up()
        if isinstance(reply, Response):
            return reply
        text = json.dumps(reply, ensure_ascii=False, separators=(",", ":"))
        return Response(text, content_type=endpoint.content_type)

    return view


def _admit(platform: Platform, endpoint: Endpoint) -> Call:
    """Checks token, method, body and quota, in that order; raises Refusal at the first that fails."""
    now = platform.now()
    if endpoint.token:
        platform.tokens.check(request.args.get("access_token", ""), now)
    if request.method != endpoint.method:
        raise Refusal(43002 if endpoint.method == "POST" else 43001)
    body = _json_body() if endpoint.method == "POST" else {}
    platform.quotas.spend(endpoint.path, now)
    return Call(query=request.args, body=body)


def _json_body() -> dict[str, Any]:
    raw = request.get_data()
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


def _remember(platform: Platform, endpoint: Endpoint, errcode: int | None, fault: str | None) -> None:
    with platform.lock:
        platform.calls.append({"path": endpoint.path, "errcode": errcode, "fault": fault})
