"""Enterprises: registering, finding, changing and reviewing them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from app import masks
from app.access import Actor
from app.api.frame import require
from app.api.memberships import blp
from app.services import enterprise_reviews, enterprises
from app.services.enterprises import Profile
from schemas import enterprises as shapes


@blp.route("/enterprises", methods=["POST"])
@require("enterprises.register")
@blp.arguments(shapes.RegistrationBody)
@blp.response(201, shapes.EnterpriseOut)
def register(actor: Actor, body: dict[str, Any]) -> Any:
    """登记企业，登记人成为负责人"""
    code, division_id, survey = (body.pop(name) for name in ("credit_code", "division_id", "needs_survey"))
    return enterprises.register(actor, code, division_id, Profile(**body), survey)


@blp.route("/enterprises/override", methods=["POST"])
@require("enterprises.review")
@blp.arguments(shapes.OverrideBody)
@blp.response(201, shapes.EnterpriseOut)
def override(actor: Actor, body: dict[str, Any]) -> Any:
    """为校验位不符的统一社会信用代码特批登记"""
    code, division_id, reason = (body.pop(name) for name in ("credit_code", "division_id", "reason"))
    return enterprise_reviews.override(actor, code, division_id, Profile(**body), reason)


@blp.route("/enterprises")
@require("enterprises.read")
@blp.arguments(shapes.SearchQuery, location="query")
@blp.response(200, shapes.EnterprisePage)
def search(actor: Actor, query: dict[str, Any]) -> Any:
    """本人所在或本辖区的企业"""
    page = enterprises.search(actor, code=query.pop("credit_code"), **query)
    items = [
        {**row._asdict(), "legal_representative": masks.name(row.legal_representative)} for row in page.items
    ]
    return {"items": items, "next": page.next}


@blp.route("/enterprises/<uuid:enterprise_id>")
@require("enterprises.read")
@blp.response(200, shapes.EnterpriseOut)
def get(actor: Actor, enterprise_id: UUID) -> Any:
    """企业详情"""
    return enterprises.get(actor, enterprise_id)


@blp.route("/enterprises/<uuid:enterprise_id>", methods=["PATCH"])
@require("enterprises.write")
@blp.arguments(shapes.EnterpriseChangeBody(partial=True))
@blp.response(200, shapes.EnterpriseOut)
def change(actor: Actor, body: dict[str, Any], enterprise_id: UUID) -> Any:
    """更新企业信息，重新划型"""
    return enterprises.change(actor, enterprise_id, body)


@blp.route("/enterprises/<uuid:enterprise_id>/resubmit", methods=["POST"])
@require("enterprises.write")
@blp.response(200, shapes.EnterpriseOut)
def resubmit(actor: Actor, enterprise_id: UUID) -> Any:
    """退回完善后重新提交"""
    return enterprise_reviews.resubmit(actor, enterprise_id)


@blp.route("/enterprises/<uuid:enterprise_id>/approve", methods=["POST"])
@require("enterprises.review")
@blp.response(200, shapes.EnterpriseOut)
def approve(actor: Actor, enterprise_id: UUID) -> Any:
    """审核通过"""
    return enterprise_reviews.approve(actor, enterprise_id)


@blp.route("/enterprises/<uuid:enterprise_id>/return", methods=["POST"])
@require("enterprises.review")
@blp.arguments(shapes.EnterpriseReasonBody)
@blp.response(200, shapes.EnterpriseOut)
def send_back(actor: Actor, body: dict[str, Any], enterprise_id: UUID) -> Any:
    """退回完善"""
    return enterprise_reviews.send_back(actor, enterprise_id, body["reason"])


@blp.route("/enterprises/<uuid:enterprise_id>/refuse", methods=["POST"])
@require("enterprises.review")
@blp.arguments(shapes.EnterpriseReasonBody)
@blp.response(200, shapes.EnterpriseOut)
def refuse(actor: Actor, body: dict[str, Any], enterprise_id: UUID) -> Any:
    """不予通过"""
    return enterprise_reviews.refuse(actor, enterprise_id, body["reason"])
