"""Events of the platform, from the mini-program and the Official Account: what each one obliges us to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, text
from sqlalchemy.dialects.postgresql import insert

from app import outbox
from app.access import Actor
from app.services import deliveries, followers, personal_data, subscriptions
from app.transactions import session, transaction
from models.base import now
from models.message_templates import Channel
from models.requests import ReceivedPush

PHONE_REVOKED = "8"  # RevokeInfo of user_authorization_revoke: 手机号
RETRIES = (2, 5, 15, 60, 300, 1800, 7200)
"""Seconds after which a result is tried again whose message is not known: it may be older than our record."""

Facts = Mapping[str, Any]
Handler = Callable[[Actor, str, datetime, Facts], None]


@transaction(None)
def take_in(
    actor: Actor, channel: Channel, name: str, dedupe_key: str, openid: str, at: int, payload: Facts
) -> bool:
    """Takes an event in and does or enqueues what it obliges us to; returns False when it had come before.

    Args:
        channel: of which account it is.
        at: when it happened, in Unix seconds.
    """
    fresh = (
        session()
        .execute(
            insert(ReceivedPush)
            .values(dedupe_key=dedupe_key, event=name[:64])
            .on_conflict_do_nothing()
            .returning(ReceivedPush.dedupe_key)
        )
        .first()
    )
    if fresh is None:
        return False
    if (channel, name) in HANDLERS:
        _, fields = HANDLERS[channel, name]
        told = {field: payload[field] for field in fields if field in payload}
        if name in AT_ONCE:
            handle(actor, channel, name, openid, at, told)
        else:
            outbox.defer(
                "pushes.handle", channel=channel, name=name, openid=openid, happened_at=at, told=told
            )
    return True


@transaction(None)
def handle(actor: Actor, channel: str, name: str, openid: str, happened_at: int, told: Facts) -> None:
    """Does what an event obliges us to; done twice, it does nothing more.

    Args:
        happened_at: in Unix seconds.
        told: the fields of the event that its handler reads.
    """
    act, _ = HANDLERS[Channel[channel], name]
    act(actor, openid, datetime.fromtimestamp(happened_at, UTC), told)


# --- a person's account and consents


def _on_revoke(actor: Actor, openid: str, _at: datetime, told: Facts) -> None:
    """WeChat: 用户撤回授权信息 — what was revoked is erased."""
    if PHONE_REVOKED in _listed(told.get("RevokeInfo")):
        personal_data.erase_phone(actor, openid)


def _listed(info: Any) -> list[str]:
    items = info if isinstance(info, list) else str(info or "").split(",")
    return [str(item).strip() for item in items if str(item).strip()]


def _on_cancellation(actor: Actor, openid: str, _at: datetime, _told: Facts) -> None:
    """WeChat: 用户注销 — the person's data is erased."""
    personal_data.close_by_openid(actor, openid)


def _on_follower_gone(actor: Actor, openid: str, _at: datetime, _told: Facts) -> None:
    """WeChat: 用户注销 or 撤回 at the Official Account, where the follower is all that is known."""
    followers.forget(actor, openid=openid)


# --- what may be sent


def _on_popup(actor: Actor, openid: str, at: datetime, told: Facts) -> None:
    """WeChat: 用户操作订阅消息弹窗."""
    subscriptions.on_answers(actor, openid, at, _answers(told))


def _on_change(actor: Actor, openid: str, at: datetime, told: Facts) -> None:
    """WeChat: 用户管理订阅消息."""
    subscriptions.on_change(actor, openid, at, _answers(told))


def _answers(told: Facts) -> list[tuple[str, str]]:
    return [
        (item["TemplateId"], item["SubscribeStatusString"])
        for item in told.get("List", ())
        if item.get("TemplateId") and item.get("SubscribeStatusString") in subscriptions.ANSWERS
    ]


def _on_follow(actor: Actor, openid: str, _at: datetime, _told: Facts) -> None:
    """WeChat: 关注."""
    followers.follow(actor, openid)


def _on_unfollow(actor: Actor, openid: str, at: datetime, _told: Facts) -> None:
    """WeChat: 取消关注."""
    followers.unfollow(actor, openid, at)


# --- what became of a message


def _on_sent(actor: Actor, openid: str, _at: datetime, told: Facts) -> None:
    """WeChat: 发送订阅消息 — the result; a failure is one of the platform's own."""
    for item in told.get("List", ()):
        ok = item.get("ErrorCode") == "0"
        _complete(actor, Channel.subscribe, openid, item, ok, item.get("ErrorStatus", ""))


def _on_template_result(actor: Actor, openid: str, _at: datetime, told: Facts) -> None:
    """WeChat: 模板消息发送任务完成 — success, failed:user block, failed: system failed, failed:freq limit."""
    status = str(told.get("Status", "")).lower().replace(" ", "")
    _complete(actor, Channel.template, openid, told, status == "success", status)


def _complete(actor: Actor, channel: Channel, openid: str, told: Facts, ok: bool, reason: str) -> None:
    number = str(told.get("MsgID", ""))
    if number.isascii() and number.isdigit() and int(number) < 2**63:
        complete(actor, channel, int(number), ok, reason[:200], openid, told.get("TemplateId"), 0)


@transaction(None)
def complete(
    actor: Actor,
    channel: str,
    message_id: int,
    ok: bool,
    reason: str,
    openid: str,
    template: str | None,
    attempt: int,
) -> None:
    """Completes a delivery; a result that came before our own record of the message is tried again later."""
    known = deliveries.complete(
        actor, Channel[channel], message_id, ok, reason, openid=openid, template=template
    )
    if not known and attempt < len(RETRIES):
        outbox.defer(
            "pushes.complete",
            at=now() + timedelta(seconds=RETRIES[attempt]),
            channel=channel,
            message_id=message_id,
            ok=ok,
            reason=reason,
            openid=openid,
            template=template,
            attempt=attempt + 1,
        )


_MINI, _OFFICIAL = Channel.subscribe, Channel.template
HANDLERS: dict[tuple[Channel, str], tuple[Handler, tuple[str, ...]]] = {
    (_MINI, "user_authorization_revoke"): (_on_revoke, ("RevokeInfo",)),
    (_MINI, "user_authorization_cancellation"): (_on_cancellation, ()),
    (_MINI, "subscribe_msg_popup_event"): (_on_popup, ("List",)),
    (_MINI, "subscribe_msg_change_event"): (_on_change, ("List",)),
    (_MINI, "subscribe_msg_sent_event"): (_on_sent, ("List",)),
    (_OFFICIAL, "user_authorization_revoke"): (_on_follower_gone, ()),
    (_OFFICIAL, "user_authorization_cancellation"): (_on_follower_gone, ()),
    (_OFFICIAL, "subscribe"): (_on_follow, ()),
    (_OFFICIAL, "unsubscribe"): (_on_unfollow, ()),
    (_OFFICIAL, "TEMPLATESENDJOBFINISH"): (_on_template_result, ("MsgID", "Status")),
}
"""Account and event → what it obliges us to, and the fields of the event that this needs."""

AT_ONCE = frozenset(
    {
        "subscribe_msg_popup_event",
        "subscribe_msg_change_event",
        "subscribe_msg_sent_event",
        "subscribe",
        "unsubscribe",
        "TEMPLATESENDJOBFINISH",
    }
)
"""What is done as it comes in: a few statements, not worth a job each."""


@transaction(None)
def forget(_actor: Actor) -> None:
    """Forgets events older than a week: the platform repeats one for seconds, not days."""
    session().execute(
        delete(ReceivedPush).where(ReceivedPush.received_at < func.now() - text("interval '7 days'"))
    )
