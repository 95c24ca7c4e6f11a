"""Messages as they go out: variables filled in, each field in its form, and what would be refused."""

from __future__ import annotations

from typing import Any

import pytest

from app.services.template_rendering import Unfit, preview, render

FIELDS: list[dict[str, Any]] = [
    {"key": "thing1", "label": "培训名称", "type": "thing", "choices": []},
    {"key": "time2", "label": "培训时间", "type": "time", "choices": []},
    {"key": "phrase3", "label": "报名结果", "type": "phrase", "choices": []},
    {"key": "enum4", "label": "办理状态", "type": "enum", "choices": ["已受理", "已办结"]},
]
TEXTS = {"thing1": "{training}", "time2": "{time}", "phrase3": "{state}", "enum4": "已办结"}
FACTS = {"training": "质量管理体系基础培训", "time": "2026年12月3日 14:00", "state": "已通过"}


def test_the_variables_are_filled_in() -> None:
    assert render(TEXTS, FIELDS, FACTS) == {
        "thing1": "质量管理体系基础培训",
        "time2": "2026年12月3日 14:00",
        "phrase3": "已通过",
        "enum4": "已办结",
    }


def test_what_is_too_long_is_shortened_and_shown_so() -> None:
    long = {**FACTS, "training": "质量管理体系内审员与管理者代表能力提升培训班（第二期）"}
    lines = preview(TEXTS, FIELDS, long)
    assert [line.shortened for line in lines] == [True, False, False, False]
    assert lines[0].value.endswith("…") and len(lines[0].value) <= 20
    assert lines[0].meant == long["training"]
    assert render(TEXTS, FIELDS, long)["thing1"] == lines[0].value


def test_a_value_is_not_read_for_variables_again() -> None:
    assert render(TEXTS, FIELDS, {**FACTS, "training": "{time} 培训"})["thing1"] == "{time} 培训"


def test_free_text_with_nothing_to_say_says_so() -> None:
    assert render(TEXTS, FIELDS, {**FACTS, "training": " \n"})["thing1"] == "无"


@pytest.mark.parametrize(
    ("texts", "facts", "reason"),
    [
        ({"thing1": ""}, {}, "“培训名称”没有填写"),
        ({"thing1": "{teacher}"}, {}, "“培训名称”缺少变量 {teacher} 的值"),
        ({"thing1": "{training"}, {}, "“培训名称”花括号只用来写变量"),
        ({}, {"time": "下周三下午"}, "“培训时间”应为 24 小时制的时间"),
        ({}, {"time": ""}, "“培训时间”内容不能为空"),
        ({}, {"state": "正在候补等待确认"}, "“报名结果”只能是汉字，最多 5 个"),
        ({"enum4": "已退回"}, {}, "“办理状态”只能是：已受理、已办结"),
    ],
)
def test_what_the_platform_would_refuse_is_not_sent(
    texts: dict[str, str], facts: dict[str, str], reason: str
) -> None:
    with pytest.raises(Unfit) as unfit:
        render({**TEXTS, **texts}, FIELDS, {**FACTS, **facts})
    assert str(unfit.value).startswith(reason)
