"""What the county decides about a request, and which agency it is routed to (notice 二（二）3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Integer, Text, Uuid, any_, bindparam, func, literal, or_, select, true

from app.access import SYSTEM, Actor
from app.prepared import Prepared
from app.services import case_moves, reference
from app.transactions import session, transaction
from models.agencies import Agency, AgencyAssessment, AgencySelection, SelectionReason
from models.cases import Case, CaseOffer, CaseState, OfferState

COUNTY_DEPTH = 3
"""How many parts the path of a county has: js.xz.fengxian."""


@transaction("cases.route")
def admit(actor: Actor, case_id: UUID) -> Case:
    """Accepts a request to be routed; raises DomainError `not_found`, `case_state` or `correction_open`."""
    case = case_moves.hold_in(case_id, CaseState.requested)
    case_moves.advance(actor, case, CaseState.routing)
    return case


@transaction("cases.route")
def refuse(actor: Actor, case_id: UUID, reason: str) -> Case:
    """Refuses a request, also one that waits to be routed; raises DomainError `not_found`, IllegalMove."""
    case = case_moves.hold(case_id)
    case_moves.advance(actor, case, CaseState.refused, reason)
    return case


@transaction("cases.route")
def terminate(actor: Actor, case_id: UUID, reason: str) -> Case:
    """Ends a case that an agency works on; raises DomainError `not_found`, IllegalMove."""
    case = case_moves.hold(case_id)
    case_moves.advance(actor, case, CaseState.terminated, reason)
    return case


@dataclass(frozen=True)
class Ground:
    """One thing that speaks for an agency, or against it: in words."""

    text: str
    good: bool


@dataclass(frozen=True)
class Candidate:
    """An agency as it is ranked for a case, with the reasons; `fits` when nothing speaks against it."""

    agency_id: UUID
    name: str
    fee_waiver: str
    grounds: list[Ground]

    @property
    def fits(self) -> bool:
        return all(one.good for one in self.grounds)


def above(division_id: str) -> list[str]:
    """Returns a division and those above it, from the province down."""
    parts = division_id.split(".")
    return [".".join(parts[: depth + 1]) for depth in range(len(parts))]


_here: Any = bindparam("here", type_=ARRAY(Text))
_scheme: Any = bindparam("scheme", type_=Text)
_year: Any = bindparam("year", type_=Integer)
# An agency that a county and the city above it selected stands here once: by the county's word.
_chosen = (
    select(AgencySelection.reasons)
    .where(
        AgencySelection.agency_id == Agency.id,
        AgencySelection.year == _year,
        AgencySelection.division_id == any_(_here),
    )
    .order_by(AgencySelection.division_id.desc())
    .limit(1)
    .lateral("chosen")
)
_last = (
    select(AgencyAssessment.year, AgencyAssessment.rank, AgencyAssessment.score)
    .where(AgencyAssessment.agency_id == Agency.id, AgencyAssessment.year <= _year)
    .order_by(AgencyAssessment.year.desc())
    .limit(1)
    .lateral("last")
)
_before = (
    select(CaseOffer.state, CaseOffer.reason)
    .where(
        CaseOffer.agency_id == Agency.id,
        CaseOffer.case_id == bindparam("case", type_=Uuid),
        or_(CaseOffer.state == OfferState.declined, CaseOffer.state == OfferState.expired),
    )
    .order_by(CaseOffer.id.desc())
    .limit(1)
    .lateral("before")
)
_serves = Agency.counties.op("&&", is_comparison=True)(_here)
_certifies = func.coalesce(_scheme == any_(Agency.schemes), true())
_waiting = (
    select(func.count())
    .select_from(CaseOffer)
    .where(CaseOffer.agency_id == Agency.id, CaseOffer.state == OfferState.waiting)
    .scalar_subquery()
)
_ranked = (
    select(
        Agency.id,
        Agency.name,
        Agency.fee_waiver,
        Agency.capacity,
        Agency.under_way,
        _serves.label("serves"),
        _certifies.label("certifies"),
        _chosen.c.reasons.is_not(None).label("selected"),
        _chosen.c.reasons,
        _last.c.year,
        _last.c.rank,
        _last.c.score,
        _before.c.state.label("answered"),
        _before.c.reason.label("answer"),
        _waiting.label("waiting"),
    )
    .select_from(Agency)
    .outerjoin(_chosen, true())
    .outerjoin(_last, true())
    .outerjoin(_before, true())
    .where(Agency.active)
    .subquery()
)
_free_of = _ranked.c.capacity - _ranked.c.under_way
_RANKING = Prepared(
    select(_ranked).order_by(
        _ranked.c.serves.desc(),
        _ranked.c.selected.desc(),
        _ranked.c.certifies.desc(),
        (_free_of > 0).desc(),
        _ranked.c.answered.is_(None).desc(),
        _ranked.c.rank.asc().nulls_last(),
        _ranked.c.score.desc().nulls_last(),
        _free_of.desc(),
        _ranked.c.name,
    )
)


@transaction("cases.route")
def ranking(_actor: Actor, case: Case) -> list[Candidate]:
    """Returns the agencies in use, best first: serves the county, selected this year, certifies the
    scheme, has room, was not asked in vain, rank and score of the last assessment."""
    rows = _rank(SYSTEM, case)
    names = reference.division_names(SYSTEM)
    county = names.get(".".join(case.division_id.split(".")[:COUNTY_DEPTH]), case.division_id)
    scheme = reference.scheme_names(SYSTEM)[case.scheme] if case.scheme else ""
    return [Candidate(row.id, row.name, row.fee_waiver, _grounds(row, case, county, scheme)) for row in rows]


@transaction(None)
def _rank(_system: Actor, case: Case) -> Sequence[Any]:
    # How much an agency has to do is more than the county's own cases.
    return _RANKING(here=above(case.division_id), scheme=case.scheme, year=case.year, case=case.id)


def _grounds(row: Any, case: Case, county: str, scheme: str) -> list[Ground]:
    free = row.capacity - row.under_way
    room = f"还可承接 {free} 个（在办 {row.under_way}，上限 {row.capacity}）" if free > 0 else "在办项目已满"
    said = [
        Ground(f"服务{county}" if row.serves else f"服务范围不含{county}", row.serves),
        Ground(_selection(row, case.year, county), row.selected),
    ]
    if scheme:
        said.append(
            Ground(f"认证领域含{scheme}" if row.certifies else f"认证领域不含{scheme}", row.certifies)
        )
    said += [Ground(room + (f"，另有 {row.waiting} 个派单待答复" if row.waiting else ""), free > 0)]
    said.append(Ground(_assessment(row), row.year is not None))
    if row.answered:
        because = f"：{row.answer}" if row.answer else ""
        said.append(Ground(f"本项目此前{row.answered.label}{because}", False))
    return said


def _selection(row: Any, year: int, county: str) -> str:
    if not row.selected:
        return f"{year} 年度未经{county}选定"
    reasons = "、".join(SelectionReason[one].label for one in row.reasons)
    return f"{year} 年度已选定（{reasons}）"


def _assessment(row: Any) -> str:
    if row.year is None:
        return "尚无年度考核"
    parts = [f"第 {row.rank} 位"] if row.rank is not None else []
    parts += [f"{row.score:g} 分"] if row.score is not None else []
    return f"{row.year} 年度考核" + "，".join(parts)


@transaction(None)
def chosen_by_county(_system: Actor, agency_id: UUID, division_id: str, year: int) -> bool:
    """Returns whether an agency in use is selected this year by the county of a division."""
    found = (
        select(literal(1))
        .select_from(AgencySelection)
        .join(Agency, Agency.id == AgencySelection.agency_id)
        .where(
            Agency.active,
            Agency.id == agency_id,
            AgencySelection.year == year,
            AgencySelection.division_id.in_(above(division_id)),
        )
    )
    return session().execute(found).first() is not None
