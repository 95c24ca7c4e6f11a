"""Scans and what they prove: every scan is kept with its outcome; a check-in is an accepted scan."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint, func
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Scope
from models.columns import choice, key, made_at, personal, text
from models.labels import Labelled


class Method(Labelled):
    """How the attendee was checked in."""

    ticket = "ticket", "扫码"
    hall = "hall", "自助"
    manual = "manual", "补签"
    imported = "imported", "导入"


class Outcome(Labelled):
    """What became of a scan; the label is what the trainer's phone shows."""

    accepted = "accepted", "签到成功"
    duplicate = "duplicate", "已签到过"
    unknown_ticket = "unknown_ticket", "不是有效的签到码"
    code_expired = "code_expired", "签到码已过期，请出示实时签到码"
    wrong_training = "wrong_training", "这是另一场培训的签到码"
    cancelled = "cancelled", "报名已取消"
    not_confirmed = "not_confirmed", "报名尚未通过"
    too_early = "too_early", "签到尚未开始"
    late = "late", "签到已结束"
    clock_skewed = "clock_skewed", "设备时间偏差过大，需人工核对"


class Scan(Base, kw_only=True):
    """扫码记录. The unique index on accepted ones is what makes a check-in happen once."""

    __tablename__ = "scans"
    __scope__: ClassVar = Scope(training="training_id", division="division_id")
    __table_args__ = (
        UniqueConstraint("by_user_id", "nonce"),
        Index(
            "uq_scans_accepted",
            "session_id",
            "signup_id",
            unique=True,
            postgresql_where=sql("outcome = 'accepted'"),
        ),
        Index("ix_scans_signup", "signup_id"),
    )

    id: Mapped[UUID] = key()
    session_id: Mapped[UUID] = mapped_column(ForeignKey("training_sessions.id"))
    training_id: Mapped[UUID] = mapped_column(ForeignKey("trainings.id"))
    division_id: Mapped[str] = mapped_column(ForeignKey("divisions.id"))
    signup_id: Mapped[UUID | None] = mapped_column(ForeignKey("signups.id"), default=None)
    by_user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    nonce: Mapped[str] = text(64, "设备生成的一次性编号，重复提交时返回原结果")
    method: Mapped[Method] = choice(Method, "方式")
    outcome: Mapped[Outcome] = choice(Outcome, "结果")
    reason: Mapped[str | None] = text(200, "补签原因", default=None)
    scanned_at: Mapped[datetime] = mapped_column(comment="扫码时间（离线上传时按设备时差校正）")
    device_time: Mapped[datetime | None] = mapped_column(comment="设备所报时间，仅离线", default=None)
    received_at: Mapped[datetime] = made_at()


class AttendanceCertificate(Base, kw_only=True):
    """培训证明. What it says is kept as issued; anyone can check it by its verification code."""

    __tablename__ = "attendance_certificates"
    __scope__: ClassVar = Scope(
        training="training_id", division="division_id", enterprise="enterprise_id", user="user_id"
    )

    id: Mapped[UUID] = key()
    signup_id: Mapped[UUID] = mapped_column(ForeignKey("signups.id"), unique=True)
    training_id: Mapped[UUID] = mapped_column(ForeignKey("trainings.id"))
    division_id: Mapped[str] = mapped_column(ForeignKey("divisions.id"))
    enterprise_id: Mapped[UUID] = mapped_column(ForeignKey("enterprises.id"))
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"), default=None)
    number: Mapped[str] = text(32, "证明编号", unique=True)
    verification_code: Mapped[str] = text(16, "验证码", unique=True)
    facts: Mapped[str] = personal("attendance_certificates.facts", "证明内容（JSON）")
    issued_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp(), init=False)
