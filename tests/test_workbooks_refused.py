"""Workbooks that are refused, and what is said about them."""

from __future__ import annotations

import zipfile
from io import BytesIO
from typing import Any

import pytest
import xlsxwriter

from app.workbooks import read_rows
from tests.workbook_builders import CODE, COLUMNS, HEADER, part, refusal, repacked, workbook


@pytest.mark.parametrize("rows", [[HEADER], [HEADER, [], [None, ""], ["   "]]])
def test_no_rows_is_refused(rows: list[list[Any]]) -> None:
    assert refusal(workbook(*rows)).code == "workbook_empty"


def test_a_missing_header_is_named() -> None:
    refused = refusal(workbook(["名单"], ["企业名称", "备注"], ["甲公司", ""]))
    assert refused.code == "workbook_header_missing"
    assert refused.detail == ("缺少“统一社会信用代码”",)
    assert refusal(workbook()).code == "workbook_header_missing"
    assert refusal(workbook(*[[]] * 10, HEADER, [CODE, "甲公司"])).code == "workbook_header_missing"


def test_a_header_that_occurs_twice_is_refused() -> None:
    refused = refusal(workbook([*HEADER, "企业名称"], [CODE, "甲公司"]))
    assert (refused.code, refused.detail) == ("workbook_header_missing", ("“企业名称”出现两次",))


def test_formulas_are_refused_by_their_cells_but_not_in_ignored_columns() -> None:
    refused = refusal(workbook(HEADER, [CODE, "甲公司", 1], [CODE, "=A1", "=SUM(C2:C2)"]))
    assert (refused.code, refused.detail) == ("workbook_formula", ("B3", "C3"))
    assert "B3" in refused.message_zh
    assert read_rows(workbook([*HEADER, "序号"], [CODE, "甲公司", 1, None, None, "=ROW()"]), COLUMNS)


def test_many_formulas_name_only_the_first() -> None:
    refused = refusal(workbook(HEADER, *[[CODE, "=A1"]] * 50))
    assert refused.detail == ("B2", "B3", "B4", "B5", "B6")


def test_merged_cells_are_refused_by_their_ranges() -> None:
    def merge(sheet: Any) -> None:
        sheet.merge_cells("B2:B3")
        sheet.merge_cells("A1:A2")

    refused = refusal(workbook(HEADER, [CODE, "甲公司"], [CODE, None], change=merge))
    assert refused.code == "workbook_merged_cells"
    assert set(refused.detail) == {"B2:B3", "A1:A2"}


@pytest.fixture(scope="module")
def long_workbook() -> BytesIO:
    stream = BytesIO()
    with xlsxwriter.Workbook(stream, {"constant_memory": True}) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, HEADER)
        for number in range(1, 100_001):
            sheet.write_row(number, 0, [CODE, f"第{number}公司", number])
    return stream


def test_a_hundred_thousand_rows_are_refused_before_they_are_loaded(
    long_workbook: BytesIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[int] = []
    monkeypatch.setattr("app.workbooks.reading._row", lambda number, *_: loaded.append(number))
    long_workbook.seek(0)
    assert refusal(long_workbook).code == "workbook_too_long"
    assert loaded == []


def test_one_row_more_than_allowed_is_refused() -> None:
    rows = [[CODE, f"第{number}公司"] for number in range(4)]
    assert len(read_rows(workbook(HEADER, *rows[:3]), COLUMNS, max_rows=3)) == 3
    refused = refusal(workbook(HEADER, *rows), max_rows=3)
    assert (refused.code, refused.detail) == ("workbook_too_long", ("上限 3 行",))


def test_a_zip_bomb_is_refused_before_it_is_unpacked() -> None:
    bomb = repacked(workbook(HEADER), {"xl/worksheets/sheet1.xml": b"<worksheet>" + b" " * 40_000_000})
    assert len(bomb.getvalue()) < 100_000
    assert refusal(bomb).code == "workbook_too_large"


def test_parts_that_swell_and_uploads_beyond_the_limit_are_refused() -> None:
    noise = bytes(range(256)) * 150_000
    assert refusal(repacked(workbook(HEADER), {"xl/sharedStrings.xml": noise})).code == "workbook_too_large"
    assert refusal(BytesIO(b"PK" + bytes(10 * 1024 * 1024))).code == "workbook_too_large"


def test_a_directory_that_lies_about_sizes_is_refused() -> None:
    content = bytearray(workbook(HEADER, [CODE, "甲公司"]).getvalue())
    place = content.rindex(b"xl/worksheets/sheet1.xml") - 46
    assert content[place : place + 4] == b"PK\x01\x02"
    content[place + 24 : place + 28] = (50).to_bytes(4, "little")
    assert refusal(BytesIO(bytes(content))).code == "workbook_unreadable"


ENTITIES = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
OUTSIDE = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize("prolog", [ENTITIES, OUTSIDE])
@pytest.mark.parametrize(
    "name", ["xl/worksheets/sheet1.xml", "xl/workbook.xml", "xl/sharedStrings.xml", "xl/styles.xml"]
)
def test_entities_are_refused_wherever_they_stand(name: str, prolog: bytes) -> None:
    stream = BytesIO()
    with xlsxwriter.Workbook(stream) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, HEADER)
        sheet.write_row(1, 0, [CODE, "甲公司"])
    assert len(read_rows(BytesIO(stream.getvalue()), COLUMNS)) == 1
    xml = part(stream, name)
    body = xml[xml.index(b"?>") + 2 :] if xml.startswith(b"<?xml") else xml
    assert refusal(repacked(stream, {name: prolog + body})).code == "workbook_unreadable"


@pytest.mark.parametrize("row", [b'r="999999999"', b'r="1048577"', b'r="-3"'])
def test_a_row_number_beyond_the_sheet_is_refused(row: bytes) -> None:
    stream = workbook(HEADER, [CODE, "甲公司"])
    xml = part(stream, "xl/worksheets/sheet1.xml").replace(b'<row r="2"', b"<row " + row)
    assert refusal(repacked(stream, {"xl/worksheets/sheet1.xml": xml})).code == "workbook_unreadable"


def test_a_wrong_dimension_does_not_hide_rows() -> None:
    stream = workbook(HEADER, [CODE, "甲公司"], [CODE, "乙公司"])
    xml = part(stream, "xl/worksheets/sheet1.xml").replace(b'ref="A1:E3"', b'ref="A1:A1"')
    assert len(read_rows(repacked(stream, {"xl/worksheets/sheet1.xml": xml}), COLUMNS)) == 2


def test_macros_are_refused() -> None:
    stream = workbook(HEADER, [CODE, "甲公司"])
    assert refusal(repacked(stream, {"xl/vbaProject.bin": b"x"})).code == "workbook_macro"
    types = part(stream, "[Content_Types].xml").replace(
        b"openxmlformats-officedocument.spreadsheetml.sheet.main", b"ms-excel.sheet.macroEnabled.main"
    )
    assert refusal(repacked(stream, {"[Content_Types].xml": types})).code == "workbook_macro"


def test_encrypted_workbooks_are_told_from_old_ones() -> None:
    ole = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(504)
    assert refusal(BytesIO(ole + "EncryptedPackage".encode("utf-16-le"))).code == "workbook_encrypted"
    assert refusal(BytesIO(ole + "Workbook".encode("utf-16-le"))).code == "workbook_unreadable"


@pytest.mark.parametrize(
    "content", [b"", b"PK", b"PK\x03\x04" + bytes(100), "企业名称,代码\n".encode(), b"<html/>"]
)
def test_what_is_no_workbook_is_refused(content: bytes) -> None:
    assert refusal(BytesIO(content)).code == "workbook_unreadable"


def test_a_package_without_a_workbook_and_a_truncated_one_are_refused() -> None:
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w") as package:
        package.writestr("[Content_Types].xml", "<Types/>")
        package.writestr("word/document.xml", "<x/>")
    stream.seek(0)
    assert refusal(stream).code == "workbook_unreadable"
    whole = workbook(HEADER, [CODE, "甲公司"]).getvalue()
    assert refusal(BytesIO(whole[: len(whole) // 2])).code == "workbook_unreadable"
