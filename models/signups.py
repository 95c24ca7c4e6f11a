"""Sign-ups: one attendee in one training."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Scope
from models.columns import choice, code_number, key, made_at, personal, text
from models.lifecycle import State


class SignupState(State):
    pending = "pending", "待审核"
    confirmed = "confirmed", "已通过"
    returned = "returned", "退回完善"
    refused = "refused", "未通过"
    waiting = "waiting", "候补中"
    offered = "offered", "候补待确认"
    expired = "expired", "候补逾期"
    cancelled = "cancelled", "已取消"

    @classmethod
    def moves(cls) -> dict[State, tuple[State, ...]]:
        return {
            cls.pending: (cls.confirmed, cls.returned, cls.refused, cls.cancelled),
            cls.returned: (cls.pending, cls.refused, cls.cancelled),
            cls.waiting: (cls.pending, cls.confirmed, cls.offered, cls.refused, cls.cancelled),
            cls.offered: (cls.confirmed, cls.pending, cls.expired, cls.cancelled),
            cls.confirmed: (cls.cancelled,),
        }


SEATED = (SignupState.pending, SignupState.confirmed, SignupState.returned, SignupState.offered)
"""The states that hold a seat."""

ACTIVE = (*SEATED, SignupState.waiting)
"""The states that count towards an enterprise's places and bar a second sign-up of the same phone."""

PARTY = 50
"""The most attendees of one act."""


class Signup(Base, kw_only=True):
    """报名."""

    __tablename__ = "signups"
    __scope__: ClassVar = Scope(
        enterprise="enterprise_id", training="training_id", division="division_id", user="attendee_user_id"
    )
    __table_args__ = (
        Index(
            "uq_signups_attendee",
            "training_id",
            "attendee_phone_index",
            unique=True,
            postgresql_where=sql("state IN ('pending', 'confirmed', 'returned', 'offered', 'waiting')"),
        ),
        Index("ix_signups_waiting", "training_id", "waiting_no", postgresql_where=sql("state = 'waiting'")),
        Index("ix_signups_offers", "offer_expires_at", postgresql_where=sql("state = 'offered'")),
        Index("ix_signups_roster", "training_id", "id"),
    )

    id: Mapped[UUID] = key()
    training_id: Mapped[UUID] = mapped_column(ForeignKey("trainings.id"))
    division_id: Mapped[str] = mapped_column(ForeignKey("divisions.id"), comment="培训的主办辖区")
    enterprise_id: Mapped[UUID] = mapped_column(ForeignKey("enterprises.id"), index=True)
    enterprise_name: Mapped[str] = text(128, "报名时的企业名称")
    created_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    attendee_name: Mapped[str] = personal("signups.attendee_name", "参训人姓名")
    attendee_phone: Mapped[str] = personal("signups.attendee_phone", "参训人手机号")
    attendee_phone_index: Mapped[bytes] = mapped_column(LargeBinary(32), index=True)
    attendee_post: Mapped[str | None] = text(32, "职务", default=None)
    attendee_user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"), index=True, default=None)
    ticket_no: Mapped[str] = code_number("票号")
    state: Mapped[SignupState] = choice(SignupState, "状态")
    state_reason: Mapped[str | None] = text(500, "退回、未通过或取消的原因", default=None)
    waiting_no: Mapped[int | None] = mapped_column(comment="候补号", default=None)
    offer_expires_at: Mapped[datetime | None] = mapped_column(comment="候补名额确认时限", default=None)
    created_at: Mapped[datetime] = made_at()
