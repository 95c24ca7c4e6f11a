"""What may be sent to whom: subscriptions of the mini-program, followers of the Official Account."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Scope
from models.columns import choice, key, made_at, text
from models.labels import Labelled


class Subscription(Base, kw_only=True):
    """订阅账. A hint only: the platform alone knows, and has the last word when a message is sent."""

    __tablename__ = "subscriptions"
    __scope__: ClassVar = Scope(user="user_id")
    __table_args__ = (CheckConstraint("credits >= 0", name="credits"),)

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    template_id: Mapped[UUID] = mapped_column(ForeignKey("message_templates.id"), primary_key=True)
    credits: Mapped[int] = mapped_column(comment="剩余的一次性订阅次数", default=0)
    lasting: Mapped[bool] = mapped_column(comment="是否长期订阅", default=False)
    updated_at: Mapped[datetime] = made_at()


class Tap(Labelled):
    """Where the client may ask: WeChat's popup opens only on a tap."""

    signup = "signup", "提交报名"
    waiting = "waiting", "提交候补"
    enterprise = "enterprise", "登记企业"
    home = "home", "首页"


class AnswerSource(Labelled):
    client = "client", "小程序上报"
    event = "event", "平台事件"


class SubscriptionAnswer(Base, kw_only=True):
    """An answer to the popup, as the client or the platform told it; both tell of one, and it counts once."""

    __tablename__ = "subscription_answers"
    __scope__: ClassVar = Scope(user="user_id")
    __table_args__ = (Index("ix_subscription_answers_pairing", "user_id", "template_id", "answered_at"),)

    id: Mapped[UUID] = key()
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    template_id: Mapped[UUID] = mapped_column(ForeignKey("message_templates.id"))
    source: Mapped[AnswerSource] = choice(AnswerSource, "来源")
    answer: Mapped[str] = text(24, "accept / reject / ban / filter / revoke")
    answered_at: Mapped[datetime] = mapped_column(comment="回答的时间")
    paired: Mapped[bool] = mapped_column(comment="另一来源也报告了同一次回答", default=False)
    dedupe_key: Mapped[str] = text(160, "去重键", unique=True)
    created_at: Mapped[datetime] = made_at()


class Follower(Base, kw_only=True):
    """公众号关注者. Found by the UnionID that both accounts share; gone with the unfollow event."""

    __tablename__ = "followers"
    __scope__: ClassVar = None
    __table_args__ = (Index("ix_followers_unionid", "unionid"),)

    openid: Mapped[str] = mapped_column(primary_key=True, comment="公众号 openid")
    unionid: Mapped[str | None] = text(64, "开放平台 unionid；未绑定时为空", default=None)
    checked_at: Mapped[datetime | None] = mapped_column(comment="最近一次向平台核对", default=None)
    created_at: Mapped[datetime] = made_at()
