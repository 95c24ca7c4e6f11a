"""Templates of messages as the platform lists them, with the rule of each field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from wechat.fields import parse_template

Subscription = Literal["one_time", "long_term", "none"]
ONE_TIME: Subscription = "one_time"
LONG_TERM: Subscription = "long_term"


@dataclass(frozen=True, slots=True)
class TemplateField:
    """One value of a template: its label, its key (thing1), its type (thing), and what an enum may say."""

    label: str
    key: str
    type: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MessageTemplate:
    """A template of the account; `subscription` is how a person allows it, none for an Official Account's."""

    id: str
    title: str
    content: str
    example: str
    subscription: Subscription
    fields: tuple[TemplateField, ...]


def read_template(template_id: str, row: Mapping[str, Any], subscription: Subscription) -> MessageTemplate:
    """Read one row of the platform's list."""
    content = str(row.get("content") or "")
    choices = _choices(row.get("keywordEnumValueList"))
    fields = tuple(
        TemplateField(label, key, kind, choices.get(key, ())) for label, key, kind in parse_template(content)
    )
    return MessageTemplate(
        id=template_id,
        title=str(row.get("title") or ""),
        content=content,
        example=str(row.get("example") or ""),
        subscription=subscription,
        fields=fields,
    )


def _choices(rows: object) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, dict) and isinstance(row.get("enumValueList"), list):
            key = str(row.get("keywordCode") or "").removesuffix(".DATA")
            found[key] = tuple(str(value) for value in row["enumValueList"])
    return found
