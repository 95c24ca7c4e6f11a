"""Shapes of enterprises: registration, review, and who belongs to them."""

from __future__ import annotations

from typing import Any

from marshmallow import fields
from marshmallow.validate import OneOf

from models.enterprises import MAX_CLUSTERS, MAX_HEADCOUNT, MAX_YUAN, EnterpriseState, MembershipState
from models.size_class import SizeClass
from schemas.base import Choice, In, Integer, Length, Out, PageQuery, Text, page_of

_DIVISION = {"description": "县（市）区局或基层分局的编号，见 /divisions"}
_INDUSTRY = {"description": "GB/T 4754-2017：门类字母加 2–4 位数字，如 C36、C3670"}
_CLUSTERS = {"description": "产业集群（链）的编号，见 /clusters"}
_SURVEY = {"description": "题号到答案：单选、量表为选项值，多选为选项值列表，见 /needs-survey"}


def _code(**options: Any) -> fields.String:
    # Not Text: what is pasted from a web page carries invisible characters, which the check leaves out.
    about = {"description": "统一社会信用代码，可含空格和全角字符"}
    return fields.String(validate=Length(1, 64), metadata=about, **options)


class ProfileBody(In):
    name = Text(128, required=True)
    industry_code = Text(8, required=True, metadata=_INDUSTRY)
    headcount = Integer(0, MAX_HEADCOUNT, load_default=None, allow_none=True, metadata={"description": "人"})
    revenue = Integer(0, MAX_YUAN, load_default=None, allow_none=True, metadata={"description": "元"})
    assets = Integer(0, MAX_YUAN, load_default=None, allow_none=True, metadata={"description": "元"})
    address = Text(200, load_default=None, allow_none=True)
    legal_representative = Text(64, load_default=None, allow_none=True)
    clusters = fields.List(Text(16), load_default=list, validate=Length(max=MAX_CLUSTERS), metadata=_CLUSTERS)


class RegistrationBody(ProfileBody):
    credit_code = _code(required=True)
    division_id = Text(64, required=True, metadata=_DIVISION)
    needs_survey = fields.Dict(keys=fields.String(), required=True, metadata=_SURVEY)


class OverrideBody(ProfileBody):
    credit_code = _code(required=True)
    division_id = Text(64, required=True, metadata=_DIVISION)
    reason = Text(200, at_least=0, load_default="", metadata={"description": "校验位不符仍予登记的理由"})


class EnterpriseChangeBody(ProfileBody):
    """What may change; the credit code may not. Used as a partial shape: what is not sent stays."""

    needs_survey = fields.Dict(keys=fields.String(), metadata=_SURVEY)


class ClustersBody(In):
    clusters = fields.List(Text(16), required=True, validate=Length(max=MAX_CLUSTERS), metadata=_CLUSTERS)


class EnterpriseReasonBody(In):
    reason = Text(500, at_least=0, multiline=True, load_default="")


class DecisionBody(EnterpriseReasonBody):
    """What the review decides; a reason belongs to all but the approval."""

    decision = fields.String(required=True, validate=OneOf(("approve", "return", "refuse")))


class ImportForm(In):
    """What is posted beside the workbook of a list."""

    division_id = Text(64, load_default=None, allow_none=True, metadata=_DIVISION)


class PartnerBody(In):
    """The other enterprise of a merge."""

    credit_code = _code(required=True)


class MergeBody(In):
    """What the kept enterprise takes from the other, and why they are one."""

    taken = fields.List(fields.String(validate=Length(1, 32)), load_default=list)
    reason = Text(200, at_least=0, load_default="")


class SearchQuery(PageQuery):
    q = Text(64, load_default=None, metadata={"description": "企业名称的一部分"})
    credit_code = _code(load_default=None)
    state = Choice(EnterpriseState, load_default=None)
    division_id = Text(64, load_default=None, metadata={"description": "含其下级辖区"})
    size_class = Choice(SizeClass, load_default=None)


class EnterpriseOut(Out):
    id = fields.UUID(required=True)
    credit_code = fields.String(required=True)
    name = fields.String(required=True)
    division_id = fields.String(required=True)
    industry_code = fields.String(required=True)
    headcount = fields.Integer(required=True, allow_none=True)
    revenue = fields.Integer(required=True, allow_none=True, metadata={"description": "元"})
    assets = fields.Integer(required=True, allow_none=True, metadata={"description": "元"})
    size_class = Choice(SizeClass, required=True, allow_none=True)
    size_rule_version = fields.String(required=True, allow_none=True)
    clusters = fields.List(fields.String(), required=True, metadata=_CLUSTERS)
    address = fields.String(required=True, allow_none=True)
    legal_representative = fields.String(required=True, allow_none=True)
    needs_survey = fields.Dict(required=True, allow_none=True)
    needs_survey_version = fields.String(required=True, allow_none=True)
    state = Choice(EnterpriseState, required=True)
    state_reason = fields.String(required=True, allow_none=True)
    created_at = fields.AwareDateTime(required=True)
    updated_at = fields.AwareDateTime(required=True)


class EnterpriseListed(Out):
    id = fields.UUID(required=True)
    credit_code = fields.String(required=True)
    name = fields.String(required=True)
    division_id = fields.String(required=True)
    industry_code = fields.String(required=True)
    headcount = fields.Integer(required=True, allow_none=True)
    size_class = Choice(SizeClass, required=True, allow_none=True)
    legal_representative = fields.String(
        required=True, allow_none=True, metadata={"description": "隐去部分文字"}
    )
    state = Choice(EnterpriseState, required=True)
    created_at = fields.AwareDateTime(required=True)


EnterprisePage = page_of(EnterpriseListed)


class InvitationOut(Out):
    id = fields.UUID(required=True)
    code = fields.String(required=True, metadata={"description": "只显示这一次"})
    expires_at = fields.AwareDateTime(required=True)


class JoinBody(In):
    code = fields.String(required=True, validate=Length(1, 64))


class JoinRequestBody(In):
    credit_code = _code(required=True)
    note = Text(200, load_default=None, allow_none=True)


class MemberOut(Out):
    user_id = fields.UUID(required=True)
    role = fields.String(required=True, metadata={"description": "owner 负责人；member 成员"})
    name = fields.String(required=True, allow_none=True, metadata={"description": "隐去部分文字"})
    phone = fields.String(required=True, allow_none=True, metadata={"description": "隐去中间四位"})
    since = fields.AwareDateTime(required=True)


class TransferBody(In):
    user_id = fields.UUID(required=True)


class MembershipRequestOut(Out):
    id = fields.UUID(required=True)
    enterprise_id = fields.UUID(required=True)
    note = fields.String(required=True, allow_none=True)
    state = Choice(MembershipState, required=True)
    created_at = fields.AwareDateTime(required=True)


class OwnMembershipRequest(MembershipRequestOut):
    enterprise_name = fields.String(required=True)


class WaitingMembershipRequest(OwnMembershipRequest):
    user_id = fields.UUID(required=True)
    name = fields.String(required=True, allow_none=True, metadata={"description": "隐去部分文字"})
    phone = fields.String(required=True, allow_none=True, metadata={"description": "隐去中间四位"})
    has_owner = fields.Boolean(
        required=True, metadata={"description": "有负责人的由负责人处理，没有的由县（市）区局处理"}
    )


OwnRequestPage = page_of(OwnMembershipRequest)
WaitingRequestPage = page_of(WaitingMembershipRequest)
