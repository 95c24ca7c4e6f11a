"""Check-ins: tickets, scans, the hall's code, rosters and attendance certificates."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response

from app import masks
from app.access import Actor
from app.api.frame import Blueprint, public, require
from app.services import attendance, certificates, checkins
from app.services.checkins import OfflineScan
from schemas import checkins as shapes
from schemas.base import page_of

blp = Blueprint("checkins", __name__, description="签到与培训证明")


@blp.route("/signups/<uuid:signup_id>/ticket")
@require("signups.read")
@blp.response(200, shapes.TicketOut)
def ticket(actor: Actor, signup_id: UUID) -> Any:
    """签到码：每 30 秒更换，一次取十分钟的"""
    return checkins.ticket(actor, signup_id)


@blp.route("/sessions/<uuid:session_id>/scans", methods=["POST"])
@require("checkins.write")
@blp.arguments(shapes.ScanBody)
@blp.response(201, shapes.ScannedOut, description="扫码记录；outcome 说明是否签到成功")
def scan(actor: Actor, body: dict[str, Any], session_id: UUID) -> Any:
    """扫码签到"""
    return checkins.scan(actor, session_id, **body)


@blp.route("/sessions/<uuid:session_id>/scans/upload", methods=["POST"])
@require("checkins.write")
@blp.arguments(shapes.UploadBody)
@blp.response(201, shapes.UploadedOut)
def upload(actor: Actor, body: dict[str, Any], session_id: UUID) -> Any:
    """上传离线扫码记录，每条都有结果，一条不丢"""
    scans = [OfflineScan(**made) for made in body["scans"]]
    return {"items": checkins.upload(actor, session_id, body["device_time"], scans)}


@blp.route("/sessions/<uuid:session_id>/marks", methods=["POST"])
@require("checkins.write")
@blp.arguments(shapes.MarkBody)
@blp.response(201, shapes.ScannedOut)
def mark(actor: Actor, body: dict[str, Any], session_id: UUID) -> Any:
    """补签，须写明原因"""
    return checkins.mark(actor, session_id, **body)


@blp.route("/check-ins/hall", methods=["POST"])
@require("checkins.self")
@blp.arguments(shapes.ScanBody)
@blp.response(201, shapes.ScannedOut)
def check_in_by_hall_code(actor: Actor, body: dict[str, Any]) -> Any:
    """扫现场屏幕上的码自助签到"""
    return checkins.check_in_by_hall_code(actor, **body)


@blp.route("/sessions/<uuid:session_id>/hall-code")
@require("checkins.write")
@blp.response(200, shapes.CodeOut)
def hall_code(actor: Actor, session_id: UUID) -> Any:
    """现场签到码的内容，每 5 分钟更换"""
    return checkins.hall_code(actor, session_id)


@blp.route("/sessions/<uuid:session_id>/hall-code.png")
@require("checkins.write")
@blp.response(200, {"type": "string", "format": "binary"}, content_type="image/png")
def hall_code_image(actor: Actor, session_id: UUID) -> Response:
    """现场签到的小程序码"""
    return Response(checkins.hall_code_image(actor, session_id), mimetype="image/png")


@blp.route("/sessions/<uuid:session_id>/counts")
@require("checkins.write")
@blp.response(200, shapes.CountsOut)
def counts(actor: Actor, session_id: UUID) -> Any:
    """实时人数"""
    return attendance.counts(actor, session_id)


@blp.route("/sessions/<uuid:session_id>/scans")
@require("checkins.write")
@blp.arguments(shapes.ScanQuery, location="query")
@blp.response(200, page_of(shapes.ScanOut))
def scans(actor: Actor, query: dict[str, Any], session_id: UUID) -> Any:
    """扫码记录，未成功的也在内"""
    return attendance.scans(actor, session_id, **query)


@blp.route("/trainings/<uuid:training_id>/roster")
@require("signups.roster")
@blp.arguments(shapes.RosterQuery, location="query")
@blp.response(200, page_of(shapes.RosterOut))
def roster(actor: Actor, query: dict[str, Any], training_id: UUID) -> Any:
    """报名与签到名册"""
    page = attendance.roster(actor, training_id, **query)
    masked = [
        {
            **row._asdict(),
            "attendee_name": masks.name(row.attendee_name),
            "attendee_phone": masks.phone(row.attendee_phone),
        }
        for row in page.items
    ]
    return {"items": masked, "next": page.next}


@blp.route("/signups/<uuid:signup_id>/certificate", methods=["POST"])
@require("signups.read")
@blp.response(200, shapes.CertificateOut)
def issue(actor: Actor, signup_id: UUID) -> Any:
    """领取培训证明"""
    return certificates.issue(actor, signup_id)


@blp.route("/signups/<uuid:signup_id>/certificate.pdf")
@require("signups.read")
@blp.response(200, {"type": "string", "format": "binary"}, content_type="application/pdf")
def certificate(actor: Actor, signup_id: UUID) -> Response:
    """下载培训证明"""
    pdf = Response(certificates.render(actor, signup_id), mimetype="application/pdf")
    pdf.headers["Content-Disposition"] = "attachment; filename=certificate.pdf"
    return pdf


@blp.route("/certificates/<code>")
@public
@blp.response(200, shapes.VerifiedOut)
def verify(actor: Actor, code: str) -> Any:
    """查验培训证明"""
    return certificates.verify(actor, code)
