"""Answers to a questionnaire, checked against the questions of its version."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from app.errors import DomainError

NAME_SHOWN = 40


class _Wrong(ValueError):
    """An answer does not fit its question; the argument is the Chinese reason."""


def check(questions: Sequence[Mapping[str, Any]], answers: Mapping[str, Any], field: str) -> dict[str, Any]:
    """Returns the answers, tidied and in the order of the questions; what was left blank is left out.

    Raises DomainError `survey_invalid`, with a message for each question under "`field`.question".
    """
    known = {question["id"] for question in questions}
    wrong = {f"{field}.{name[:NAME_SHOWN]}": ["问卷中没有此题"] for name in answers if name not in known}
    given: dict[str, Any] = {}
    for question in questions:
        try:
            answer = _answer(question, answers.get(question["id"]))
        except _Wrong as reason:
            wrong[f"{field}.{question['id']}"] = [str(reason)]
            continue
        if answer is not None:
            given[question["id"]] = answer
    if wrong:
        raise DomainError("survey_invalid", fields=wrong)
    return given


def _answer(question: Mapping[str, Any], value: Any) -> Any:
    read = {"text": _text, "multi": _many}.get(question["type"], _one)
    answer = None if value is None else read(question, value)
    if not answer and question["required"]:
        raise _Wrong("此题必答")
    return answer or None


def _one(question: Mapping[str, Any], value: Any) -> str:
    if not isinstance(value, str):
        raise _Wrong("请选择一项")
    if value and value not in {option["value"] for option in question["options"]}:
        raise _Wrong("没有这个选项")
    return value


def _many(question: Mapping[str, Any], value: Any) -> list[str]:
    if not isinstance(value, list):
        raise _Wrong("应为选项列表")
    chosen = list(dict.fromkeys(_one(question, item) for item in value))
    alone = {option["value"] for option in question["options"] if option.get("exclusive")}
    if len(chosen) > 1 and alone.intersection(chosen):
        raise _Wrong("所选项中有一项不能与其他项同选")
    return [item for item in chosen if item]


def _text(question: Mapping[str, Any], value: Any) -> str:
    if not isinstance(value, str):
        raise _Wrong("应为文字")
    text = unicodedata.normalize("NFC", value).strip()
    if any(unicodedata.category(char) in ("Cc", "Cs") and char not in "\n\t" for char in text):
        raise _Wrong("含有不允许的控制字符")
    if len(text) > question["max_length"]:
        raise _Wrong(f"至多 {question['max_length']} 字")
    return text


def readable(questions: Sequence[Mapping[str, Any]], answers: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Returns title and answer of each question that was answered, in words."""
    return [
        (question["title"], _words(question, answers[question["id"]]))
        for question in questions
        if question["id"] in answers
    ]


def _words(question: Mapping[str, Any], answer: Any) -> str:
    labels = {option["value"]: option["label"] for option in question.get("options", ())}
    given = answer if isinstance(answer, list) else [answer]
    return "、".join(str(labels.get(one, one)) for one in given)
