"""People: users, what they consented to, how they are signed in, and what was granted to them."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, UniqueConstraint, func
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Scope
from models.columns import choice, code_number, key, made_at, personal, text
from models.lifecycle import State


class UserState(State):
    active = "active", "正常"
    closing = "closing", "注销中"
    closed = "closed", "已注销"

    @classmethod
    def moves(cls) -> dict[State, tuple[State, ...]]:
        return {cls.active: (cls.closing, cls.closed), cls.closing: (cls.active, cls.closed)}


class User(Base, kw_only=True):
    """A person who signs in, through the mini-program or as staff."""

    __tablename__ = "users"
    __scope__: ClassVar = Scope(user="id")

    id: Mapped[UUID] = key()
    state: Mapped[UserState] = choice(UserState, "状态", default=UserState.active)
    mp_openid: Mapped[str | None] = text(64, "小程序 openid", unique=True, default=None)
    unionid: Mapped[str | None] = text(64, "开放平台 unionid", index=True, default=None)
    name: Mapped[str | None] = personal("users.name", "姓名", default=None)
    phone: Mapped[str | None] = personal("users.phone", "手机号", default=None)
    phone_index: Mapped[bytes | None] = mapped_column(LargeBinary(32), unique=True, default=None)
    closing_at: Mapped[datetime | None] = mapped_column(comment="注销完成时间", default=None)
    created_at: Mapped[datetime] = made_at()


class Consent(Base, kw_only=True):
    """A consent given by a person to one version of a notice (PIPL 13, 14, 17)."""

    __tablename__ = "consents"
    __scope__: ClassVar = Scope(user="user_id")
    __table_args__ = (UniqueConstraint("user_id", "kind", "version"),)

    id: Mapped[UUID] = key()
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    kind: Mapped[str] = text(32, "同意事项：privacy 隐私政策")
    version: Mapped[str] = text(16, "所同意的版本")
    given_at: Mapped[datetime] = made_at()
    withdrawn_at: Mapped[datetime | None] = mapped_column(comment="撤回时间", default=None)


MINI_PROGRAM = "mini_program"
CONSOLE = "console"


class SignIn(Base, kw_only=True):
    """One sign-in on one device: a family of tokens of which one pair is good at a time (hashes only)."""

    __tablename__ = "sign_ins"
    __scope__: ClassVar = Scope(user="user_id")

    id: Mapped[UUID] = key()
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    access_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    access_expires_at: Mapped[datetime]
    refresh_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    refresh_expires_at: Mapped[datetime]
    client: Mapped[str] = text(16, "从何处登录：mini_program / console", default=MINI_PROGRAM)
    device: Mapped[str] = text(64, "设备，如 Chrome · Windows", default="")
    complete: Mapped[bool] = mapped_column(comment="各道验证是否都已通过", default=True)
    second_factor_at: Mapped[datetime | None] = mapped_column(comment="第二道验证通过的时间", default=None)
    seen_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp(), init=False)
    ended_at: Mapped[datetime | None] = mapped_column(default=None)
    end_reason: Mapped[str | None] = text(
        24, "结束原因：signed_out / reused / closed / revoked", default=None
    )
    created_at: Mapped[datetime] = made_at()


class RoleGrant(Base, kw_only=True):
    """A role granted to a person, always with a scope; in an enterprise one role each, and one owner."""

    __tablename__ = "grants"
    __scope__: ClassVar = Scope(user="user_id")
    __table_args__ = (
        UniqueConstraint("user_id", "role", "scope_id"),
        Index("ix_grants_scope", "scope_type", "scope_id"),
        Index(
            "uq_grants_membership",
            "user_id",
            "scope_id",
            unique=True,
            postgresql_where=sql("scope_type = 'enterprise'"),
        ),
        Index(
            "uq_grants_owner",
            "scope_id",
            unique=True,
            postgresql_where=sql("scope_type = 'enterprise' AND role = 'owner'"),
        ),
    )

    id: Mapped[UUID] = key()
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    role: Mapped[str] = text(24, "角色")
    scope_type: Mapped[str] = text(16, "范围类别：division / enterprise / training / agency / bank")
    scope_id: Mapped[str] = text(64, "范围编号")
    granted_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"), default=None)
    created_at: Mapped[datetime] = made_at()


class AccountState(State):
    active = "active", "正常"
    disabled = "disabled", "已停用"

    @classmethod
    def moves(cls) -> dict[State, tuple[State, ...]]:
        return {cls.active: (cls.disabled,), cls.disabled: (cls.active,)}


class StaffAccount(Base, kw_only=True):
    """A user name and password for somebody who works at a desk (GB/T 22239 身份鉴别)."""

    __tablename__ = "staff_accounts"
    __scope__: ClassVar = Scope(user="user_id", division="division_id")

    id: Mapped[UUID] = key()
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), unique=True)
    division_id: Mapped[str] = mapped_column(
        ForeignKey("divisions.id"), index=True, comment="所属辖区；机构、银行的账号属于全市"
    )
    login_name: Mapped[str] = text(32, "用户名", unique=True)
    password_hash: Mapped[str] = text(128, "argon2id")
    password_set_at: Mapped[datetime | None] = mapped_column(
        comment="本人设置密码的时间；空为初始密码", default=None
    )
    failures: Mapped[int] = mapped_column(comment="连续失败次数", default=0)
    locked_until: Mapped[datetime | None] = mapped_column(default=None)
    state: Mapped[AccountState] = choice(AccountState, "状态", default=AccountState.active)
    totp_secret: Mapped[str | None] = personal("staff_accounts.totp_secret", "动态口令密钥", default=None)
    totp_confirmed_at: Mapped[datetime | None] = mapped_column(
        comment="动态口令启用时间；空为未启用", default=None
    )
    totp_last_step: Mapped[int] = mapped_column(
        BigInteger, comment="最近用过的动态口令的时间步，每步只能用一次", default=0
    )
    wechat_user_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("users.id"), comment="可扫码登录此账号的微信用户", unique=True, default=None
    )
    created_at: Mapped[datetime] = made_at()


class RecoveryCode(Base, kw_only=True):
    """A code that stands in once for the second factor; shown once and stored as a hash."""

    __tablename__ = "recovery_codes"
    __scope__: ClassVar = Scope(user="user_id")

    id: Mapped[UUID] = key()
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    code_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    used_at: Mapped[datetime | None] = mapped_column(default=None)


class ScanRequest(Base, kw_only=True):
    """A code on a desk's screen that waits to be scanned: to sign in to an account, or to bind one.

    `number` stands in the code; `browser_hash` is of what only the browser that asked holds.
    """

    __tablename__ = "scan_requests"
    __scope__: ClassVar = Scope(user="confirmed_by")

    id: Mapped[UUID] = key()
    number: Mapped[str] = code_number("扫码编号")
    browser_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    digits: Mapped[str] = text(2, "屏幕与手机上须一致的两位数")
    device: Mapped[str] = text(64, "设备，如 Chrome · Windows", default="")
    account_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("staff_accounts.id"), comment="待绑定的账号；空为登录", default=None
    )
    expires_at: Mapped[datetime]
    confirmed_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"), default=None)
    used_at: Mapped[datetime | None] = mapped_column(default=None)
    created_at: Mapped[datetime] = made_at()
