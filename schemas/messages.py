"""Shapes of messages."""

from __future__ import annotations

from marshmallow import fields

from schemas.base import Out


class NoticeOut(Out):
    id = fields.UUID(required=True)
    kind = fields.String(required=True)
    title = fields.String(required=True)
    body = fields.String(required=True)
    subject_type = fields.String(required=True)
    subject_id = fields.UUID(required=True)
    created_at = fields.AwareDateTime(required=True)
    read_at = fields.AwareDateTime(required=True, allow_none=True)


class UnreadOut(Out):
    unread = fields.Integer(required=True)
