"""The accounts' own templates, and the check of what is filled into them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wechat.fields import problems
from wechat.simulator.errors import Refusal
from wechat.templates import LONG_TERM, ONE_TIME, MessageTemplate, Subscription, read_template

_SUBSCRIBE = Path(__file__).with_name("subscribe_templates.json")
_OFFICIAL = Path(__file__).with_name("official_templates.json")


@dataclass
class Template:
    """One template: the `row` of the platform's list, and what it means."""

    row: dict[str, Any]
    parsed: MessageTemplate

    def lines(self, values: dict[str, str]) -> list[list[str]]:
        """Returns the message as the phone shows it: label and value of each line."""
        return [[field.label, values[field.key]] for field in self.parsed.fields]


class TemplateBook:
    """The templates of the mini-program and of the Official Account, by their id."""

    def __init__(self) -> None:
        self.subscribe = {row["priTmplId"]: _read_subscribe(row) for row in _library(_SUBSCRIBE)}
        self.official = {row["template_id"]: _read_official(row) for row in _library(_OFFICIAL)}

    def change(self, template_id: str, content: str) -> bool:
        """Gives a template another content, as if its owner had replaced it; False if there is none."""
        for book, read in ((self.subscribe, _read_subscribe), (self.official, _read_official)):
            if template_id in book:
                book[template_id] = read({**book[template_id].row, "content": content})
                return True
        return False

    def remove(self, template_id: str) -> bool:
        """Takes a template away; False if there is none."""
        found = self.subscribe.pop(template_id, None), self.official.pop(template_id, None)
        return found != (None, None)


def check_data(template: Template, data: object) -> dict[str, str]:
    """Returns the values by key; raises Refusal 47003 with the platform's own words.

    WeChat: 订阅消息参数值内容限制说明.
    """
    if not isinstance(data, dict):
        raise bad_argument("data invalid")
    values: dict[str, str] = {}
    for field in template.parsed.fields:
        item = data.get(field.key)
        value = item.get("value") if isinstance(item, dict) else None
        if value is None or value == "":
            raise bad_argument(f"data.{field.key}.value is empty")
        values[field.key] = str(value)
        if problems(field.type, values[field.key], field.choices):
            raise bad_argument(f"data.{field.key}.value invalid")
    for key in data:
        if key not in values:
            raise bad_argument(f"data.{key} invalid")
    return values


def bad_argument(detail: str) -> Refusal:
    """Returns the refusal 47003 as the platform words it."""
    return Refusal(47003, f"argument invalid! {detail}")


def _library(path: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(path.read_text("utf-8"))
    return rows


def _read_subscribe(row: dict[str, Any]) -> Template:
    kind: Subscription = LONG_TERM if row["type"] == 3 else ONE_TIME
    return Template(row, read_template(row["priTmplId"], row, kind))


def _read_official(row: dict[str, Any]) -> Template:
    return Template(row, read_template(row["template_id"], row, "none"))
