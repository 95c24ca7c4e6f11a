"""Bookings: when experts can be booked (可预约时段), when not, and what is booked (预约)."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, func
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Scope
from models.columns import choice, key, made_at, personal, text
from models.labels import Labelled
from models.lifecycle import State

LIMITS = {
    "minutes": (15, 480),
    "buffer_minutes": (0, 240),
    "lead_hours": (0, 720),
    "lead_days": (1, 180),
    "cancel_hours": (0, 720),
}
HOLD_MINUTES = 15
"""How long a slot is kept for somebody who is filling in the form."""


class Meeting(Labelled):
    """How expert and enterprise meet."""

    onsite = "onsite", "上门"
    agency = "agency", "到机构"
    phone = "phone", "电话"
    video = "video", "视频会议"


class Touched(Labelled):
    """What becomes of the bookings that lie in an absence."""

    keep = "keep", "保留，专家照常赴约"
    revoke = "revoke", "取消，并通知企业另约时间"


class BookingState(State):
    held = "held", "填写中"
    lapsed = "lapsed", "未提交，已放开"
    booked = "booked", "已预约"
    cancelled = "cancelled", "企业已取消"
    revoked = "revoked", "机构已取消"
    excused = "excused", "企业请假"
    seen = "seen", "已见面"
    no_show = "no_show", "企业未到"

    @classmethod
    def moves(cls) -> dict[State, tuple[State, ...]]:
        return {
            cls.held: (cls.booked, cls.lapsed),
            cls.booked: (cls.cancelled, cls.revoked, cls.excused, cls.seen, cls.no_show),
        }


OCCUPYING = (BookingState.held, BookingState.booked, BookingState.seen, BookingState.no_show)
"""The states in which the expert's time is taken."""
PASSING = (BookingState.held, BookingState.lapsed)
"""The states of a slot that was not booked, or is not yet."""
_OCCUPYING = "state IN ('held', 'booked', 'seen', 'no_show')"


def _one_expert() -> tuple[Any, str]:
    # A range over a number stands for the number itself: GiST compares ranges without an extension.
    return sql("int8range(expert_no, expert_no, '[]')"), "&&"


class Availability(Base, kw_only=True):
    """可预约时段: a weekly window in which an expert can be booked. Windows of one expert never overlap."""

    __tablename__ = "availabilities"
    __scope__: ClassVar = None
    __table_args__ = (
        CheckConstraint("weekday BETWEEN 0 AND 6", name="weekday"),
        CheckConstraint(
            "from_minute >= 0 AND from_minute < until_minute AND until_minute <= 1440", name="times"
        ),
        CheckConstraint("valid_until IS NULL OR valid_from <= valid_until", name="validity"),
        CheckConstraint("from_minute + minutes <= until_minute", name="room"),
        ExcludeConstraint(
            _one_expert(),
            (sql("int4range(weekday * 1440 + from_minute, weekday * 1440 + until_minute)"), "&&"),
            (sql("daterange(valid_from, valid_until, '[]')"), "&&"),
            name="ex_availabilities_overlap",
            using="gist",
        ),
    )

    id: Mapped[UUID] = key()
    agency_id: Mapped[UUID] = mapped_column(ForeignKey("agencies.id"))
    expert_id: Mapped[UUID] = mapped_column(ForeignKey("experts.id"), index=True)
    expert_no: Mapped[int] = mapped_column(BigInteger, comment="专家序号")
    weekday: Mapped[int] = mapped_column(comment="星期几，0 为星期一")
    from_minute: Mapped[int] = mapped_column(comment="开始，当日零点起的分钟数（北京时间）")
    until_minute: Mapped[int] = mapped_column(comment="结束，同上")
    valid_from: Mapped[date] = mapped_column(comment="自何日起")
    valid_until: Mapped[date | None] = mapped_column(comment="至何日止，含当日；空为长期", default=None)
    meeting: Mapped[Meeting] = choice(Meeting, "方式")
    place: Mapped[str] = text(200, "地点或会议号", default="")
    minutes: Mapped[int] = mapped_column(comment="每次时长，分钟", default=60)
    buffer_before: Mapped[int] = mapped_column(comment="之前留空，分钟", default=0)
    buffer_after: Mapped[int] = mapped_column(comment="之后留空，分钟", default=0)
    lead_hours: Mapped[int] = mapped_column(comment="至少提前，小时", default=24)
    lead_days: Mapped[int] = mapped_column(comment="至多提前，天", default=30)
    cancel_hours: Mapped[int] = mapped_column(comment="取消或改约须提前，小时", default=24)
    created_at: Mapped[datetime] = made_at()


class Absence(Base, kw_only=True):
    """不可预约: a time in which an expert is away."""

    __tablename__ = "absences"
    __scope__: ClassVar = Scope(agency="agency_id")
    __table_args__ = (
        CheckConstraint("starts_at < ends_at", name="times"),
        Index("ix_absences_expert", "expert_id", "starts_at"),
    )

    id: Mapped[UUID] = key()
    agency_id: Mapped[UUID] = mapped_column(ForeignKey("agencies.id"))
    expert_id: Mapped[UUID] = mapped_column(ForeignKey("experts.id"))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    reason: Mapped[str] = text(200, "原因", default="")


class Booking(Base, kw_only=True):
    """预约. `blocked_from`–`blocked_until` is the time with its buffers; no two of an expert overlap."""

    __tablename__ = "bookings"
    __scope__: ClassVar = Scope(
        enterprise="enterprise_id", division="division_id", agency="agency_id", user="created_by"
    )
    __table_args__ = (
        CheckConstraint("starts_at < ends_at", name="times"),
        CheckConstraint("blocked_from <= starts_at AND ends_at <= blocked_until", name="blocked"),
        CheckConstraint("(state = 'held') = (hold_expires_at IS NOT NULL)", name="hold"),
        ExcludeConstraint(
            _one_expert(),
            (func.tstzrange(sql("blocked_from"), sql("blocked_until")), "&&"),
            name="ex_bookings_expert",
            using="gist",
            where=sql(_OCCUPYING),
        ),
        # Whoever fills in a form keeps one slot, not a month of them.
        Index("uq_bookings_held", "enterprise_id", unique=True, postgresql_where=sql("state = 'held'")),
        Index("ix_bookings_holds", "hold_expires_at", postgresql_where=sql("state = 'held'")),
        Index("ix_bookings_coming", "starts_at", postgresql_where=sql("state = 'booked'")),
        Index("ix_bookings_agency", "agency_id", "starts_at"),
        Index("ix_bookings_enterprise", "enterprise_id", "starts_at"),
        Index("ix_bookings_division", "division_id", "starts_at"),
    )

    id: Mapped[UUID] = key()
    agency_id: Mapped[UUID] = mapped_column(ForeignKey("agencies.id"))
    expert_id: Mapped[UUID] = mapped_column(ForeignKey("experts.id"))
    expert_no: Mapped[int] = mapped_column(BigInteger, comment="专家序号")
    enterprise_id: Mapped[UUID] = mapped_column(ForeignKey("enterprises.id"))
    enterprise_name: Mapped[str] = text(128, "预约时的企业名称")
    division_id: Mapped[str] = mapped_column(ForeignKey("divisions.id"), comment="企业所属辖区")
    case_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("cases.id"), comment="所属帮扶项目", index=True, default=None
    )
    created_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    blocked_from: Mapped[datetime] = mapped_column(comment="含之前留空")
    blocked_until: Mapped[datetime] = mapped_column(comment="含之后留空")
    meeting: Mapped[Meeting] = choice(Meeting, "方式")
    place: Mapped[str] = text(200, "地点或会议号", default="")
    need: Mapped[str] = text(1000, "需求说明", default="")
    contact_name: Mapped[str | None] = personal("bookings.contact_name", "联系人", default=None)
    contact_phone: Mapped[str | None] = personal("bookings.contact_phone", "联系电话", default=None)
    state: Mapped[BookingState] = choice(BookingState, "状态", default=BookingState.held)
    state_reason: Mapped[str | None] = text(500, "取消、请假的原因", default=None)
    hold_expires_at: Mapped[datetime | None] = mapped_column(comment="为填写保留至", default=None)
    cancel_deadline: Mapped[datetime] = mapped_column(comment="取消或改约截止")
    revision: Mapped[int] = mapped_column(comment="改约次数（iCalendar SEQUENCE）", default=0)
    created_at: Mapped[datetime] = made_at()
