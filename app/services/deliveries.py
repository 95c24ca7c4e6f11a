"""Deliveries after they were sent: results that the platform pushes, and what staff decide."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Uuid, any_, bindparam, or_, select, update

from app import audit
from app.access import Actor
from app.errors import DomainError
from app.services.delivery_outcomes import PASSING
from app.transactions import session, transaction
from models.base import now
from models.deliveries import Delivery, DeliveryState
from models.message_templates import Channel, MessageTemplate
from models.people import User
from models.subscriptions import Follower

TOLD_WITHIN = timedelta(minutes=30)
"""So long after a call the platform may still tell what became of the message."""


def failed_in_passing() -> ColumnElement[bool]:
    """Returns the condition that a delivery failed for a reason that may be over by now."""
    return (
        (Delivery.state == DeliveryState.failed)
        & (Delivery.attempts > 0)
        & or_(Delivery.errcode.is_(None), Delivery.errcode.in_(PASSING))
    )


@transaction(None)
def complete(
    _system: Actor,
    channel: Channel,
    message_id: int,
    ok: bool,
    reason: str,
    *,
    openid: str | None = None,
    template: str | None = None,
) -> bool:
    """Completes a delivery by what the platform tells of it; returns False when it is not known which.

    (WeChat: subscribe_msg_sent_event, TEMPLATESENDJOBFINISH.) Told again, or told of one that has an
    outcome already, it changes nothing. A message whose answer was lost has no number yet: it is known by
    the person and the template, as long as only one is in question.

    Args:
        ok: whether the message arrived; if not, `reason` says why.
        openid: of the person in that channel's account.
        template: the platform's id of the template, if it tells.
    """
    if ok:
        state, reason = DeliveryState.delivered, ""
    elif "block" in reason.lower():
        state, reason = DeliveryState.refused, "对方拒收"
    else:
        state = DeliveryState.failed
    delivery_id = _by_number(channel, message_id)
    if delivery_id is None and openid is not None:
        delivery_id = _by_person(channel, openid, template)
    if delivery_id is None:
        return False
    values = {
        "state": state,
        "message_id": message_id,
        "reason": reason[:200] or None,
        "errcode": None,
        "settled_at": now(),
        "lease_until": None,
    }
    open_ = or_(
        Delivery.state == DeliveryState.sent,
        Delivery.state == DeliveryState.sending,
        Delivery.state == DeliveryState.unknown,
    )
    session().execute(update(Delivery).where(Delivery.id == delivery_id, open_).values(values))
    return True


def _by_number(channel: Channel, message_id: int) -> UUID | None:
    found = select(Delivery.id).where(Delivery.channel == channel, Delivery.message_id == message_id)
    return session().execute(found.order_by(Delivery.id.desc()).limit(1)).scalar_one_or_none()


def _by_person(channel: Channel, openid: str, template: str | None) -> UUID | None:
    found = (
        select(Delivery.id)
        .join(User, User.id == Delivery.user_id)
        .where(
            Delivery.channel == channel,
            Delivery.message_id.is_(None),
            or_(Delivery.state == DeliveryState.sending, Delivery.state == DeliveryState.unknown),
            Delivery.first_tried_at > now() - TOLD_WITHIN,
        )
        .limit(2)
    )
    if channel == Channel.subscribe:
        found = found.where(User.mp_openid == openid)
    else:
        found = found.join(Follower, Follower.unionid == User.unionid).where(Follower.openid == openid)
    if template is not None:
        found = found.join(MessageTemplate, MessageTemplate.id == Delivery.template_id).where(
            MessageTemplate.platform_id == template
        )
    ids = session().execute(found).scalars().all()
    return ids[0] if len(ids) == 1 else None


@transaction("messages.send")
def resolve_unknown(actor: Actor, delivery_id: UUID, delivered: bool) -> None:
    """Gives a delivery of unknown outcome the one that staff found out: it arrived, or is sent once more.

    Raises DomainError `not_found` for one out of reach or not of unknown outcome.
    """
    moment = now()
    values: dict[str, Any] = (
        {"state": DeliveryState.delivered, "reason": "经核实已送达", "settled_at": moment}
        if delivered
        else _anew(moment)
    )
    unknown = update(Delivery).where(Delivery.id == delivery_id, Delivery.state == DeliveryState.unknown)
    if session().execute(unknown.values(values).returning(Delivery.id)).first() is None:
        raise DomainError("not_found")
    outcome = "delivered" if delivered else "sent_again"
    audit.record(actor, "delivery.resolved", ("deliveries", delivery_id), outcome=outcome)


@transaction("messages.send")
def retry(actor: Actor, delivery_ids: Iterable[UUID]) -> int:
    """Sends deliveries once more that failed for a passing reason; returns how many of these are such."""
    ids = list(delivery_ids)
    if not ids:
        return 0
    chosen: Any = any_(bindparam("chosen", ids, type_=ARRAY(Uuid)))
    failed = update(Delivery).where(Delivery.id == chosen, failed_in_passing())
    again = failed.values(_anew(now())).returning(Delivery.id, Delivery.campaign_id)
    found = session().execute(again, execution_options={"synchronize_session": False}).all()
    if found:
        subject = found[0].campaign_id
        of = ("campaigns", subject) if subject else ("deliveries", found[0].id)
        audit.record(actor, "delivery.retried", of, rows=len(found))
    return len(found)


def _anew(moment: Any) -> dict[str, Any]:
    return {
        "state": DeliveryState.waiting,
        "due_at": moment,
        "attempts": 0,
        "anew": Delivery.anew + 1,
        "first_tried_at": None,
        "message_id": None,
        "errcode": None,
        "reason": None,
        "settled_at": None,
    }
