"""Notices: what a person is told. The inbox is a view of them, whatever WeChat does."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import ForeignKey, Index
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Scope
from models.columns import key, made_at, personal, text


class Notice(Base, kw_only=True):
    """消息. Written in the transaction of the act it tells of; the dedupe key makes it one.

    It is the outbox's row too: once it is dispatched, its deliveries say what became of it in WeChat.
    """

    __tablename__ = "notices"
    __scope__: ClassVar = Scope(user="user_id")
    __table_args__ = (
        Index("ix_notices_inbox", "user_id", "id"),
        Index("ix_notices_undispatched", "id", postgresql_where=sql("dispatched_at IS NULL")),
        Index("ix_notices_campaign", "campaign_id", "id", postgresql_where=sql("campaign_id IS NOT NULL")),
    )

    id: Mapped[UUID] = key()
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    kind: Mapped[str] = text(48, "类别")
    title: Mapped[str] = text(60, "标题")
    body: Mapped[str] = text(500, "正文")
    subject_type: Mapped[str] = text(32, "对象类别")
    subject_id: Mapped[UUID] = mapped_column(comment="对象编号")
    dedupe_key: Mapped[str] = text(120, "去重键", unique=True)
    facts: Mapped[str | None] = personal("notices.facts", "模板变量的取值（JSON）", default=None)
    campaign_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("campaigns.id"), comment="所属群发；空为自动通知", default=None
    )
    dispatched_at: Mapped[datetime | None] = mapped_column(comment="转为各渠道投递的时间", default=None)
    read_at: Mapped[datetime | None] = mapped_column(comment="阅读时间", default=None)
    created_at: Mapped[datetime] = made_at()
