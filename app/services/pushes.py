"""Events of the platform, from the mini-program and the Official Account: what each one obliges us to."""

from __future__ import annotations

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
from wechat.events import (
    Followed,
    SubscribeMessageSent,
    SubscriptionAnswered,
    TemplateMessageSent,
    Told,
    Unfollowed,
    read,
)
from wechat.push import Event

PHONE_REVOKED = "8"  # RevokeInfo of user_authorization_revoke: 手机号
RETRIES = (2, 5, 15, 60, 300, 1800, 7200)
"""Seconds after which a result is tried again whose message is not known: it may be older than our record."""


@transaction(None)
def take_in(actor: Actor, channel: Channel, event: Event) -> bool:
    """Takes in an event of that channel's account; returns False when it had come before.

    What it tells of messages and followers is a few statements and done at once; what it obliges us to
    erase is left to a job.
    """
    fresh = (
        session()
        .execute(
            insert(ReceivedPush)
            .values(dedupe_key=event.dedupe_key, event=event.name[:64])
            .on_conflict_do_nothing()
            .returning(ReceivedPush.dedupe_key)
        )
        .first()
    )
    if fresh is None:
        return False
    at = datetime.fromtimestamp(event.created_at, UTC)
    told = read(event)
    if channel == Channel.subscribe:
        _of_mini_program(actor, event.user_openid, at, told)
    else:
        _of_official_account(actor, at, told)
    if (channel, event.name) in HANDLERS:
        outbox.defer(
            "pushes.handle",
            channel=channel,
            name=event.name,
            openid=event.user_openid,
            revoked=_revoked(event.payload),
        )
    return True


# --- a person's account and consents


@transaction(None)
def handle(actor: Actor, channel: str, name: str, openid: str, revoked: list[str]) -> None:
    """Erases what an event obliges us to; done twice, it does nothing more."""
    HANDLERS[Channel[channel], name](actor, openid, revoked)


def _revoked(payload: dict[str, Any]) -> list[str]:
    info = payload.get("RevokeInfo")
    items = info if isinstance(info, list) else str(info or "").split(",")
    return [str(item).strip() for item in items if str(item).strip()]


def _on_revoke(actor: Actor, openid: str, revoked: list[str]) -> None:
    """WeChat: 用户撤回授权信息 — what was revoked is erased."""
    if PHONE_REVOKED in revoked:
        personal_data.erase_phone(actor, openid)


def _on_cancellation(actor: Actor, openid: str, _revoked_items: list[str]) -> None:
    """WeChat: 用户注销 — the person's data is erased."""
    personal_data.close_by_openid(actor, openid)


def _on_follower_gone(actor: Actor, openid: str, _revoked_items: list[str]) -> None:
    """WeChat: 用户注销, 用户撤回授权信息, at the Official Account, where following is all that is known."""
    followers.forget(actor, openid=openid)


HANDLERS = {
    (Channel.subscribe, "user_authorization_revoke"): _on_revoke,
    (Channel.subscribe, "user_authorization_cancellation"): _on_cancellation,
    (Channel.template, "user_authorization_revoke"): _on_follower_gone,
    (Channel.template, "user_authorization_cancellation"): _on_follower_gone,
}


# --- messages and followers


def _of_mini_program(actor: Actor, openid: str, at: datetime, told: list[Told]) -> None:
    answers = [one for one in told if isinstance(one, SubscriptionAnswered)]
    in_popup = [(one.template_id, "accept" if one.accepted else "reject") for one in answers if one.in_sheet]
    off = [one.template_id for one in answers if not one.in_sheet and not one.accepted]
    if in_popup:
        subscriptions.on_answers(actor, openid, at, in_popup)
    if off:
        subscriptions.on_switched_off(actor, openid, at, off)
    for one in told:
        if isinstance(one, SubscribeMessageSent):
            _complete(
                actor, Channel.subscribe, one.msgid, not one.error, one.error, one.openid, one.template_id
            )


def _of_official_account(actor: Actor, at: datetime, told: list[Told]) -> None:
    for one in told:
        match one:
            case Followed():
                followers.follow(actor, one.openid)
            case Unfollowed():
                followers.unfollow(actor, one.openid, at)
            case TemplateMessageSent():
                arrived = one.result == "success"
                _complete(actor, Channel.template, one.msgid, arrived, one.status, one.openid, None)


def _complete(
    actor: Actor, channel: Channel, msgid: str, ok: bool, reason: str, openid: str, template: str | None
) -> None:
    if msgid.isascii() and msgid.isdigit() and int(msgid) < 2**63:
        complete(actor, channel, int(msgid), ok, reason[:200], openid, template, 0)


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


@transaction(None)
def forget(_actor: Actor) -> None:
    """Forgets events older than a week: the platform repeats one for seconds, not days."""
    session().execute(
        delete(ReceivedPush).where(ReceivedPush.received_at < func.now() - text("interval '7 days'"))
    )
