"""Shapes of people."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, fields, post_load

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


class RoleBody(In):
    role = fields.String(required=True, validate=Length(1, 24))
    division_id = fields.String(
        allow_none=True,
        validate=Length(1, 64),
        metadata={"description": "角色所在的辖区；机构、银行的角色不填"},
    )
    agency_id = fields.UUID(allow_none=True, metadata={"description": "帮扶机构的工作人员所属的机构"})
    bank_id = fields.UUID(allow_none=True, metadata={"description": "银行客户经理所属的银行"})

    @post_load
    def _scope(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        given = [data.pop(name, None) for name in ("division_id", "agency_id", "bank_id")]
        scopes = [str(scope) for scope in given if scope is not None]
        if len(scopes) != 1:
            raise ValidationError("辖区、机构、银行应填且只填一项", "division_id")
        return {**data, "scope_id": scopes[0]}


class StaffBody(RoleBody):
    login_name = Text(32, required=True)
    name = Text(32, required=True)


class StaffMade(Out):
    account_id = fields.UUID(required=True)
    user_id = fields.UUID(required=True)
    login_name = fields.String(required=True)
    initial_password = fields.String(required=True, metadata={"description": "只显示这一次"})


class DocumentOut(Out):
    kind = fields.String(required=True)
    version = fields.String(required=True)
    title = fields.String(required=True)
    content = fields.Dict(required=True)


class ScanRequestOut(Out):
    number = fields.String(required=True)
    purpose = fields.String(required=True, metadata={"description": "sign_in 登录；binding 绑定"})
    device = fields.String(required=True)
    digits = fields.String(required=True, metadata={"description": "须与电脑屏幕上的两位数一致"})
    asked_at = fields.AwareDateTime(required=True)
    expires_at = fields.AwareDateTime(required=True)


# --- forms of the console


class PasswordSignInBody(In):
    login_name = Text(32, required=True)
    password = fields.String(required=True, validate=Length(1, 128))


class CodeBody(In):
    """A code of the authenticator, or a recovery code."""

    code = Text(16, required=True)


class NewPasswordBody(In):
    new_password = fields.String(required=True, validate=Length(1, 128))
    repeated = fields.String(required=True, validate=Length(1, 128))

    @post_load
    def _once(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        if data.pop("repeated") != data["new_password"]:
            raise ValidationError("两次输入的密码不一致", "repeated")
        return data


class PasswordChangeBody(NewPasswordBody):
    current_password = fields.String(required=True, validate=Length(1, 128))


class AgencyBody(In):
    name = Text(120, required=True)
    approval_number = Text(32, allow_none=True, load_default=None)


class BankBody(In):
    name = Text(120, required=True)
