"""What a case is worked on with: who does it, and bodies sound in everything a test does not name."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from models.agencies import Agency, Expert
from models.audit import AuditEvent
from models.base import now
from models.cases import Case, CaseState
from models.enterprises import Enterprise
from tests.agency_builders import agency, agency_person, expert
from tests.builders import Person, World
from tests.case_builders import case

ANSWERS = {
    "awareness_objectives": "3",
    "awareness_leadership": ["objectives", "complaint"],
    "awareness_customer": "2",
    "innovation_development": "2",
    "innovation_process": ["parameters"],
    "innovation_results": ["none"],
    "people_quality_lead": "part_time",
    "people_competence": "3",
    "people_roles": ["inspector", "team"],
    "digital_systems": ["finance"],
    "digital_traceability": "3",
    "digital_equipment": "2",
    "energy_metering": "2",
    "energy_practice": ["statistics"],
    "energy_equipment": "3",
    "standards_documents": "2",
    "standards_product": ["national", "inspection"],
    "standards_measurement": "4",
    "standards_improvement": "2",
    "conclusion": "作业文件与实际不一致，不合格品没有评审。",
}
BEFORE = {
    "awareness": 55,
    "innovation": 40,
    "people": 60,
    "digital": 30,
    "energy": 45,
    "standards": 50,
}
AFTER = {name: points + 25 for name, points in BEFORE.items()}
PLAN = {
    "strategy": "foundation",
    "aspects": ["standards", "people"],
    "strategy_reason": "体系文件不全，骨干缺少系统培训。",
    "plan": "一、补齐文件；二、分层培训；三、按月复核。",
}


@dataclass(frozen=True)
class Site:
    """A case with everybody who works on it."""

    case: Case
    agency: Agency
    expert: Expert
    agent: Person
    officer: Person
    owner: Person
    enterprise: Enterprise

    def url(self, *rest: str) -> str:
        return "/".join([f"/api/v1/cases/{self.case.id}", *rest])


def site(world: World, state: CaseState = CaseState.diagnosis, **changes: Any) -> Site:
    """A case of 丰县 in the state, with an agency that has an expert, an officer, and the owner."""
    owner = world.person()
    enterprise = world.enterprise(owner=owner)
    having = agency(world)
    agent = agency_person(world, having)
    officer = world.person(phone=None, name="孙县局", grants=[("county_staff", "division", "js.xz.fengxian")])
    made = case(world, state, enterprise=enterprise, agency=having, **changes)
    return Site(made, having, expert(world, having), agent, officer, owner, enterprise)


def finding(**changes: Any) -> dict[str, Any]:
    """The body of a problem."""
    values = {
        "aspect": "standards",
        "problem": "进货检验没有规程",
        "measure": "编写进货检验规程并培训检验员",
        "owner": "李质量",
        "due_on": f"{now() + timedelta(days=20):%Y-%m-%d}",
    }
    return {**values, **changes}


def training(starts: datetime | None = None, **changes: Any) -> dict[str, Any]:
    """The body of a layered training, begun two hours ago unless said otherwise."""
    at = starts or now() - timedelta(hours=2)
    values = {
        "audience": "team",
        "title": "班组质量控制",
        "trainer": "陈专家",
        "place": "一车间会议室",
        "starts_at": at.isoformat(),
        "ends_at": (at + timedelta(hours=1)).isoformat(),
    }
    return {**values, **changes}


def visit(of: Site, starts: datetime | None = None, **changes: Any) -> dict[str, Any]:
    """The body of a visit, begun two hours ago unless said otherwise."""
    at = starts or now() - timedelta(hours=2)
    values = {
        "purpose": "diagnosis",
        "starts_at": at.isoformat(),
        "ends_at": (at + timedelta(hours=1)).isoformat(),
        "place": "企业会议室",
        "expert_id": str(of.expert.id),
        "officer_id": str(of.officer.id),
        "notes": "查看现场，访谈质量负责人。",
    }
    return {**values, **changes}


def kept(world: World, model: Any, row_id: UUID | str) -> Any:
    """The row as it is stored."""
    with world.session() as session:
        return session.get(model, UUID(str(row_id)))


def post(client: FlaskClient, by: Person, url: str, body: dict[str, Any], **headers: str) -> TestResponse:
    return client.post(url, json=body, headers={**by.headers, **headers})


def work(client: FlaskClient, of: Site, by: Person | None = None) -> Any:
    answer = client.get(of.url("work"), headers=(by or of.agent).headers)
    assert answer.status_code == 200, answer.json
    return answer.json


def made(client: FlaskClient, of: Site, part: str, body: dict[str, Any]) -> Any:
    answer = post(client, of.agent, of.url(part), body)
    assert answer.status_code == 201, answer.json
    return answer.json


def verbs(world: World, of: Site) -> list[str]:
    wanted = select(AuditEvent.verb).where(AuditEvent.subject_id == str(of.case.id)).order_by(AuditEvent.id)
    with world.session() as session:
        return list(session.execute(wanted).scalars())
