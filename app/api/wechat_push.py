"""Where the platform pushes its events: verified, taken in once, and left to a job."""

from __future__ import annotations

from typing import Any

from flask import Flask, Response, current_app, request

from app.access import SYSTEM
from app.api.frame import public
from app.errors import DomainError
from app.services import pushes
from wechat.push import PushReceiver, PushRejected


def init_app(app: Flask) -> None:
    """Adds the push address that is entered on mp.weixin.qq.com (WeChat: 消息推送)."""
    app.add_url_rule("/wechat/push", view_func=verify, methods=["GET"], endpoint="wechat_verify")
    app.add_url_rule("/wechat/push", view_func=receive, methods=["POST"], endpoint="wechat_push")


def _receiver() -> PushReceiver:
    receiver: PushReceiver = current_app.extensions["push_receiver"]
    return receiver


@public
def verify(_actor: Any) -> Response:
    """Answers the platform's check of the address by repeating `echostr`."""
    given = [request.args.get(name, "") for name in ("signature", "timestamp", "nonce", "echostr")]
    try:
        return Response(_receiver().verify(*given), mimetype="text/plain")
    except PushRejected as error:
        raise DomainError(f"push_{error.code}") from None


@public
def receive(_actor: Any) -> Response:
    """Takes an event in; an event that came before changes nothing and gets the same answer."""
    try:
        event = _receiver().receive(request.args, request.get_data())
    except PushRejected as error:
        raise DomainError(f"push_{error.code}") from None
    pushes.take_in(SYSTEM, event.name, event.dedupe_key, event.user_openid, event.payload)
    return Response("success", mimetype="text/plain")
