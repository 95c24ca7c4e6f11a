"""Enterprises: what is registered, who belongs to them, and where the review stands."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    Text,
    UniqueConstraint,
    func,
)
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Scope
from models.columns import choice, key, made_at, personal, text
from models.lifecycle import State
from models.size_class import SizeClass

MAX_HEADCOUNT = 10_000_000
MAX_YUAN = 10**15
"""Beyond these a figure is a slip of the pen; both are exact in a JSON number."""

MAX_CLUSTERS = 20
"""As many tags as one enterprise may have: more say nothing of it."""


class EnterpriseState(State):
    """摸排 → 审核; what follows (培育库, 名单, 退出) belongs to the year's programme."""

    registered = "registered", "待审核"
    returned = "returned", "退回完善"
    refused = "refused", "不予通过"
    reviewed = "reviewed", "已审核"
    merged = "merged", "已合并"

    @classmethod
    def moves(cls) -> dict[State, tuple[State, ...]]:
        return {
            cls.registered: (cls.reviewed, cls.returned, cls.refused, cls.merged),
            cls.returned: (cls.registered, cls.refused, cls.merged),
            cls.refused: (cls.merged,),
            cls.reviewed: (cls.returned, cls.merged),
        }


class Enterprise(Base, kw_only=True):
    """企业."""

    __tablename__ = "enterprises"
    __scope__: ClassVar = Scope(enterprise="id", division="division_id")
    __table_args__ = (
        CheckConstraint("headcount >= 0 AND revenue >= 0 AND assets >= 0", name="figures"),
        Index("ix_enterprises_division_state", "division_id", "state"),
        # The migration makes the function; what a name holds is found by the pairs of its characters.
        Index("ix_enterprises_name_bigrams", sql("bigrams(name)"), postgresql_using="gin"),
        CheckConstraint("(state = 'merged') = (merged_into IS NOT NULL)", name="merged_into"),
        Index("ix_enterprises_clusters", "clusters", postgresql_using="gin"),
        # So that what belongs to an enterprise can have its division, and follow it to another.
        UniqueConstraint("id", "division_id"),
    )

    id: Mapped[UUID] = key()
    credit_code: Mapped[str] = text(18, "统一社会信用代码（GB 32100-2015）", unique=True)
    credit_code_override: Mapped[str | None] = text(200, "校验位不符仍予登记的理由", default=None)
    name: Mapped[str] = text(128, "企业名称")
    division_id: Mapped[str] = mapped_column(ForeignKey("divisions.id"), comment="所属辖区，由用户选择")
    # No foreign key: enterprises give four digits, the reference data need not go below 大类.
    industry_code: Mapped[str] = text(5, "行业代码（GB/T 4754-2017），门类字母加 2–4 位数字")
    # No foreign keys: an array has none; a code, once loaded, stays.
    clusters: Mapped[list[str]] = mapped_column(
        ARRAY(Text), comment="产业集群（链）的编号", server_default="{}", default_factory=list
    )
    headcount: Mapped[int | None] = mapped_column(comment="从业人员，人", default=None)
    revenue: Mapped[int | None] = mapped_column(BigInteger, comment="营业收入，元", default=None)
    assets: Mapped[int | None] = mapped_column(BigInteger, comment="资产总额，元", default=None)
    size_class: Mapped[SizeClass | None] = choice(SizeClass, "划型结果", default=None)
    size_rule_version: Mapped[str | None] = text(16, "划型所依据的标准版本", default=None)
    address: Mapped[str | None] = personal("enterprises.address", "地址", default=None)
    legal_representative: Mapped[str | None] = personal(
        "enterprises.legal_representative", "法定代表人", default=None
    )
    needs_survey: Mapped[dict[str, Any] | None] = mapped_column(JSONB, comment="需求调查答卷", default=None)
    needs_survey_version: Mapped[str | None] = text(16, "问卷版本", default=None)
    state: Mapped[EnterpriseState] = choice(EnterpriseState, "状态", default=EnterpriseState.registered)
    state_reason: Mapped[str | None] = text(500, "退回或不予通过的原因", default=None)
    merged_into: Mapped[UUID | None] = mapped_column(
        ForeignKey("enterprises.id"), comment="并入的企业", default=None
    )
    created_at: Mapped[datetime] = made_at()
    updated_at: Mapped[datetime] = mapped_column(
        server_default=func.clock_timestamp(), onupdate=func.clock_timestamp(), init=False
    )


class Invitation(Base, kw_only=True):
    """An invitation to join an enterprise; the code is shown once and stored as a hash."""

    __tablename__ = "invitations"
    __scope__: ClassVar = Scope(enterprise="enterprise_id")

    id: Mapped[UUID] = key()
    enterprise_id: Mapped[UUID] = mapped_column(ForeignKey("enterprises.id"), index=True)
    code_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    expires_at: Mapped[datetime]
    created_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    used_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"), default=None)
    used_at: Mapped[datetime | None] = mapped_column(default=None)
    created_at: Mapped[datetime] = made_at()


class MembershipState(State):
    pending = "pending", "待处理"
    approved = "approved", "已同意"
    refused = "refused", "已拒绝"

    @classmethod
    def moves(cls) -> dict[State, tuple[State, ...]]:
        return {cls.pending: (cls.approved, cls.refused)}


class MembershipRequest(Base, kw_only=True):
    """A request to join an enterprise, answered by its owner, or by county staff where it has none."""

    __tablename__ = "membership_requests"
    __scope__: ClassVar = Scope(enterprise="enterprise_id", division="division_id", user="user_id")
    __table_args__ = (
        Index(
            "uq_membership_requests_pending",
            "enterprise_id",
            "user_id",
            unique=True,
            postgresql_where=sql("state = 'pending'"),
        ),
    )

    id: Mapped[UUID] = key()
    enterprise_id: Mapped[UUID] = mapped_column(ForeignKey("enterprises.id"))
    division_id: Mapped[str] = mapped_column(ForeignKey("divisions.id"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    note: Mapped[str | None] = text(200, "申请说明", default=None)
    state: Mapped[MembershipState] = choice(MembershipState, "状态", default=MembershipState.pending)
    created_at: Mapped[datetime] = made_at()
