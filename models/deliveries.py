"""Deliveries: what became of a notice on a channel of WeChat."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, UniqueConstraint
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Scope
from models.columns import choice, key, made_at, text
from models.lifecycle import State
from models.message_templates import Channel


class DeliveryState(State):
    waiting = "waiting", "待发送"
    claimed = "claimed", "即将发送"
    sending = "sending", "发送中"
    sent = "sent", "已提交微信"
    delivered = "delivered", "已送达"
    refused = "refused", "未能接收"
    failed = "failed", "发送失败"
    unknown = "unknown", "结果不明"
    skipped = "skipped", "不再适用，未发送"
    cancelled = "cancelled", "已取消"

    @classmethod
    def moves(cls) -> dict[State, tuple[State, ...]]:
        return {
            cls.waiting: (cls.claimed, cls.skipped, cls.refused, cls.failed, cls.cancelled),
            cls.claimed: (
                cls.sending,
                cls.waiting,
                cls.skipped,
                cls.refused,
                cls.failed,
                cls.unknown,
                cls.cancelled,
            ),
            cls.sending: (cls.sent, cls.waiting, cls.refused, cls.failed, cls.unknown, cls.delivered),
            cls.sent: (cls.delivered, cls.failed, cls.refused),
            cls.unknown: (cls.sent, cls.delivered, cls.refused, cls.failed, cls.waiting),
            cls.refused: (cls.waiting,),
            cls.failed: (cls.waiting,),
        }


TERMINAL = (
    DeliveryState.sent,
    DeliveryState.delivered,
    DeliveryState.refused,
    DeliveryState.failed,
    DeliveryState.unknown,
    DeliveryState.skipped,
    DeliveryState.cancelled,
)
"""The states in which nothing more is done by itself; a result that arrives may still complete one."""


class Delivery(Base, kw_only=True):
    """投递. One row a notice and channel: nothing goes out twice.

    `claimed`: a worker holds it until `lease_until`, nothing has been sent. `sending`: written before the
    call, so that after a crash it is known that the call may have been made.
    """

    __tablename__ = "deliveries"
    __scope__: ClassVar = Scope(user="user_id", division="division_id")
    __table_args__ = (
        UniqueConstraint("notice_id", "channel"),
        Index("ix_deliveries_due", "due_at", "id", postgresql_where=sql("state = 'waiting'")),
        Index(
            "ix_deliveries_held",
            "lease_until",
            postgresql_where=sql("state IN ('claimed', 'sending')"),
        ),
        Index("ix_deliveries_busy", "user_id", postgresql_where=sql("state IN ('claimed', 'sending')")),
        Index("ix_deliveries_campaign", "campaign_id", "state", "id"),
        Index("ix_deliveries_kind", "kind", "id", postgresql_where=sql("campaign_id IS NULL")),
        Index(
            "ix_deliveries_message", "channel", "message_id", postgresql_where=sql("message_id IS NOT NULL")
        ),
        Index("ix_deliveries_state", "state", "id"),
    )

    id: Mapped[UUID] = key()
    notice_id: Mapped[UUID] = mapped_column(ForeignKey("notices.id"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    kind: Mapped[str] = text(48, "消息类别")
    channel: Mapped[Channel] = choice(Channel, "渠道")
    template_id: Mapped[UUID] = mapped_column(ForeignKey("message_templates.id"))
    campaign_id: Mapped[UUID | None] = mapped_column(ForeignKey("campaigns.id"), default=None)
    division_id: Mapped[str | None] = text(64, "所属辖区；自动通知属于运行本服务的辖区", default=None)
    state: Mapped[DeliveryState] = choice(DeliveryState, "状态", default=DeliveryState.waiting)
    superseded: Mapped[bool] = mapped_column(comment="未被接收后已改用下一渠道", default=False)
    due_at: Mapped[datetime] = mapped_column(comment="不早于此时发送")
    attempts: Mapped[int] = mapped_column(comment="已尝试次数", default=0)
    anew: Mapped[int] = mapped_column(comment="由工作人员重发的次数", default=0)
    first_tried_at: Mapped[datetime | None] = mapped_column(comment="首次尝试", default=None)
    worker: Mapped[str | None] = text(64, "领取者", default=None)
    lease_until: Mapped[datetime | None] = mapped_column(comment="领取至", default=None)
    message_id: Mapped[int | None] = mapped_column(BigInteger, comment="平台的 msgid", default=None)
    errcode: Mapped[int | None] = mapped_column(comment="平台的错误码", default=None)
    reason: Mapped[str | None] = text(200, "说明", default=None)
    settled_at: Mapped[datetime | None] = mapped_column(comment="有结果的时间", default=None)
    created_at: Mapped[datetime] = made_at()


class SendingPause(Base, kw_only=True):
    """Why nothing goes out on a channel, or by one template, until it is lifted or its time has come."""

    __tablename__ = "sending_pauses"
    __scope__: ClassVar = None
    __table_args__ = (
        Index(
            "uq_sending_pauses_open",
            "channel",
            sql("coalesce(template_id, '00000000-0000-0000-0000-000000000000'::uuid)"),
            unique=True,
            postgresql_where=sql("lifted_at IS NULL"),
        ),
    )

    id: Mapped[UUID] = key()
    channel: Mapped[Channel] = choice(Channel, "渠道")
    template_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("message_templates.id"), comment="空为整个渠道", default=None
    )
    errcode: Mapped[int | None] = mapped_column(comment="平台的错误码", default=None)
    reason: Mapped[str] = text(200, "原因")
    until: Mapped[datetime | None] = mapped_column(comment="到时自动恢复；空为人工恢复", default=None)
    lifted_at: Mapped[datetime | None] = mapped_column(comment="恢复时间", default=None)
    lifted_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"), default=None)
    created_at: Mapped[datetime] = made_at()
