"""Shapes of the work on a case."""

from __future__ import annotations

from typing import Any

from marshmallow import fields

from models.cases import LIMITS, Aspect, FindingState, Phase, Purpose, Strategy
from models.trainings import Audience
from schemas.base import Choice, In, Integer, Length, Out, Text, Time

_ANSWERS = {"description": "题号到答案：单选、量表为选项值，多选为选项值列表，见 /diagnosis-form"}
_MARGIN = {"description": "利润率，万分之一：8.25% 记为 825"}
_NONE: dict[str, Any] = {"load_default": None, "allow_none": True}


class DiagnosisBody(In):
    answers = fields.Dict(keys=fields.String(), required=True, metadata=_ANSWERS)


class ScoresBody(In):
    """All six aspects, in points."""

    phase = Choice(Phase, required=True)
    awareness = Integer(*LIMITS["score"], required=True, metadata={"description": "质量管理意识"})
    innovation = Integer(*LIMITS["score"], required=True, metadata={"description": "技术创新水平"})
    people = Integer(*LIMITS["score"], required=True, metadata={"description": "人员专业水平"})
    digital = Integer(*LIMITS["score"], required=True, metadata={"description": "生产数字化水平"})
    energy = Integer(*LIMITS["score"], required=True, metadata={"description": "能源管控水平"})
    standards = Integer(*LIMITS["score"], required=True, metadata={"description": "标准化水平"})


class PlanBody(In):
    strategy = Choice(Strategy, required=True)
    aspects = fields.List(
        Choice(Aspect), required=True, validate=Length(min=1), metadata={"description": "提升方面"}
    )
    strategy_reason = Text(1000, multiline=True, required=True, metadata={"description": "选定的理由"})
    plan = Text(4000, multiline=True, required=True, metadata={"description": "提升方案"})


class EffectsBody(In):
    """Figures of one year; empty where one is not known."""

    phase = Choice(Phase, required=True)
    revenue = Integer(*LIMITS["revenue"], **_NONE, metadata={"description": "营业收入，元"})
    profit_margin = Integer(*LIMITS["profit_margin"], **_NONE, metadata=_MARGIN)
    quality_cost = Integer(*LIMITS["quality_cost"], **_NONE, metadata={"description": "质量成本，元"})


class SummaryBody(In):
    summary = Text(4000, multiline=True, required=True, metadata={"description": "提升小结"})


class RectificationBody(In):
    rectification = Text(2000, multiline=True, required=True, metadata={"description": "整改情况"})


class Patch(In):
    """Any of the fields; what is not given stays."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "partial": True})


class FindingBody(In):
    aspect = Choice(Aspect, required=True)
    problem = Text(500, multiline=True, required=True)
    measure = Text(1000, multiline=True, required=True)
    owner = Text(32, required=True, metadata={"description": "责任人"})
    due_on = fields.Date(required=True, metadata={"description": "完成期限，不早于今天"})


class FindingPatch(Patch, FindingBody):
    pass


class FindingMoveBody(In):
    state = Choice(FindingState, required=True)
    result = Text(1000, multiline=True, **_NONE, metadata={"description": "完成情况；改为已完成时必填"})


class CaseTrainingBody(In):
    audience = Choice(Audience, required=True)
    title = Text(120, required=True, metadata={"description": "培训内容"})
    trainer = Text(32, required=True, metadata={"description": "主讲"})
    place = Text(200, required=True)
    starts_at = Time(required=True)
    ends_at = Time(required=True)


class CaseTrainingPatch(Patch, CaseTrainingBody):
    pass


class CaseAttendeeBody(In):
    name = Text(32, required=True)
    post = Text(32, at_least=0, load_default="", metadata={"description": "职务"})


class CaseAttendeesBody(In):
    attendees = fields.List(
        fields.Nested(CaseAttendeeBody), required=True, validate=Length(*LIMITS["attendees"])
    )


class CaseAttendanceBody(In):
    attended = fields.List(
        fields.UUID(),
        required=True,
        validate=Length(0, LIMITS["attendees"][1]),
        metadata={"description": "到场的参训人；名单中其余的人记为未到"},
    )


class VisitBody(In):
    purpose = Choice(Purpose, required=True)
    starts_at = Time(required=True)
    ends_at = Time(required=True)
    place = Text(200, required=True)
    expert_id = fields.UUID(required=True, metadata={"description": "到场专家，见 participants"})
    officer_id = fields.UUID(required=True, metadata={"description": "参与的县局人员，见 participants"})
    booking_id = fields.UUID(**_NONE, metadata={"description": "由哪次预约而来"})
    notes = Text(2000, at_least=0, multiline=True, load_default="", metadata={"description": "情况记录"})


class VisitPatch(Patch, VisitBody):
    pass


class AnswersOut(Out):
    title = fields.String(required=True)
    pairs = fields.List(fields.List(fields.String()), required=True, metadata={"description": "题目和答案"})


class ComparedOut(Out):
    name = fields.String(required=True)
    label = fields.String(required=True)
    before = fields.Integer(required=True, allow_none=True)
    after = fields.Integer(required=True, allow_none=True)
    change = fields.Integer(required=True, allow_none=True, metadata={"description": "帮扶后减帮扶前"})


class FindingOut(Out):
    id = fields.UUID(required=True)
    case_id = fields.UUID(required=True)
    aspect = Choice(Aspect, required=True)
    problem = fields.String(required=True)
    measure = fields.String(required=True)
    owner = fields.String(required=True)
    due_on = fields.Date(required=True)
    state = Choice(FindingState, required=True)
    result = fields.String(required=True, allow_none=True)


class CaseAttendeeOut(Out):
    id = fields.UUID(required=True)
    name = fields.String(required=True)
    post = fields.String(required=True)
    attended = fields.Boolean(required=True, allow_none=True, metadata={"description": "空为尚未登记"})


class CaseTrainingOut(Out):
    id = fields.UUID(required=True)
    case_id = fields.UUID(required=True)
    audience = Choice(Audience, required=True)
    title = fields.String(required=True)
    trainer = fields.String(required=True)
    place = fields.String(required=True)
    starts_at = fields.AwareDateTime(required=True)
    ends_at = fields.AwareDateTime(required=True)


class HeldTrainingOut(CaseTrainingOut):
    attendees = fields.List(fields.Nested(CaseAttendeeOut), required=True)


class AddedAttendeesOut(Out):
    items = fields.List(fields.Nested(CaseAttendeeOut), required=True)


class VisitOut(Out):
    id = fields.UUID(required=True)
    case_id = fields.UUID(required=True)
    booking_id = fields.UUID(required=True, allow_none=True)
    purpose = Choice(Purpose, required=True)
    starts_at = fields.AwareDateTime(required=True)
    ends_at = fields.AwareDateTime(required=True)
    place = fields.String(required=True)
    expert_id = fields.UUID(required=True)
    officer_id = fields.UUID(required=True)
    confirmed_at = fields.AwareDateTime(
        required=True, allow_none=True, metadata={"description": "县局人员确认参与的时间"}
    )
    notes = fields.String(required=True)


class NamedVisitOut(VisitOut):
    expert = fields.String(required=True)
    officer = fields.String(required=True)


class ConfirmedOut(Out):
    case_id = fields.UUID(required=True)


class VisitingExpertOut(Out):
    id = fields.UUID(required=True)
    name = fields.String(required=True)
    title = fields.String(required=True)


class OfficerOut(Out):
    id = fields.UUID(required=True)
    name = fields.String(required=True)


class BookedOut(Out):
    id = fields.UUID(required=True)
    expert_id = fields.UUID(required=True)
    starts_at = fields.AwareDateTime(required=True)
    ends_at = fields.AwareDateTime(required=True)
    place = fields.String(required=True)


class ParticipantsOut(Out):
    experts = fields.List(fields.Nested(VisitingExpertOut), required=True)
    officers = fields.List(fields.Nested(OfficerOut), required=True)
    bookings = fields.List(fields.Nested(BookedOut), required=True)


class CaseWorkOut(Out):
    """All that was done on a case."""

    id = fields.UUID(required=True)
    acts = fields.List(
        fields.String(), required=True, metadata={"description": "现在可以填写的内容，仅承接机构有"}
    )
    strategy = Choice(Strategy, required=True, allow_none=True)
    aspects = fields.List(Choice(Aspect), required=True)
    strategy_reason = fields.String(required=True, allow_none=True)
    plan = fields.String(required=True, allow_none=True)
    summary = fields.String(required=True, allow_none=True)
    rectification = fields.String(required=True, allow_none=True)
    answers = fields.Dict(required=True, allow_none=True, metadata={"description": "诊断表的答案"})
    diagnosis_version = fields.String(required=True, allow_none=True)
    diagnosis = fields.List(
        fields.Nested(AnswersOut), required=True, metadata={"description": "诊断表，按方面的题目和答案"}
    )
    scores = fields.List(
        fields.Nested(ComparedOut), required=True, metadata={"description": "六方面评分，雷达图的数据"}
    )
    effects = fields.List(
        fields.Nested(ComparedOut),
        required=True,
        metadata={"description": "效果数据：元；利润率为万分之一"},
    )
    findings = fields.List(fields.Nested(FindingOut), required=True)
    trainings = fields.List(fields.Nested(HeldTrainingOut), required=True)
    visits = fields.List(fields.Nested(NamedVisitOut), required=True)
