"""Shapes of the certificates that enterprises hold."""

from __future__ import annotations

from marshmallow import fields

from models.held_certificates import HeldCertificateState
from schemas.base import Choice, Day, In, Out, Text, page_of
from schemas.reference import SCHEME

_SURVEILLANCE = {"description": "下次监督审核不晚于的日期；没有的为空"}


class HeldCertificateBody(In):
    scheme = Text(32, required=True, metadata=SCHEME)
    agency_name = Text(128, required=True)
    number = Text(64, required=True, metadata={"description": "证书编号；全角、空格和小写会统一"})
    issued_on = Day(required=True)
    valid_until = Day(required=True, metadata={"description": "有效期的最后一日"})
    next_surveillance_on = Day(load_default=None, allow_none=True, metadata=_SURVEILLANCE)
    state = Choice(HeldCertificateState, load_default=HeldCertificateState.valid)


class HeldCertificateChangeBody(HeldCertificateBody):
    """Used as a partial shape: what is not sent stays."""


class HeldCertificateOut(Out):
    id = fields.UUID(required=True)
    scheme = fields.String(required=True, metadata=SCHEME)
    agency_name = fields.String(required=True)
    number = fields.String(required=True)
    issued_on = fields.Date(required=True)
    valid_until = fields.Date(required=True)
    next_surveillance_on = fields.Date(required=True, allow_none=True, metadata=_SURVEILLANCE)
    state = Choice(HeldCertificateState, required=True)


HeldCertificatePage = page_of(HeldCertificateOut)
