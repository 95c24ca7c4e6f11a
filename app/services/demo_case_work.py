"""What agencies of the demonstration have written on its cases: diagnosis, plan, findings, trainings."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, select

from app.services.case_work import DIAGNOSIS
from app.transactions import session
from models.base import now
from models.cases import (
    Aspect,
    Case,
    CaseAttendee,
    CaseEffect,
    CaseScore,
    CaseTraining,
    Finding,
    FindingState,
    Phase,
    Strategy,
)
from models.reference import Document
from models.trainings import Audience

ANSWERS = {
    "awareness_objectives": "2",
    "awareness_leadership": ["complaint"],
    "awareness_customer": "3",
    "innovation_development": "2",
    "innovation_process": ["parameters"],
    "innovation_results": ["none"],
    "people_quality_lead": "part_time",
    "people_competence": "2",
    "people_roles": ["inspector"],
    "digital_systems": ["finance"],
    "digital_traceability": "2",
    "digital_equipment": "2",
    "energy_metering": "3",
    "energy_practice": ["statistics"],
    "energy_equipment": "3",
    "standards_documents": "2",
    "standards_product": ["national"],
    "standards_measurement": "3",
    "standards_improvement": "2",
    "strengths": "主要设备较新，班组稳定。",
    "conclusion": "作业文件与现场不一致，不合格品没有评审，骨干缺少系统培训。",
}
_BEFORE = (52, 45, 48, 36, 50, 41)
_AFTER = (80, 62, 84, 55, 66, 82)
_PROBLEMS = (
    (Aspect.standards, "进货检验没有规程，检验员凭经验判断", "编写进货检验规程，配齐量具", "质量负责人"),
    (Aspect.people, "班组长不会使用质量工具", "开展两次班组培训，现场带教", "生产厂长"),
    (Aspect.awareness, "质量目标没有分解到工序", "制定工序质量目标，按月通报", "总经理"),
)


def diagnose(case: Case) -> None:
    """The form, what was scored before, and what was found."""
    case.diagnosis = ANSWERS
    # The form may be younger than the story.
    newest = select(func.max(Document.version)).where(Document.kind == DIAGNOSIS)
    case.diagnosis_version = session().execute(newest).scalar_one()
    session().add_all(_scores(case, Phase.before, _BEFORE))
    for aspect, problem, measure, owner in _PROBLEMS:
        due_on = (now() + timedelta(days=60)).date()
        found = Finding(
            case_id=case.id, aspect=aspect, problem=problem, measure=measure, owner=owner, due_on=due_on
        )
        found.created_at = now()
        session().add(found)
    session().add(
        CaseEffect(
            case_id=case.id, phase=Phase.before, revenue=28_600_000, profit_margin=610, quality_cost=980_000
        )
    )


def plan(case: Case) -> None:
    """Strategy, aspects and plan."""
    case.strategy, case.aspects = Strategy.foundation, ["awareness", "people", "standards"]
    case.strategy_reason = "体系文件不全，骨干缺少系统培训，先建立体系、夯实基础。"
    case.plan = "一、补齐检验规程和作业文件；\n二、对管理层、内审员、班组分层培训；\n三、按月复核问题清单。"


def teach(case: Case, began: datetime) -> None:
    """A training of the teams, with who came."""
    training = _training(case, Audience.team, "工序检验与质量工具", began)
    for name, attended in (("演示学员甲", True), ("演示学员乙", True), ("演示学员丙", False)):
        session().add(
            CaseAttendee(
                case_id=case.id, training_id=training.id, name=name, post="班组长", attended=attended
            )
        )


def announce(case: Case, begins: datetime) -> None:
    """A training that is to come, with who is to come."""
    begins = begins.replace(hour=9, minute=0, second=0, microsecond=0)
    training = _training(case, Audience.internal_auditor, "内部审核实务", begins)
    session().add(CaseAttendee(case_id=case.id, training_id=training.id, name="演示学员丁", post="内审员"))


def under_way(case: Case) -> None:
    """Problems at different points."""
    for found, state in zip(_findings(case), FindingState, strict=False):
        found.state = state
        found.result = "规程已发布，检验员已培训。" if state == FindingState.done else None


def improve(case: Case) -> None:
    """Everything done: problems, scores and figures afterwards, and the summary."""
    for found in _findings(case):
        found.state, found.result = FindingState.verified, "已按措施完成，现场复核有效。"
    session().add_all(_scores(case, Phase.after, _AFTER))
    session().add(
        CaseEffect(
            case_id=case.id, phase=Phase.after, revenue=31_900_000, profit_margin=790, quality_cost=720_000
        )
    )
    case.summary = "体系文件运行三个月，一次交验合格率由 91% 升至 97%，返工工时下降三成。"


def _training(case: Case, audience: Audience, title: str, begins: datetime) -> CaseTraining:
    made = CaseTraining(
        case_id=case.id,
        audience=audience,
        title=title,
        trainer="演示讲师",
        place="企业培训室",
        starts_at=begins,
        ends_at=begins + timedelta(hours=2),
    )
    session().add(made)
    session().flush()
    return made


def _findings(case: Case) -> list[Finding]:
    return list(
        session().execute(select(Finding).where(Finding.case_id == case.id).order_by(Finding.id)).scalars()
    )


def _scores(case: Case, phase: Phase, points: tuple[int, ...]) -> list[CaseScore]:
    return [
        CaseScore(case_id=case.id, phase=phase, aspect=aspect, score=score)
        for aspect, score in zip(Aspect, points, strict=True)
    ]
