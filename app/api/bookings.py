"""Bookings: free slots, what enterprises book, and the agency's people in the field."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from flask import Response, current_app

from app import calendars
from app.access import Actor
from app.api.frame import Blueprint, require
from app.services import booking_desk, booking_moves, bookings, slots
from models.base import now
from schemas import bookings as shapes
from schemas.base import ReasonBody, page_of

blp = Blueprint("bookings", __name__, description="预约：可预约时段、预约、机构日程")


@blp.route("/agencies/<uuid:agency_id>/slots")
@require("agencies.read")
@blp.arguments(shapes.SlotQuery, location="query")
@blp.response(200, shapes.Slots)
def free_slots(actor: Actor, query: dict[str, Any], agency_id: UUID) -> Any:
    """机构各专家的可预约时段，一次至多 42 天"""
    return slots.free(actor, agency_id, **query)


@blp.route("/agencies/<uuid:agency_id>/bookings", methods=["POST"])
@require("bookings.write")
@blp.arguments(shapes.HoldBody)
@blp.response(201, shapes.BookingOut)
def hold(actor: Actor, body: dict[str, Any], agency_id: UUID) -> Any:
    """选定时段：保留 15 分钟供填写；本企业此前选定未提交的随即放开"""
    return bookings.hold(actor, agency_id, **body)


@blp.route("/bookings")
@require("bookings.read")
@blp.arguments(shapes.BookingQuery, location="query")
@blp.response(200, page_of(shapes.BookingOut))
def list_own(actor: Actor, query: dict[str, Any]) -> Any:
    """本企业的预约"""
    return bookings.list_own(actor, **query)


@blp.route("/bookings/<uuid:booking_id>")
@require("bookings.read")
@blp.response(200, shapes.BookingOut)
def get(actor: Actor, booking_id: UUID) -> Any:
    """一个预约"""
    return bookings.get(actor, booking_id)


@blp.route("/bookings/<uuid:booking_id>/book", methods=["POST"])
@require("bookings.write")
@blp.arguments(shapes.BookBody)
@blp.response(200, shapes.BookingOut)
def book(actor: Actor, body: dict[str, Any], booking_id: UUID) -> Any:
    """提交预约；本企业没有在办的帮扶项目时，同时申请一个"""
    return bookings.book(actor, booking_id, **body)


@blp.route("/bookings/<uuid:booking_id>/change", methods=["POST"])
@require("bookings.write")
@blp.arguments(shapes.ChangeBody)
@blp.response(200, shapes.BookingOut)
def change(actor: Actor, body: dict[str, Any], booking_id: UUID) -> Any:
    """改约到同一机构的另一时段，须在截止时间前"""
    return bookings.change(actor, booking_id, **body)


@blp.route("/bookings/<uuid:booking_id>/cancel", methods=["POST"])
@require("bookings.write")
@blp.arguments(shapes.CancelBody)
@blp.response(200, shapes.BookingOut)
def cancel(actor: Actor, body: dict[str, Any], booking_id: UUID) -> Any:
    """取消预约，须在截止时间前；尚未提交的，放弃选定的时段"""
    return bookings.cancel(actor, booking_id, body["reason"])


@blp.route("/bookings/<uuid:booking_id>/calendar.ics")
@require("bookings.read")
@blp.response(200, content_type="text/calendar", description="日历文件（iCalendar）")
def calendar(actor: Actor, booking_id: UUID) -> Response:
    """加入日历"""
    public_url = current_app.config["SETTINGS"].public_url
    host = urlsplit(public_url).hostname or "localhost"
    content = calendars.booking_file(bookings.made(actor, booking_id), host, public_url, stamp=now())
    headers = {"Content-Disposition": f'attachment; filename="booking-{booking_id}.ics"'}
    return Response(content, mimetype="text/calendar", headers=headers)


# --- the agency in the field


@blp.route("/bookings/agenda")
@require("bookings.manage")
@blp.arguments(shapes.DaysQuery, location="query")
@blp.response(200, shapes.Agenda)
def agenda(actor: Actor, query: dict[str, Any]) -> Any:
    """机构日程：专家为本人的，其他人员为全机构的"""
    found, absences = booking_desk.agenda(actor, **query)
    return {"bookings": found, "absences": absences}


@blp.route("/bookings/<uuid:booking_id>/contact", methods=["POST"])
@require("bookings.manage")
@blp.response(200, shapes.ContactOut)
def contact(actor: Actor, booking_id: UUID) -> Any:
    """查看联系人姓名和电话，留有记录"""
    name, phone = booking_moves.reveal_contact(actor, booking_id)
    return {"name": name, "phone": phone}


@blp.route("/bookings/<uuid:booking_id>/seen", methods=["POST"])
@require("bookings.manage")
@blp.response(200, shapes.BookingMoved)
def see(actor: Actor, booking_id: UUID) -> Any:
    """登记已见面"""
    return booking_moves.see(actor, booking_id)


@blp.route("/bookings/<uuid:booking_id>/no-show", methods=["POST"])
@require("bookings.manage")
@blp.response(200, shapes.BookingMoved)
def miss(actor: Actor, booking_id: UUID) -> Any:
    """登记企业未到"""
    return booking_moves.miss(actor, booking_id)


@blp.route("/bookings/<uuid:booking_id>/excuse", methods=["POST"])
@require("bookings.manage")
@blp.arguments(ReasonBody)
@blp.response(200, shapes.BookingMoved)
def excuse(actor: Actor, body: dict[str, Any], booking_id: UUID) -> Any:
    """登记企业请假，不受截止时间限制"""
    return booking_moves.excuse(actor, booking_id, body["reason"])


@blp.route("/bookings/<uuid:booking_id>/revoke", methods=["POST"])
@require("bookings.manage")
@blp.arguments(ReasonBody)
@blp.response(200, shapes.BookingMoved)
def revoke(actor: Actor, body: dict[str, Any], booking_id: UUID) -> Any:
    """机构取消预约，并通知企业"""
    return booking_moves.revoke(actor, booking_id, body["reason"])
