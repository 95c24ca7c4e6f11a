"""Events of the platform: what each one obliges us to."""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, func, text
from sqlalchemy.dialects.postgresql import insert

from app import outbox
from app.access import Actor
from app.services import personal_data
from app.transactions import session, transaction
from models.requests import ReceivedPush

PHONE_REVOKED = "8"  # RevokeInfo of user_authorization_revoke: 手机号


@transaction(None)
def take_in(_actor: Actor, name: str, dedupe_key: str, openid: str, payload: dict[str, Any]) -> bool:
    """Takes an event in and enqueues its handling; returns False when it had come before."""
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
    if name in HANDLERS:
        outbox.defer("pushes.handle", name=name, openid=openid, revoked=_revoked(payload))
    return True


def _revoked(payload: dict[str, Any]) -> list[str]:
    info = payload.get("RevokeInfo")
    items = info if isinstance(info, list) else str(info or "").split(",")
    return [str(item).strip() for item in items if str(item).strip()]


@transaction(None)
def handle(actor: Actor, name: str, openid: str, revoked: list[str]) -> None:
    """Does what an event obliges us to; done twice, it does nothing more."""
    HANDLERS[name](actor, openid, revoked)


def _on_revoke(actor: Actor, openid: str, revoked: list[str]) -> None:
    """WeChat: 用户撤回授权信息 — what was revoked is erased."""
    if PHONE_REVOKED in revoked:
        personal_data.erase_phone(actor, openid)


def _on_cancellation(actor: Actor, openid: str, _revoked_items: list[str]) -> None:
    """WeChat: 用户注销 — the person's data is erased."""
    personal_data.close_by_openid(actor, openid)


HANDLERS = {
    "user_authorization_revoke": _on_revoke,
    "user_authorization_cancellation": _on_cancellation,
}


@transaction(None)
def forget(_actor: Actor) -> None:
    """Forgets events older than a week: the platform repeats one for seconds, not days."""
    session().execute(
        delete(ReceivedPush).where(ReceivedPush.received_at < func.now() - text("interval '7 days'"))
    )
