"""People: signing in, the person's own data, and staff accounts."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify

from app import masks
from app.access import Actor
from app.api.frame import Blueprint, public, require
from app.services import people, personal_data, reference, scan_requests, staff
from schemas import people as shapes

blp = Blueprint("people", __name__, description="人员：登录、本人信息、注销")


def _tokens(signed_in: people.SignedIn) -> dict[str, Any]:
    pair = signed_in.pair
    return {
        "user_id": signed_in.user_id,
        "access_token": pair.access_token,
        "access_expires_at": pair.access_expires_at,
        "refresh_token": pair.refresh_token,
        "refresh_expires_at": pair.refresh_expires_at,
    }


def _me(actor: Actor, user: Any) -> dict[str, Any]:
    return {
        "id": user.id,
        "state": user.state,
        "name": user.name,
        "phone": masks.phone(user.phone),
        "closing_at": user.closing_at,
        "grants": people.grants(actor),
    }


@blp.route("/people/privacy-notice")
@public
@blp.response(200, shapes.DocumentOut)
def privacy_notice(actor: Actor) -> Any:
    """当前的隐私政策"""
    return reference.current_document(actor, people.PRIVACY)


@blp.route("/people/sign-in", methods=["POST"])
@public
@blp.arguments(shapes.SignInBody)
@blp.response(200, shapes.TokenPair)
def sign_in(_actor: Actor, body: dict[str, Any]) -> Any:
    """用 wx.login 的 code 登录"""
    return _tokens(people.sign_in(body["code"], body["consent_version"]))


@blp.route("/people/refresh", methods=["POST"])
@public
@blp.arguments(shapes.RefreshBody)
@blp.response(200, shapes.TokenPair)
def refresh(_actor: Actor, body: dict[str, Any]) -> Any:
    """换取新的令牌，旧的立即失效"""
    return _tokens(people.refresh(body["refresh_token"]))


@blp.route("/people/sign-out", methods=["POST"])
@require("people.self")
@blp.response(204)
def sign_out(actor: Actor) -> None:
    """在所有设备上退出"""
    people.sign_out(actor)


@blp.route("/people/me")
@require("people.self")
@blp.response(200, shapes.Me)
def me(actor: Actor) -> Any:
    """本人信息与角色"""
    return _me(actor, people.me(actor))


@blp.route("/people/me", methods=["PATCH"])
@require("people.self")
@blp.arguments(shapes.NameBody)
@blp.response(200, shapes.Me)
def rename(actor: Actor, body: dict[str, Any]) -> Any:
    """更正姓名"""
    return _me(actor, people.rename(actor, body["name"]))


@blp.route("/people/me/phone", methods=["POST"])
@require("people.self", keyed=False)
@blp.arguments(shapes.PhoneBody)
@blp.response(200, shapes.Me)
def bind_phone(actor: Actor, body: dict[str, Any]) -> Any:
    """绑定微信授权的手机号"""
    return _me(actor, people.bind_phone(actor, body["code"]))


@blp.route("/people/me/export")
@require("people.self")
@blp.response(200, content_type="application/json", description="本系统保存的关于本人的全部信息")
def export(actor: Actor) -> Response:
    """导出本人信息"""
    return jsonify(personal_data.export(actor))


@blp.route("/people/me/consent", methods=["DELETE"])
@require("people.self")
@blp.response(200, shapes.Me)
def withdraw_consent(actor: Actor) -> Any:
    """撤回对隐私政策的同意，同时申请注销"""
    return _me(actor, personal_data.withdraw_consent(actor))


@blp.route("/people/me/closure", methods=["POST"])
@require("people.self")
@blp.response(200, shapes.Me)
def request_closure(actor: Actor) -> Any:
    """申请注销账号"""
    return _me(actor, personal_data.request_closure(actor))


@blp.route("/people/me/closure", methods=["DELETE"])
@require("people.self")
@blp.response(200, shapes.Me)
def withdraw_closure(actor: Actor) -> Any:
    """撤销注销申请"""
    return _me(actor, personal_data.withdraw_closure(actor))


@blp.route("/people/staff", methods=["POST"])
@require("people.manage")
@blp.arguments(shapes.StaffBody)
@blp.response(201, shapes.StaffMade)
def create_staff(actor: Actor, body: dict[str, Any]) -> Any:
    """新增工作人员账号"""
    return staff.create(actor, **body)


@blp.route("/people/scan-requests/<number>")
@require("people.self")
@blp.response(200, shapes.ScanRequestOut)
def scan_request(actor: Actor, number: str) -> Any:
    """电脑上等待扫码的请求：登录或绑定"""
    return scan_requests.read(actor, number)


@blp.route("/people/scan-requests/<number>/confirm", methods=["POST"])
@require("people.self")
@blp.response(204)
def confirm_scan_request(actor: Actor, number: str) -> None:
    """确认电脑上的登录或绑定，只能一次"""
    scan_requests.confirm(actor, number)
