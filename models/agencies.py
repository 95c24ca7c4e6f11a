"""Agencies that assist enterprises (帮扶机构, notice 二（二）3): their experts, assessments and selection.

All of it is everybody's to read; who may change it is asked by `Actor.reaches_agency` and
`reaches_division`.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    Numeric,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base
from models.columns import key, made_at, personal, text
from models.labels import Labelled

LIMITS = {
    "capacity": (1, 1_000),
    "rank": (1, 1_000),
    "score": (0, 100),
    "year": (2020, 2100),
}


class SelectionReason(Labelled):
    """Why a county chose an agency: the grounds that notice 二（二）3 names, and the county's own."""

    standing = "standing", "政治站位高"
    responsible = "responsible", "责任心强"
    ranked = "ranked", "在全省考核中占有一定位次"
    other = "other", "其他"


class Agency(Base, kw_only=True):
    """帮扶机构: a certification body. `under_way` counts the cases it has accepted and not finished."""

    __tablename__ = "agencies"
    __scope__: ClassVar = None
    __table_args__ = (
        CheckConstraint("capacity > 0", name="capacity"),
        CheckConstraint("under_way >= 0 AND under_way <= capacity", name="under_way"),
    )

    id: Mapped[UUID] = key()
    name: Mapped[str] = text(120, "名称", unique=True)
    approval_number: Mapped[str | None] = text(32, "认证机构批准号", default=None)
    profile: Mapped[str] = text(2000, "简介", default="")
    telephone: Mapped[str | None] = text(32, "对外联系电话", default=None)
    address: Mapped[str | None] = text(200, "地址", default=None)
    schemes: Mapped[list[str]] = mapped_column(
        ARRAY(Text), comment="认证领域，认证类别的编号", default_factory=list
    )
    counties: Mapped[list[str]] = mapped_column(ARRAY(Text), comment="服务的县（市）区", default_factory=list)
    capacity: Mapped[int] = mapped_column(comment="同时承接的帮扶项目数", default=10)
    under_way: Mapped[int] = mapped_column(comment="已承接、未办结的帮扶项目数", default=0)
    fee_waiver: Mapped[str] = text(500, "认证费用减免承诺（notice 四 3）", default="")
    active: Mapped[bool] = mapped_column(comment="是否参与帮扶", default=True)
    created_at: Mapped[datetime] = made_at()


class Expert(Base, kw_only=True):
    """专家. `number` is what the constraints against double booking compare."""

    __tablename__ = "experts"
    __scope__: ClassVar = None

    id: Mapped[UUID] = key()
    number: Mapped[int] = mapped_column(BigInteger, Identity(), unique=True, init=False)
    agency_id: Mapped[UUID] = mapped_column(ForeignKey("agencies.id"), index=True)
    name: Mapped[str] = personal("experts.name", "姓名")
    title: Mapped[str] = text(64, "职务或资格", default="")
    fields: Mapped[list[str]] = mapped_column(ARRAY(Text), comment="专长：提升方面", default_factory=list)
    user_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("users.id"), comment="在小程序中办理时的用户；一人只是一名专家", unique=True, default=None
    )
    active: Mapped[bool] = mapped_column(comment="是否在岗", default=True)
    created_at: Mapped[datetime] = made_at()


class AgencyAssessment(Base, kw_only=True):
    """年度考核: the rank and score of an agency in the province's yearly assessment."""

    __tablename__ = "agency_assessments"
    __scope__: ClassVar = None
    __table_args__ = (
        UniqueConstraint("agency_id", "year"),
        CheckConstraint("rank IS NOT NULL OR score IS NOT NULL", name="says_something"),
    )

    id: Mapped[UUID] = key()
    agency_id: Mapped[UUID] = mapped_column(ForeignKey("agencies.id"))
    year: Mapped[int] = mapped_column(comment="考核年度")
    rank: Mapped[int | None] = mapped_column(comment="考核位次", default=None)
    score: Mapped[float | None] = mapped_column(
        Numeric(5, 2, asdecimal=False), comment="考核得分", default=None
    )


class AgencySelection(Base, kw_only=True):
    """选定的帮扶机构: chosen by a county for a year, with its reasons (notice 二（二）3)."""

    __tablename__ = "agency_selections"
    __scope__: ClassVar = None
    __table_args__ = (
        UniqueConstraint("division_id", "year", "agency_id"),
        Index("ix_agency_selections_agency", "agency_id", "year"),
    )

    id: Mapped[UUID] = key()
    division_id: Mapped[str] = mapped_column(ForeignKey("divisions.id"), comment="县（市）区")
    year: Mapped[int] = mapped_column(comment="年度")
    agency_id: Mapped[UUID] = mapped_column(ForeignKey("agencies.id"))
    reasons: Mapped[list[str]] = mapped_column(ARRAY(Text), comment="选定理由")
    note: Mapped[str] = text(500, "理由说明", default="")
    selected_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[datetime] = made_at()
