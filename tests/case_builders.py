"""Assistance cases in any state, made by the back door."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import select, update

from app import working_days
from models.agencies import Agency
from models.base import now
from models.cases import WORKED, Case, CaseOffer, CaseState, CaseTransition, OfferState
from models.enterprises import Enterprise
from models.people import RoleGrant
from tests import agency_builders
from tests.builders import World

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
