"""The province's yearly assessments: checked, imported in the background, corrected, and listed."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from openpyxl import load_workbook
from sqlalchemy import select

from app.services.agency_assessments import COLUMNS
from models.agencies import Agency, AgencyAssessment
from models.audit import AuditEvent
from models.base import now
from models.transfers import Transfer
from tests.agency_builders import agency, assessment
from tests.builders import World
from tests.console_client import Desk, desk, text_of
from tests.workbook_builders import workbook

RunJobs = Callable[[], None]
IMPORT = "/console/agencies/assessments/import"
HEADER = [column.name for column in COLUMNS]
YEAR = now().year - 1


@pytest.fixture
def app(app_with_platform: Flask) -> Flask:
    """The worker's application and that of the pages are one."""
    return app_with_platform


@pytest.fixture
def city(world: World) -> Desk:
    return desk(world, "city_staff", "js.xz")


@pytest.fixture
def upload(city: Desk, run_jobs: RunJobs) -> Callable[..., str]:
    """Uploads rows, does the work, and returns the address of the page that tells what became of them."""

    def post(*rows: list[Any], **fields: Any) -> str:
        file = (workbook(HEADER, *rows), "考核.xlsx")
        answer = city.post(IMPORT, **{"file": file, "year": str(YEAR), **fields})
        assert answer.status_code == 303, text_of(answer)
        run_jobs()
        return str(answer.headers["Location"])

    return post


def kept(world: World, of: Agency) -> dict[int, tuple[int | None, float | None]]:
    with world.session() as session:
        found = select(AgencyAssessment).where(AgencyAssessment.agency_id == of.id)
        return {one.year: (one.rank, one.score) for one in session.execute(found).scalars()}


def rejected(city: Desk, at: str) -> list[tuple[Any, ...]]:
    content = city.get(f"{at}/files/rejected").data
    return list(load_workbook(io.BytesIO(content)).worksheets[0].iter_rows(values_only=True))[2:]


def test_a_year_is_imported_corrected_and_repeated(
    world: World, city: Desk, upload: Callable[..., str]
) -> None:
    first, second, third = agency(world), agency(world, approval_number="CNCA-R-2010-099"), agency(world)
    rows = [
        [first.name, None, 1, 95.5],
        [second.name, "CNCA-R-2010-099", "2", "91.25分"],
        [third.name, None, None, 60],
    ]
    page = text_of(city.get(upload(*rows)))
    assert "3 新增" in page and "0 已有，已更新" in page
    assert kept(world, first) == {YEAR: (1, 95.5)} and kept(world, second) == {YEAR: (2, 91.25)}
    assert kept(world, third) == {YEAR: (None, 60)}
    assert "3 已有，无变化" in text_of(city.get(upload(*rows)))
    page = text_of(city.get(upload([first.name, None, 4, None], [third.name, None, 30, None])))
    assert "2 已有，已更新" in page  # a blank cell leaves what is there
    assert kept(world, first) == {YEAR: (4, 95.5)} and kept(world, third) == {YEAR: (30, 60)}
    upload([first.name, None, 2, 97], year=str(YEAR - 1))
    assert kept(world, first) == {YEAR: (4, 95.5), YEAR - 1: (2, 97)}
    with world.session() as session:
        of_it = select(AuditEvent).where(AuditEvent.subject_id == str(first.id)).order_by(AuditEvent.id)
        told = [(one.verb, one.detail) for one in session.execute(of_it).scalars()]
    assert told == [
        ("agency.assessed", {"year": YEAR, "rank": 1, "score": 95.5}),
        ("agency.assessed", {"year": YEAR, "rank": 4}),
        ("agency.assessed", {"year": YEAR - 1, "rank": 2, "score": 97}),
    ]


def test_it_can_be_checked_before(world: World, city: Desk, upload: Callable[..., str]) -> None:
    there, new = agency(world), agency(world)
    assessment(world, there, year=YEAR, rank=5, score=88)
    rows = [[there.name, None, 6, None], [new.name, None, 7, None], ["无此机构", None, 8, None]]
    at = upload(*rows, only_check="1")
    page = text_of(city.get(at))
    assert "核对年度考核（不写入）" in page
    assert "1 将新增" in page and "1 将更新" in page and "1 有误，不能导入" in page
    assert "没有名为“无此机构”的机构" in rejected(city, at)[0][-1]
    assert kept(world, there) == {YEAR: (5, 88)} and kept(world, new) == {}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"name": None}, "机构名称：不能为空"),
        ({"name": "没有这一家"}, "没有名为“没有这一家”的机构，请核对，或先添加"),
        ({"number": "CNCA-R-OTHER"}, "批准号 CNCA-R-OTHER 是“"),
        ({"rank": 0}, "位次：应在 1 与 1000 之间"),
        ({"rank": "第三"}, "位次：应为整数"),
        ({"score": "优秀"}, "得分：应为数字，如 92.5"),
        ({"score": 100.5}, "得分：应在 0 与 100 之间"),
        ({"score": -1}, "得分：应在 0 与 100 之间"),
        ({"score": "91.255"}, "得分：至多两位小数"),
        ({"score": "NaN"}, "得分：应在 0 与 100 之间"),
        ({"score": "1e5"}, "得分：应在 0 与 100 之间"),
        ({"rank": None, "score": None}, "位次和得分至少填一项"),
    ],
)
def test_a_wrong_row_is_told_why_and_the_others_come_in(
    world: World, city: Desk, upload: Callable[..., str], changes: dict[str, Any], reason: str
) -> None:
    good = agency(world)
    agency(world, approval_number="CNCA-R-OTHER")
    row = {"name": agency(world).name, "number": None, "rank": 3, "score": 90, **changes}
    at = upload(list(row.values()), [good.name, None, 1, 99])
    assert reason in rejected(city, at)[0][-1]
    assert kept(world, good) == {YEAR: (1, 99)}


def test_one_agency_stands_once_in_a_file(world: World, city: Desk, upload: Callable[..., str]) -> None:
    made = agency(world)
    at = upload([made.name, None, 1, None], [made.name, None, 2, None])
    assert rejected(city, at)[0][-1] == "与第 2 行是同一家机构"
    assert kept(world, made) == {YEAR: (1, None)}


def test_what_is_no_import(world: World, city: Desk) -> None:
    for fields, said in (
        ({"year": str(YEAR)}, "请选择 .xlsx 文件"),
        ({"year": "1999", "file": (workbook(HEADER, ["甲"]), "a.xlsx")}, "应在 2020 与 2100 之间"),
        ({"year": str(YEAR), "file": (io.BytesIO(b"PK"), "a.xlsx")}, "无法读取"),
    ):
        answer = city.post(IMPORT, **fields)
        assert answer.status_code == 422 and said in text_of(answer), text_of(answer)
    county = desk(world, "county_staff")
    assert county.post(IMPORT, year=str(YEAR), file=(workbook(HEADER), "a.xlsx")).status_code == 403
    with world.session() as session:
        assert (
            session.execute(select(Transfer.id).where(Transfer.user_id == county.person.id)).first() is None
        )


def test_the_template_is_what_is_read(city: Desk) -> None:
    answer = city.get("/console/agencies/assessments/template.xlsx")
    rows = list(load_workbook(io.BytesIO(answer.data)).worksheets[0].iter_rows(values_only=True))
    assert list(rows[1]) == HEADER
    assert all(name in text_of(city.get(IMPORT)) for name in HEADER)


def test_the_list_is_of_a_year_by_rank(world: World, city: Desk) -> None:
    word = agency(world).name
    best, next_ = agency(world, name=f"{word}甲"), agency(world, name=f"{word}乙")
    assessment(world, next_, year=2024, rank=11, score=81.5)
    assessment(world, best, year=2024, rank=10, score=82)
    assessment(world, best, year=2023, rank=1, score=99)

    def found(**query: str) -> list[str]:
        page = city.get("/console/agencies/assessments", agency=word, **query).get_data(as_text=True)
        return re.findall(rf">{word}(.)<", page)

    assert found(year="2024") == ["甲", "乙"] and found(year="2024", sort="score") == ["乙", "甲"]
    assert found() == ["甲", "甲", "乙"]
    county = desk(world, "county_staff")
    page = county.get("/console/agencies/assessments", agency=word).get_data(as_text=True)
    assert word in page and "导入年度考核" not in page
