"""Shapes of campaigns: the forms of the console's wizard."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from marshmallow import fields

from models.campaigns import Assisted, By, TookPart, Who
from models.enterprises import MAX_CLUSTERS, EnterpriseState
from models.held_certificates import FARTHEST_EXPIRY
from models.message_templates import Channel
from models.size_class import SizeClass
from schemas.base import Boolean, Choice, In, Integer, Length, Text, Time


class NameBody(In):
    name = Text(60, required=True)


class AudienceBody(NameBody):
    by = Choice(By, required=True)
    who = Choice(Who, required=True)
    divisions = fields.List(Text(64), load_default=list, validate=Length(max=50))
    industries = Text(200, at_least=0, load_default="")
    size_classes = fields.List(Choice(SizeClass), load_default=list)
    clusters = fields.List(Text(16), load_default=list, validate=Length(max=MAX_CLUSTERS))
    expires_within = Integer(1, FARTHEST_EXPIRY, load_default=None, allow_none=True)
    states = fields.List(Choice(EnterpriseState), load_default=list)
    assisted = Choice(Assisted, load_default=None, allow_none=True)
    took_part = Choice(TookPart, load_default=None, allow_none=True)
    training = fields.UUID(load_default=None, allow_none=True)
    since = fields.Date(load_default=None, allow_none=True)
    until = fields.Date(load_default=None, allow_none=True)


class ContentBody(In):
    title = Text(60, at_least=0, load_default="")
    body = Text(500, at_least=0, multiline=True, load_default="")
    training = fields.UUID(load_default=None, allow_none=True)
    first = Choice(Channel, load_default=Channel.subscribe)
    next_when_refused = Boolean(load_default=False)


def content_body(keys: Mapping[str, Iterable[str]]) -> type[In]:
    """Returns the shape of what a campaign says, with the fields of the templates chosen.

    Args:
        keys: channel → the keys of its template's fields.
    """
    named: dict[str, fields.Field[Any]] = {}
    for channel in Channel:
        named[f"templates.{channel}.template_id"] = fields.UUID(load_default=None, allow_none=True)
        for key in keys.get(channel, ()):
            named[f"templates.{channel}.fields.{key}"] = Text(200, at_least=0, load_default="")
    return ContentBody.from_dict(named, name="ContentBody")  # type: ignore[return-value]


class SubmitBody(In):
    scheduled_at = Time(load_default=None, allow_none=True)
