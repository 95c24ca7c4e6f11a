"""The values of message fields: what is accepted, and what is made of what staff type."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wechat.fields import parse_template, problems, shorten, tidy, units

# fmt: off
TYPES = [
    "thing", "short_thing", "const", "character_string", "number", "letter", "symbol", "time", "date",
    "amount", "phone_number", "car_number", "name", "phrase", "enum", "keyword",
]
TYPICAL = "0123456789年月日:-~/.,￥元（）()《》质量管理A b\t\n😀👩\u200d🏭é\u0301"
# fmt: on
TEXTS = st.text(max_size=60) | st.text(TYPICAL, max_size=40)


@pytest.mark.parametrize(
    ("kind", "accepted", "refused"),
    [
        ("thing", ["十" * 20, "a b，《》", "😀" * 10], ["", "  ", "十" * 21, "一\n二", "😀" * 11, "a\0"]),
        ("short_thing", ["十" * 10], ["十" * 11]),
        ("character_string", ["No. 2026-001", "~" * 32], ["编号1", "x" * 33]),
        ("number", ["0", "12.50", "9" * 32], ["1,200", "-1", "1.", "١٢", "9" * 33, "1." + "9" * 31]),
        ("letter", ["ISO"], ["ISO9", "a b"]),
        ("symbol", ["★★★"], ["a", "★ ★", "★" * 6]),
        (
            "time",
            ["14:00", "2026-03-05 14:00:30", "2026年3月5日14:00", "2026.3.5 9:00 ~ 2026.3.5 17:00"],
            [
                "25:00",
                "14:60",
                "2026-03/05 14:00",
                "两点",
                "9:00~10:00~11:00",
                "2026-13-01 9:00",
                "3月5日 9:00",
            ],
        ),
        (
            "date",
            ["2026年3月5日", "2026年3月", "3月5日", "2026/03/05 14:00", "2026-03-05~2026-03-07"],
            ["2026年3月32日", "2026", "14:00", "明天"],
        ),
        ("amount", ["1200", "¥1200.00", "￥9", "1200元", "$1"], ["一千", "12345678901", "1,200", "元"]),
        ("phone_number", ["13800138000", "0516-8380 0000", "+86 (516) 8380"], ["电话13800138000", "1" * 18]),
        ("car_number", ["苏C12345", "苏C·1234学", "C12345"], ["苏C1234567890", "abc"]),
        ("name", ["王小明", "十" * 10, "Alexander Smith", "欧阳·阿卜杜拉"], ["十" * 11, "王2", "a" * 21]),
        ("phrase", ["已通过", "一二三四五"], ["已通过啦啦啦", "OK", "通过!"]),
        ("const", ["质量培训"], ["十" * 21]),
        ("keyword", ["十" * 20], ["十" * 21]),
        ("enum", [], ["已受理"]),
    ],
)
def test_rules(kind: str, accepted: list[str], refused: list[str]) -> None:
    assert [text for text in accepted if problems(kind, text)] == []
    assert [text for text in refused if not problems(kind, text)] == []


def test_bound_values() -> None:
    assert problems("enum", "已受理", ["已受理", "已办结"]) is None
    assert problems("enum", "受理", ["已受理", "已办结"]) == "只能是：已受理、已办结"
    assert problems("const", "培训", ["会议"]) == "只能是：会议"


@pytest.mark.parametrize(
    ("kind", "typed", "tidied"),
    [
        ("thing", "  质量\r\n管理\u2028体系 ", "质量 管理 体系"),
        ("number", "１，２００.５", "1200.5"),
        ("number", "1 200", "1200"),
        ("amount", "￥ 12,000.00 元", "¥12000.00元"),
        ("time", "2026-03-05T14：00", "2026-03-05 14:00"),
        ("time", "09：00 — 11：30", "09:00~11:30"),
        ("date", "2026年3月5日 至 2026年3月7日", "2026年3月5日~2026年3月7日"),
        ("phone_number", " ０５１６－8380 0000 ", "0516-8380 0000"),
        ("car_number", "苏c 12345", "苏C12345"),
        ("phrase", "已 通过！", "已通过"),
        ("letter", "Ｉ Ｓ Ｏ", "ISO"),
        ("character_string", "ＮＯ．２０２６", "NO.2026"),
        ("name", "阿卜杜拉·买买提·艾合买提江·伊", "阿卜杜拉·买买提…"),
        ("phrase", "通过第1次", "通过第1次"),
    ],
)
def test_tidy(kind: str, typed: str, tidied: str) -> None:
    assert tidy(kind, typed) == tidied


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("一二三四五六七八九十一二三四五六七八九十", "一二三四五六七八九十一二三四五六七八九十"),
        ("一二三四五六七八九十一二三四五六七八九十一", "一二三四五六七八九十一二三四五六七八九…"),
        ("小微企业质量管理体系认证实务（第二期线上直播）", "小微企业质量管理体系认证实务…"),
        ("徐州市质量管理体系培训班 ISO9001 标准解读", "徐州市质量管理体系培训班…"),
        ("关于举办小微企业质量管理培训的通知，请按时参加", "关于举办小微企业质量管理培训的通知，请…"),
        ("关于举办小微企业质量管理体系培训班通知，请参加", "关于举办小微企业质量管理体系培训班通知…"),
        ("（质量管理体系认证提升行动首次集中培训的通知）", "（质量管理体系认证提升行动首次集中培训…"),
        ("a" * 40, "a" * 19 + "…"),
        ("一二三四五六七八九十一二三四五六七八👩‍🏭👩‍🏭", "一二三四五六七八九十一二三四五六七八…"),
    ],
)
def test_shortened_where_it_hurts_least(text: str, short: str) -> None:
    assert shorten(text, 20) == short


@given(st.sampled_from(TYPES), TEXTS)
@example("thing", "，" * 30)
@example("name", "1" * 30)
def test_what_is_tidy_stays_as_it_is_and_is_accepted_or_explained(kind: str, text: str) -> None:
    once = tidy(kind, text)
    assert tidy(kind, once) == once
    reason = problems(kind, once, ["已受理"])
    assert reason is None or reason.strip()
    if (
        kind in ("thing", "short_thing", "const", "keyword")
        and once
        and kind != "const"
        and kind != "keyword"
    ):
        assert reason is None


@given(TEXTS, st.integers(2, 40))
def test_shortening_keeps_the_beginning_and_the_limit(text: str, longest: int) -> None:
    short = shorten(text, longest)
    assert units(short) <= longest
    assert short == text or (short.endswith("…") and text.startswith(short[:-1]))


@given(st.sampled_from(TYPES), TEXTS)
def test_tidying_harms_nothing_that_was_accepted(kind: str, text: str) -> None:
    if problems(kind, text, ["已受理"]) is None:
        assert problems(kind, tidy(kind, text), ["已受理"]) is None


def test_templates_of_both_kinds() -> None:
    assert parse_template("活动名称:{{thing1.DATA}}\n时间:{{time2.DATA}}\n") == [
        ("活动名称", "thing1", "thing"),
        ("时间", "time2", "time"),
    ]
    older = "{{first.DATA}}\r\n课程：{{keyword1.DATA}} 状态：{{character_string12.DATA}}\n{{ remark.DATA }}"
    assert parse_template(older) == [
        ("", "first", "first"),
        ("课程", "keyword1", "keyword"),
        ("状态", "character_string12", "character_string"),
        ("", "remark", "remark"),
    ]
    assert parse_template("没有字段") == []
