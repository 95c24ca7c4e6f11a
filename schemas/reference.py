"""Shapes of reference data."""

from __future__ import annotations

from marshmallow import fields

from schemas.base import Out

SCHEME = {"description": "认证类别的编号，见 /schemes"}


class DivisionOut(Out):
    id = fields.String(required=True)
    name = fields.String(required=True)
    short_name = fields.String(required=True)
    kind = fields.String(required=True)
    gbt2260 = fields.String(required=True, allow_none=True)


class ClusterOut(Out):
    code = fields.String(required=True)
    vocabulary = fields.String(required=True, metadata={"description": "体系，如徐州“343”"})
    name = fields.String(required=True)


class SchemeOut(Out):
    code = fields.String(required=True)
    name = fields.String(required=True)


class IndustryOut(Out):
    code = fields.String(required=True)
    name = fields.String(required=True)
    level = fields.String(required=True)
    parent = fields.String(required=True, allow_none=True)
    sector = fields.String(required=True, allow_none=True, metadata={"description": "划型行业；空为不划型"})
