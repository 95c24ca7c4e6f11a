"""Shapes of check-ins."""

from __future__ import annotations

from marshmallow import fields

from models.checkins import Method, Outcome
from models.signups import SignupState
from schemas.base import Boolean, Choice, In, Length, Out, PageQuery, Text, Time


class Nonce(fields.String):
    """A number that the device makes for one scan; sent again, it gets the first answer."""

    def __init__(self) -> None:
        super().__init__(
            required=True,
            validate=Length(8, 64),
            metadata={"description": "设备为这次扫码生成的一次性编号；重复提交时返回第一次的结果"},
        )


class ScanBody(In):
    content = Text(64, required=True, metadata={"description": "扫到的内容"})
    nonce = Nonce()


class OfflineScanBody(ScanBody):
    scanned_at = Time(required=True, metadata={"description": "按设备时钟的扫码时间"})


class UploadBody(In):
    device_time = Time(required=True, metadata={"description": "上传时设备时钟的时间，用来校正"})
    scans = fields.List(fields.Nested(OfflineScanBody), required=True, validate=Length(1, 500))


class MarkBody(In):
    signup_id = fields.UUID(required=True)
    reason = Text(200, at_least=2, required=True)
    nonce = Nonce()


class AttendanceImportForm(In):
    enrol = Boolean(load_default=False)


class ScannedOut(Out):
    id = fields.UUID(required=True)
    nonce = fields.String(required=True)
    outcome = Choice(Outcome, required=True)
    message = fields.String(required=True)
    scanned_at = fields.AwareDateTime(required=True)
    attendee_name = fields.String(required=True, allow_none=True)
    enterprise_name = fields.String(required=True, allow_none=True)


class UploadedOut(Out):
    items = fields.List(fields.Nested(ScannedOut), required=True)


class CodeOut(Out):
    content = fields.String(required=True)
    valid_from = fields.AwareDateTime(required=True)
    valid_until = fields.AwareDateTime(required=True)


class TicketOut(Out):
    signup_id = fields.UUID(required=True)
    codes = fields.List(
        fields.Nested(CodeOut), required=True, metadata={"description": "今后十分钟的签到码，按时出示"}
    )


class CountsOut(Out):
    expected = fields.Integer(required=True)
    checked_in = fields.Integer(required=True)
    by_method = fields.Dict(required=True)
    refused = fields.Dict(required=True)


class ScanQuery(PageQuery):
    outcome = Choice(Outcome, load_default=None)


class ScanOut(Out):
    id = fields.UUID(required=True)
    signup_id = fields.UUID(required=True, allow_none=True)
    method = Choice(Method, required=True)
    outcome = Choice(Outcome, required=True)
    reason = fields.String(required=True, allow_none=True)
    scanned_at = fields.AwareDateTime(required=True)
    received_at = fields.AwareDateTime(required=True)


class RosterQuery(PageQuery):
    state = Choice(SignupState, load_default=None)


class RosterOut(Out):
    id = fields.UUID(required=True)
    attendee_name = fields.String(required=True, metadata={"description": "隐去部分"})
    attendee_phone = fields.String(required=True, metadata={"description": "隐去中间四位"})
    attendee_post = fields.String(required=True, allow_none=True)
    enterprise_name = fields.String(required=True)
    state = Choice(SignupState, required=True)
    waiting_no = fields.Integer(required=True, allow_none=True)
    attended = fields.Integer(required=True, metadata={"description": "已签到的场次数"})


class CertificateOut(Out):
    number = fields.String(required=True)
    verification_code = fields.String(required=True)
    issued_at = fields.AwareDateTime(required=True)


class VerifiedOut(Out):
    number = fields.String(required=True)
    holder = fields.String(required=True)
    enterprise = fields.String(required=True)
    training = fields.String(required=True)
    organiser = fields.String(required=True)
    first_day = fields.Date(required=True)
    last_day = fields.Date(required=True)
    sessions_attended = fields.Integer(required=True)
    sessions_total = fields.Integer(required=True)
    issued_on = fields.Date(required=True)
