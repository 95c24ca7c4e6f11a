"""What makes a repeated request or a repeated push harmless."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import ForeignKey, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Scope
from models.columns import made_at, personal, text


class IdempotencyKey(Base, kw_only=True):
    """The answer to a POST, written in the transaction of its act and replayed when the key comes again."""

    __tablename__ = "idempotency_keys"
    __scope__: ClassVar = Scope(user="user_id")

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    key: Mapped[str] = text(64, "客户端给出的 Idempotency-Key", primary_key=True)
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary(32), comment="方法、路径与内容的摘要")
    status: Mapped[int | None] = mapped_column(default=None)
    answer: Mapped[str | None] = personal("idempotency_keys.answer", "答复", default=None)
    created_at: Mapped[datetime] = made_at()


class ReceivedPush(Base, kw_only=True):
    """A push of the platform that was taken in; the primary key makes its retries harmless."""

    __tablename__ = "received_pushes"
    __scope__: ClassVar = None

    dedupe_key: Mapped[str] = mapped_column(primary_key=True)
    event: Mapped[str] = text(64, "事件")
    received_at: Mapped[datetime] = made_at()
