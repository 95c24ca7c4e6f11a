"""Shapes of trainings."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, fields, validates_schema

from models.trainings import LIMITS, REMIND_BEFORE, Audience, Mode, Provider, TrainingState
from schemas.base import Boolean, Choice, In, Integer, Length, Out, PageQuery, Phone, Text, Time


class SessionBody(In):
    title = Text(120, load_default=None, allow_none=True, metadata={"description": "默认“第几场”"})
    starts_at = Time(required=True)
    ends_at = Time(required=True)
    checkin_from = Time(
        load_default=None, allow_none=True, metadata={"description": "签到开始；默认开始前 60 分钟"}
    )
    checkin_until = Time(
        load_default=None, allow_none=True, metadata={"description": "签到结束；默认到本场结束"}
    )

    def load(self, data: Any, *, partial: Any = None, **options: Any) -> Any:
        """Sessions are given whole, also where the training around them is given in part."""
        return super().load(data, partial=False, **options)


class TrainingBody(In):
    title = Text(120, required=True)
    description = Text(4000, at_least=0, multiline=True, load_default="")
    mode = Choice(Mode, required=True)
    provider = Choice(Provider, required=True)
    audience = Choice(Audience, required=True)
    organiser = Text(120, required=True)
    place = Text(200, load_default=None, allow_none=True, metadata={"description": "线下必填"})
    online_url = Text(
        500, load_default=None, allow_none=True, metadata={"description": "线上必填，https:// 开头"}
    )
    division_id = Text(64, required=True, metadata={"description": "主办辖区"})
    open_to = fields.List(
        Text(64),
        load_default=None,
        allow_none=True,
        validate=Length(1, 50),
        metadata={"description": "面向的辖区，含其下级；默认为主办辖区"},
    )
    capacity = Integer(*LIMITS["capacity"], required=True)
    seats_per_enterprise = Integer(*LIMITS["seats_per_enterprise"], required=True)
    opens_at = Time(required=True, metadata={"description": "报名开始"})
    closes_at = Time(required=True, metadata={"description": "报名截止，不晚于首场开始"})
    change_deadline = Time(
        load_default=None, allow_none=True, metadata={"description": "更换参训人截止；默认同报名截止"}
    )
    cancel_deadline = Time(
        load_default=None, allow_none=True, metadata={"description": "取消报名截止；默认同报名截止"}
    )
    needs_approval = Boolean(load_default=False)
    offer_minutes = Integer(
        *LIMITS["offer_minutes"],
        load_default=None,
        allow_none=True,
        metadata={"description": "候补名额确认时限，分钟；空为自动确认"},
    )
    certificate_percent = Integer(*LIMITS["certificate_percent"], load_default=100)
    remind_before = fields.List(
        Integer(*LIMITS["lead_minutes"]),
        load_default=list(REMIND_BEFORE),
        validate=Length(*LIMITS["reminders"]),
        metadata={"description": "各场次开始前多少分钟提醒已通过的参训人；空为不提醒"},
    )
    sessions = fields.List(
        fields.Nested(SessionBody),
        required=True,
        validate=Length(*LIMITS["sessions"]),
        metadata={"description": "按时间先后，不得重叠；修改时须给出全部场次，第几场对应第几场"},
    )


class TrainingPatch(TrainingBody):
    """Any of the fields; what is not given stays."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "partial": True})


class TrainerBody(In):
    phone = Phone(required=True)


class TrainingQuery(PageQuery):
    state = Choice(TrainingState, metadata={"description": "不填为已发布且未结束的"})
    mode = Choice(Mode)
    audience = Choice(Audience)
    division = fields.String(validate=Length(1, 64), metadata={"description": "面向该辖区企业的"})
    q = Text(64, metadata={"description": "名称中含有"})
    since = Time(data_key="from", metadata={"description": "首场不早于"})
    until = Time(data_key="to", metadata={"description": "首场早于"})

    @validates_schema(skip_on_field_errors=True)
    def _window(self, data: dict[str, Any], **_: Any) -> None:
        if "since" in data and "until" in data and data["until"] <= data["since"]:
            raise ValidationError("应晚于 from", "to")


_SIGNUP_STATE = "not_open 未开始；open 报名中；full 名额已满，可候补；closed 已截止"


class TrainingItem(Out):
    id = fields.UUID(required=True)
    division_id = fields.String(required=True)
    title = fields.String(required=True)
    mode = Choice(Mode, required=True)
    provider = Choice(Provider, required=True)
    audience = Choice(Audience, required=True)
    organiser = fields.String(required=True)
    place = fields.String(required=True, allow_none=True)
    open_to = fields.List(fields.String(), required=True)
    opens_at = fields.AwareDateTime(required=True)
    closes_at = fields.AwareDateTime(required=True)
    needs_approval = fields.Boolean(required=True)
    starts_at = fields.AwareDateTime(required=True)
    ends_at = fields.AwareDateTime(required=True)
    state = Choice(TrainingState, required=True)
    capacity = fields.Integer(required=True)
    seats_per_enterprise = fields.Integer(required=True)
    taken = fields.Integer(required=True)
    waiting = fields.Integer(required=True)
    remaining = fields.Integer(required=True)
    signup_state = fields.String(required=True, metadata={"description": _SIGNUP_STATE})
    session_count = fields.Integer(required=True)


class SessionOut(Out):
    id = fields.UUID(required=True)
    number = fields.Integer(required=True)
    title = fields.String(required=True)
    starts_at = fields.AwareDateTime(required=True)
    ends_at = fields.AwareDateTime(required=True)
    checkin_from = fields.AwareDateTime(required=True)
    checkin_until = fields.AwareDateTime(required=True)


class TrainingOut(TrainingItem):
    class Meta:
        exclude = ("session_count",)

    description = fields.String(required=True)
    online_url = fields.String(required=True, allow_none=True)
    change_deadline = fields.AwareDateTime(required=True)
    cancel_deadline = fields.AwareDateTime(required=True)
    offer_minutes = fields.Integer(required=True, allow_none=True)
    certificate_percent = fields.Integer(required=True)
    remind_before = fields.List(fields.Integer(), required=True)
    state_reason = fields.String(required=True, allow_none=True)
    revision = fields.Integer(required=True)
    created_at = fields.AwareDateTime(required=True)
    sessions = fields.List(fields.Nested(SessionOut), required=True)


class TrainerOut(Out):
    user_id = fields.UUID(required=True)
    name = fields.String(required=True, allow_none=True, metadata={"description": "隐去部分"})
    phone = fields.String(required=True, allow_none=True, metadata={"description": "隐去中间四位"})
    assigned_at = fields.AwareDateTime(required=True)
