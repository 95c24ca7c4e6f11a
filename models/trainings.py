"""Trainings and their sessions (notice 二（一）)."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, ForeignKey, Index, Integer, Text, UniqueConstraint, and_
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Scope
from models.columns import choice, code_number, key, made_at, text
from models.labels import Labelled
from models.lifecycle import State

# Least and most of what is typed in as a number.
LIMITS = {
    "capacity": (1, 100_000),
    "seats_per_enterprise": (1, 1_000),
    "certificate_percent": (1, 100),
    "offer_minutes": (5, 10_080),
    "sessions": (1, 50),
    "reminders": (0, 5),
    "lead_minutes": (10, 20_160),
}
REMIND_BEFORE = (1440, 60)
"""How many minutes before a session people are reminded of it, unless the training says otherwise."""


class TrainingState(State):
    draft = "draft", "草稿"
    published = "published", "已发布"
    cancelled = "cancelled", "已取消"
    discarded = "discarded", "已作废"

    @classmethod
    def moves(cls) -> dict[State, tuple[State, ...]]:
        return {cls.draft: (cls.published, cls.discarded), cls.published: (cls.cancelled,)}


class Mode(Labelled):
    online = "online", "线上"
    onsite = "onsite", "线下"


class Provider(Labelled):
    """Who holds it (notice 二（一）1)."""

    national = "national", "国家局"
    province = "province", "省局"
    alliance = "alliance", "提升联盟"
    own = "own", "自办"


class Audience(Labelled):
    """分层培训的对象 (notice 二（二）3)."""

    management = "management", "管理层"
    quality_lead = "quality_lead", "质量负责人"
    internal_auditor = "internal_auditor", "内审员"
    team = "team", "班组"


class SignupWindow(Labelled):
    """Whether a training takes sign-ups; follows from its state, its times and its seats."""

    not_open = "not_open", "未开始报名"
    open = "open", "报名中"
    full = "full", "已满，可候补"
    closed = "closed", "报名已截止"


def _announced(training: Any) -> Any:
    return and_(training.state != TrainingState.draft, training.state != TrainingState.discarded)


class Training(Base, kw_only=True):
    """培训. `taken` counts the seats held, `waiting` the people on the waiting list."""

    __tablename__ = "trainings"
    __scope__: ClassVar = Scope(training="id", division="division_id", public=_announced)
    __table_args__ = (
        CheckConstraint("capacity > 0", name="capacity"),
        CheckConstraint("taken >= 0 AND taken <= capacity", name="taken"),
        CheckConstraint("waiting >= 0", name="waiting"),
        CheckConstraint("opens_at < closes_at", name="window"),
        CheckConstraint("certificate_percent BETWEEN 1 AND 100", name="certificate_percent"),
        Index("ix_trainings_open", "state", "starts_at", "id"),
    )

    id: Mapped[UUID] = key()
    division_id: Mapped[str] = mapped_column(ForeignKey("divisions.id"), comment="主办辖区")
    title: Mapped[str] = text(120, "名称")
    description: Mapped[str] = text(4000, "说明", default="")
    mode: Mapped[Mode] = choice(Mode, "线上 / 线下")
    provider: Mapped[Provider] = choice(Provider, "举办方层级")
    audience: Mapped[Audience] = choice(Audience, "培训对象")
    organiser: Mapped[str] = text(120, "主办单位")
    place: Mapped[str | None] = text(200, "地点", default=None)
    online_url: Mapped[str | None] = text(500, "线上地址", default=None)
    open_to: Mapped[list[str]] = mapped_column(ARRAY(Text), comment="面向的辖区")
    capacity: Mapped[int] = mapped_column(comment="名额")
    seats_per_enterprise: Mapped[int] = mapped_column(comment="每家企业最多人数")
    opens_at: Mapped[datetime] = mapped_column(comment="报名开始")
    closes_at: Mapped[datetime] = mapped_column(comment="报名截止")
    change_deadline: Mapped[datetime] = mapped_column(comment="更换参训人截止")
    cancel_deadline: Mapped[datetime] = mapped_column(comment="取消报名截止")
    needs_approval: Mapped[bool] = mapped_column(comment="是否需审核", default=False)
    offer_minutes: Mapped[int | None] = mapped_column(
        comment="候补名额确认时限，分钟；空为自动确认", default=None
    )
    certificate_percent: Mapped[int] = mapped_column(comment="发证所需出勤比例，%", default=100)
    remind_before: Mapped[list[int]] = mapped_column(
        ARRAY(Integer), comment="各场次开始前多少分钟提醒", default_factory=lambda: list(REMIND_BEFORE)
    )
    starts_at: Mapped[datetime] = mapped_column(comment="第一场开始")
    ends_at: Mapped[datetime] = mapped_column(comment="最后一场结束")
    state: Mapped[TrainingState] = choice(TrainingState, "状态", default=TrainingState.draft)
    state_reason: Mapped[str | None] = text(500, "取消原因", default=None)
    import_key: Mapped[str | None] = text(64, "导入批次中的唯一标识", unique=True, default=None)
    taken: Mapped[int] = mapped_column(comment="已占名额", default=0)
    waiting: Mapped[int] = mapped_column(comment="候补人数", default=0)
    waiting_seq: Mapped[int] = mapped_column(comment="候补号序列", default=0)
    revision: Mapped[int] = mapped_column(comment="日程版本（iCalendar SEQUENCE）", default=0)
    created_at: Mapped[datetime] = made_at()


class TrainingSession(Base, kw_only=True):
    """场次. Check-in is open from `checkin_from` to `checkin_until`."""

    __tablename__ = "training_sessions"
    __scope__: ClassVar = Scope(training="training_id", division="division_id", public=lambda _: _everybody())
    __table_args__ = (
        UniqueConstraint("training_id", "number"),
        CheckConstraint("starts_at < ends_at", name="times"),
    )

    id: Mapped[UUID] = key()
    training_id: Mapped[UUID] = mapped_column(ForeignKey("trainings.id"))
    division_id: Mapped[str] = mapped_column(ForeignKey("divisions.id"))
    number: Mapped[int] = mapped_column(comment="第几场")
    title: Mapped[str] = text(120, "场次名称")
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    checkin_from: Mapped[datetime] = mapped_column(comment="签到开始")
    checkin_until: Mapped[datetime] = mapped_column(comment="签到结束")
    hall_no: Mapped[str] = code_number("现场码编号")


def _everybody() -> Any:
    from sqlalchemy import true

    return true()


class EnterpriseSeats(Base, kw_only=True):
    """How many places an enterprise holds in a training, waiting ones included; taken by one upsert."""

    __tablename__ = "enterprise_seats"
    __scope__: ClassVar = Scope(enterprise="enterprise_id", division="division_id")
    __table_args__ = (CheckConstraint("taken >= 0", name="taken"),)

    training_id: Mapped[UUID] = mapped_column(ForeignKey("trainings.id"), primary_key=True)
    enterprise_id: Mapped[UUID] = mapped_column(ForeignKey("enterprises.id"), primary_key=True)
    division_id: Mapped[str] = mapped_column(ForeignKey("divisions.id"))
    taken: Mapped[int]
