"""How sending stands: what waits and what came of today's messages; and the automatic notices one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from app import masks, notices
from app.access import SYSTEM, Actor
from app.registers import Register, choice, contains, named
from app.transactions import session, transaction
from app.workbooks import Column
from app.workbooks.columns import Kind
from models.base import now
from models.columns import as_text
from models.deliveries import Delivery, DeliveryState
from models.message_templates import Channel
from models.messages import Notice
from models.people import User

OPEN = (DeliveryState.waiting, DeliveryState.claimed, DeliveryState.sending, DeliveryState.unknown)
"""What is not over: it goes out yet, or somebody must find out what became of it."""


@dataclass(frozen=True)
class Figures:
    """How many deliveries there are.

    Args:
        open: by channel and state, of all that are not over.
        today: by channel and state, of those made today.
        undispatched: notices for which it is not decided yet how they go out.
        oldest: since when the oldest of those that are due has been so; None when nothing is.
    """

    open: dict[Channel, dict[DeliveryState, int]]
    today: dict[Channel, dict[DeliveryState, int]]
    undispatched: int
    oldest: datetime | None


@transaction("messages.desk")
def figures(_actor: Actor) -> Figures:
    """Returns how sending stands, of all that goes out: what is paused concerns everybody."""
    return _figures(SYSTEM)


@transaction(None)
def _figures(_system: Actor) -> Figures:
    moment = now()
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    due = (Delivery.state == DeliveryState.waiting, Delivery.due_at <= moment)
    waiting = select(func.count()).select_from(Notice).where(Notice.dispatched_at.is_(None))
    return Figures(
        open=_counted(Delivery.state.in_(OPEN)),
        today=_counted(Delivery.id >= _first_id_of(midnight)),
        undispatched=session().execute(waiting).scalar_one(),
        oldest=session().execute(select(func.min(Delivery.due_at)).where(*due)).scalar(),
    )


def _counted(condition: Any) -> dict[Channel, dict[DeliveryState, int]]:
    found = select(Delivery.channel, Delivery.state, func.count()).where(condition)
    counts: dict[Channel, dict[DeliveryState, int]] = {channel: {} for channel in Channel}
    for channel, state, count in session().execute(found.group_by(Delivery.channel, Delivery.state)):
        counts[channel][state] = count
    return counts


def _first_id_of(moment: datetime) -> UUID:
    """Returns the least UUIDv7 of that millisecond: keys are in the order in which they were made."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)


# --- one by one


@transaction(None)
def _names(_system: Actor, user_ids: Sequence[UUID]) -> dict[UUID, str]:
    """Returns the masked name of each person."""
    found = select(User.id, User.name).where(User.id.in_(user_ids))
    return {row.id: masks.name(row.name) or "未填姓名" for row in session().execute(found)}


def _show(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    names = _names(SYSTEM, [row["user_id"] for row in rows])
    for row in rows:
        row["kind"] = _LABELS.get(row["kind"], row["kind"])
        row["name"] = names.get(row["user_id"], "")
        row["channel"] = row["channel"].label
    return rows


_LABELS = {name: kind.label for name, kind in notices.automatic().items()}

AUTOMATIC = Register(
    "messages.automatic",
    "自动通知发送记录",
    "messages.desk",
    select(
        Delivery.id,
        Delivery.user_id,
        Delivery.kind,
        Delivery.channel,
        Delivery.state,
        Delivery.reason,
        Delivery.errcode,
        Delivery.attempts,
        Delivery.created_at,
        Delivery.settled_at,
    ).where(Delivery.campaign_id.is_(None), Delivery.superseded.is_(False)),
    [
        Column("通知", "kind", width=16),
        Column("收件人", "name", width=12),
        Column("结果", "state", width=14),
        Column("说明", "reason", width=32),
        Column("渠道", "channel", width=16),
        Column("错误码", "errcode", width=8),
        Column("尝试次数", "attempts", kind=Kind.INTEGER, width=8),
        Column("产生时间", "created_at", kind=Kind.DATETIME, width=18),
        Column("有结果的时间", "settled_at", kind=Kind.DATETIME, width=18),
    ],
    key=Delivery.id,
    sorts={"created_at": Delivery.id, "state": as_text(Delivery.state)},
    default="-created_at",
    filters=(
        named("kind", "通知", Delivery.kind, _LABELS),
        choice("state", "结果", Delivery.state, DeliveryState),
        choice("channel", "渠道", Delivery.channel, Channel),
        contains("reason", "说明", Delivery.reason),
    ),
    show=_show,
)
