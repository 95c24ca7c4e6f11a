"""Campaigns: what staff send to many at once."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, ForeignKey, Index, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Scope
from models.columns import choice, key, made_at, text
from models.labels import Labelled
from models.lifecycle import State


class By(Labelled):
    """What picks the enterprises of an audience; an empty list picks none."""

    conditions = "conditions", "按条件"
    listed = "listed", "按上传的名单"


class Who(Labelled):
    """Whom of an enterprise."""

    owners = "owners", "企业负责人"
    members = "members", "负责人和全部成员"


class TookPart(Labelled):
    """What an enterprise did about trainings; a training counts by when it begins."""

    attended = "attended", "有人到场参加过"
    not_attended = "not_attended", "没有人到场参加过"
    absent = "absent", "报名已通过但有人没有到场"


class Assisted(Labelled):
    """How far an enterprise has come with an assistance case that an agency accepted."""

    under_way = "under_way", "正在接受帮扶"
    finished = "finished", "帮扶已办结"
    never = "never", "没有接受过帮扶"


class CampaignState(State):
    draft = "draft", "草稿"
    approving = "approving", "待复核"
    scheduled = "scheduled", "等待发送"
    preparing = "preparing", "正在准备"
    running = "running", "发送中"
    paused = "paused", "已暂停"
    done = "done", "已完成"
    cancelled = "cancelled", "已取消"

    @classmethod
    def moves(cls) -> dict[State, tuple[State, ...]]:
        return {
            cls.draft: (cls.approving, cls.scheduled, cls.cancelled),
            cls.approving: (cls.draft, cls.scheduled, cls.cancelled),
            cls.scheduled: (cls.preparing, cls.approving, cls.draft, cls.cancelled),
            cls.preparing: (cls.running, cls.paused, cls.cancelled),
            cls.running: (cls.paused, cls.done, cls.cancelled),
            cls.paused: (cls.running, cls.preparing, cls.cancelled),
            cls.done: (cls.running,),
        }


class Campaign(Base, kw_only=True):
    """群发. What everybody gets is the same; who gets it is told by `audience`."""

    __tablename__ = "campaigns"
    __scope__: ClassVar = Scope(division="division_id")
    __table_args__ = (
        CheckConstraint("recipients >= 0", name="recipients"),
        Index("ix_campaigns_division", "division_id", "id"),
        Index("ix_campaigns_state", "state", "scheduled_at"),
    )

    id: Mapped[UUID] = key()
    division_id: Mapped[str] = mapped_column(ForeignKey("divisions.id"), comment="发起辖区")
    name: Mapped[str] = text(60, "名称，仅工作人员可见")
    title: Mapped[str] = text(60, "站内消息标题")
    body: Mapped[str] = text(500, "站内消息正文")
    page: Mapped[str] = text(200, "点击后打开的小程序页面", default="")
    channels: Mapped[list[str]] = mapped_column(ARRAY(Text), comment="渠道，按先后；空为仅站内")
    next_when_refused: Mapped[bool] = mapped_column(comment="未被接收时是否改用下一渠道", default=True)
    templates: Mapped[dict[str, Any]] = mapped_column(
        JSONB, comment="渠道 → 模板编号与字段取值", default_factory=dict
    )
    audience: Mapped[dict[str, Any]] = mapped_column(JSONB, comment="受众条件", default_factory=dict)
    credit_codes: Mapped[list[str]] = mapped_column(
        ARRAY(Text), comment="上传的名单；空为按条件", default_factory=list
    )
    state: Mapped[CampaignState] = choice(CampaignState, "状态", default=CampaignState.draft)
    state_reason: Mapped[str | None] = text(200, "退回、取消或又须复核的原因", default=None)
    recipients: Mapped[int] = mapped_column(comment="收件人数", default=0)
    scheduled_at: Mapped[datetime | None] = mapped_column(comment="定时发送；空为复核后即发", default=None)
    created_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    approved_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"), default=None)
    started_at: Mapped[datetime | None] = mapped_column(default=None)
    finished_at: Mapped[datetime | None] = mapped_column(default=None)
    created_at: Mapped[datetime] = made_at()
