"""Who belongs to an enterprise: invitations, requests to join, members, and who owns it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from app.access import Actor
from app.api.frame import Blueprint, require
from app.services import invitations, membership_requests, memberships
from schemas import enterprises as shapes
from schemas.base import PageQuery

# Shared with app/api/enterprises.py: to the client it is one domain.
blp = Blueprint("enterprises", __name__, description="企业：登记、审核、成员")


@blp.route("/enterprises/<uuid:enterprise_id>/invitations", methods=["POST"])
@require("enterprises.own")
@blp.response(201, shapes.InvitationOut)
def invite(actor: Actor, enterprise_id: UUID) -> Any:
    """生成邀请码，7 天内可用一次"""
    return invitations.invite(actor, enterprise_id)


@blp.route("/enterprises/join", methods=["POST"])
@require("enterprises.register")
@blp.arguments(shapes.JoinBody)
@blp.response(200, shapes.EnterpriseOut)
def join(actor: Actor, body: dict[str, Any]) -> Any:
    """凭邀请码加入企业"""
    return invitations.join(actor, body["code"])


@blp.route("/enterprises/membership-requests", methods=["POST"])
@require("enterprises.register")
@blp.arguments(shapes.JoinRequestBody)
@blp.response(201, shapes.MembershipRequestOut)
def request_membership(actor: Actor, body: dict[str, Any]) -> Any:
    """申请加入已登记的企业"""
    return membership_requests.request(actor, body["credit_code"], body["note"])


@blp.route("/enterprises/membership-requests")
@require("enterprises.register")
@blp.arguments(PageQuery, location="query")
@blp.response(200, shapes.OwnRequestPage)
def own_requests(actor: Actor, query: dict[str, Any]) -> Any:
    """本人的加入申请"""
    return membership_requests.mine(actor, **query)


@blp.route("/enterprises/<uuid:enterprise_id>/membership-requests")
@require("enterprises.own")
@blp.arguments(PageQuery, location="query")
@blp.response(200, shapes.WaitingRequestPage)
def requests_of_enterprise(actor: Actor, query: dict[str, Any], enterprise_id: UUID) -> Any:
    """待负责人处理的加入申请"""
    return membership_requests.of_enterprise(actor, enterprise_id, **query)


@blp.route(
    "/enterprises/<uuid:enterprise_id>/membership-requests/<uuid:request_id>/approve", methods=["POST"]
)
@require("enterprises.own")
@blp.response(204)
def approve_request(actor: Actor, enterprise_id: UUID, request_id: UUID) -> None:
    """负责人同意加入"""
    membership_requests.approve(actor, enterprise_id, request_id)


@blp.route("/enterprises/<uuid:enterprise_id>/membership-requests/<uuid:request_id>/refuse", methods=["POST"])
@require("enterprises.own")
@blp.response(204)
def refuse_request(actor: Actor, enterprise_id: UUID, request_id: UUID) -> None:
    """负责人不同意加入"""
    membership_requests.refuse(actor, enterprise_id, request_id)


@blp.route("/membership-requests")
@require("enterprises.review")
@blp.arguments(PageQuery, location="query")
@blp.response(200, shapes.WaitingRequestPage)
def requests_in_divisions(actor: Actor, query: dict[str, Any]) -> Any:
    """本辖区待处理的加入申请"""
    return membership_requests.in_divisions(actor, **query)


@blp.route("/membership-requests/<uuid:request_id>/approve", methods=["POST"])
@require("enterprises.review")
@blp.response(204)
def appoint_applicant(actor: Actor, request_id: UUID) -> None:
    """企业没有负责人时，由县（市）区局同意，申请人成为负责人"""
    membership_requests.appoint(actor, request_id)


@blp.route("/membership-requests/<uuid:request_id>/refuse", methods=["POST"])
@require("enterprises.review")
@blp.response(204)
def turn_down_applicant(actor: Actor, request_id: UUID) -> None:
    """企业没有负责人时，由县（市）区局不同意"""
    membership_requests.turn_down(actor, request_id)


@blp.route("/enterprises/<uuid:enterprise_id>/members")
@require("enterprises.read")
@blp.response(200, shapes.MemberOut(many=True))
def members(actor: Actor, enterprise_id: UUID) -> Any:
    """企业成员"""
    return memberships.members(actor, enterprise_id)


@blp.route("/enterprises/<uuid:enterprise_id>/members/<uuid:user_id>", methods=["DELETE"])
@require("enterprises.own")
@blp.response(204)
def remove_member(actor: Actor, enterprise_id: UUID, user_id: UUID) -> None:
    """移出成员"""
    memberships.remove(actor, enterprise_id, user_id)


@blp.route("/enterprises/<uuid:enterprise_id>/leave", methods=["POST"])
@require("enterprises.write")
@blp.response(204)
def leave(actor: Actor, enterprise_id: UUID) -> None:
    """退出企业"""
    memberships.leave(actor, enterprise_id)


@blp.route("/enterprises/<uuid:enterprise_id>/transfer", methods=["POST"])
@require("enterprises.own")
@blp.arguments(shapes.TransferBody)
@blp.response(204)
def transfer(actor: Actor, body: dict[str, Any], enterprise_id: UUID) -> None:
    """把负责人转让给另一名成员"""
    memberships.transfer(actor, enterprise_id, body["user_id"])
