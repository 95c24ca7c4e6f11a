"""Assistance cases in any state, made by the back door."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, update

from app import working_days
from app.access import Actor, Grant
from models.agencies import Agency, Expert
from models.base import new_id, now
from models.cases import (
    OPEN,
    WORKED,
    Aspect,
    Case,
    CaseAttendee,
    CaseOffer,
    CaseScore,
    CaseState,
    CaseTraining,
    CaseTransition,
    OfferState,
    Phase,
    Purpose,
    Rating,
    Strategy,
    Visit,
)
from models.columns import new_code_number
from models.enterprises import Enterprise, EnterpriseState
from models.people import RoleGrant
from models.trainings import Audience
from tests import agency_builders
from tests.builders import Person, World, fresh_credit_code

PLANNED = tuple(state for state in WORKED if state not in (CaseState.diagnosis, CaseState.planning))
"""The states of a case whose strategy is chosen."""


def case(
    world: World,
    state: CaseState = CaseState.requested,
    *,
    enterprise: Enterprise | None = None,
    agency: Agency | None = None,
    **changes: Any,
) -> Case:
    """A case in the state, entered a moment ago and due in three working days.

    From 诊断 on an agency has it, which counts it; in 待机构接单 it is offered to `agency`. From 分层培训 on
    strategy, aspects and plan are there.
    """
    enterprise = enterprise or world.enterprise()
    if agency is None and state in (*WORKED, CaseState.offered, CaseState.closed):
        agency = agency_builders.agency(world, counties=[enterprise.division_id])
    holds = agency is not None and state in (*WORKED, CaseState.closed, CaseState.terminated)
    planned: dict[str, Any] = {
        "strategy": "foundation",
        "aspects": ["awareness", "people"],
        "strategy_reason": "尚未建立体系，先夯实基础。",
        "plan": "先培训骨干，再编写体系文件。",
    }
    values: dict[str, Any] = {
        "division_id": enterprise.division_id,
        "enterprise_id": enterprise.id,
        "enterprise_name": enterprise.name,
        "agency_id": agency.id if agency and holds else None,
        "year": now().year,
        "need": "产品返工多，想建立质量管理体系。",
        "wanted": ["awareness", "people"],
        "scheme": "qms",
        "contact_name": "李质量",
        "contact_phone": "13800138000",
        "created_by": _somebody(world, enterprise),
        "state": state,
        "state_since": now(),
        "due_at": working_days.after(now(), 3) if state in CaseState.moves() else None,
        **(planned if state in (*PLANNED, CaseState.closed) else {}),
    }
    with world.session() as session:
        made = Case(**{**values, **changes})
        session.add(made)
        session.flush()
        session.add(CaseTransition(case_id=made.id, to_state=state, by_user_id=made.created_by, at=now()))
        if holds and agency and state in WORKED:
            more = update(Agency).where(Agency.id == agency.id).values(under_way=Agency.under_way + 1)
            session.execute(more)
    if agency and (holds or state == CaseState.offered):
        answer = OfferState.waiting if state == CaseState.offered else OfferState.accepted
        offer(world, made, agency, state=answer)
    return made


def offer(world: World, of: Case, agency: Agency, **changes: Any) -> CaseOffer:
    """The case offered to an agency, to be answered in two working days."""
    values: dict[str, Any] = {
        "case_id": of.id,
        "agency_id": agency.id,
        "state": OfferState.waiting,
        "offered_by": of.created_by,
        "offered_at": now(),
        "answer_by": working_days.after(now(), 2),
    }
    with world.session() as session:
        made = CaseOffer(**{**values, **changes})
        made.answered_at = None if made.state == OfferState.waiting else now()
        session.add(made)
        session.flush()
    return made


def _somebody(world: World, enterprise: Enterprise) -> UUID:
    """The enterprise's owner, else a member made for it."""
    owner = (RoleGrant.scope_id == str(enterprise.id), RoleGrant.role == "owner")
    with world.session() as session:
        found = session.execute(select(RoleGrant.user_id).where(*owner)).scalar()
    made: UUID = found or world.member(enterprise).id
    return made


def wish(of: Enterprise, **changes: Any) -> dict[str, Any]:
    """The body of a request."""
    return {
        "enterprise_id": str(of.id),
        "need": "产品返工多，客户投诉上升，想建立质量管理体系。",
        "wanted": ["awareness", "people"],
        "scheme": "qms",
        "contact_name": "李质量",
        "contact_phone": "13800138000",
        **changes,
    }


def actor(person: Person, role: str, scope_id: Any = "js.xz.fengxian") -> Actor:
    """Somebody as services know them."""
    kinds = {"agency_staff": "agency", "owner": "enterprise", "member": "enterprise"}
    return Actor(person.id, (Grant(role, kinds.get(role, "division"), str(scope_id)),))


def ready(world: World, of: Case) -> None:
    """Everything that the case's next step requires, by the back door."""
    state, case_id = of.state, of.id
    with world.session() as session:
        row = session.get(Case, case_id)
        if state == CaseState.diagnosis:
            row.diagnosis, row.diagnosis_version = {"conclusion": "基础薄弱"}, "2026-11"
            session.add_all(_scores(case_id, Phase.before, 40))
        elif state == CaseState.planning:
            row.strategy, row.aspects = Strategy.foundation, ["awareness", "people"]
            row.strategy_reason, row.plan = "尚未建立体系，先夯实基础。", "先培训骨干，再编写体系文件。"
        elif state == CaseState.training:
            training = CaseTraining(
                case_id=case_id,
                audience=Audience.team,
                title="检验方法",
                trainer="陈专家",
                place="一车间",
                starts_at=now() - timedelta(hours=2),
                ends_at=now() - timedelta(hours=1),
            )
            session.add(training)
            session.flush()
            session.add(CaseAttendee(case_id=case_id, training_id=training.id, name="王班长", attended=True))
        elif state == CaseState.improvement:
            session.add_all(_scores(case_id, Phase.after, 70))
            _visit(session, row, Purpose.improvement)
        elif state == CaseState.evaluation:
            row.rating, row.rated_at = Rating.satisfied, now()
        elif state == CaseState.rectification:
            row.rectification = "已补做内审并整改三项问题。"
        elif state == CaseState.revisit:
            _visit(session, row, Purpose.revisit)


def _scores(case_id: UUID, phase: Phase, points: int) -> list[CaseScore]:
    return [CaseScore(case_id=case_id, phase=phase, aspect=aspect, score=points) for aspect in Aspect]


def _visit(session: Any, of: Case, purpose: Purpose) -> None:
    assert of.agency_id
    expert = Expert(agency_id=of.agency_id, name="陈专家")
    session.add(expert)
    session.flush()
    session.add(
        Visit(
            case_id=of.id,
            purpose=purpose,
            starts_at=now() - timedelta(hours=2),
            ends_at=now() - timedelta(hours=1),
            place="一车间",
            expert_id=expert.id,
            officer_id=of.created_by,
            confirmed_at=now(),
            created_by=of.created_by,
        )
    )


def many(world: World, number: int, division_id: str, by: UUID) -> None:
    """So many cases of a division, in all states in which something is to be done, all due by now."""
    enterprises = [
        {
            "id": new_id(),
            "credit_code": fresh_credit_code(),
            "name": f"第{place}厂",
            "division_id": division_id,
            "industry_code": "C36",
            "state": EnterpriseState.reviewed,
        }
        for place in range(number)
    ]
    same: dict[str, Any] = {
        "division_id": division_id,
        "year": now().year,
        "need": "想建立质量管理体系。",
        "wanted": [],
        "aspects": [],
        "contact_name": "李质量",
        "contact_phone": "13800138000",
        "created_by": by,
        "state_since": now(),
        "due_at": now(),
        "paused_seconds": 0,
        "escalated": 2,  # told already: the clockwork of other tests has nothing to do with them
    }
    cases = [
        {
            **same,
            "id": new_id(),
            "number": new_code_number(),
            "enterprise_id": one["id"],
            "enterprise_name": one["name"],
            "state": OPEN[place % len(OPEN)],
        }
        for place, one in enumerate(enterprises)
    ]
    with world.session() as session:
        session.execute(insert(Enterprise), enterprises)
        session.execute(insert(Case), cases)
