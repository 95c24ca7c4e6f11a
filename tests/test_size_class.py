"""Size classes: every bound of every sector, from the reference data."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.size_class import (
    IndustryCodeError,
    SizeClass,
    SizeFiguresMissing,
    SizeRule,
    sector_of,
    size_class,
)

REFERENCE = Path(__file__).parents[1] / "config" / "reference"
SIZES = json.loads((REFERENCE / "size_rules.json").read_text(encoding="utf-8"))
INDUSTRIES = {
    row["code"]: row["sector"]
    for row in json.loads((REFERENCE / "industries.json").read_text(encoding="utf-8"))["industries"]
}
RULES = [
    SizeRule(
        row["sector"], SizeClass(row["class"]), row["min_headcount"], row["min_revenue"], row["min_assets"]
    )
    for row in SIZES["rules"]
]
SECTORS = sorted({rule.sector for rule in RULES})
ORDER = [SizeClass.micro, SizeClass.small, SizeClass.medium, SizeClass.large]
PLENTY = 10**15


def classify(sector: str, figures: dict[str, int]) -> SizeClass:
    return size_class(sector, figures["headcount"], figures["revenue"], figures["assets"], RULES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.sector}-{rule.size_class}")
def test_a_class_begins_exactly_at_its_bounds(rule: SizeRule) -> None:
    bounds = rule.bounds()
    exactly = {"headcount": 0, "revenue": 0, "assets": 0} | bounds
    assert classify(rule.sector, exactly) is rule.size_class
    for figure, bound in bounds.items():
        below = {"headcount": PLENTY, "revenue": PLENTY, "assets": PLENTY, figure: bound - 1}
        assert ORDER.index(classify(rule.sector, below)) == ORDER.index(rule.size_class) - 1
        every_other_met = exactly | {figure: bound - 1}
        assert ORDER.index(classify(rule.sector, every_other_met)) < ORDER.index(rule.size_class)


def test_both_bounds_must_be_met_and_one_far_above_does_not_help() -> None:
    crowd_without_revenue = {"headcount": 5000, "revenue": 2_999_999, "assets": 0}
    assert classify("工业", crowd_without_revenue) is SizeClass.micro
    assert classify("工业", crowd_without_revenue | {"revenue": 3_000_000}) is SizeClass.small
    assert classify("工业", crowd_without_revenue | {"revenue": 20_000_000}) is SizeClass.medium
    assert classify("工业", crowd_without_revenue | {"revenue": 400_000_000}) is SizeClass.large


figure = st.integers(0, 3_000_000_000)


@given(st.sampled_from(SECTORS), figure, figure, figure, figure, figure, figure)
def test_growing_never_lowers_the_class(
    sector: str, headcount: int, revenue: int, assets: int, more: int, richer: int, heavier: int
) -> None:
    before = size_class(sector, headcount, revenue, assets, RULES)
    after = size_class(sector, headcount + more, revenue + richer, assets + heavier, RULES)
    assert ORDER.index(after) >= ORDER.index(before)


@pytest.mark.parametrize("sector", SECTORS)
def test_exactly_the_figures_that_the_rules_look_at_are_asked_for(sector: str) -> None:
    needed = {name for rule in RULES if rule.sector == sector for name in rule.bounds()}
    with pytest.raises(SizeFiguresMissing) as refused:
        size_class(sector, None, None, None, RULES)
    assert set(refused.value.fields) == needed
    unneeded = {"headcount": 0, "revenue": 0, "assets": 0}
    given_only = {name: (0 if name in needed else None) for name in unneeded}
    found = size_class(sector, given_only["headcount"], given_only["revenue"], given_only["assets"], RULES)
    assert found is SizeClass.micro


def test_the_missing_figure_is_named_in_chinese() -> None:
    with pytest.raises(SizeFiguresMissing, match="营业收入") as refused:
        size_class("工业", 30, None, None, RULES)
    assert refused.value.fields == ("revenue",)


def test_without_sector_there_is_no_class_and_no_figure_is_needed() -> None:
    assert size_class(None, None, None, None, RULES) is SizeClass.unclassified


def test_a_sector_without_rules_is_a_fault_of_the_data() -> None:
    with pytest.raises(LookupError):
        size_class("农林牧渔", 1, 1, 1, [])


@pytest.mark.parametrize(
    ("code", "sector"),
    [
        ("A01", "农林牧渔"),
        ("B06", "工业"),
        ("C36", "工业"),
        ("C3670", "工业"),
        ("D4412", "工业"),
        ("E50", "建筑"),
        ("F51", "批发"),
        ("F5211", "零售"),
        ("G53", None),
        ("G5310", None),
        ("G54", "交通运输"),
        ("G58", "交通运输"),
        ("G591", "交通运输"),
        ("G5910", "交通运输"),
        ("G5990", "仓储"),
        ("G60", "邮政"),
        ("H61", "住宿"),
        ("H6210", "餐饮"),
        ("I63", "信息传输"),
        ("I64", "信息传输"),
        ("I65", "软件信息服务"),
        ("J66", None),
        ("K7010", "房地产开发"),
        ("K702", "物业"),
        ("K703", "其他未列明"),
        ("K704", None),
        ("L72", "租赁商务"),
        ("M75", "其他未列明"),
        ("P83", None),
        ("Q84", None),
        ("Q85", "其他未列明"),
        ("S92", None),
        ("T97", None),
    ],
)
def test_the_longest_prefix_gives_the_sector(code: str, sector: str | None) -> None:
    assert sector_of(code, INDUSTRIES) == sector


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("", "industry_code_format"),
        ("C", "industry_code_format"),
        ("C3", "industry_code_format"),
        ("36", "industry_code_format"),
        ("C36700", "industry_code_format"),
        ("C３６", "industry_code_format"),
        ("U99", "industry_code_format"),
        ("D36", "industry_code_unknown"),
        ("T98", "industry_code_unknown"),
        ("K70", "industry_code_too_coarse"),
        ("G59", "industry_code_too_coarse"),
        ("G598", "industry_code_too_coarse"),
    ],
)
def test_codes_that_cannot_be_used_say_why(code: str, reason: str) -> None:
    with pytest.raises(IndustryCodeError) as refused:
        sector_of(code, INDUSTRIES)
    assert refused.value.code == reason
    assert refused.value.message


def test_labels_are_chinese() -> None:
    assert [size.label for size in SizeClass] == ["微型", "小型", "中型", "大型", "不划型"]
    assert date.fromisoformat(SIZES["effective_from"]) == date(2011, 7, 4)
