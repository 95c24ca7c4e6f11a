"""Messages as they go out: texts with {variables}, filled in and brought into the form of each field."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from wechat import fields as values

VARIABLE = re.compile(r"\{(\w+)\}")
NOTHING = "无"
"""What free text says whose variables have nothing to say: the platform refuses an empty field."""


class Unfit(Exception):
    """A message that the platform would refuse; its text says why, for staff."""


@dataclass(frozen=True)
class Line:
    """One field as the phone shows it.

    Args:
        meant: the text before it was tidied.
        problem: why the platform would refuse it; empty when it would not.
    """

    key: str
    label: str
    value: str
    meant: str
    problem: str = ""

    @property
    def shortened(self) -> bool:
        """Whether something was left out, not just spaced differently."""
        return self.value.endswith(values.ELLIPSIS) and not self.meant.endswith(values.ELLIPSIS)


def preview(
    fields: Mapping[str, str], template_fields: Iterable[Mapping[str, Any]], facts: Mapping[str, str]
) -> list[Line]:
    """Returns the fields of a message as they would be sent, with what is wrong or shortened in each.

    Args:
        fields: template key → text with {variables}.
        template_fields: the template's fields: key, label, type and choices.
        facts: the values of the variables.
    """
    return [_line(one, fields.get(one["key"], ""), facts) for one in template_fields]


def render(
    fields: Mapping[str, str], template_fields: Iterable[Mapping[str, Any]], facts: Mapping[str, str]
) -> dict[str, str]:
    """Returns template key → value, as the clients of WeChat take it; raises Unfit."""
    lines = preview(fields, template_fields, facts)
    wrong = next((line for line in lines if line.problem), None)
    if wrong is not None:
        raise Unfit(f"“{wrong.label}”{wrong.problem}")
    return {line.key: line.value for line in lines}


def variables(text: str) -> list[str]:
    """Returns the names of the variables in a text."""
    return VARIABLE.findall(text)


def _line(field: Mapping[str, Any], text: str, facts: Mapping[str, str]) -> Line:
    key, label, kind = field["key"], field["label"], field["type"]
    if not text.strip():
        return Line(key, label, "", "", "没有填写")
    if re.search("[{}]", VARIABLE.sub("", text)):
        return Line(key, label, text, text, "花括号只用来写变量，如 {training}")
    unknown = [name for name in variables(text) if name not in facts]
    if unknown:
        return Line(key, label, text, text, f"缺少变量 {{{unknown[0]}}} 的值")
    meant = VARIABLE.sub(lambda found: facts[found[1]], text)
    value = values.tidy(kind, meant)
    if not value and kind == "thing":
        value = NOTHING
    return Line(key, label, value, meant, values.problems(kind, value, field.get("choices") or ()) or "")
