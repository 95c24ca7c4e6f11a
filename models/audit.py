"""The audit trail: one append-only row for every business act (GB/T 22239 安全审计)."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import Index
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Scope
from models.columns import key, made_at, text


class AuditEvent(Base, kw_only=True):
    """Who did what to which row, when, and with what result. Holds no personal data.

    A trigger refuses UPDATE and DELETE.
    """

    __tablename__ = "audit_events"
    __scope__: ClassVar = Scope(user="user_id", division="division_id")
    __table_args__ = (
        Index("ix_audit_events_subject", "subject_type", "subject_id", "id"),
        Index("ix_audit_events_division", "division_id", "id"),
    )

    id: Mapped[UUID] = key()
    at: Mapped[datetime] = made_at()
    user_id: Mapped[UUID | None] = mapped_column(comment="操作人；空为系统")
    # No foreign key: every act writes here, and would share a lock on its division's row.
    division_id: Mapped[str | None] = text(64, "对象或操作人当时所属的辖区", default=None)
    verb: Mapped[str] = text(48, "动作")
    subject_type: Mapped[str] = text(32, "对象类别")
    subject_id: Mapped[str] = text(64, "对象编号")
    detail: Mapped[dict[str, Any]] = mapped_column(JSONB)
    request_id: Mapped[str | None] = text(36, "请求编号", default=None)
