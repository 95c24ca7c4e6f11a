"""The attendance certificate, read back from the PDF."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from decimal import Decimal
from io import BytesIO

import pytest
from pypdf import PdfReader

from app.certificates import CertificateFacts, attendance_certificate, wrap

FACTS = CertificateFacts(
    number="XZTZ-2026-000123",
    verification_code="7K3M9QXT",
    verify_url="https://tizhitong.example.cn/verify/7K3M9QXT",
    holder="张婳堃",
    enterprise="丰县新能源车辆科技有限公司",
    training="小微企业质量管理体系认证提升行动内审员培训",
    first_day=date(2026, 9, 10),
    last_day=date(2026, 9, 11),
    sessions_attended=3,
    sessions_total=4,
    organiser="徐州市市场监督管理局",
    issued_on=date(2026, 11, 23),
    hours=Decimal("6.50"),
)


def reader(facts: CertificateFacts) -> PdfReader:
    return PdfReader(BytesIO(attendance_certificate(facts)))


def text(facts: CertificateFacts) -> str:
    """The page's text without the spaces and breaks of the layout."""
    return re.sub(r"\s", "", reader(facts).pages[0].extract_text())


def test_every_fact_is_on_the_page() -> None:
    page = text(FACTS)
    for fact in (
        "培训证明",
        "编号：XZTZ-2026-000123",
        "张婳堃",
        "丰县新能源车辆科技有限公司",
        "“小微企业质量管理体系认证提升行动内审员培训”",
        "2026年9月10日至9月11日",
        "培训共4场，实际参加3场，计6.5学时",
        "徐州市市场监督管理局",
        "2026年11月23日",
        "验证码：7K3M9QXT",
    ):
        assert fact in page


def test_it_is_one_landscape_a4_page_that_leads_to_its_verification() -> None:
    pdf = reader(FACTS)
    assert len(pdf.pages) == 1
    assert (round(pdf.pages[0].mediabox.width), round(pdf.pages[0].mediabox.height)) == (842, 595)
    assert [note["/A"]["/URI"] for note in pdf.pages[0].annotations or []] == [FACTS.verify_url]


@pytest.mark.parametrize(
    ("first", "last", "wording"),
    [
        (date(2026, 9, 10), date(2026, 9, 10), "于2026年9月10日参加"),
        (date(2026, 12, 31), date(2027, 1, 2), "于2026年12月31日至2027年1月2日参加"),
    ],
)
def test_the_period_is_worded_as_people_say_it(first: date, last: date, wording: str) -> None:
    assert wording in text(replace(FACTS, first_day=first, last_day=last))


def test_without_hours_none_are_mentioned() -> None:
    assert "学时" not in text(replace(FACTS, hours=None))


@pytest.mark.parametrize("name", ["喆昇玥珺", "欧阳䶮", "李𬭊", "阿依古丽·买买提", "Müller"])
def test_rare_names_are_printed(name: str) -> None:
    assert name in text(replace(FACTS, holder=name))


def test_characters_that_the_font_lacks_become_a_replacement_mark() -> None:
    assert "王〓〓明" in text(replace(FACTS, holder="王😀\U0002a6a5明"))


def test_line_breaks_in_facts_do_not_break_the_page() -> None:
    assert "张婳堃" in text(replace(FACTS, holder="张婳\n堃\t"))


def test_the_longest_facts_stay_above_the_signature() -> None:
    crowded = replace(FACTS, enterprise="徐" * 128, training="质" * 128, holder="买" * 40)
    heights: dict[str, list[float]] = {}

    def note(words: str, _: object, matrix: list[float], *__: object) -> None:
        for mark in ("特此证明", "扫码核验"):
            if mark in words:
                heights.setdefault(mark, []).append(matrix[5])

    reader(crowded).pages[0].extract_text(visitor_text=note)
    page = text(crowded)
    assert page.count("徐") == 128 + 1
    assert page.count("质") == 128
    assert min(heights["特此证明"]) > max(heights["扫码核验"])


def test_the_same_facts_give_the_same_bytes_dated_by_the_issue() -> None:
    assert attendance_certificate(FACTS) == attendance_certificate(FACTS)
    assert attendance_certificate(FACTS) != attendance_certificate(replace(FACTS, number="XZTZ-2026-000124"))
    metadata = reader(FACTS).metadata
    assert metadata is not None
    assert metadata.creation_date is not None
    assert metadata.creation_date.date() == FACTS.issued_on
    assert metadata.title == "培训证明 XZTZ-2026-000123"


def test_lines_neither_begin_nor_end_with_the_wrong_mark() -> None:
    lines = wrap("质量管理，体系“认证”提升。ISO9001行动", 5.0, lambda part: float(len(part)), 0.0)
    assert "".join(lines) == "质量管理，体系“认证”提升。ISO9001行动"
    assert all(line[0] not in "，。”" and line[-1] != "“" for line in lines)
    assert "ISO9001" in lines


def test_text_without_a_break_is_not_lost() -> None:
    text_of_marks = "，" * 12
    assert "".join(wrap(text_of_marks, 5.0, lambda part: float(len(part)), 0.0)) == text_of_marks
