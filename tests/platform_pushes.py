"""Pushes of the platform, made as it makes them and handed to the application's own addresses."""

from __future__ import annotations

import time
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from wechat.push import seal

ADDRESSES = {"mp": "/wechat/push", "oa": "/wechat/push/oa"}


def sealed(
    app: Flask, account: str, event: str, openid: str, at: float | None = None, **fields: Any
) -> tuple[dict[str, str], bytes]:
    """The query and body of an event of that account (mp, oa), which happened `at` and is pushed now.

    The mini-program's are JSON, the Official Account's XML.
    """
    settings = app.config["SETTINGS"]
    message = {
        "ToUserName": "gh_1",
        "FromUserName": openid,
        "CreateTime": int(time.time() if at is None else at),
        "MsgType": "event",
        "Event": event,
        **fields,
    }
    return seal(
        message,
        appid=getattr(settings, f"wechat_{account}_appid"),
        token=getattr(settings, f"wechat_{account}_push_token"),
        aes_key=getattr(settings, f"wechat_{account}_aes_key"),
        timestamp=int(time.time()),
        fmt="json" if account == "mp" else "xml",
    )


def push(
    app: Flask, account: str, event: str, openid: str, at: float | None = None, **fields: Any
) -> TestResponse:
    """The platform pushes an event; returns what it is answered."""
    query, body = sealed(app, account, event, openid, at, **fields)
    return app.test_client().post(ADDRESSES[account], query_string=query, data=body)


def answered(app: Flask, openid: str, at: float | None = None, **answers: str) -> TestResponse:
    """Somebody answered the popup: template → accept, reject."""
    items = [
        {"TemplateId": template, "SubscribeStatusString": answer, "PopupScene": "0"}
        for template, answer in answers.items()
    ]
    return push(
        app, "mp", "subscribe_msg_popup_event", openid, at, List=items[0] if len(items) == 1 else items
    )


def switched_off(app: Flask, openid: str, template: str, at: float | None = None) -> TestResponse:
    """Somebody switched a message off in the settings."""
    item = {"TemplateId": template, "SubscribeStatusString": "reject"}
    return push(app, "mp", "subscribe_msg_change_event", openid, at, List=item)
