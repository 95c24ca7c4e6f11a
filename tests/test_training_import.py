"""`flask trainings import` and `flask demo load`, over the command line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from click.testing import Result
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy import text as sql

from app.cli.trainings import demo_cli, trainings_cli
from app.services.demo_stories import STORIES
from app.services.training_imports import COLUMNS
from models import credit_code
from models.base import BEIJING, new_id, now
from models.cases import OPEN, Case, CaseState
from models.enterprises import Enterprise, EnterpriseState
from models.people import StaffAccount
from models.trainings import Training, TrainingSession, TrainingState
from tests.builders import World, fresh_phone
from tests.template_builders import unroute

HEADER = [column.name for column in COLUMNS]
FIRST = (now() + timedelta(days=40)).replace(hour=9, minute=0, second=0, microsecond=0, tzinfo=None)


@pytest.fixture
def key() -> str:
    return f"T{new_id().hex[-12:]}"


def row(key: str, hour: int = 0, **changes: Any) -> dict[str, Any]:
    """A row of a sound training whose session begins `hour` hours after FIRST."""
    values = {
        "培训编号": key,
        "培训名称": "内审员培训",
        "培训方式": "线下",
        "举办方": "自办",
        "培训对象": "内审员",
        "主办单位": "丰县市场监督管理局",
        "主办辖区": "丰县",
        "地点": "丰县政务服务中心",
        "名额": 40,
        "每家企业名额": "3",
        "报名开始": FIRST - timedelta(days=10),
        "报名截止": FIRST - timedelta(days=1),
        "场次开始": FIRST + timedelta(hours=hour),
        "场次结束": FIRST + timedelta(hours=hour + 2),
    }
    return {**values, **changes}


def another(key: str, hour: int, **changes: Any) -> dict[str, Any]:
    """A further session of a training that another row describes."""
    times = {"场次开始": FIRST + timedelta(hours=hour), "场次结束": FIRST + timedelta(hours=hour + 2)}
    return {"培训编号": key, **times, **changes}


def workbook(path: Path, rows: Iterable[dict[str, Any]]) -> Path:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(HEADER)
    for values in rows:
        sheet.append([values.get(name) for name in HEADER])
    book.save(path)
    return path


def run(app: Flask, *arguments: Any) -> Result:
    return app.test_cli_runner().invoke(trainings_cli, ["import", *map(str, arguments)])


def stored(world: World, key: str) -> tuple[Training, list[TrainingSession]]:
    with world.session() as session:
        training = session.execute(select(Training).where(Training.import_key == key)).scalar_one()
        sessions = select(TrainingSession).where(TrainingSession.training_id == training.id)
        return training, list(session.execute(sessions.order_by(TrainingSession.number)).scalars())


def test_trainings_come_in_as_drafts_and_only_once(
    app: Flask, world: World, tmp_path: Path, key: str
) -> None:
    other = key + "b"
    rows = [
        row(key, 4, 面向辖区="丰县、沛县", 是否审核="是", 候补确认分钟=120, 发证出勤比例=50),
        row(other, 培训方式="线上", 地点=None, 线上地址="https://live.example.com/1", 取消报名截止=FIRST),
        another(key, 0, 场次名称="开班", 签到开始=FIRST - timedelta(minutes=30)),
    ]
    file = workbook(tmp_path / "trainings.xlsx", rows)
    done = run(app, file)
    assert done.exit_code == 0, done.output
    assert done.output.splitlines() == [
        "第 2 行：已导入为草稿",
        "第 4 行：已导入为草稿",
        "第 3 行：已导入为草稿",
        "共 3 行：已导入为草稿 3；已导入过，未改动 0；未导入 0",
    ]
    training, sessions = stored(world, key)
    assert training.state == TrainingState.draft
    assert (training.division_id, training.open_to) == ("js.xz.fengxian", ["js.xz.fengxian", "js.xz.peixian"])
    assert (training.needs_approval, training.offer_minutes, training.certificate_percent) == (True, 120, 50)
    first = FIRST.replace(tzinfo=BEIJING)
    assert training.cancel_deadline == training.closes_at == first - timedelta(days=1)
    assert [(one.title, one.starts_at) for one in sessions] == [
        ("开班", first),
        ("第2场", first + timedelta(hours=4)),
    ]
    assert sessions[0].checkin_from == first - timedelta(minutes=30)
    assert stored(world, other)[0].cancel_deadline == first

    again = run(app, file)
    assert again.output.splitlines()[-1] == "共 3 行：已导入为草稿 0；已导入过，未改动 3；未导入 0"
    with world.session() as session:
        keys = select(func.count()).select_from(Training).where(Training.import_key.in_([key, other]))
        assert session.execute(keys).scalar_one() == 2


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"培训名称": None}, "培训名称：必填"),
        ({"培训名称": "长" * 121}, "培训名称：不能超过 120 个字"),
        ({"培训方式": "现场"}, "培训方式：只能是 线上、线下"),
        ({"培训方式": None}, "培训方式：必填"),
        ({"主办辖区": "南京"}, "主办辖区：没有“南京”"),
        ({"面向辖区": "丰县，南京"}, "面向辖区：没有“南京”"),
        ({"地点": None}, "地点：线下培训须填写地点"),
        ({"线上地址": "http://example.com/"}, "线上地址：线上地址应以 https:// 开头"),
        ({"名额": -1}, "名额：应在 1 与 100000 之间"),
        ({"名额": "很多"}, "名额：应为整数"),
        ({"是否审核": "要"}, "是否审核：只能是 是、否"),
        ({"报名开始": FIRST}, "报名截止：报名截止须晚于报名开始"),
        ({"报名截止": "下周"}, "报名截止：应为日期，如 2026-11-23"),
        ({"取消报名截止": FIRST + timedelta(hours=1)}, "取消报名截止：取消报名截止不得晚于首场开始时间"),
        ({"场次结束": FIRST}, "场次结束：场次结束须晚于开始"),
        ({"场次开始": None}, "场次开始：不能为空"),
        ({"培训编号": None}, "培训编号：不能为空"),
        ({"培训编号": "长" * 65}, "培训编号：不能超过 64 个字"),
    ],
)
def test_a_wrong_row_is_told_why_and_the_others_come_in(
    app: Flask, world: World, tmp_path: Path, key: str, changes: dict[str, Any], reason: str
) -> None:
    good = key + "g"
    done = run(app, workbook(tmp_path / "trainings.xlsx", [row(key, **changes), row(good)]))
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert lines[0].startswith("第 2 行：未导入：")
    assert reason in lines[0]
    assert lines[1:] == ["第 3 行：已导入为草稿", "共 2 行：已导入为草稿 1；已导入过，未改动 0；未导入 1"]
    assert stored(world, good)[0].title == "内审员培训"
    with world.session() as session:
        assert session.execute(select(Training.id).where(Training.import_key == key)).first() is None


def test_a_training_comes_whole_or_not_at_all(app: Flask, tmp_path: Path, key: str) -> None:
    rows = [row(key), another(key, 1), another(key, 6, 名额=50), another(key, 9)]
    done = run(app, workbook(tmp_path / "trainings.xlsx", rows))
    assert done.output.splitlines()[:4] == [
        "第 2 行：未导入：同一培训的第 4 行有误",
        "第 3 行：未导入：同一培训的第 4 行有误",
        "第 4 行：未导入：名额：与第 2 行不一致",
        "第 5 行：未导入：同一培训的第 4 行有误",
    ]
    rows[2]["名额"] = 40
    done = run(app, workbook(tmp_path / "trainings.xlsx", rows))
    assert done.output.splitlines()[:2] == [
        "第 2 行：未导入：同一培训的第 3 行有误",
        "第 3 行：未导入：场次开始：与上一场重叠，或未按时间先后填写",
    ]


def test_rejected_rows_are_handed_back_to_be_put_right(
    app: Flask, world: World, tmp_path: Path, key: str
) -> None:
    file, out = tmp_path / "trainings.xlsx", tmp_path / "out.xlsx"
    rows = [row(key, 名额="四十"), another(key, 4)]
    done = run(app, workbook(file, rows), "--rejected", out)
    assert f"未导入的 2 行已写入 {out}" in done.output
    book = openpyxl.load_workbook(out)
    sheet = book.worksheets[0]
    told = [[cell.value for cell in line] for line in sheet.iter_rows(min_row=2)]
    assert [line[0] for line in told] == ["原行号", 2, 3]
    assert [line[-1] for line in told[1:]] == ["名额：应为整数", "同一培训的第 2 行有误"]
    place = told[0].index("名额") + 1
    sheet.cell(3, place).value = 40
    book.save(out)
    assert "共 2 行：已导入为草稿 2" in run(app, out).output
    assert stored(world, key)[0].capacity == 40


def test_what_is_no_workbook(app: Flask, tmp_path: Path) -> None:
    text = tmp_path / "trainings.xlsx"
    text.write_text("培训编号,培训名称")
    for path in (text, tmp_path / "missing.xlsx"):
        done = run(app, path)
        assert done.exit_code == 1
        assert "文件" in done.output
    done = run(app, workbook(text, [row("x")]), "--rejected", tmp_path / "nowhere" / "out.xlsx")
    assert done.exit_code == 2


def demo(app: Flask) -> Result:
    return app.test_cli_runner().invoke(demo_cli, ["load"])


def test_the_demonstration(app: Flask, client: FlaskClient, world: World) -> None:
    with world.session() as session:
        accounts = session.execute(select(func.count()).select_from(StaffAccount)).scalar_one()
    unroute(world)
    first = demo(app)
    assert first.exit_code == 0, first.output
    assert demo(app).output == "企业：新增 0；培训：新增 0；帮扶机构：新增 0；帮扶项目：新增 0\n"
    with world.session() as session:
        # ways into WeChat are set up as soon as the platform is there: not here
        left = session.execute(sql("DELETE FROM procrastinate_jobs WHERE task_name = 'messages.set_up'"))
        assert left.rowcount == 2
    with world.session() as session:
        assert session.execute(select(func.count()).select_from(StaffAccount)).scalar_one() == accounts
        enterprises = (
            session.execute(select(Enterprise).where(Enterprise.name.contains("演示"))).scalars().all()
        )
        past = session.execute(select(Training).where(Training.import_key == "demo-past")).scalar_one()
        keys = {str(one.id): one.import_key for one in session.execute(select(Training)).scalars()}
    assert len({enterprise.division_id for enterprise in enterprises}) == 4
    assert len(enterprises) == 4 + len(STORIES)
    codes = [enterprise.credit_code for enterprise in enterprises]
    assert [credit_code.check(code) for code in codes] == codes
    assert {enterprise.state for enterprise in enterprises} == {EnterpriseState.reviewed}
    assert past.ends_at < now()
    owner = world.person()
    enterprise = world.enterprise(owner=owner)
    page = client.get("/api/v1/trainings?limit=200", headers=owner.headers).json
    items = page["items"]
    while page["next"]:
        more = f"/api/v1/trainings?limit=200&cursor={page['next']}"
        page = client.get(more, headers=owner.headers).json
        items += page["items"]
    found = {keys[item["id"]]: item for item in items if (keys[item["id"]] or "").startswith("demo-")}
    assert {key: item["signup_state"] for key, item in found.items()} == {
        "demo-open": "open",
        "demo-full": "full",
        "demo-online": "open",
        "demo-approval": "open",
        "demo-upcoming": "not_open",
    }
    for key, state in {"demo-full": "waiting", "demo-approval": "pending"}.items():
        answer = client.post(
            f"/api/v1/trainings/{found[key]['id']}/signups",
            json={
                "enterprise_id": str(enterprise.id),
                "attendees": [{"name": "李质量", "phone": fresh_phone()}],
            },
            headers=owner.headers,
        )
        assert (answer.status_code, answer.json["items"][0]["state"]) == (201, state)


def test_the_demonstration_has_a_case_in_every_kind_of_state(app: Flask, world: World) -> None:
    assert demo(app).exit_code == 0
    with world.session() as session:
        found = session.execute(select(Case).where(Case.enterprise_name.contains("演示"))).scalars().all()
    states = {one.state for one in found}
    assert len(found) == len(STORIES)
    assert states >= {*OPEN, CaseState.closed, CaseState.refused} - {CaseState.revisit}
    late = [one for one in found if one.due_at and one.due_at < now() and not one.paused_at]
    assert [one.state for one in late] == [CaseState.diagnosis]
    assert [one.state for one in found if one.paused_at] == [CaseState.planning]
    assert all(one.created_at <= one.state_since <= now() for one in found)


def test_the_demonstration_stays_out_of_service(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    configured = app.config["SETTINGS"]
    service = replace(configured, embedded=False, wechat_api_base="https://api.weixin.qq.com")
    monkeypatch.setitem(app.config, "SETTINGS", service)
    refused = demo(app)
    assert refused.exit_code == 1
    assert "演示数据只能装入内置环境" in refused.output
