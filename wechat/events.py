"""What the pushes about messages and followers say, in types of their own.

Pushes may come late and in any order: what decides is `at`, and the dedupe key of the Event they came in.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Literal

from wechat.push import Event

TemplateResult = Literal["success", "blocked", "failed"]
_SCENE = "qrscene_"


@dataclass(frozen=True, slots=True)
class SubscriptionAnswered:
    """The person answered for one template: in the sheet (`in_sheet`, where an accept is worth one message)
    or in the mini-program's settings, of which WeChat tells only refusals. `at` is in Unix seconds.
    """

    openid: str = field(repr=False)
    template_id: str
    accepted: bool
    in_sheet: bool
    at: int


@dataclass(frozen=True, slots=True)
class SubscribeMessageSent:
    """What became of a subscribe message; `error` is WeChat's word for a failure, empty when it arrived."""

    openid: str = field(repr=False)
    template_id: str
    msgid: str
    error: str


@dataclass(frozen=True, slots=True)
class TemplateMessageSent:
    """What became of a template message: arrived, refused by the person, or failed for another reason."""

    openid: str = field(repr=False)
    msgid: str
    result: TemplateResult
    status: str


@dataclass(frozen=True, slots=True)
class Followed:
    """The person follows the Official Account; `scene` is what the scanned code carried, if one was."""

    openid: str = field(repr=False)
    scene: str
    at: int


@dataclass(frozen=True, slots=True)
class Unfollowed:
    """The person no longer follows: what is known from following must be deleted (WeChat: 取消关注)."""

    openid: str = field(repr=False)
    at: int


@dataclass(frozen=True, slots=True)
class Scanned:
    """A follower scanned a code of the Official Account."""

    openid: str = field(repr=False)
    scene: str
    at: int


Told = SubscriptionAnswered | SubscribeMessageSent | TemplateMessageSent | Followed | Unfollowed | Scanned


def read(event: Event) -> list[Told]:
    """Return what an event says; nothing for events of other kinds, and for items that name nothing.

    WeChat: 订阅消息事件推送, 模板消息送达事件, 关注/取消关注事件.
    """
    openid, at, payload = event.user_openid, event.created_at, event.payload
    match event.name:
        case "subscribe_msg_popup_event" | "subscribe_msg_change_event":
            in_sheet = event.name == "subscribe_msg_popup_event"
            return [
                SubscriptionAnswered(openid, item["TemplateId"], status == "accept", in_sheet, at)
                for item in payload["List"]
                if item.get("TemplateId") and (status := _word(item.get("SubscribeStatusString")))
            ]
        case "subscribe_msg_sent_event":
            return [
                SubscribeMessageSent(openid, item["TemplateId"], item["MsgID"], _error(item))
                for item in payload["List"]
                if item.get("TemplateId") and item.get("MsgID")
            ]
        case "TEMPLATESENDJOBFINISH":
            msgid = str(payload.get("MsgID") or payload.get("MsgId") or "").strip()
            status = str(payload.get("Status") or "").strip()
            return [TemplateMessageSent(openid, msgid, _result(status), status)] if msgid and status else []
        case "subscribe":
            return [Followed(openid, _text(payload, "EventKey").removeprefix(_SCENE), at)]
        case "unsubscribe":
            return [Unfollowed(openid, at)]
        case "SCAN":
            return [Scanned(openid, _text(payload, "EventKey").removeprefix(_SCENE), at)]
    return []


def _word(value: object) -> str:
    return re.sub(r"\s+", "", str(value or "")).lower()


def _error(item: dict[str, str]) -> str:
    status = item.get("ErrorStatus", "")
    if _word(item.get("ErrorCode") or "0") == "0" and _word(status) in ("", "success"):
        return ""
    return status or str(item.get("ErrorCode"))


def _result(status: str) -> TemplateResult:
    word = _word(status)
    if word == "success":
        return "success"
    return "blocked" if word.endswith("userblock") else "failed"


def _text(payload: dict[str, Any], name: str) -> str:
    value = payload.get(name)
    return value.strip() if isinstance(value, str) else ""
