"""Reading workbooks: what was meant by what was typed."""

from __future__ import annotations

from datetime import UTC, date, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

from app.workbooks import read_rows
from tests.workbook_builders import CODE, COLUMNS, HEADER, workbook


def test_rows_come_with_the_sheets_own_numbers_and_blank_rows_are_passed_over() -> None:
    rows = read_rows(workbook(HEADER, [CODE, "甲公司"], [], ["", "  "], [CODE, "乙公司"]), COLUMNS)
    assert [(row.number, row.values["name"]) for row in rows] == [(2, "甲公司"), (5, "乙公司")]
    assert rows[0].problems == {}


def test_the_header_is_found_below_a_merged_title_and_extra_columns_are_ignored() -> None:
    def title(sheet: Any) -> None:
        sheet.merge_cells("A1:D2")

    stream = workbook(
        ["附件1 参与企业名单"],
        [],
        ["序号", " 企业名称* ", "统一社会\n信用代码", "备注"],
        [1, "甲公司", CODE, "x"],
        change=title,
    )
    (row,) = read_rows(stream, COLUMNS)
    assert (row.number, row.values) == (4, {"name": "甲公司", "credit_code": CODE})


def test_a_file_may_be_named_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "名单.xlsx"
    path.write_bytes(workbook(HEADER, [CODE, "甲公司"]).getvalue())
    assert len(read_rows(path, COLUMNS)) == len(read_rows(str(path), COLUMNS)) == 1


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("９１１１００００１０１６２３７４１Ｋ", CODE),
        (f"\u3000{CODE}\u200b ", CODE),
        (13800138000, "13800138000"),
        (13800138000.0, "13800138000"),
        (0.1, "0.1"),
        (True, "是"),
        ("丰县（华山）\n一厂", "丰县（华山） 一厂"),
        (datetime.fromisoformat("2026-11-23T00:00"), "2026-11-23"),
    ],
)
def test_text_is_what_was_meant(typed: object, read: str) -> None:
    (row,) = read_rows(workbook(HEADER, [CODE, typed]), COLUMNS)
    assert row.values["name"] == read
    assert row.problems == {}


def test_a_long_number_in_a_number_cell_is_reported_as_spoilt() -> None:
    (row,) = read_rows(workbook(HEADER, [320300199001011234, "甲公司"]), COLUMNS)
    assert row.values["credit_code"] is None
    assert "文本格式" in row.problems["credit_code"]


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        (12, 12),
        (12.0, 12),
        ("１２", 12),
        (" 1,200 ", 1200),
        ("-3", -3),
        ("12.0", 12),
        (0, 0),
        (None, None),
        ("  ", None),
    ],
)
def test_integers_are_read_in_every_usual_shape(typed: object, read: int | None) -> None:
    (row,) = read_rows(workbook(HEADER, [CODE, "甲公司", typed]), COLUMNS)
    assert row.values["headcount"] == read
    assert row.problems == {}


@pytest.mark.parametrize("typed", ["约12", "12人", 12.5, "12.5", True, 10**16, "1e3"])
def test_what_is_no_integer_is_a_problem_of_its_cell_only(typed: object) -> None:
    (row,) = read_rows(workbook(HEADER, [CODE, "甲公司", typed]), COLUMNS)
    assert row.problems == {"headcount": "从业人员：应为整数"}
    assert row.values["headcount"] is None
    assert row.values["name"] == "甲公司"


@pytest.mark.parametrize(
    "typed",
    [
        date(2026, 11, 3),
        datetime.fromisoformat("2026-11-03T08:30"),
        46329,
        "2026-11-03",
        "2026/11/3",
        "2026.11.3",
        "2026年11月3日",
        "２０２６-１１-０３",
        "20261103",
        20261103,
    ],
)
def test_dates_are_read_in_every_usual_shape(typed: object) -> None:
    (row,) = read_rows(workbook(HEADER, [CODE, "甲公司", None, typed]), COLUMNS)
    assert row.values["registered_on"] == date(2026, 11, 3)
    assert type(row.values["registered_on"]) is date


@pytest.mark.parametrize("typed", ["11月3日", "2026-02-30", "2026-13-01", -5, "今天", 99_999_999])
def test_what_is_no_date_is_a_problem(typed: object) -> None:
    (row,) = read_rows(workbook(HEADER, [CODE, "甲公司", None, typed]), COLUMNS)
    assert row.problems == {"registered_on": "登记日期：应为日期，如 2026-11-23"}


@pytest.mark.parametrize(
    "typed",
    [
        datetime.fromisoformat("2026-11-03T09:30"),
        "2026-11-03 09:30",
        "2026年11月3日 9:30",
        "2026-11-03T09:30:00",
    ],
)
def test_times_are_beijing_time(typed: object) -> None:
    (row,) = read_rows(workbook(HEADER, [CODE, "甲公司", None, None, typed]), COLUMNS)
    assert row.values["starts_at"] == datetime(2026, 11, 3, 1, 30, tzinfo=UTC)


def test_a_blank_required_cell_and_an_error_value_are_problems() -> None:
    (row,) = read_rows(workbook(HEADER, [None, "#N/A"]), COLUMNS)
    assert row.problems == {
        "credit_code": "统一社会信用代码：不能为空",
        "name": "企业名称：单元格是错误值 #N/A",
    }


def test_hidden_sheets_are_not_read() -> None:
    book = Workbook()
    hidden = book.active
    assert hidden is not None
    hidden.append(["代码表"])
    hidden.sheet_state = "hidden"
    shown = book.create_sheet("名单")
    shown.append(HEADER)
    shown.append([CODE, "甲公司"])
    book.active = 1
    stream = BytesIO()
    book.save(stream)
    stream.seek(0)
    assert read_rows(stream, COLUMNS)[0].values["name"] == "甲公司"
