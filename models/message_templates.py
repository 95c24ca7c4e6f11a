"""Templates as the platform holds them, and which notice goes out by which."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import ARRAY, ForeignKey, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base
from models.columns import choice, key, made_at, text
from models.labels import Labelled
from models.lifecycle import State


class Channel(Labelled):
    """A way to a person in WeChat, beside the inbox, which always has the notice."""

    subscribe = "subscribe", "小程序订阅消息"
    template = "template", "公众号模板消息"


class TemplateState(State):
    active = "active", "可用"
    changed = "changed", "平台上已更改，待核对"
    gone = "gone", "平台上已不存在"

    @classmethod
    def moves(cls) -> dict[State, tuple[State, ...]]:
        return {
            cls.active: (cls.changed, cls.gone),
            cls.changed: (cls.active, cls.gone),
            cls.gone: (cls.changed, cls.active),
        }


class TemplateType(Labelled):
    one_time = "one_time", "一次性订阅"
    lasting = "lasting", "长期订阅"
    official_account = "official_account", "公众号模板"


class MessageTemplate(Base, kw_only=True):
    """消息模板, as last synchronised. `fields`: key, label, type and, for an enum, its values, in order."""

    __tablename__ = "message_templates"
    __scope__: ClassVar = None
    __table_args__ = (UniqueConstraint("channel", "platform_id"),)

    id: Mapped[UUID] = key()
    channel: Mapped[Channel] = choice(Channel, "渠道")
    platform_id: Mapped[str] = text(64, "平台上的模板编号")
    title: Mapped[str] = text(64, "标题")
    type: Mapped[TemplateType] = choice(TemplateType, "类型")
    content: Mapped[str] = text(1000, "平台上的内容")
    example: Mapped[str] = text(1000, "平台上的示例", default="")
    fields: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, comment="字段")
    version: Mapped[int] = mapped_column(comment="第几版", default=1)
    state: Mapped[TemplateState] = choice(TemplateState, "状态", default=TemplateState.active)
    synced_at: Mapped[datetime]
    created_at: Mapped[datetime] = made_at()


class MessageTemplateVersion(Base, kw_only=True):
    """A template as it once was: kept, so that what was sent can be read as it was."""

    __tablename__ = "message_template_versions"
    __scope__: ClassVar = None

    template_id: Mapped[UUID] = mapped_column(ForeignKey("message_templates.id"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = text(64, "标题")
    content: Mapped[str] = text(1000, "内容")
    fields: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, comment="字段")
    seen_at: Mapped[datetime] = made_at()


class NoticeRoute(Base, kw_only=True):
    """By which channels a kind of notice goes out, and in which order; none: decided for the inbox alone.

    Without a row nobody has decided, and it goes to the inbox as well.
    """

    __tablename__ = "notice_routes"
    __scope__: ClassVar = None

    kind: Mapped[str] = mapped_column(primary_key=True, comment="消息类别")
    channels: Mapped[list[str]] = mapped_column(ARRAY(Text), comment="渠道，按先后；空为仅站内")
    next_when_refused: Mapped[bool] = mapped_column(comment="未被接收时是否改用下一渠道", default=True)
    updated_at: Mapped[datetime] = made_at()


class TemplateUse(Base, kw_only=True):
    """The template of a kind of notice on a channel; `fields`: template key → text with {variables}."""

    __tablename__ = "template_uses"
    __scope__: ClassVar = None

    kind: Mapped[str] = mapped_column(ForeignKey("notice_routes.kind"), primary_key=True)
    channel: Mapped[Channel] = choice(Channel, "渠道", primary_key=True)
    template_id: Mapped[UUID] = mapped_column(ForeignKey("message_templates.id"))
    fields: Mapped[dict[str, str]] = mapped_column(JSONB, comment="字段的取值")
