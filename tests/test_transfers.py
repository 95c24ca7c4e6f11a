"""Imports and exports in the background: as the person who started them, and kept for a week."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from openpyxl import load_workbook
from sqlalchemy import select, text

from app.access import SYSTEM
from app.services import transfers
from models.audit import AuditEvent
from models.base import now, set_clock
from models.enterprises import Enterprise, EnterpriseState
from models.transfers import FileRole, Transfer, TransferFile, TransferState
from tests.builders import World, fresh_credit_code
from tests.console_client import Desk, desk, text_of
from tests.workbook_builders import workbook

RunJobs = Callable[[], None]


@pytest.fixture
def app(app_with_platform: Flask) -> Flask:
    """The worker's application and that of the pages are one."""
    return app_with_platform


def transfer_of(answer: Any) -> UUID:
    assert answer.status_code == 303, text_of(answer)
    found = re.search(r"/console/transfers/([0-9a-f-]{36})$", answer.headers["Location"])
    assert found, answer.headers["Location"]
    return UUID(found[1])


def started(staff: Desk, **asked: str) -> UUID:
    return transfer_of(staff.post("/console/exports/enterprises", **asked))


def sheet(content: bytes) -> list[tuple[Any, ...]]:
    return list(load_workbook(io.BytesIO(content)).active.iter_rows(values_only=True))


def downloaded(staff: Desk, transfer_id: UUID, role: str = "result") -> list[tuple[Any, ...]]:
    answer = staff.get(f"/console/transfers/{transfer_id}/files/{role}")
    assert answer.status_code == 200
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert "html" not in answer.headers["Content-Type"]
    return sheet(answer.data)


def test_the_export_is_exactly_what_the_list_shows(world: World, run_jobs: RunJobs) -> None:
    staff = desk(world, "county_staff", "js.xz.suining")
    for number in range(3):
        world.enterprise(division_id="js.xz.suining", name=f"睢宁导出{number}厂", headcount=number)
    world.enterprise(division_id="js.xz.suining", name="别的厂")
    world.enterprise(division_id="js.xz.peixian", name="睢宁导出外县厂")
    asked = {"q": "睢宁导出", "sort": "-headcount"}
    page = staff.get("/console/enterprises", **asked).get_data(as_text=True)
    shown = re.findall(r"睢宁导出.厂", re.sub(r"<[^>]+>", "", page[page.index("<tbody") :]))
    assert shown == ["睢宁导出2厂", "睢宁导出1厂", "睢宁导出0厂"]
    made = started(staff, **asked)
    assert "排队中" in text_of(staff.get(f"/console/transfers/{made}"))
    run_jobs()
    rows = downloaded(staff, made)
    heads = [re.sub(r"<[^>]+>", "", head).strip() for head in re.findall(r"<th scope=\"col\".*?</th>", page)]
    assert [head for head in heads if head] == list(rows[1])
    assert [row[0] for row in rows[2:]] == shown


def test_a_formula_goes_out_as_text(world: World, run_jobs: RunJobs) -> None:
    staff = desk(world, "county_staff", "js.xz.xinyi")
    world.enterprise(division_id="js.xz.xinyi", name='=HYPERLINK("http://evil.example","点我")')
    made = started(staff, division="js.xz.xinyi")
    run_jobs()
    answer = staff.get(f"/console/transfers/{made}/files/result")
    cell = load_workbook(io.BytesIO(answer.data)).active["A3"]
    assert cell.data_type == "s" and cell.value.startswith("=HYPERLINK") and cell.quotePrefix


def test_its_files_are_its_owners_alone_encrypted_and_audited(world: World, run_jobs: RunJobs) -> None:
    staff, other = desk(world, "county_staff"), desk(world, "county_staff")
    world.enterprise(name="加密检查厂")
    made = started(staff, q="加密检查")
    run_jobs()
    assert downloaded(staff, made)
    for path in (f"/console/transfers/{made}", f"/console/transfers/{made}/files/result"):
        assert other.get(path).status_code == 403
    assert staff.get(f"/console/transfers/{made}/files/nothing").status_code == 403
    with world.session() as session:
        stored = session.execute(
            text("SELECT content FROM transfer_files WHERE transfer_id = :id"), {"id": made}
        ).scalar_one()
        asked = session.execute(
            text("SELECT parameters FROM transfers WHERE id = :id"), {"id": made}
        ).scalar_one()
        verbs = session.execute(
            select(AuditEvent.verb).where(AuditEvent.subject_id == str(made)).order_by(AuditEvent.id)
        ).scalars()
        assert list(verbs) == ["transfer.started", "transfer.finished", "transfer.downloaded"]
    assert b"PK\x03\x04" not in bytes(stored)[:64] and "加密检查".encode() not in bytes(asked)


def test_it_runs_with_the_roles_that_are_held_when_it_runs(world: World, run_jobs: RunJobs) -> None:
    staff = desk(world, "county_staff")
    made = started(staff)
    with world.session() as session:
        session.execute(text("DELETE FROM grants WHERE user_id = :id"), {"id": staff.person.id})
    run_jobs()
    with world.session() as session:
        found = session.execute(select(Transfer).where(Transfer.id == made)).scalar_one()
        assert (found.state, found.error) == (TransferState.failed, "您没有此项操作的权限")
        kept = select(TransferFile.role).where(TransferFile.transfer_id == made)
        assert list(session.execute(kept)) == []


def test_a_register_needs_its_permission(world: World) -> None:
    administrator = desk(world, "system_administrator", "js.xz")
    assert administrator.post("/console/exports/enterprises").status_code == 403
    assert administrator.post("/console/exports/no-such-register").status_code == 403
    clerk = desk(world, "county_staff")
    assert clerk.post("/console/exports/audit_trail").status_code == 403
    assert clerk.post("/console/exports/accounts").status_code == 403


HEADER = ["统一社会信用代码", "企业名称", "所属辖区", "行业代码", "从业人员", "营业收入（元）"]


def uploaded(staff: Desk, content: bytes, name: str = "名单.xlsx", **fields: str) -> Any:
    return staff.post("/console/enterprises/import", file=(io.BytesIO(content), name), **fields)


def good(code: str, name: str = "导入厂") -> list[Any]:
    return [code, name, "丰县", "C36", 20, 3_000_000]


def test_a_job_that_runs_again_after_a_crash_takes_nothing_over_twice(
    app: Flask, world: World, run_jobs: RunJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    staff = desk(world, "county_staff")
    codes = [fresh_credit_code() for _ in range(4)]
    made = transfer_of(uploaded(staff, workbook(HEADER, *[good(code) for code in codes]).getvalue()))

    class Killed(BaseException):
        """The process is gone before it could say how it ended."""

    def die(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch, app.app_context():
        patch.setattr(transfers, "_finish", die)
        with pytest.raises(Killed):
            transfers.run(made)
    assert "进行中" in text_of(staff.get(f"/console/transfers/{made}"))
    run_jobs()
    page = text_of(staff.get(f"/console/transfers/{made}"))
    assert "已完成" in page and "4 已存在，无变化" in page
    with world.session() as session:
        found = session.execute(select(Enterprise.state).where(Enterprise.credit_code.in_(codes))).scalars()
        assert list(found) == [EnterpriseState.registered] * 4
    with app.app_context():
        transfers.run(made)  # a second deferral of one that is done changes nothing
    assert "已完成" in text_of(staff.get(f"/console/transfers/{made}"))


def test_rows_that_were_not_taken_over_come_back_with_their_reasons(world: World, run_jobs: RunJobs) -> None:
    staff = desk(world, "county_staff")
    code = fresh_credit_code()
    wrong = code[:-1] + ("1" if code[-1] != "1" else "2")
    bad = [good(wrong, "校验位不对厂"), [*good(fresh_credit_code())[:3], "Z99", 20, 3_000_000]]
    made = transfer_of(uploaded(staff, workbook(HEADER, good(fresh_credit_code()), *bad).getvalue()))
    run_jobs()
    page = text_of(staff.get(f"/console/transfers/{made}"))
    assert "1 新增" in page and "2 未导入" in page and "下载未导入的行" in page
    rows = downloaded(staff, made, "rejected")
    assert rows[1][-1] == "原因" and len(rows) == 4
    assert "校验位" in rows[2][-1] and "行业" in rows[3][-1]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "请选择"),
        (b"<html><script>alert(1)</script></html>", "无法读取"),
        (b"PK\x03\x04 not a workbook", "无法读取"),
    ],
)
def test_what_is_no_workbook_is_refused_at_the_field(world: World, content: bytes, said: str) -> None:
    staff = desk(world, "county_staff")
    answer = uploaded(staff, content, "名单.xlsx" if content else "")
    assert answer.status_code == 422 and said in text_of(answer)
    assert "还没有导入或导出" in text_of(staff.get("/console/transfers"))


def test_a_workbook_with_another_header_fails_and_says_so(world: World, run_jobs: RunJobs) -> None:
    staff = desk(world, "county_staff")
    made = transfer_of(uploaded(staff, workbook(["姓名", "电话"], ["甲", "乙"]).getvalue()))
    run_jobs()
    page = text_of(staff.get(f"/console/transfers/{made}"))
    assert "未完成" in page and "表头不完整" in page


def test_more_than_a_workbook_may_be_is_not_even_read(world: World) -> None:
    staff = desk(world, "county_staff")
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.xlsx"\r\n\r\n'
    for path, megabytes in (("/console/enterprises/import", 11), ("/console/account/password", 2)):
        body = head + b"x" * megabytes * 1024 * 1024 + b"\r\n--x--\r\n"
        kind = "multipart/form-data; boundary=x"
        answer = staff.client.post(path, data=body, content_type=kind, headers={"X-CSRFToken": staff.token})
        assert answer.status_code == 413


def test_after_a_week_it_is_forgotten_with_its_files(app: Flask, world: World, run_jobs: RunJobs) -> None:
    staff = desk(world, "county_staff")
    made = started(staff)
    run_jobs()
    week = now() + timedelta(days=7)
    try:
        for moment, kept in ((week - timedelta(minutes=1), 1), (week + timedelta(minutes=1), 0)):
            set_clock(lambda moment=moment: moment)  # type: ignore[misc]
            with app.app_context():
                transfers.forget(SYSTEM)
            with world.session() as session:
                for model, key in ((Transfer, Transfer.id), (TransferFile, TransferFile.transfer_id)):
                    assert len(session.execute(select(model).where(key == made)).all()) == kept
    finally:
        set_clock(None)


def test_the_progress_is_a_part_of_the_page_that_asks_again_while_it_moves(
    world: World, run_jobs: RunJobs
) -> None:
    staff = desk(world, "county_staff")
    made = started(staff)
    path = f"/console/transfers/{made}"
    part = staff.client.get(path, headers={"HX-Request": "true"}).get_data(as_text=True)
    assert 'hx-trigger="every' in part and "<html" not in part
    run_jobs()
    ended = staff.client.get(path, headers={"HX-Request": "true"}).get_data(as_text=True)
    assert "hx-trigger" not in ended and FileRole.result.label in ended
