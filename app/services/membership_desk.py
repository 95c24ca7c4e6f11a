"""Requests to join an enterprise as the desk answers them: staff decide where there is no owner."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from app.access import SYSTEM
from app.registers import Register, contains, division
from app.services import membership_requests, memberships
from app.workbooks import Column
from app.workbooks.columns import Kind
from models.enterprises import Enterprise, MembershipRequest, MembershipState


def _show(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    owned = memberships.owned(SYSTEM, {row["enterprise_id"] for row in rows})
    people = membership_requests.applicants(SYSTEM, {row["user_id"] for row in rows})
    for row in rows:
        row |= people[row["user_id"]]
        row["has_owner"] = row["enterprise_id"] in owned
        row["answered_by"] = "企业负责人" if row["has_owner"] else "县（市）区局"
    return rows


REGISTER = Register(
    "memberships.requests",
    "加入申请",
    "enterprises.review",
    select(
        MembershipRequest.id,
        MembershipRequest.enterprise_id,
        MembershipRequest.user_id,
        MembershipRequest.division_id,
        MembershipRequest.note,
        MembershipRequest.created_at,
        Enterprise.name.label("enterprise"),
        Enterprise.credit_code,
    )
    .join(Enterprise, Enterprise.id == MembershipRequest.enterprise_id)
    .where(MembershipRequest.state == MembershipState.pending),
    (
        Column("企业", "enterprise", width=32),
        Column("统一社会信用代码", "credit_code", width=24),
        Column("所属辖区", "division", width=12),
        Column("申请人", "name", width=10),
        Column("手机号", "phone", width=14),
        Column("申请说明", "note", width=36),
        Column("由谁处理", "answered_by", width=14),
        Column("申请时间", "created_at", kind=Kind.DATETIME, width=18),
    ),
    key=MembershipRequest.id,
    filters=(
        contains("enterprise", "企业名称", Enterprise.name),
        division("division", "所属辖区", MembershipRequest.division_id),
    ),
    sorts={"enterprise": Enterprise.name, "created_at": MembershipRequest.created_at},
    default="created_at",
    show=_show,
)
"""What waits for an answer, first come first."""
