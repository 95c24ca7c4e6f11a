"""Shapes of evidence."""

from __future__ import annotations

from flask_smorest.fields import Upload
from marshmallow import fields

from models.evidence import EvidenceKind
from schemas.base import Choice, In, Out


class EvidenceForm(In):
    """What is said of a file that is uploaded."""

    kind = Choice(EvidenceKind, load_default=EvidenceKind.other)
    finding_id = fields.UUID(load_default=None, metadata={"description": "所属问题"})
    visit_id = fields.UUID(load_default=None, metadata={"description": "所属走访"})
    training_id = fields.UUID(load_default=None, metadata={"description": "所属帮扶培训"})


class EvidenceFile(In):
    """The file itself."""

    file = Upload(required=True, metadata={"description": "图片、PDF 或 Office 文件"})


class EvidenceAdded(Out):
    """A file that was attached."""

    id = fields.UUID(required=True)
    kind = Choice(EvidenceKind, required=True)
    name = fields.String(required=True)
    created_at = fields.AwareDateTime(required=True)


class EvidenceOut(EvidenceAdded):
    """A file of a case, without its content."""

    finding_id = fields.UUID(allow_none=True, required=True)
    visit_id = fields.UUID(allow_none=True, required=True)
    training_id = fields.UUID(allow_none=True, required=True)
    size = fields.Integer(required=True, metadata={"description": "字节"})
    media_type = fields.String(required=True)
    has_thumbnail = fields.Boolean(required=True)


class EvidenceList(Out):
    """The files of a case."""

    items = fields.List(fields.Nested(EvidenceOut), required=True)


class LinkQuery(In):
    """What a link is to."""

    thumbnail = fields.Boolean(load_default=False, metadata={"description": "缩略图"})


class LinkOut(Out):
    """A link that is good for five minutes."""

    url = fields.Url(required=True)
    expires_at = fields.AwareDateTime(required=True)
