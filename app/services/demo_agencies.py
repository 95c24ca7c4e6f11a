"""Agencies to look around in: with experts, two years' assessments, and counties that selected them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from app import audit
from app.access import Actor
from app.services import agencies, agency_selections, demo_people
from app.transactions import session
from models.agencies import Agency, AgencyAssessment, Expert, SelectionReason
from models.base import now
from models.bookings import Availability, Meeting
from models.cases import Aspect

_AGENCIES: tuple[dict[str, Any], ...] = (
    {
        "name": "徐州演示质量认证有限公司",
        "approval_number": "CNCA-R-0000-901",
        "profile": "演示数据。服务装备制造、车辆配件企业，擅长从零建立质量管理体系。",
        "telephone": "0516-00000001",
        "address": "徐州市云龙区（演示地址）",
        "schemes": ["qms", "ems", "ohsms"],
        "counties": ["js.xz.fengxian", "js.xz.peixian", "js.xz.tongshan"],
        "capacity": 12,
        "fee_waiver": "参与提升行动的小微企业，初次认证费用减免 30%。",
    },
    {
        "name": "江苏演示检验认证中心",
        "approval_number": "CNCA-R-0000-902",
        "profile": "演示数据。绿色低碳和能源管理方面经验较多。",
        "telephone": "0516-00000002",
        "address": "徐州市泉山区（演示地址）",
        "schemes": ["qms", "enms", "green_low_carbon", "voluntary_product"],
        "counties": ["js.xz.peixian", "js.xz.tongshan", "js.xz.pizhou"],
        "capacity": 8,
        "fee_waiver": "免收首次现场指导费用。",
    },
    {
        "name": "淮海演示认证服务有限公司",
        "approval_number": "CNCA-R-0000-903",
        "profile": "演示数据。面向食品、木业和服务业企业。",
        "telephone": "0516-00000003",
        "address": "邳州市（演示地址）",
        "schemes": ["qms", "fsms", "service", "same_line"],
        "counties": ["js.xz.fengxian", "js.xz.pizhou"],
        "capacity": 5,
    },
)
# By agency: name, qualification and what each helps with.
_EXPERTS: tuple[tuple[tuple[str, str, tuple[Aspect, ...]], ...], ...] = (
    (
        ("演示专家甲", "质量管理体系高级审核员", (Aspect.standards, Aspect.awareness)),
        ("演示专家乙", "精益生产顾问", (Aspect.people, Aspect.innovation)),
    ),
    (
        ("演示专家丙", "能源管理体系审核员", (Aspect.energy, Aspect.standards)),
        ("演示专家丁", "智能制造顾问", (Aspect.digital, Aspect.innovation)),
    ),
    (("演示专家戊", "食品安全管理体系审核员", (Aspect.awareness, Aspect.standards)),),
)
# By agency: rank and score two years ago and last year.
_ASSESSED: tuple[tuple[tuple[int, float], ...], ...] = (
    ((4, 90.5), (2, 94.25)),
    ((6, 88), (5, 91)),
    ((18, 79.5),),
)
# By agency: counties that selected it this year, and why.
_SELECTED: tuple[tuple[tuple[str, tuple[SelectionReason, ...]], ...], ...] = (
    (
        ("js.xz.fengxian", (SelectionReason.ranked, SelectionReason.responsible)),
        ("js.xz.tongshan", (SelectionReason.ranked,)),
    ),
    (("js.xz.peixian", (SelectionReason.standing, SelectionReason.ranked)),),
    (("js.xz.pizhou", (SelectionReason.responsible,)),),
)


def load(actor: Actor) -> int:
    """Loads the agencies that are not there yet, in the act under way; returns how many."""
    there = set(session().execute(select(Agency.name)).scalars())
    parts = zip(_AGENCIES, _EXPERTS, _ASSESSED, _SELECTED, strict=True)
    missing = [part for part in parts if part[0]["name"] not in there]
    if not missing:
        return 0
    for values, experts, assessed, selected in missing:
        agency = agencies.create(actor, values)
        made = [
            Expert(agency_id=agency.id, name=name, title=title, fields=list(fields))
            for name, title, fields in experts
        ]
        session().add_all(made)
        for back, (rank, score) in enumerate(reversed(assessed), 1):
            year = now().year - back
            session().add(AgencyAssessment(agency_id=agency.id, year=year, rank=rank, score=score))
            audit.record(actor, "agency.assessed", agency, year=year, rank=rank, score=score)
        session().flush()
        session().add_all(window for expert in made for window in _windows(expert))
        for county, reasons in selected:
            agency_selections.choose(
                demo_people.county(county), county, now().year, agency.id, reasons, "演示数据"
            )
    return len(missing)


def _windows(expert: Expert) -> list[Availability]:
    """On weekdays an expert comes to enterprises in the morning, and is at the telephone in the afternoon."""
    hours = ((Meeting.onsite, 9 * 60, 12 * 60, 90, 30), (Meeting.phone, 14 * 60, 17 * 60, 30, 0))
    return [
        Availability(
            agency_id=expert.agency_id,
            expert_id=expert.id,
            expert_no=expert.number,
            weekday=weekday,
            from_minute=begins,
            until_minute=ends,
            valid_from=now().date(),
            meeting=meeting,
            minutes=minutes,
            buffer_after=buffer,
        )
        for weekday in range(5)
        for meeting, begins, ends, minutes, buffer in hours
    ]
