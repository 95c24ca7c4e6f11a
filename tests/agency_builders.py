"""Agencies with experts, selections and assessments, made by the back door, and their people."""

from __future__ import annotations

import itertools
from typing import Any

from models.agencies import Agency, AgencyAssessment, AgencySelection, Expert, SelectionReason
from models.base import new_id, now
from models.cases import Aspect
from tests.builders import Person, World
from tests.console_client import Desk, desk

_ranks = itertools.count(1)


def fresh_agency_name() -> str:
    """Returns the name of an agency that no other test uses."""
    return f"徐州演练认证有限公司{new_id().hex[-8:]}"


def agency(world: World, **changes: Any) -> Agency:
    """An agency in use that serves 丰县 and certifies quality management systems."""
    values: dict[str, Any] = {
        "name": fresh_agency_name(),
        "approval_number": "CNCA-R-2002-001",
        "profile": "面向小微企业的认证机构。",
        "telephone": "0516-88880000",
        "schemes": ["qms"],
        "counties": ["js.xz.fengxian"],
        "capacity": 10,
        "fee_waiver": "初次认证费用减免 30%",
    }
    made = Agency(**{**values, **changes})
    with world.session() as session:
        session.add(made)
        session.flush()
    return made


def expert(world: World, of: Agency, *, person: Person | None = None, **changes: Any) -> Expert:
    """An expert of the agency; with a person, bound to them: who holds the agency's role already."""
    values: dict[str, Any] = {
        "agency_id": of.id,
        "name": "陈专家",
        "title": "国家注册审核员",
        "fields": [Aspect.standards.value, Aspect.people.value],
        "user_id": person.id if person else None,
    }
    made = Expert(**{**values, **changes})
    with world.session() as session:
        session.add(made)
        session.flush()
    return made


def selection(
    world: World, of: Agency, division_id: str = "js.xz.fengxian", *, year: int | None = None, **changes: Any
) -> AgencySelection:
    """The agency chosen by a county, this year unless said otherwise."""
    values: dict[str, Any] = {
        "division_id": division_id,
        "year": year or now().year,
        "agency_id": of.id,
        "reasons": [SelectionReason.responsible.value],
        "selected_by": changes.get("selected_by") or world.staff("county_staff", division_id).id,
    }
    made = AgencySelection(**{**values, **changes})
    with world.session() as session:
        session.add(made)
        session.flush()
    return made


def assessment(
    world: World,
    of: Agency,
    *,
    year: int | None = None,
    rank: int | None = None,
    score: float | None = 90.5,
) -> AgencyAssessment:
    """What the province's assessment of a year said of the agency: last year's unless said otherwise."""
    made = AgencyAssessment(
        agency_id=of.id, year=year or now().year - 1, rank=rank or next(_ranks), score=score
    )
    with world.session() as session:
        session.add(made)
        session.flush()
    return made


def agency_person(world: World, of: Agency, **changes: Any) -> Person:
    """Somebody of the agency in the mini-program: holds agency_staff in its scope."""
    return world.person(**changes, grants=[("agency_staff", "agency", str(of.id))])


def agency_desk(world: World, of: Agency, *, name: str = "周顾问") -> Desk:
    """Somebody of the agency, signed in at the console."""
    return desk(world, "agency_staff", str(of.id), name=name)
