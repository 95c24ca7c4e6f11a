"""Enterprises in the console: the register, one enterprise, registering and importing."""

from __future__ import annotations

import re
from io import BytesIO
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from openpyxl import load_workbook
from sqlalchemy import select

from app.access import SYSTEM
from app.audit import record
from app.services import transfers
from app.services.enterprise_imports import COLUMNS
from app.services.enterprise_register import ENTERPRISES
from app.transactions import begin
from models.audit import AuditEvent
from models.enterprises import Enterprise, EnterpriseState
from models.reference import Division
from models.size_class import SizeClass
from models.transfers import FileRole, Transfer, TransferFile
from tests.builders import Person, World, fresh_credit_code
from tests.console_client import Desk, desk, text_of
from tests.test_enterprise_import import line
from tests.test_enterprises import ANSWERS, register, wrong_digit
from tests.workbook_builders import workbook

LIST = "/console/enterprises"


class Branch:
    """A branch of 丰县 of its own, so that a test finds only what it made, and somebody at its desk."""

    def __init__(self, world: World) -> None:
        self.world, self.division = world, f"js.xz.fengxian.b{uuid4().hex[:8]}"
        with world.session() as session:
            session.add(Division(id=self.division, name="凤城分局", short_name="凤城分局", kind="branch"))
        self.desk: Desk = desk(world, "county_staff", self.division)

    def enterprise(self, name: str = "宏远配件厂", **changes: Any) -> Enterprise:
        return self.world.enterprise(name=name, **{"division_id": self.division, **changes})


@pytest.fixture
def branch(app: Flask, world: World) -> Branch:
    """A desk of a new division."""
    return Branch(world)


def run(app: Flask, response: Any) -> dict[str, Any]:
    """Carries out the transfer that a form started, as the job does, and returns it."""
    transfer_id = UUID(response.headers["Location"].rsplit("/", 1)[1])
    with app.app_context():
        transfers.run(transfer_id)
    return {"id": transfer_id}


def file_of(world: World, transfer_id: UUID, role: FileRole) -> list[list[Any]]:
    """The rows of a transfer's workbook, the header first."""
    with world.session() as session:
        wanted = TransferFile.transfer_id == transfer_id, TransferFile.role == role
        content = session.execute(select(TransferFile.content).where(*wanted)).scalar_one()
    sheet = load_workbook(BytesIO(content)).active
    assert sheet is not None
    return [list(row) for row in sheet.iter_rows(min_row=2, values_only=True)]


def cells(response: Any) -> list[list[str]]:
    """What the rows of the page's table say."""
    body = re.search(r"(?s)<tbody>(.*?)</tbody>", response.get_data(as_text=True))
    assert body
    rows = re.findall(r"(?s)<tr>(.*?)</tr>", body[1])
    clean = [
        [re.sub(r"<[^>]+>", "", cell).strip() for cell in re.findall(r"(?s)<td[^>]*>(.*?)</td>", row)]
        for row in rows
    ]
    return clean


# The register


def test_the_list_and_its_export_hold_the_same(app: Flask, branch: Branch) -> None:
    owner = branch.world.person()
    for number in range(25):
        branch.enterprise(
            f"远{number:02d} 配件厂",
            headcount=number or None,
            revenue=number * 1_234_567,
            size_class=SizeClass.small,
            legal_representative="张志强",
            owner=owner if number == 3 else None,
        )
    branch.enterprise("别的厂")
    asked = {"q": "配件", "state": "reviewed", "sort": "-headcount"}
    shown = []
    for page in ("1", "2"):
        response = branch.desk.get(LIST, **asked, size="20", page=page)
        assert response.status_code == 200 and "共 25 条" in text_of(response)
        shown += cells(response)
    started = branch.desk.post("/console/exports/enterprises", **asked)
    exported = file_of(branch.world, run(app, started)["id"], FileRole.result)
    assert exported[0] == [column.name for column in ENTERPRISES.columns]

    def plain(value: Any) -> str:
        if value is None:
            return "—"
        return (
            f"{value:,}"
            if isinstance(value, int)
            else f"{value:%Y-%m-%d %H:%M}"
            if hasattr(value, "year")
            else str(value)
        )

    assert [[plain(value) for value in row] for row in exported[1:]] == shown
    assert len(shown) == 25 and shown[0][0] == "远24 配件厂" and shown[-1][6] == "—"
    assert "张*强" in shown[0] and "张志强" not in str(exported)


def test_filters_stand_in_the_address_and_wrong_ones_are_told(branch: Branch) -> None:
    member = branch.world.person()
    branch.enterprise("甲厂", owner=member)
    branch.enterprise("乙厂", state=EnterpriseState.registered)
    assert [row[0] for row in cells(branch.desk.get(LIST, phone=member.phone))] == ["甲厂"]
    assert [row[0] for row in cells(branch.desk.get(LIST, owner="no"))] == ["乙厂"]
    page = branch.desk.get(LIST, phone="138", state="registered")
    assert "请填写完整的 11 位手机号" in text_of(page) and 'value="138"' in page.get_data(as_text=True)
    nothing = text_of(branch.desk.get(LIST, q="没有这样的名字"))
    assert "没有符合条件的记录" in nothing and "清除条件" in nothing


def test_an_empty_register_says_what_to_do(branch: Branch) -> None:
    assert "辖区内还没有企业" in text_of(branch.desk.get(LIST))
    staff = desk(branch.world, "branch_staff", branch.division)
    page = text_of(staff.get(LIST))
    assert "辖区内还没有企业" in page and "导入企业" not in page


# One enterprise


def test_its_page_tells_everything(client: FlaskClient, world: World) -> None:
    owner = world.person(name="张志强")
    made = register(client, owner).json
    clerk = desk(world, "county_staff")
    page = text_of(clerk.get(f"{LIST}/{made['id']}"))
    for part in (
        made["name"],
        made["credit_code"],
        "C36 ",
        "86 人",
        "23,000,000 元",
        "张志强",
        "丰县经济开发区华山路 8 号",
        "小型",
        "按“工业”划型，标准版本 2011-300",
        "从业人员 300 人、营业收入 2,000 万元",
        "质量管理现状与提升需求",
        "张*强",
        "负责人",
        "登记企业",
        "企业用户",
        "待审核",
    ):
        assert part in page, part
    assert owner.phone is not None and owner.phone not in page
    assert f"{owner.phone[:3]}****{owner.phone[-4:]}" in page
    assert set(ANSWERS) & set(re.findall(r"[a-z_]+", page)) == set()  # answers are words, not values


def test_somebody_elses_enterprise_is_refused(world: World) -> None:
    clerk = desk(world, "county_staff", "js.xz.peixian")
    enterprise = world.enterprise()
    for path in ("", "/history", "/merge", f"/merge/{world.enterprise().id}"):
        page = clerk.get(f"{LIST}/{enterprise.id}{path}")
        assert page.status_code == 403 and "不在您的管辖范围内" in text_of(page)
    assert clerk.get(f"/console/reviews/{enterprise.id}").status_code == 403
    assert clerk.post(f"/console/reviews/{enterprise.id}", decision="approve").status_code == 403
    assert clerk.post(f"{LIST}/{enterprise.id}/contacts/{uuid4()}").status_code == 403


def test_branch_staff_read_and_decide_nothing(branch: Branch) -> None:
    enterprise = branch.enterprise(owner=(owner := branch.world.person()))
    staff = desk(branch.world, "branch_staff", branch.division)
    page = text_of(staff.get(f"{LIST}/{enterprise.id}"))
    assert "宏远配件厂" in page and "合并重复企业" not in page and "查看完整号码" not in page
    for path in (f"/console/reviews/{enterprise.id}", "/console/reviews", f"{LIST}/new", f"{LIST}/import"):
        assert staff.get(path).status_code == 403
    assert staff.post(f"{LIST}/{enterprise.id}/contacts/{owner.id}").status_code == 403


def test_a_number_is_shown_on_request(branch: Branch) -> None:
    owner: Person = branch.world.person()
    enterprise = branch.enterprise(owner=owner)
    path = f"{LIST}/{enterprise.id}/contacts/{owner.id}"
    assert owner.phone is not None
    assert owner.phone in text_of(branch.desk.post(path))
    part = branch.desk.client.post(path, headers={"X-CSRFToken": branch.desk.token, "HX-Request": "true"})
    assert text_of(part).strip() == owner.phone
    with branch.world.session() as session:
        seen = AuditEvent.verb == "personal.revealed", AuditEvent.subject_id == str(enterprise.id)
        assert len(session.execute(select(AuditEvent.id).where(*seen)).all()) == 2
    assert "查看联系电话" in text_of(branch.desk.get(f"{LIST}/{enterprise.id}"))


def test_the_time_line_goes_on(app: Flask, branch: Branch) -> None:
    enterprise = branch.enterprise()
    with app.app_context(), begin(SYSTEM):
        for number in range(35):
            record(SYSTEM, "enterprise.changed", enterprise, reason=f"第{number}次")
    page = branch.desk.get(f"{LIST}/{enterprise.id}").get_data(as_text=True)
    assert page.count("修改企业信息") == 30 and "第34次" in page and "第4次" not in page
    more = re.search(r'hx-get="([^"]+)"', page[page.index('class="more"') :])
    assert more
    rest = branch.desk.client.get(more[1]).get_data(as_text=True)
    assert rest.count("修改企业信息") == 5 and "第0次" in rest and 'class="more"' not in rest
    link = re.search(r'href="([^"]+)#history"', page)
    assert link and "第0次" in branch.desk.client.get(link[1]).get_data(as_text=True)


# Registering and importing


def special(**changes: Any) -> dict[str, Any]:
    body = {"credit_code": wrong_digit(), "name": "特批厂", "industry_code": "C36", "headcount": "1,200"}
    money = {"revenue": "5,000,000", "reason": "已核对营业执照原件"}
    return {**body, **money, **changes}


def test_a_special_registration_keeps_what_was_typed(branch: Branch) -> None:
    path = f"{LIST}/new"
    assert "凤城分局" in text_of(branch.desk.get(path))
    wrong = branch.desk.post(path, **special(division_id=branch.division, reason="", industry_code="Z9"))
    assert wrong.status_code == 422 and 'value="特批厂"' in wrong.get_data(as_text=True)
    right = branch.desk.post(path, **special(division_id=branch.division, credit_code=fresh_credit_code()))
    assert "无需特批" in text_of(right)
    made = branch.desk.post(path, **special(division_id=branch.division))
    page = text_of(branch.desk.follow(made))
    assert "经特批登记。理由：已核对营业执照原件" in page and "1,200 人" in page and "待审核" in page


def test_a_list_is_imported_and_bad_rows_come_back(app: Flask, branch: Branch) -> None:
    good = line(name="好的厂", division=None)
    bad = line(credit_code=wrong_digit(), name="坏的厂", division=None)
    elsewhere = line(name="沛县的厂", division="沛县")
    header = [column.name for column in COLUMNS]
    sheet = workbook(header, good, bad, elsewhere)
    path = f"{LIST}/import"
    started = branch.desk.post(path, division_id=branch.division, file=(sheet, "名单.xlsx"))
    transfer = run(app, started)
    page = text_of(branch.desk.get(f"/console/transfers/{transfer['id']}"))
    assert "已完成" in page and "1 新增" in page and "2 未导入" in page
    back = file_of(branch.world, transfer["id"], FileRole.rejected)
    assert [row[2] for row in back[1:]] == ["坏的厂", "沛县的厂"]
    assert "校验位不正确" in back[1][-1] and "没有“沛县”" in back[2][-1]
    assert [row[0] for row in cells(branch.desk.get(LIST))] == ["好的厂"]


def test_what_is_no_workbook_is_refused_at_its_field(branch: Branch) -> None:
    path = f"{LIST}/import"
    missing = branch.desk.post(path, division_id=branch.division)
    assert missing.status_code == 422 and "请选择 .xlsx 文件" in text_of(missing)
    fake = branch.desk.post(path, file=(BytesIO(b"<html><script>alert(1)</script>"), "名单.xlsx"))
    assert fake.status_code == 422 and "文件无法读取" in text_of(fake)
    with branch.world.session() as session:
        made = select(Transfer.id).where(Transfer.user_id == branch.desk.person.id)
        assert session.execute(made).first() is None


def test_the_template_is_read_by_the_import_and_its_example_is_not_taken(app: Flask, branch: Branch) -> None:
    template = branch.desk.get(f"{LIST}/import/template.xlsx")
    assert template.headers["Content-Disposition"].startswith("attachment")
    started = branch.desk.post(f"{LIST}/import", file=(BytesIO(template.data), "模板.xlsx"))
    transfer = run(app, started)
    assert "1 未导入" in text_of(branch.desk.get(f"/console/transfers/{transfer['id']}"))
