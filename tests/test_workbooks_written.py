"""Written workbooks: nothing in them runs, and they can be read again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from io import BytesIO
from typing import Any

from openpyxl import load_workbook

from app.workbooks import Column, Row, read_rows, write_rejected, write_rows
from tests.workbook_builders import CODE, COLUMNS, HEADER, part, workbook

HOSTILE = [
    '=cmd|"/c calc"!A1',
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    "{=1}",
    "https://example.com",
    "\x00\x0b<&>",
    "0012",
]


def written(rows: list[dict[str, Any]]) -> BytesIO:
    stream = BytesIO()
    assert write_rows(stream, "企业[名单]:2026", COLUMNS, rows) == len(rows)
    stream.seek(0)
    return stream


def test_text_never_becomes_a_formula_a_link_or_a_number() -> None:
    stream = written([{"credit_code": CODE, "name": text} for text in HOSTILE])
    xml = part(stream, "xl/worksheets/sheet1.xml")
    assert b"<f>" not in xml
    assert b"<hyperlink" not in xml
    sheet = load_workbook(stream).active
    assert sheet is not None
    cells = [sheet.cell(number, 2) for number in range(3, 3 + len(HOSTILE))]
    assert {cell.data_type for cell in cells} == {"s"}
    assert [cell.quotePrefix for cell in cells[:5]] == [True] * 5
    assert cells[0].value == HOSTILE[0]
    assert cells[-1].value == "0012"


def test_a_hostile_title_is_text_too() -> None:
    stream = BytesIO()
    write_rows(stream, '=HYPERLINK("http://x")', COLUMNS, [])
    assert b"<f>" not in part(stream, "xl/worksheets/sheet1.xml")


def test_what_is_written_can_be_read_again() -> None:
    rows: list[dict[str, Any]] = [
        {
            "credit_code": CODE,
            "name": "甲公司",
            "headcount": 12,
            "registered_on": date(2026, 11, 3),
            "starts_at": datetime(2026, 11, 3, 1, 30, tzinfo=UTC),
        },
        {"credit_code": CODE, "name": "=乙", "headcount": None},
    ]
    first, second = read_rows(written(rows), COLUMNS)
    assert (first.number, first.values) == (3, rows[0])
    assert second.values["name"] == "=乙"
    assert second.values["headcount"] is None


def test_figures_keep_their_value_and_long_ones_their_digits() -> None:
    columns = [Column("数", "figure")]
    stream = BytesIO()
    write_rows(
        stream,
        "数",
        columns,
        [{"figure": v} for v in (Decimal("12.50"), 0.5, 10**17 + 1, True, "x" * 40_000)],
    )
    sheet = load_workbook(stream).active
    assert sheet is not None
    values = [sheet.cell(number, 1).value for number in range(3, 8)]
    assert values[:4] == [12.5, 0.5, str(10**17 + 1), "是"]
    assert len(str(values[4])) == 32_767


def test_the_sheet_is_laid_out_for_reading_and_printing() -> None:
    sheet = load_workbook(written([{"credit_code": CODE}])).active
    assert sheet is not None
    assert sheet.title == "企业 名单  2026"
    assert sheet.cell(1, 1).value == "企业[名单]:2026"
    assert [cell.value for cell in sheet[2]] == HEADER
    assert sheet.freeze_panes == "A3"
    assert sheet.auto_filter.ref == "A2:E3"
    assert sheet.print_title_rows == "$1:$2"


def test_rows_may_come_from_a_generator() -> None:
    def endless() -> Iterator[dict[str, Any]]:
        for number in range(3):
            yield {"credit_code": CODE, "name": str(number)}

    assert write_rows(BytesIO(), "名单", COLUMNS, endless()) == 3


def test_rejected_rows_come_back_as_filled_in_with_the_reason() -> None:
    stream = workbook(HEADER, [CODE, "甲公司", "约12", "11月3日"], [CODE, "乙公司", 5])
    bad = [row for row in read_rows(stream, COLUMNS) if row.problems]
    answer = BytesIO()
    assert (
        write_rejected(answer, "未导入", COLUMNS, [(row, "；".join(row.problems.values())) for row in bad])
        == 1
    )
    sheet = load_workbook(answer).active
    assert sheet is not None
    assert [cell.value for cell in sheet[2]] == ["原行号", *HEADER, "原因"]
    told = [cell.value for cell in sheet[3]]
    assert told[:5] == [2, CODE, "甲公司", "约12", "11月3日"]
    assert told[6] == "从业人员：应为整数；登记日期：应为日期，如 2026-11-23"


def test_a_mended_bad_rows_file_can_be_uploaded_as_it_is() -> None:
    answer = BytesIO()
    row = Row(7, {}, {}, {"credit_code": CODE, "name": "甲公司"})
    write_rejected(answer, "未导入", COLUMNS, [(row, "重复")])
    answer.seek(0)
    (again,) = read_rows(answer, COLUMNS)
    assert again.values["name"] == "甲公司"
