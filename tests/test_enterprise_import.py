"""`flask enterprises import`: a county's list, row by row."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from click.testing import Result as Run
from flask import Flask
from openpyxl import load_workbook
from sqlalchemy import select

from app.access import Actor, Grant
from app.cli.enterprises import enterprises_cli
from app.errors import DomainError
from app.services.enterprise_imports import CHUNK, COLUMNS, Result, import_rows
from app.workbooks import Row, read_rows
from models.credit_code import CHARACTERS
from models.enterprises import Enterprise, EnterpriseState
from models.reference import Division
from tests.builders import World, fresh_credit_code
from tests.races import at_once
from tests.workbook_builders import workbook

HEADER = [column.name for column in COLUMNS]


def line(**changes: Any) -> list[Any]:
    """A row that is right in everything that the test does not name."""
    cells = {
        "credit_code": fresh_credit_code(),
        "name": "丰县宏远车辆配件有限公司",
        "division": "丰县",
        "industry_code": "C36",
        "headcount": 86,
        "revenue": 23_000_000,
        "assets": 9_000_000,
        "address": "丰县经济开发区华山路 8 号",
        "legal_representative": "张志强",
    }
    return list({**cells, **changes}.values())


class Office:
    """Somebody at the command line, with a folder of lists."""

    def __init__(self, app: Flask, folder: Path) -> None:
        self.app, self.folder = app, folder

    def save(self, *lines: list[Any]) -> Path:
        path = self.folder / f"{uuid4().hex}.xlsx"
        path.write_bytes(workbook(HEADER, *lines).getvalue())
        return path

    def run(self, *arguments: object) -> Run:
        return self.app.test_cli_runner().invoke(
            enterprises_cli, ["import", *(str(argument) for argument in arguments)]
        )

    def import_(self, *lines: list[Any], options: tuple[object, ...] = ()) -> list[str]:
        """What is printed about each row."""
        run = self.run(self.save(*lines), *options)
        assert run.exit_code == 0, run.output
        return [text for text in run.stdout.splitlines() if text.startswith("第 ")]


@pytest.fixture
def office(app: Flask, tmp_path: Path) -> Office:
    """A command line."""
    return Office(app, tmp_path)


def stored(world: World, code: str) -> Enterprise | None:
    with world.session() as session:
        found: Enterprise | None = session.execute(
            select(Enterprise).where(Enterprise.credit_code == code)
        ).scalar()
        return found


def wrong_digit() -> str:
    code = fresh_credit_code()
    return code[:17] + min(CHARACTERS - {code[17]})


def test_good_rows_go_in_and_bad_rows_come_out(office: Office, world: World) -> None:
    good, bad = line(industry_code="3670"), line(credit_code=wrong_digit())
    out = office.folder / "rejected.xlsx"
    run = office.run(office.save(good, bad), "--rejected", out)
    assert run.exit_code == 0
    assert "第 2 行：新增\n第 3 行：未导入：统一社会信用代码校验位不正确" in run.stdout
    assert "共 2 行：新增 1；" in run.stdout and "未导入 1" in run.stdout
    made = stored(world, good[0])
    assert made is not None and stored(world, bad[0]) is None
    assert (made.division_id, made.industry_code, made.size_class) == ("js.xz.fengxian", "C3670", "small")
    assert (made.state, made.legal_representative) == (EnterpriseState.registered, "张志强")
    sheet = load_workbook(out).active
    assert sheet is not None
    header, *rows = [[cell.value for cell in row] for row in sheet.iter_rows(min_row=2)]
    assert header == ["原行号", *HEADER, "原因"]
    assert [(row[0], row[1]) for row in rows] == [(3, bad[0])] and "校验位" in str(rows[0][-1])


def test_the_rejected_rows_can_be_corrected_and_imported(office: Office, world: World) -> None:
    good, bad = line(), line(division="某县")
    out = office.folder / "rejected.xlsx"
    assert office.run(office.save(good, bad), "--rejected", out).exit_code == 0
    book = load_workbook(out)
    assert book.active is not None
    book.active.cell(row=3, column=4, value="沛县")
    book.save(out)
    run = office.run(out)
    assert run.exit_code == 0 and "第 3 行：新增" in run.stdout, run.output
    made = stored(world, bad[0])
    assert made is not None and made.division_id == "js.xz.peixian"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"credit_code": "9132032100000000"}, "应为 18 位"),
        ({"credit_code": "91320321I000000001"}, "只含数字和大写字母"),
        ({"credit_code": "00320321MA1000000X"}, "前两位"),
        ({"credit_code": None}, "统一社会信用代码：不能为空"),
        ({"credit_code": 913203210000000012}, "超过 15 位"),
        ({"name": " "}, "企业名称：不能为空"),
        ({"name": "企" * 129}, "企业名称：至多 128 字"),
        ({"division": None}, "所属辖区：不能为空"),
        ({"division": "某县"}, "没有“某县”"),
        ({"division": "徐州市"}, "请填写县（市）区局或基层分局"),
        ({"industry_code": "C99"}, "行业代码：国民经济行业分类中没有这个代码"),
        ({"industry_code": "K70"}, "行业代码：该大类包含不同的划型行业"),
        ({"headcount": -3}, "从业人员：应在 0 与"),
        ({"headcount": "若干"}, "从业人员：应为整数"),
        ({"headcount": None}, "从业人员：该行业划型需要此项"),
        ({"revenue": 1.5}, "营业收入（元）：应为整数"),
        ({"revenue": 10**15 - 1, "assets": -1}, "资产总额（元）：应在 0 与"),
        ({"address": "路" * 201}, "地址：至多 200 字"),
    ],
)
def test_a_bad_row_says_why(office: Office, changes: dict[str, Any], reason: str) -> None:
    (told,) = office.import_(line(**changes))
    assert told.startswith("第 2 行：未导入：") and reason in told


def test_a_row_twice_in_one_list(office: Office) -> None:
    twice = line()
    told = office.import_(twice, line(), [str(twice[0]).lower(), *twice[1:]])
    assert told == ["第 2 行：新增", "第 3 行：新增", "第 4 行：未导入：与第 2 行的统一社会信用代码重复"]


def test_repeated_it_makes_nothing_twice(office: Office, world: World) -> None:
    lines = [line(), line()]
    assert office.import_(*lines) == ["第 2 行：新增", "第 3 行：新增"]
    before = stored(world, lines[0][0])
    assert office.import_(*lines) == ["第 2 行：已存在，无变化", "第 3 行：已存在，无变化"]
    lines[1][4], lines[1][7] = 8, None
    assert office.import_(*lines) == ["第 2 行：已存在，无变化", "第 3 行：已存在，已更新"]
    untouched, changed = stored(world, lines[0][0]), stored(world, lines[1][0])
    assert before and untouched and untouched.updated_at == before.updated_at
    assert changed and (changed.headcount, changed.size_class) == (8, "micro")
    assert changed.address == "丰县经济开发区华山路 8 号"


def test_what_an_owner_wrote_stands(office: Office, world: World) -> None:
    enterprise = world.enterprise(owner=world.person(), name="负责人起的名称")
    told = office.import_(line(credit_code=enterprise.credit_code))
    assert told == ["第 2 行：已存在，由企业自行维护，未改动"]
    kept = stored(world, enterprise.credit_code)
    assert kept is not None and kept.name == "负责人起的名称"


def test_an_enterprise_of_another_division_is_left_alone(office: Office, world: World) -> None:
    enterprise = world.enterprise(division_id="js.xz.peixian")
    (told,) = office.import_(line(credit_code=enterprise.credit_code))
    assert told == "第 2 行：未导入：该企业已登记在其他辖区，请联系其所属局"


@pytest.mark.parametrize("named", ["js.xz.fengxian", "丰县市场监督管理局", "丰县", "　丰县 "])
def test_a_division_goes_by_its_names(office: Office, world: World, named: str) -> None:
    row = line(division=named)
    assert office.import_(row) == ["第 2 行：新增"]
    made = stored(world, row[0])
    assert made is not None and made.division_id == "js.xz.fengxian"


def test_a_list_of_one_division(office: Office, world: World) -> None:
    name = f"城关{uuid4().hex[:6]}"
    with world.session() as session:
        for county in ("fengxian", "peixian"):
            id_ = f"js.xz.{county}.{name[2:]}"
            session.add(Division(id=id_, name=f"{county}{name}分局", short_name=name, kind="branch"))
    rows = [line(division=None), line(division=name), line(division="沛县")]
    told = office.import_(*rows, options=("--division", "js.xz.fengxian"))
    assert told[:2] == ["第 2 行：新增", "第 3 行：新增"] and "不在本次导入的辖区内" in told[2]
    made = stored(world, rows[1][0])
    assert made is not None and made.division_id == f"js.xz.fengxian.{name[2:]}"
    (ambiguous,) = office.import_(line(division=name))
    assert f"有多个“{name}”" in ambiguous


def test_a_later_list_may_name_the_branch(office: Office, world: World) -> None:
    branch = f"js.xz.fengxian.{uuid4().hex[:6]}"
    with world.session() as session:
        session.add(Division(id=branch, name="凤城分局", short_name="凤城", kind="branch"))
    row = line()
    assert office.import_(row) == ["第 2 行：新增"]
    assert office.import_([*row[:2], branch, *row[3:]]) == ["第 2 行：已存在，已更新"]
    assert office.import_(row) == ["第 2 行：已存在，无变化"]
    made = stored(world, row[0])
    assert made is not None and made.division_id == branch


def test_only_an_unreadable_file_ends_in_failure(office: Office) -> None:
    text = office.folder / "list.xlsx"
    text.write_text("这不是工作簿", encoding="utf-8")
    run = office.run(text)
    assert run.exit_code == 1 and "文件无法读取" in run.output
    assert office.run(office.folder / "missing.xlsx").exit_code == 1
    headless = office.folder / "headless.xlsx"
    headless.write_bytes(workbook(["企业名称"], ["某厂"]).getvalue())
    run = office.run(headless)
    assert run.exit_code == 1 and "缺少“统一社会信用代码”" in run.output
    assert office.run(office.save(line(credit_code="1"))).exit_code == 0


def test_wrong_options_are_refused_before_anything_is_done(office: Office, world: World) -> None:
    row = line()
    path = office.save(row)
    assert "所属辖区不存在" in office.run(path, "--division", "js.xz.nowhere").output
    assert "所在文件夹不存在" in office.run(path, "--rejected", office.folder / "no" / "out.xlsx").output
    assert stored(world, row[0]) is None


def staff_of(world: World, division: str, role: str = "county_staff") -> Actor:
    return Actor(world.staff(role, division).id, (Grant(role, "division", division),))


def rows_of(*lines: list[Any]) -> list[Row]:
    return read_rows(workbook(HEADER, *lines), COLUMNS)


def test_staff_import_into_their_own_division(app: Flask, world: World) -> None:
    rows = rows_of(line(), line(division="沛县"))
    with app.app_context():
        outcomes = list(import_rows(staff_of(world, "js.xz.fengxian"), rows))
    assert [outcome.result for outcome in outcomes] == [Result.added, Result.rejected]
    assert outcomes[1].reason == "所属辖区：不在您的管辖范围内"
    with app.app_context(), pytest.raises(DomainError) as refused:
        list(import_rows(staff_of(world, "js.xz.fengxian", "branch_staff"), rows))
    assert refused.value.code == "permission_denied"


def test_two_imports_of_one_list_at_once(app: Flask, world: World) -> None:
    """Two offices send the same list, in opposite orders and over several chunks: nothing is made twice."""
    codes = [fresh_credit_code() for _ in range(CHUNK + 5)]
    staff = staff_of(world, "js.xz.fengxian")

    def run(order: list[str]) -> list[Result]:
        rows = rows_of(*(line(credit_code=code) for code in order))
        with app.app_context():
            return [outcome.result for outcome in import_rows(staff, rows)]

    first, second = at_once(lambda: run(codes), lambda: run(codes[::-1]))
    outcomes = {frozenset(pair) for pair in zip(first, second[::-1], strict=True)}
    assert outcomes == {frozenset((Result.added, Result.unchanged))}
