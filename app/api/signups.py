"""Sign-ups."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from app.access import Actor
from app.api.frame import Blueprint, require
from app.services import signup_reviews, signups
from app.services.signups import Attendee
from schemas import signups as shapes
from schemas.base import ReasonBody, page_of

blp = Blueprint("signups", __name__, description="报名")


@blp.route("/trainings/<uuid:training_id>/signups", methods=["POST"])
@require("signups.write")
@blp.arguments(shapes.SignUpBody)
@blp.response(201, shapes.SignupsMade)
def sign_up(actor: Actor, body: dict[str, Any], training_id: UUID) -> Any:
    """报名：一次可为本企业多人报名，全部成功或全部不成功；满员时进入候补"""
    attendees = [Attendee(**attendee) for attendee in body["attendees"]]
    return {"items": signups.sign_up(actor, training_id, body["enterprise_id"], attendees)}


@blp.route("/signups")
@require("signups.read")
@blp.arguments(shapes.SignupQuery, location="query")
@blp.response(200, page_of(shapes.SignupOut))
def list_own(actor: Actor, query: dict[str, Any]) -> Any:
    """本企业的报名，以及以本人手机号报名的培训"""
    return signups.list_own(actor, **query)


@blp.route("/signups/<uuid:signup_id>")
@require("signups.read")
@blp.response(200, shapes.SignupOut)
def get(actor: Actor, signup_id: UUID) -> Any:
    """一条报名"""
    return signups.get(actor, signup_id)


@blp.route("/signups/<uuid:signup_id>/cancel", methods=["POST"])
@require("signups.write")
@blp.response(200, shapes.SignupMade)
def cancel(actor: Actor, signup_id: UUID) -> Any:
    """取消报名"""
    return signups.cancel(actor, signup_id)


@blp.route("/signups/<uuid:signup_id>/change-attendee", methods=["POST"])
@require("signups.write")
@blp.arguments(shapes.AttendeeBody)
@blp.response(200, shapes.SignupMade)
def change_attendee(actor: Actor, body: dict[str, Any], signup_id: UUID) -> Any:
    """更换参训人，原签到码作废"""
    return signups.change_attendee(actor, signup_id, Attendee(**body))


@blp.route("/signups/<uuid:signup_id>/resubmit", methods=["POST"])
@require("signups.write")
@blp.arguments(shapes.AttendeeBody)
@blp.response(200, shapes.SignupMade)
def resubmit(actor: Actor, body: dict[str, Any], signup_id: UUID) -> Any:
    """完善后重新提交被退回的报名"""
    return signups.resubmit(actor, signup_id, Attendee(**body))


@blp.route("/signups/<uuid:signup_id>/accept-offer", methods=["POST"])
@require("signups.write")
@blp.response(200, shapes.SignupMade)
def accept_offer(actor: Actor, signup_id: UUID) -> Any:
    """确认候补名额"""
    return signups.accept_offer(actor, signup_id)


@blp.route("/signups/<uuid:signup_id>/approve", methods=["POST"])
@require("signups.review")
@blp.response(200, shapes.SignupMade)
def approve(actor: Actor, signup_id: UUID) -> Any:
    """审核通过"""
    return signup_reviews.approve(actor, signup_id)


@blp.route("/signups/<uuid:signup_id>/return", methods=["POST"])
@require("signups.review")
@blp.arguments(ReasonBody)
@blp.response(200, shapes.SignupMade)
def return_for_completion(actor: Actor, body: dict[str, Any], signup_id: UUID) -> Any:
    """退回完善"""
    return signup_reviews.return_for_completion(actor, signup_id, body["reason"])


@blp.route("/signups/<uuid:signup_id>/refuse", methods=["POST"])
@require("signups.review")
@blp.arguments(ReasonBody)
@blp.response(200, shapes.SignupMade)
def refuse(actor: Actor, body: dict[str, Any], signup_id: UUID) -> Any:
    """不予通过"""
    return signup_reviews.refuse(actor, signup_id, body["reason"])


@blp.route("/signups/<uuid:signup_id>/cancel-for-enterprise", methods=["POST"])
@require("signups.review")
@blp.arguments(ReasonBody)
@blp.response(200, shapes.SignupMade)
def cancel_for(actor: Actor, body: dict[str, Any], signup_id: UUID) -> Any:
    """主办单位代为取消，不受截止时间限制"""
    return signup_reviews.cancel_for(actor, signup_id, body["reason"])
