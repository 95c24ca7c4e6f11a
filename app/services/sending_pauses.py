"""Pauses: why nothing goes out on a channel or by a template, told to staff and lifted by them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, DateTime, bindparam, or_, select, true, update
from sqlalchemy.dialects.postgresql import insert

from app import audit
from app.access import Actor
from app.errors import DomainError
from app.logs import log
from app.prepared import Prepared
from app.services import sending_alerts
from app.services.sending_alerts import paused_now
from app.transactions import session, transaction
from models.base import now
from models.deliveries import SendingPause
from models.message_templates import Channel, MessageTemplate


def paused(delivery: Any, moment: Any) -> ColumnElement[bool]:
    """Returns the condition that a delivery's channel or template is paused at the moment."""
    return (
        select(true())
        .where(
            paused_now(moment),
            SendingPause.channel == delivery.channel,
            or_(SendingPause.template_id.is_(None), SendingPause.template_id == delivery.template_id),
        )
        .exists()
    )


_END = Prepared(
    update(SendingPause)
    .where(
        SendingPause.lifted_at.is_(None), SendingPause.until <= bindparam("at", type_=DateTime(timezone=True))
    )
    .values(lifted_at=SendingPause.until)
)


def end_due(moment: datetime) -> None:
    """Ends the pauses whose time has come, in the act that is under way."""
    _END(at=moment)


def open_pause(
    channel: Channel, template_id: UUID | None, errcode: int | None, reason: str, until: datetime | None
) -> None:
    """Opens a pause, unless one is open, and tells who can mend it, in the act that is under way."""
    end_due(now())
    pause = SendingPause(
        channel=channel, template_id=template_id, errcode=errcode, reason=reason[:200], until=until
    )
    values = {
        "id": pause.id,
        "channel": channel,
        "template_id": template_id,
        "errcode": errcode,
        "reason": pause.reason,
        "until": until,
    }
    opened = (
        session()
        .execute(insert(SendingPause).values(values).on_conflict_do_nothing().returning(SendingPause.id))
        .first()
    )
    if opened is None:
        return
    log.warning(
        "sending paused", channel=str(channel), template=template_id and str(template_id), errcode=errcode
    )
    what = channel.label if template_id is None else f"{channel.label}的一个模板"
    ends = f"，{until:%m月%d日 %H:%M}自动恢复" if until else "，处理后请在管理后台恢复"
    sending_alerts.tell(
        "sending.paused",
        pause,
        "微信消息已暂停发送",
        f"{what}：{pause.reason}{ends}",
        {"channel": what, "reason": pause.reason},
    )


@transaction("messages.send")
def open_pauses(_actor: Actor) -> Sequence[Any]:
    """Returns the pauses that hold now, the newest first, each with the title of its template."""
    found = (
        select(SendingPause, MessageTemplate.title)
        .outerjoin(MessageTemplate, MessageTemplate.id == SendingPause.template_id)
        .where(paused_now(now()))
        .order_by(SendingPause.id.desc())
    )
    return session().execute(found).all()


@transaction("messages.send")
def lift(actor: Actor, pause_id: UUID) -> None:
    """Lets sending go on that was paused; raises DomainError `not_found` for a pause that is over."""
    lifted = (
        session()
        .execute(
            update(SendingPause)
            .where(SendingPause.id == pause_id, SendingPause.lifted_at.is_(None))
            .values(lifted_at=now(), lifted_by=actor.user_id)
            .returning(SendingPause.channel)
        )
        .scalar_one_or_none()
    )
    if lifted is None:
        raise DomainError("not_found")
    audit.record(actor, "sending.resumed", ("sending_pauses", pause_id), channel=str(lifted))
