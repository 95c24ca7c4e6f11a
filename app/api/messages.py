"""Messages: the inbox, and what may be sent to WeChat."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from app.access import Actor
from app.api.frame import Blueprint, require
from app.services import messages, subscriptions
from schemas import messages as shapes
from schemas.base import PageQuery, page_of

blp = Blueprint("messages", __name__, description="消息")


@blp.route("/messages")
@require("messages.read")
@blp.arguments(PageQuery, location="query")
@blp.response(200, page_of(shapes.NoticeOut))
def inbox(actor: Actor, query: dict[str, Any]) -> Any:
    """本人的消息，最新的在前"""
    return messages.inbox(actor, **query)


@blp.route("/messages/unread")
@require("messages.read")
@blp.response(200, shapes.UnreadOut)
def unread(actor: Actor) -> Any:
    """未读条数"""
    return {"unread": messages.unread(actor)}


@blp.route("/messages/read", methods=["POST"])
@require("messages.read")
@blp.response(200, shapes.ReadOut)
def read_all(actor: Actor) -> Any:
    """全部标为已读"""
    return {"read": messages.read_all(actor)}


@blp.route("/messages/<uuid:notice_id>/read", methods=["POST"])
@require("messages.read")
@blp.response(204)
def read(actor: Actor, notice_id: UUID) -> None:
    """标为已读"""
    messages.read(actor, notice_id)


@blp.route("/messages/subscriptions")
@require("messages.read")
@blp.arguments(shapes.AskQuery, location="query")
@blp.response(200, shapes.AskOut)
def subscriptions_to_ask(actor: Actor, query: dict[str, Any]) -> Any:
    """此处点按时应请求订阅的模板（wx.requestSubscribeMessage）"""
    return subscriptions.to_ask(actor, query["at"])


@blp.route("/messages/subscriptions", methods=["POST"])
@require("messages.read")
@blp.arguments(shapes.AnswersBody)
@blp.response(204)
def report_subscriptions(actor: Actor, body: dict[str, Any]) -> None:
    """上报用户对订阅请求的选择"""
    answers = {one["template_id"]: one["answer"] for one in body["answers"]}
    subscriptions.report(actor, answers, body["nonce"], timedelta(seconds=body["seconds_ago"]))
