"""The audit trail's verbs: each that is written anywhere has its label, and each label is of one."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from app.services.audit_trail import DETAILS
from app.verbs import VERBS
from config.settings import ROOT


def records() -> Iterator[tuple[str, ast.Call]]:
    """The calls of `audit.record`, and where they stand."""
    for path in sorted((ROOT / "app").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id="audit"), attr="record")):
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def written() -> Iterator[tuple[str, str]]:
    """Where a verb is handed to `audit.record`, and the pattern of it."""
    for where, call in records():
        yield from ((where, pattern) for pattern in patterns(call.args[1]))


def patterns(verb: ast.expr) -> list[str]:
    match verb:
        case ast.Constant(value=str(text)):
            return [re.escape(text)]
        case ast.JoinedStr(values=parts):
            return [
                "".join(re.escape(str(p.value)) if isinstance(p, ast.Constant) else r"\w+" for p in parts)
            ]
        case ast.IfExp(body=one, orelse=other):
            return patterns(one) + patterns(other)
    raise AssertionError(f"{ast.unparse(verb)}: write the verb where it is recorded")


def test_every_verb_has_a_label() -> None:
    found = list(written())
    assert len(found) > 50
    nameless = [f"{where} {p}" for where, p in found if not any(re.fullmatch(p, verb) for verb in VERBS)]
    assert nameless == []


def test_every_fact_that_is_recorded_has_a_label() -> None:
    facts = {(where, word.arg) for where, call in records() for word in call.keywords if word.arg}
    assert len(facts) > 50
    assert [(where, fact) for where, fact in facts if fact not in {*DETAILS, "division"}] == []


def test_every_label_is_of_a_verb_that_is_written() -> None:
    found = [pattern for _, pattern in written()]
    assert [verb for verb in VERBS if not any(re.fullmatch(p, verb) for p in found)] == []
