"""Certificates that enterprises hold 认证证书, as they or their bureau wrote them down."""

from __future__ import annotations

from datetime import date, datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Scope
from models.columns import choice, key, made_at, text
from models.labels import Labelled

FARTHEST_EXPIRY = 1095
"""Days ahead that may be asked for: a certificate is given for three years."""


class HeldCertificateState(Labelled):
    """What the certification body says of a certificate; 到期 is never stored: the day decides."""

    valid = "valid", "有效"
    suspended = "suspended", "暂停"
    revoked = "revoked", "撤销"
    cancelled = "cancelled", "注销"
    expired = "expired", "到期"


class HeldCertificate(Base, kw_only=True):
    """认证证书. It is not the proof of a training 培训证明, which is `AttendanceCertificate`."""

    __tablename__ = "held_certificates"
    __scope__: ClassVar = Scope(enterprise="enterprise_id", division="division_id")
    __table_args__ = (
        # The division is the enterprise's, and goes with it.
        ForeignKeyConstraint(
            ["enterprise_id", "division_id"],
            ["enterprises.id", "enterprises.division_id"],
            onupdate="CASCADE",
        ),
        UniqueConstraint("enterprise_id", "number"),
        CheckConstraint("issued_on <= valid_until", name="validity"),
        CheckConstraint("next_surveillance_on BETWEEN issued_on AND valid_until", name="surveillance"),
        CheckConstraint("state <> 'expired'", name="not_expired"),
        Index("ix_held_certificates_expiry", "valid_until"),
    )

    id: Mapped[UUID] = key()
    enterprise_id: Mapped[UUID]
    division_id: Mapped[str]
    scheme: Mapped[str] = mapped_column(ForeignKey("schemes.code"), comment="认证类别")
    agency_name: Mapped[str] = text(128, "发证机构")
    number: Mapped[str] = text(64, "证书编号，半角大写，不含空格")
    issued_on: Mapped[date] = mapped_column(comment="发证日期")
    valid_until: Mapped[date] = mapped_column(comment="有效期至，含当日")
    next_surveillance_on: Mapped[date | None] = mapped_column(comment="下次监督审核不晚于", default=None)
    state: Mapped[HeldCertificateState] = choice(
        HeldCertificateState, "状态", default=HeldCertificateState.valid
    )
    created_at: Mapped[datetime] = made_at()
    updated_at: Mapped[datetime] = mapped_column(
        server_default=func.clock_timestamp(), onupdate=func.clock_timestamp(), init=False
    )
