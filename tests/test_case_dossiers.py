"""The dossier of a case, as a desk takes it."""

from __future__ import annotations

import zipfile
from io import BytesIO

import pytest
from docx import Document
from flask.testing import FlaskClient
from sqlalchemy import delete, select

from app import files
from models.base import now
from models.cases import Aspect, Case, CaseScore, CaseState, Correction, Finding, Phase
from models.evidence import Evidence, StoredFile
from tests import agency_builders as agencies
from tests import case_builders as cases
from tests import evidence_builders as build
from tests.builders import World
from tests.console_client import Desk, desk


def words(content: bytes) -> str:
    """What a Word document says, tables too."""
    document = Document(BytesIO(content))
    cells = [cell.text for table in document.tables for row in table.rows for cell in row.cells]
    return "\n".join([*(paragraph.text for paragraph in document.paragraphs), *cells])


def taken(at: Desk, case: Case) -> zipfile.ZipFile:
    """The package, as a browser saves it."""
    with at.get(f"/console/cases/{case.id}/dossier.zip") as answer:
        return zipfile.ZipFile(BytesIO(answer.data))


def test_it_says_everything_that_is_known_of_a_case(world: World) -> None:
    case = cases.case(world, CaseState.improvement)
    with world.session() as session:
        for aspect in Aspect:
            session.add(CaseScore(case_id=case.id, phase=Phase.before, aspect=aspect, score=40))
            session.add(CaseScore(case_id=case.id, phase=Phase.after, aspect=aspect, score=75))
        session.add(
            Finding(
                case_id=case.id,
                aspect=Aspect.energy,
                problem="能耗没有计量",
                measure="加装分表",
                owner="王设备",
                due_on=now().date(),
            )
        )
        session.add(
            Correction(
                case_id=case.id,
                asked="请补充人员名册",
                asked_by=case.created_by,
                asked_at=now(),
                answer="已补",
                ended_at=now(),
            )
        )
    answer = desk(world, "county_staff").get(f"/console/cases/{case.id}/dossier.docx")
    assert answer.status_code == 200 and "attachment" in answer.headers["Content-Disposition"]
    said = words(answer.data)
    for text in (
        case.enterprise_name,
        case.number,
        "建立体系+夯实基础",
        "先夯实基础",
        "能源管控水平",
        "+35",
        "能耗没有计量",
        "请补充人员名册",
        "提升",
    ):
        assert text in said, text
    assert "王设备" not in said  # the bureau sees a mask of the enterprise's people


def test_the_package_holds_the_evidence_and_names_what_is_missing(client: FlaskClient, world: World) -> None:
    owner = world.person()
    case = cases.case(world, CaseState.diagnosis, enterprise=world.enterprise(owner=owner))
    for name, content in (("甲.pdf", build.PDF + b"% jia"), ("乙.pdf", build.PDF + b"% yi")):
        assert build.upload(client, owner, case.id, name, content, kind="diagnosis").status_code == 201
    officer = desk(world, "county_staff")
    with taken(officer, case) as package:
        assert package.testzip() is None
        document, *evidence = package.namelist()
        assert evidence == ["诊断/001-甲.pdf", "诊断/002-乙.pdf"]
        assert package.read(evidence[0]).endswith(b"% jia")
        assert "乙.pdf" in words(package.read(document))
    with world.session() as session:
        lost = (
            select(StoredFile.object_name)
            .join(Evidence, Evidence.digest == StoredFile.digest)
            .where(Evidence.case_id == case.id, Evidence.name == "乙.pdf")
        )
        name = session.scalars(lost).one()
    with world.app.app_context():
        files.store().remove(name)
    with taken(officer, case) as package:
        assert "002-乙.pdf" in package.read("缺少的材料.txt").decode()
    with world.session() as session:  # nothing of it meets another test
        session.execute(delete(Evidence).where(Evidence.case_id == case.id))


@pytest.mark.parametrize("ending", ["docx", "zip"])
def test_another_agency_and_another_county_get_none(world: World, ending: str) -> None:
    case = cases.case(world, CaseState.diagnosis)
    other = agencies.agency_desk(world, agencies.agency(world))
    for at in (other, desk(world, "county_staff", "js.xz.peixian")):
        assert at.get(f"/console/cases/{case.id}/dossier.{ending}").status_code == 403
