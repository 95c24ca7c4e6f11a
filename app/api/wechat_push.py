"""Where the platform pushes its events: verified, taken in once, and done or left to a job."""

from __future__ import annotations

from typing import Any

from flask import Flask, Response, current_app, request

from app.access import SYSTEM
from app.api.frame import public
from app.errors import DomainError
from app.services import pushes
from models.message_templates import Channel
from wechat.push import PushReceiver, PushRejected

RECEIVERS = {Channel.subscribe: "push_receiver", Channel.template: "official_push_receiver"}


def init_app(app: Flask) -> None:
    """Adds the push address of each account, as entered on mp.weixin.qq.com (WeChat: 消息推送)."""
    mini, official = {"channel": Channel.subscribe}, {"channel": Channel.template}
    rules = (("/wechat/push", mini, ""), ("/wechat/push/oa", official, "_official"))
    for rule, account, name in rules:
        for method, view in (("GET", verify), ("POST", receive)):
            app.add_url_rule(rule, f"wechat_{view.__name__}{name}", view, methods=[method], defaults=account)


def _receiver(channel: Channel) -> PushReceiver:
    receiver: PushReceiver | None = current_app.extensions.get(RECEIVERS[channel])
    if receiver is None:
        raise DomainError("not_found")
    return receiver


@public
def verify(_actor: Any, channel: Channel) -> Response:
    """Answers the platform's check of the address by repeating `echostr`."""
    given = [request.args.get(name, "") for name in ("signature", "timestamp", "nonce", "echostr")]
    try:
        return Response(_receiver(channel).verify(*given), mimetype="text/plain")
    except PushRejected as error:
        raise DomainError(f"push_{error.code}") from None


@public
def receive(_actor: Any, channel: Channel) -> Response:
    """Takes an event in; an event that came before changes nothing and gets the same answer."""
    try:
        event = _receiver(channel).receive(request.args, request.get_data())
    except PushRejected as error:
        raise DomainError(f"push_{error.code}") from None
    pushes.take_in(SYSTEM, channel, event)
    return Response("success", mimetype="text/plain")
