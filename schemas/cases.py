"""Shapes of assistance cases: requests, offers and their answers, a case with its story."""

from __future__ import annotations

from marshmallow import fields
from marshmallow.validate import OneOf

from models.cases import LIMITS, Aspect, CaseState, OfferState, Rating
from schemas.base import Choice, In, Length, Out, PageQuery, Phone, Text
from schemas.reference import SCHEME

_ASPECTS = "；".join(f"{one.value} {one.label}" for one in Aspect)


class CaseBody(In):
    enterprise_id = fields.UUID(required=True)
    need = Text(
        2000, at_least=10, multiline=True, required=True, metadata={"description": "遇到的问题和需求"}
    )
    wanted = fields.List(
        Choice(Aspect), load_default=list, validate=Length(0, 6), metadata={"description": "希望提升的方面"}
    )
    scheme = Text(32, load_default=None, allow_none=True, metadata=SCHEME)
    contact_name = Text(32, required=True)
    contact_phone = Phone(required=True)


class CaseQuery(PageQuery):
    enterprise_id = fields.UUID(load_default=None)
    state = Choice(CaseState, load_default=None)


class CorrectionAnswerBody(In):
    answer = Text(2000, at_least=2, multiline=True, required=True)


class AskedBody(In):
    asked = Text(1000, at_least=2, multiline=True, required=True, metadata={"description": "要求补正的内容"})


class RatingBody(In):
    rating = Choice(Rating, required=True)
    comment = Text(1000, at_least=0, multiline=True, load_default="")


class LeadBody(In):
    expert_id = fields.UUID(required=True, metadata={"description": "负责专家"})


class ReviewBody(In):
    """What the county decides about a request; a refusal says why."""

    decision = fields.String(required=True, validate=OneOf(("admit", "refuse", "ask")))
    reason = Text(500, at_least=0, multiline=True, load_default="")


class OffersBody(In):
    agency_ids = fields.List(fields.UUID(), required=True, validate=Length(*LIMITS["offers"]))


class CaseMade(Out):
    id = fields.UUID(required=True)
    number = fields.String(required=True)
    state = Choice(CaseState, required=True)
    due_at = fields.AwareDateTime(required=True, allow_none=True)
    paused_at = fields.AwareDateTime(
        required=True, allow_none=True, metadata={"description": "因补正停止计时的时间；空为正在计时"}
    )


class CaseItem(CaseMade):
    enterprise_id = fields.UUID(required=True)
    enterprise_name = fields.String(required=True)
    agency_id = fields.UUID(required=True, allow_none=True)
    agency_name = fields.String(required=True, allow_none=True)
    state_since = fields.AwareDateTime(required=True)
    need = fields.String(required=True)
    created_at = fields.AwareDateTime(required=True)


class TransitionOut(Out):
    from_state = fields.String(required=True, allow_none=True)
    to_state = Choice(CaseState, required=True)
    reason = fields.String(required=True, allow_none=True)
    at = fields.AwareDateTime(required=True)


class CorrectionOut(Out):
    asked = fields.String(required=True)
    asked_at = fields.AwareDateTime(required=True)
    answer = fields.String(required=True, allow_none=True, metadata={"description": "已结束而为空的，为收回"})
    ended_at = fields.AwareDateTime(required=True, allow_none=True)


class RequirementOut(Out):
    label = fields.String(required=True)
    met = fields.Boolean(required=True)


class ScoreOut(Out):
    """One aspect of the radar chart."""

    name = Choice(Aspect, required=True)
    label = fields.String(required=True)
    before = fields.Integer(required=True, allow_none=True, metadata={"description": "帮扶前，0–100 分"})
    after = fields.Integer(required=True, allow_none=True, metadata={"description": "帮扶后，0–100 分"})


class CaseOut(CaseItem):
    wanted = fields.List(fields.String(), required=True, metadata={"description": _ASPECTS})
    scheme = fields.String(required=True, allow_none=True, metadata=SCHEME)
    contact_name = fields.String(required=True, metadata={"description": "机构看到的隐去部分"})
    contact_phone = fields.String(required=True, metadata={"description": "机构看到的隐去中间四位"})
    agency_telephone = fields.String(required=True, allow_none=True)
    state_reason = fields.String(required=True, allow_none=True)
    rating = fields.String(required=True, allow_none=True)
    rating_comment = fields.String(required=True, allow_none=True)
    rated_at = fields.AwareDateTime(required=True, allow_none=True)
    closed_at = fields.AwareDateTime(required=True, allow_none=True)
    radar = fields.List(fields.Nested(ScoreOut), required=True, metadata={"description": "六方面评分"})
    requirements = fields.List(
        fields.Nested(RequirementOut), required=True, metadata={"description": "进入下一环节须先完成的"}
    )
    transitions = fields.List(fields.Nested(TransitionOut), required=True)
    corrections = fields.List(fields.Nested(CorrectionOut), required=True)


class OfferOut(Out):
    id = fields.UUID(required=True)
    case_id = fields.UUID(required=True)
    agency_id = fields.UUID(required=True)
    state = Choice(OfferState, required=True)
    offered_at = fields.AwareDateTime(required=True)
    answer_by = fields.AwareDateTime(required=True)
    number = fields.String(required=True)
    enterprise_name = fields.String(required=True)
    division_id = fields.String(required=True)
    need = fields.String(required=True)
    wanted = fields.List(fields.String(), required=True)
    scheme = fields.String(required=True, allow_none=True, metadata=SCHEME)


class OffersOut(Out):
    items = fields.List(fields.Nested(OfferOut), required=True)


class CaseContactOut(Out):
    name = fields.String(required=True)
    phone = fields.String(required=True)
