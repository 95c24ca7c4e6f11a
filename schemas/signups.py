"""Shapes of sign-ups."""

from __future__ import annotations

from marshmallow import fields

from models.signups import PARTY, SignupState
from models.trainings import TrainingState
from schemas.base import Choice, In, Length, Out, PageQuery, Phone, Text


class AttendeeBody(In):
    name = Text(32, required=True)
    phone = Phone(required=True)
    post = Text(32, load_default=None, allow_none=True)


class SignUpBody(In):
    enterprise_id = fields.UUID(required=True)
    attendees = fields.List(
        fields.Nested(AttendeeBody),
        required=True,
        validate=Length(1, PARTY),
        metadata={"description": "同一企业的参训人；全部成功或全部不成功"},
    )


class SignupQuery(PageQuery):
    training_id = fields.UUID(load_default=None)
    state = Choice(SignupState, load_default=None)


class SignupOut(Out):
    id = fields.UUID(required=True)
    training_id = fields.UUID(required=True)
    training_title = fields.String(required=True)
    starts_at = fields.AwareDateTime(required=True)
    place = fields.String(required=True, allow_none=True)
    training_state = Choice(TrainingState, required=True)
    change_deadline = fields.AwareDateTime(required=True)
    cancel_deadline = fields.AwareDateTime(required=True)
    enterprise_id = fields.UUID(required=True)
    enterprise_name = fields.String(required=True)
    attendee_name = fields.String(required=True)
    attendee_phone = fields.String(required=True)
    attendee_post = fields.String(required=True, allow_none=True)
    state = Choice(SignupState, required=True)
    state_reason = fields.String(required=True, allow_none=True)
    waiting_no = fields.Integer(required=True, allow_none=True)
    offer_expires_at = fields.AwareDateTime(required=True, allow_none=True)
    created_at = fields.AwareDateTime(required=True)


class SignupMade(Out):
    id = fields.UUID(required=True)
    state = Choice(SignupState, required=True)
    waiting_no = fields.Integer(required=True, allow_none=True)


class SignupsMade(Out):
    items = fields.List(fields.Nested(SignupMade), required=True)
