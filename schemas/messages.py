"""Shapes of messages."""

from __future__ import annotations

from marshmallow import fields

from models.message_templates import TemplateType
from models.subscriptions import Tap
from schemas.base import Choice, In, Length, OneOf, Out, Text


class NoticeOut(Out):
    id = fields.UUID(required=True)
    kind = fields.String(required=True)
    title = fields.String(required=True)
    body = fields.String(required=True)
    subject_type = fields.String(required=True)
    subject_id = fields.UUID(required=True)
    created_at = fields.AwareDateTime(required=True)
    read_at = fields.AwareDateTime(required=True, allow_none=True)
    outdated = fields.String(
        required=True, allow_none=True, metadata={"description": "此消息已过时的原因；仍属实时为空"}
    )


class ReadOut(Out):
    read = fields.Integer(required=True, metadata={"description": "此前未读的条数"})


class UnreadOut(Out):
    unread = fields.Integer(required=True)


class AskQuery(In):
    at = Choice(Tap, required=True)


class AskOut(Out):
    template_ids = fields.List(
        fields.String(),
        required=True,
        metadata={"description": "至多 5 个，类型相同；可以为空，此时不请求"},
    )
    type = Choice(TemplateType, required=True, allow_none=True)


class AnswerBody(In):
    template_id = Text(64, required=True)
    answer = fields.String(required=True, validate=OneOf(("accept", "reject", "ban", "filter")))


class AnswersBody(In):
    answers = fields.List(fields.Nested(AnswerBody), required=True, validate=Length(1, 5))
    nonce = fields.String(
        required=True,
        validate=Length(8, 64),
        metadata={"description": "客户端为这次弹窗生成的一次性编号；重复上报不重复计数"},
    )
