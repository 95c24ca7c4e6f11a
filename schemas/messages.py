"""Shapes of messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from marshmallow import fields

from models.message_templates import Channel, TemplateType
from models.subscriptions import Tap
from schemas.base import Boolean, Choice, In, Integer, Length, OneOf, Out, Text


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
    seconds_ago = Integer(
        0,
        86_400,
        load_default=0,
        metadata={"description": "用户作答距本次上报的秒数，按客户端自己的时钟；补报时填写，至多一天"},
    )


class RouteBody(In):
    first = Choice(Channel, load_default=Channel.subscribe)
    next_when_refused = Boolean(load_default=False)


def route_body(keys: Mapping[Channel, Iterable[str]]) -> type[In]:
    """Returns the shape of a route, with the fields of the templates chosen.

    Args:
        keys: the keys of each channel's template.
    """
    named: dict[str, fields.Field[Any]] = {}
    for channel in Channel:
        named[f"{channel}.template_id"] = fields.UUID(load_default=None, allow_none=True)
        for key in keys.get(channel, ()):
            named[f"{channel}.{key}"] = Text(100, at_least=0, load_default="")
    return RouteBody.from_dict(named, name="RouteBody")  # type: ignore[return-value]
