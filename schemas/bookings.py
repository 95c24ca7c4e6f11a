"""Shapes of bookings, of the windows that experts can be booked in, and of their absences."""

from __future__ import annotations

import re
from datetime import date
from typing import Any, ClassVar

from marshmallow import ValidationError, fields

from models.bookings import LIMITS, BookingState, Meeting, Touched
from models.cases import Aspect
from schemas.base import Choice, In, Integer, Length, Out, PageQuery, Phone, Text, Time


def _year(day: date) -> None:
    if not 2000 <= day.year <= 2100:
        raise ValidationError("年份应在 2000–2100 之间")


class Clock(fields.Field[int]):
    """A time of the day, as 09:00; gives the minutes from midnight, up to 24:00."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        match = re.fullmatch(r"(\d{1,2})[:：]([0-5]\d)(:00)?", str(value).strip(), re.ASCII)
        minutes = int(match[1]) * 60 + int(match[2]) if match else -1
        if not 0 <= minutes <= 24 * 60:
            raise ValidationError("应为时间，如 09:00")
        return minutes


# --- slots and bookings


class DaysQuery(In):
    first = fields.Date(required=True, data_key="from", validate=_year)
    last = fields.Date(required=True, data_key="to", validate=_year, metadata={"description": "含当日"})
    expert_id = fields.UUID(load_default=None)


class SlotQuery(DaysQuery):
    meeting = Choice(Meeting, load_default=None)


class SlotExpert(Out):
    id = fields.UUID(required=True)
    name = fields.String(required=True, metadata={"description": "隐去部分"})
    title = fields.String(required=True)

    class Meta:
        # A schema's own attribute has this name.
        include: ClassVar = {"fields": fields.List(Choice(Aspect), required=True)}


class SlotItem(Out):
    """An expert in one way to meet."""

    expert_id = fields.UUID(required=True)
    meeting = Choice(Meeting, required=True)
    place = fields.String(required=True)
    minutes = fields.Integer(required=True, metadata={"description": "时长"})
    starts_at = fields.List(
        fields.AwareDateTime(), required=True, metadata={"description": "可预约的开始时间，按先后"}
    )


class Slots(Out):
    experts = fields.List(fields.Nested(SlotExpert), required=True)
    items = fields.List(fields.Nested(SlotItem), required=True)


class HoldBody(In):
    enterprise_id = fields.UUID(required=True)
    expert_id = fields.UUID(required=True)
    starts_at = Time(required=True, metadata={"description": "一个可预约时段的开始时间"})


_PLACE = {"description": "专家上门时必填：企业的详细地址"}


class BookBody(In):
    need = Text(1000, at_least=2, multiline=True, required=True, metadata={"description": "需求说明"})
    contact_name = Text(32, required=True)
    contact_phone = Phone(required=True)
    place = Text(200, load_default=None, allow_none=True, metadata=_PLACE)


class ChangeBody(In):
    starts_at = Time(required=True)
    expert_id = fields.UUID(
        load_default=None, allow_none=True, metadata={"description": "改由同一机构的另一专家；不填不变"}
    )
    place = Text(200, load_default=None, allow_none=True, metadata=_PLACE)


class CancelBody(In):
    reason = Text(200, load_default=None, allow_none=True, multiline=True)


class BookingQuery(PageQuery):
    enterprise_id = fields.UUID(load_default=None)
    state = Choice(BookingState, load_default=None)


class BookingOut(Out):
    id = fields.UUID(required=True)
    agency_id = fields.UUID(required=True)
    agency_name = fields.String(required=True)
    expert_id = fields.UUID(required=True)
    expert_name = fields.String(required=True)
    enterprise_id = fields.UUID(required=True)
    enterprise_name = fields.String(required=True)
    case_id = fields.UUID(required=True, allow_none=True, metadata={"description": "所属帮扶项目"})
    starts_at = fields.AwareDateTime(required=True)
    ends_at = fields.AwareDateTime(required=True)
    meeting = Choice(Meeting, required=True)
    place = fields.String(required=True)
    need = fields.String(required=True)
    contact_name = fields.String(required=True, allow_none=True)
    contact_phone = fields.String(required=True, allow_none=True)
    state = Choice(BookingState, required=True)
    state_reason = fields.String(required=True, allow_none=True)
    hold_expires_at = fields.AwareDateTime(
        required=True, allow_none=True, metadata={"description": "为填写保留至"}
    )
    cancel_deadline = fields.AwareDateTime(required=True, metadata={"description": "取消、改约的截止时间"})
    revision = fields.Integer(required=True, metadata={"description": "改约次数"})
    created_at = fields.AwareDateTime(required=True)


# --- the agency in the field


class AgendaItem(BookingOut):
    """A booking as the agency sees it; name and phone of the contact are masked."""

    class Meta:
        exclude = ("hold_expires_at",)


class AbsenceOut(Out):
    id = fields.UUID(required=True)
    expert_id = fields.UUID(required=True)
    starts_at = fields.AwareDateTime(required=True)
    ends_at = fields.AwareDateTime(required=True)
    reason = fields.String(required=True)


class Agenda(Out):
    bookings = fields.List(fields.Nested(AgendaItem), required=True)
    absences = fields.List(fields.Nested(AbsenceOut), required=True)


class BookingMoved(Out):
    id = fields.UUID(required=True)
    state = Choice(BookingState, required=True)


class ContactOut(Out):
    name = fields.String(required=True)
    phone = fields.String(required=True)


# --- what the agency fills in


class AvailabilityPatch(In):
    """A window, on the weekday that it has."""

    from_minute = Clock(required=True)
    until_minute = Clock(required=True)
    valid_from = fields.Date(required=True, validate=_year)
    valid_until = fields.Date(load_default=None, allow_none=True, validate=_year)
    meeting = Choice(Meeting, required=True)
    place = Text(200, at_least=0, load_default="")
    minutes = Integer(*LIMITS["minutes"], required=True)
    buffer_before = Integer(*LIMITS["buffer_minutes"], required=True)
    buffer_after = Integer(*LIMITS["buffer_minutes"], required=True)
    lead_hours = Integer(*LIMITS["lead_hours"], required=True)
    lead_days = Integer(*LIMITS["lead_days"], required=True)
    cancel_hours = Integer(*LIMITS["cancel_hours"], required=True)


class AvailabilityBody(AvailabilityPatch):
    """The same window on some weekdays."""

    weekdays = fields.List(Integer(0, 6), required=True, validate=Length(1, 7))


class AbsenceBody(In):
    starts_at = Time(required=True)
    ends_at = Time(required=True)
    reason = Text(200, at_least=0, load_default="")
    bookings = Choice(Touched, load_default=None, allow_none=True)
