"""Certificates that an enterprise holds: what it says of them itself."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from app.access import Actor
from app.api.frame import Blueprint, require
from app.services import held_certificates
from schemas import held_certificates as shapes
from schemas.base import PageQuery

blp = Blueprint("held_certificates", __name__, description="认证证书：企业持有的")


@blp.route("/enterprises/<uuid:enterprise_id>/held-certificates")
@require("enterprises.read")
@blp.arguments(PageQuery, location="query")
@blp.response(200, shapes.HeldCertificatePage)
def of_enterprise(actor: Actor, query: dict[str, Any], enterprise_id: UUID) -> Any:
    """企业持有的认证证书，最近登记的在前"""
    return held_certificates.of_enterprise(actor, enterprise_id, **query)


@blp.route("/enterprises/<uuid:enterprise_id>/held-certificates", methods=["POST"])
@require("held_certificates.write")
@blp.arguments(shapes.HeldCertificateBody)
@blp.response(201, shapes.HeldCertificateOut)
def add(actor: Actor, body: dict[str, Any], enterprise_id: UUID) -> Any:
    """登记一张认证证书"""
    return held_certificates.add(actor, enterprise_id, body)


@blp.route(
    "/enterprises/<uuid:enterprise_id>/held-certificates/<uuid:held_certificate_id>", methods=["PATCH"]
)
@require("held_certificates.write")
@blp.arguments(shapes.HeldCertificateChangeBody(partial=True))
@blp.response(200, shapes.HeldCertificateOut)
def change(actor: Actor, body: dict[str, Any], enterprise_id: UUID, held_certificate_id: UUID) -> Any:
    """修改认证证书；到期由有效期自动判断，不用填写"""
    return held_certificates.change(actor, enterprise_id, held_certificate_id, body)


@blp.route(
    "/enterprises/<uuid:enterprise_id>/held-certificates/<uuid:held_certificate_id>", methods=["DELETE"]
)
@require("held_certificates.write")
@blp.response(204)
def remove(actor: Actor, enterprise_id: UUID, held_certificate_id: UUID) -> None:
    """删除登记有误的认证证书"""
    held_certificates.remove(actor, enterprise_id, held_certificate_id)
