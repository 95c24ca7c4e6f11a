"""Shapes of people."""

from __future__ import annotations

from marshmallow import fields

from models.people import UserState
from schemas.base import Choice, In, Length, Out, Text


class SignInBody(In):
    code = fields.String(
        required=True, validate=Length(1, 128), metadata={"description": "wx.login 得到的 code"}
    )
    consent_version = fields.String(
        load_default=None,
        validate=Length(1, 16),
        metadata={"description": "用户刚刚阅读并同意的隐私政策版本；已同意过当前版本的不必再传"},
    )


class RefreshBody(In):
    refresh_token = fields.String(required=True, validate=Length(1, 200))


class TokenPair(Out):
    user_id = fields.UUID(required=True)
    access_token = fields.String(required=True)
    access_expires_at = fields.AwareDateTime(required=True)
    refresh_token = fields.String(required=True)
    refresh_expires_at = fields.AwareDateTime(required=True)


class PhoneBody(In):
    code = fields.String(
        required=True, validate=Length(1, 128), metadata={"description": "手机号快速验证组件得到的 code"}
    )


class NameBody(In):
    name = Text(32, required=True)


class GrantOut(Out):
    role = fields.String(required=True)
    scope_type = fields.String(required=True)
    scope_id = fields.String(required=True)


class Me(Out):
    id = fields.UUID(required=True)
    state = Choice(UserState, required=True)
    name = fields.String(required=True, allow_none=True)
    phone = fields.String(required=True, allow_none=True, metadata={"description": "隐去中间四位"})
    closing_at = fields.AwareDateTime(required=True, allow_none=True)
    grants = fields.List(fields.Nested(GrantOut), required=True)


class StaffSignInBody(In):
    login_name = Text(32, required=True)
    password = fields.String(required=True, validate=Length(1, 128))
    new_password = fields.String(
        load_default=None,
        validate=Length(1, 128),
        metadata={"description": "首次登录或密码到期时一并设置的新密码"},
    )


class StaffBody(In):
    login_name = Text(32, required=True)
    name = Text(32, required=True)
    role = fields.String(required=True, validate=Length(1, 24))
    division_id = fields.String(required=True, validate=Length(1, 64))


class StaffMade(Out):
    user_id = fields.UUID(required=True)
    login_name = fields.String(required=True)
    initial_password = fields.String(required=True, metadata={"description": "只显示这一次"})


class DocumentOut(Out):
    kind = fields.String(required=True)
    version = fields.String(required=True)
    title = fields.String(required=True)
    content = fields.Dict(required=True)
