"""The reference data: complete, consistent with itself, and in the units that the code expects."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from models.cases import Aspect

REFERENCE = Path(__file__).parents[1] / "config" / "reference"
# First and last two-digit division of each section in GB/T 4754-2017.
SECTIONS = {
    "A": (1, 5), "B": (6, 12), "C": (13, 43), "D": (44, 46), "E": (47, 50), "F": (51, 52), "G": (53, 60),
    "H": (61, 62), "I": (63, 65), "J": (66, 69), "K": (70, 70), "L": (71, 72), "M": (73, 75), "N": (76, 79),
    "O": (80, 82), "P": (83, 83), "Q": (84, 85), "R": (86, 90), "S": (91, 96), "T": (97, 97),
}  # fmt: skip


def load(name: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((REFERENCE / f"{name}.json").read_text(encoding="utf-8"))
    return data


DIVISIONS = load("divisions")["divisions"]
INDUSTRIES = load("industries")["industries"]
SIZES = load("size_rules")["rules"]
SURVEY = load("needs-survey")
DIAGNOSIS = load("diagnosis-form")
NOTICE = load("privacy-notice")


def test_division_keys_are_a_tree_without_gaps() -> None:
    keys = [row["id"] for row in DIVISIONS]
    assert len(keys) == len(set(keys))
    for key in keys:
        parent = key.rpartition(".")[0]
        assert not parent or parent in keys
        assert re.fullmatch(r"[a-z]+(\.[a-z]+)*", key)


def test_the_city_has_its_twelve_county_bureaus() -> None:
    counties = [row for row in DIVISIONS if row["kind"] == "county"]
    assert len(counties) == 12
    assert {row["id"].rpartition(".")[0] for row in counties} == {"js.xz"}
    assert [row["position"] for row in DIVISIONS] == list(range(1, len(DIVISIONS) + 1))
    assert len({row["name"] for row in DIVISIONS}) == len(DIVISIONS)
    assert len({row["short_name"] for row in DIVISIONS}) == len(DIVISIONS)


def test_gbt2260_codes_are_of_xuzhou_and_only_the_two_zones_have_none() -> None:
    codes = {row["id"]: row["gbt2260"] for row in DIVISIONS if row["kind"] == "county"}
    assert {key for key, code in codes.items() if code is None} == {"js.xz.jingkai", "js.xz.gaoxin"}
    given = [code for code in codes.values() if code]
    assert len(set(given)) == 10
    assert all(re.fullmatch(r"3203\d\d", code) for code in given)


def test_industries_have_twenty_sections_and_ninety_seven_divisions_under_the_right_letter() -> None:
    sections = [row["code"] for row in INDUSTRIES if row["level"] == "section"]
    assert sections == list(SECTIONS)
    divisions = [row["code"] for row in INDUSTRIES if row["level"] == "division"]
    expected = [
        f"{letter}{n:02}" for letter, (first, last) in SECTIONS.items() for n in range(first, last + 1)
    ]
    assert divisions == expected
    assert len(divisions) == 97


def test_industry_codes_are_unique_and_hang_below_their_parents() -> None:
    codes = [row["code"] for row in INDUSTRIES]
    assert len(codes) == len(set(codes))
    levels = {"section": 1, "division": 3, "group": 4, "class": 5}
    for row in INDUSTRIES:
        assert row["section"] == row["code"][0]
        assert len(row["code"]) == levels[row["level"]]
        if row["level"] == "section":
            assert row["parent"] is None
        else:
            assert row["parent"] in codes
            assert row["code"].startswith(row["parent"])


def test_every_sector_named_by_an_industry_has_rules_and_the_other_way_round() -> None:
    assert {row["sector"] for row in INDUSTRIES} - {None} == {row["sector"] for row in SIZES}


def test_each_sector_has_three_classes_with_rising_bounds_in_whole_yuan() -> None:
    bounds = ("min_headcount", "min_revenue", "min_assets")
    for sector in {row["sector"] for row in SIZES}:
        rows = {row["class"]: row for row in SIZES if row["sector"] == sector}
        assert list(rows) == ["small", "medium", "large"]
        for bound in bounds:
            values = [row[bound] for row in rows.values()]
            if values == [None, None, None]:
                continue
            assert values == sorted(values)
            if bound != "min_headcount":
                assert all(value % 10_000 == 0 and value >= 500_000 for value in values)


def test_the_bounds_for_industry_are_those_of_the_standard() -> None:
    row = next(row for row in SIZES if (row["sector"], row["class"]) == ("工业", "large"))
    assert (row["min_headcount"], row["min_revenue"], row["min_assets"]) == (1000, 400_000_000, None)


@pytest.mark.parametrize("asked", [SURVEY, DIAGNOSIS], ids=["needs survey", "diagnosis form"])
def test_questions_can_be_asked_and_answered(asked: dict[str, Any]) -> None:
    ids = [question["id"] for question in asked["questions"]]
    assert len(ids) == len(set(ids))
    for question in asked["questions"]:
        assert question["type"] in {"single", "multi", "scale", "text"}
        assert isinstance(question["required"], bool)
        options = [option["value"] for option in question.get("options", [])]
        assert len(options) == len(set(options))
        assert bool(options) == (question["type"] != "text")
        if question["type"] == "scale":
            assert options == ["1", "2", "3", "4", "5"]


def test_the_survey_asks_for_the_six_aspects_and_the_four_certificates() -> None:
    labels = {q["id"]: [option["label"] for option in q.get("options", [])] for q in SURVEY["questions"]}
    assert len(labels["aspects_needed"]) == 6
    for wanted in ("高端品质认证", "三同", "绿色低碳认证", "服务认证"):
        assert any(wanted in label for label in labels["certificates_wanted"])


def test_the_diagnosis_asks_about_each_of_the_six_aspects() -> None:
    about = Counter(question.get("aspect") for question in DIAGNOSIS["questions"])
    assert all(about[aspect.value] >= 3 for aspect in Aspect)
    assert set(about) == {*(aspect.value for aspect in Aspect), None}


@pytest.mark.parametrize(
    "needed",
    [
        "个人信息处理者是",
        "手机号码",
        "用来",
        "保存多久",
        "撤回",
        "注销",
        "单独同意",
        "未成年人",
        "怎样联系",
        "境内",
    ],
)
def test_the_privacy_notice_says_what_the_law_asks(needed: str) -> None:
    assert needed in NOTICE["text"]


def test_versioned_documents_have_a_version_and_a_day() -> None:
    for document in (NOTICE, SURVEY, DIAGNOSIS):
        assert re.fullmatch(r"\d{4}-\d{2}", document["version"])
        assert date.fromisoformat(document["effective_from"])
        assert document["title"]
