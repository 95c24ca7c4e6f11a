"""Builders of templates, and of the routes of notices that go out by them."""

from __future__ import annotations

import itertools
from typing import Any

from sqlalchemy import delete

from models.base import new_id, now
from models.message_templates import (
    Channel,
    MessageTemplate,
    NoticeRoute,
    TemplateType,
    TemplateUse,
)
from tests.builders import World
from wechat.fields import parse_template

_numbers = itertools.count()
RESULT = "培训名称:{{thing1.DATA}}\n报名结果:{{phrase2.DATA}}\n培训时间:{{time3.DATA}}\n"


def fields_of(content: str) -> list[dict[str, Any]]:
    """The fields of a template's content, as they are kept."""
    return [
        {"label": label, "key": key, "type": kind, "choices": []}
        for label, key, kind in parse_template(content)
    ]


def fresh_template(world: World, channel: Channel = Channel.subscribe, **changes: Any) -> MessageTemplate:
    """A template that nobody else uses, in use at once."""
    types = {Channel.subscribe: TemplateType.one_time, Channel.template: TemplateType.official_account}
    content = changes.get("content", RESULT)
    values: dict[str, Any] = {
        "channel": channel,
        "platform_id": f"T{next(_numbers)}{new_id().hex}",
        "title": "报名结果通知",
        "type": types[channel],
        "content": content,
        "fields": fields_of(content),
        "synced_at": now(),
    }
    with world.session() as session:
        template = MessageTemplate(**{**values, **changes})
        session.add(template)
    return template


def route(world: World, kind: str, *templates: MessageTemplate, **changes: Any) -> None:
    """Lets a kind of notice go out by these templates, in this order."""
    texts = {"thing": "{training}", "phrase": "{state}", "time": "{time}"}
    with world.session() as session:
        session.execute(delete(TemplateUse).where(TemplateUse.kind == kind))
        session.execute(delete(NoticeRoute).where(NoticeRoute.kind == kind))
        channels = [one.channel.value for one in templates]
        session.add(NoticeRoute(kind=kind, channels=channels, **changes))
        session.flush()
        for one in templates:
            fields = {field["key"]: texts[field["type"]] for field in one.fields}
            session.add(TemplateUse(kind=kind, channel=one.channel, template_id=one.id, fields=fields))


def unroute(world: World) -> None:
    """Lets every notice go to the inbox alone."""
    with world.session() as session:
        session.execute(delete(TemplateUse))
        session.execute(delete(NoticeRoute))
