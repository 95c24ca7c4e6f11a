"""Shapes of agencies, their experts, selections and assessments."""

from __future__ import annotations

from typing import Any, ClassVar

from marshmallow import fields

from models.agencies import LIMITS, SelectionReason
from models.cases import Aspect
from schemas.base import Boolean, Choice, In, Integer, Length, Out, PageQuery, Phone, Text
from schemas.reference import SCHEME


class Several(fields.List[Any]):
    """Some values of a kind, each once."""

    def __init__(self, inner: fields.Field[Any], at_most: int, *, at_least: int = 0) -> None:
        super().__init__(inner, required=True, validate=[Length(at_least), Length(max=at_most)])

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[Any]:
        return list(dict.fromkeys(super()._deserialize(value, attr, data, **kwargs)))


class OwnAgencyBody(In):
    """What an agency says of itself."""

    profile = Text(2000, at_least=0, multiline=True, load_default="")
    telephone = Text(32, load_default=None, allow_none=True)
    address = Text(200, load_default=None, allow_none=True)
    schemes = Several(Text(32, metadata=SCHEME), 100)
    counties = Several(Text(64), 50)
    capacity = Integer(*LIMITS["capacity"], required=True)
    fee_waiver = Text(500, at_least=0, multiline=True, load_default="")


class AgencyBody(OwnAgencyBody):
    name = Text(120, required=True)
    approval_number = Text(32, load_default=None, allow_none=True)
    active = Boolean(load_default=True)


class ExpertBody(In):
    name = Text(32, required=True)
    title = Text(64, at_least=0, load_default="")

    class Meta:
        include: ClassVar = {
            "fields": Several(Choice(Aspect), len(Aspect))
        }  # a schema's own attribute has this name


class ExpertPhoneBody(In):
    phone = Phone(required=True)


class SelectionBody(In):
    division_id = Text(64, required=True)
    year = Integer(*LIMITS["year"], required=True)
    agency_id = fields.UUID(required=True)
    reasons = Several(Choice(SelectionReason), len(SelectionReason), at_least=1)
    note = Text(500, at_least=0, multiline=True, load_default="")


class AssessmentImportForm(In):
    year = Integer(*LIMITS["year"], required=True)
    only_check = Boolean(load_default=False)


# --- what enterprises see


class AgencyQuery(PageQuery):
    division = fields.String(
        validate=Length(1, 64), metadata={"description": "服务该辖区（如企业所属辖区）的机构"}
    )
    selected = fields.String(
        validate=Length(1, 64), metadata={"description": "该辖区所在县（市）区本年选定的机构"}
    )
    scheme = Text(32, metadata=SCHEME)
    q = Text(64, metadata={"description": "名称中含有"})


class ExpertOut(Out):
    id = fields.UUID(required=True)
    name = fields.String(required=True, metadata={"description": "隐去部分"})
    title = fields.String(required=True)

    class Meta:
        include: ClassVar = {"fields": fields.List(Choice(Aspect), required=True)}


class AgencyItem(Out):
    id = fields.UUID(required=True)
    name = fields.String(required=True)
    approval_number = fields.String(required=True, allow_none=True)
    telephone = fields.String(required=True, allow_none=True)
    address = fields.String(required=True, allow_none=True)
    schemes = fields.List(fields.String(metadata=SCHEME), required=True)
    counties = fields.List(fields.String(), required=True, metadata={"description": "服务的县（市）区"})
    capacity = fields.Integer(required=True, metadata={"description": "同时承接的帮扶项目数"})
    under_way = fields.Integer(required=True)
    remaining = fields.Integer(required=True)
    fee_waiver = fields.String(required=True, metadata={"description": "认证费用减免承诺"})
    active = fields.Boolean(required=True, metadata={"description": "是否参与帮扶"})
    assessed_year = fields.Integer(
        required=True, allow_none=True, metadata={"description": "最近一次考核的年度"}
    )
    rank = fields.Integer(required=True, allow_none=True, metadata={"description": "全省考核位次"})
    score = fields.Float(required=True, allow_none=True)
    selected_by = fields.List(
        fields.String(), required=True, metadata={"description": "本年选定它的县（市）区"}
    )
    experts = fields.List(fields.Nested(ExpertOut), required=True)


class AssessmentOut(Out):
    year = fields.Integer(required=True)
    rank = fields.Integer(required=True, allow_none=True)
    score = fields.Float(required=True, allow_none=True)


class SelectionOut(Out):
    division_id = fields.String(required=True)
    year = fields.Integer(required=True)
    reasons = fields.List(Choice(SelectionReason), required=True)


class AgencyOut(AgencyItem):
    profile = fields.String(required=True)
    assessments = fields.List(fields.Nested(AssessmentOut), required=True)
    selections = fields.List(fields.Nested(SelectionOut), required=True)
