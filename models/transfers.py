"""Transfers: imports and exports of workbooks, which run in the background and keep their result a week."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Scope
from models.columns import choice, key, made_at, personal, personal_bytes, text
from models.labels import Labelled
from models.lifecycle import State


class TransferState(State):
    waiting = "waiting", "排队中"
    running = "running", "进行中"
    done = "done", "已完成"
    failed = "failed", "未完成"

    @classmethod
    def moves(cls) -> dict[State, tuple[State, ...]]:
        return {
            cls.waiting: (cls.running, cls.failed),
            cls.running: (cls.done, cls.failed),
        }


class Transfer(Base, kw_only=True):
    """导入或导出. `done` of `total` rows are through; `summary` counts the rows by what became of them."""

    __tablename__ = "transfers"
    __scope__: ClassVar = Scope(user="user_id")
    __table_args__ = (
        CheckConstraint("done >= 0 AND total >= 0", name="progress"),
        Index("ix_transfers_user", "user_id", "id"),
        Index("ix_transfers_expiry", "expires_at"),
    )

    id: Mapped[UUID] = key()
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    kind: Mapped[str] = text(32, "种类，如 enterprises.import")
    title: Mapped[str] = text(120, "名称")
    state: Mapped[TransferState] = choice(TransferState, "状态", default=TransferState.waiting)
    # A filter may hold a phone number.
    parameters: Mapped[str] = personal("transfers.parameters", "参数（JSON）")
    done: Mapped[int] = mapped_column(comment="已处理行数", default=0)
    total: Mapped[int] = mapped_column(comment="总行数；0 为未知", default=0)
    summary: Mapped[dict[str, Any]] = mapped_column(JSONB, comment="各种结果的行数", default_factory=dict)
    error: Mapped[str | None] = text(200, "未完成的原因", default=None)
    started_at: Mapped[datetime | None] = mapped_column(default=None)
    finished_at: Mapped[datetime | None] = mapped_column(default=None)
    expires_at: Mapped[datetime] = mapped_column(comment="文件保留至")
    created_at: Mapped[datetime] = made_at()


class FileRole(Labelled):
    source = "source", "上传的文件"
    result = "result", "导出结果"
    rejected = "rejected", "未导入的行"


class TransferFile(Base, kw_only=True):
    """A workbook of a transfer, encrypted: it holds people's names and numbers."""

    __tablename__ = "transfer_files"
    __scope__: ClassVar = Scope(user="user_id")

    transfer_id: Mapped[UUID] = mapped_column(
        ForeignKey("transfers.id", ondelete="CASCADE"), primary_key=True
    )
    role: Mapped[FileRole] = choice(FileRole, "是什么", primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    name: Mapped[str] = text(120, "文件名")
    content: Mapped[bytes] = personal_bytes("transfer_files.content", "内容")
    created_at: Mapped[datetime] = made_at()
