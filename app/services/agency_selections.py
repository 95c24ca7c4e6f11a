"""Agencies that a county chose for a year, with the reasons that notice 二（二）3 names (选好帮扶机构)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Integer, bindparam, delete, select
from sqlalchemy.dialects.postgresql import insert

from app import audit, outbox
from app.access import SYSTEM, Actor
from app.errors import DomainError
from app.registers import Filter, Register, contains, division
from app.services import agencies, audit_trail, reference
from app.services.agency_catalogue import LATEST, labels
from app.transactions import session, transaction
from app.workbooks import Column
from app.workbooks.columns import Kind
from models.agencies import LIMITS, Agency, AgencyAssessment, AgencySelection, SelectionReason
from models.base import new_id
from models.reference import Division


def _show(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    by = audit_trail.who(SYSTEM, {row["selected_by"] for row in rows})
    for row in rows:
        row["year"] = str(row["year"])  # no thousands
        row["reasons"] = labels(SelectionReason, row["reasons"])
        row["by"] = by.get(row["selected_by"], "")
    return rows


def year(text: str) -> int:
    """Returns the year that was typed; raises ValueError with the Chinese reason."""
    low, high = LIMITS["year"]
    if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
        raise ValueError(f"年度应在 {low}–{high} 之间")
    return int(text)


SELECTIONS = Register(
    "agencies.selections",
    "选定的帮扶机构",
    "agencies.select",
    select(
        AgencySelection.id,
        AgencySelection.division_id,
        AgencySelection.year,
        AgencySelection.agency_id,
        Agency.name,
        Agency.approval_number,
        AgencySelection.reasons,
        AgencySelection.note,
        LATEST.c.rank,
        LATEST.c.score,
        AgencySelection.selected_by,
        AgencySelection.created_at,
    )
    .join(Agency, Agency.id == AgencySelection.agency_id)
    .outerjoin(LATEST, LATEST.c.agency_id == Agency.id),
    [
        Column("年度", "year", width=8),
        Column("县（市）区", "division", width=12),
        Column("机构", "name", width=32),
        Column("批准号", "approval_number", width=14),
        Column("选定理由", "reasons", width=36),
        Column("说明", "note", width=32),
        Column("最近考核位次", "rank", kind=Kind.INTEGER, width=12),
        Column("得分", "score", width=8),
        Column("选定人", "by", width=20),
        Column("选定时间", "created_at", kind=Kind.DATETIME),
    ],
    key=AgencySelection.id,
    sorts={"name": Agency.name, "rank": LATEST.c.rank, "created_at": AgencySelection.created_at},
    default="-created_at",
    filters=(
        Filter("year", "年度", AgencySelection.year == bindparam("year", type_=Integer), year),
        division("division", "县（市）区", AgencySelection.division_id),
        contains("agency", "机构", Agency.name, "名称中的字"),
    ),
    show=_show,
)


@transaction("agencies.select")
def counties(actor: Actor) -> list[Division]:
    """Returns the counties for which the actor may select agencies."""
    every = reference.divisions(SYSTEM)
    return [one for one in every if one.kind == agencies.COUNTY and actor.reaches_division(one.id)]


@transaction("agencies.select")
def choose(
    actor: Actor,
    division_id: str,
    year: int,
    agency_id: UUID,
    reasons: Sequence[SelectionReason],
    note: str,
) -> AgencySelection:
    """Selects an agency for a county and a year; its people are told.

    Raises DomainError `division_unknown`, `permission_denied` (a county out of reach), `not_found` (no such
    agency), `agency_inactive`, `agency_not_serving`, `validation_failed` (a reason that does not hold) or
    `agency_selected` (it was selected before, also when two do so at once).
    """
    county = next((one for one in reference.divisions(SYSTEM) if one.id == division_id), None)
    if county is None or county.kind != agencies.COUNTY:
        raise DomainError("division_unknown", fields={"division_id": ["请选择县（市）区"]})
    if not actor.reaches_division(division_id):
        raise DomainError("permission_denied", fields={"division_id": ["不在您的管辖范围内"]})
    # Held, so that it cannot be taken out of use at the same time.
    agency = session().get(Agency, agency_id, with_for_update={"read": True}, populate_existing=True)
    if agency is None:
        raise DomainError("not_found")
    if not agency.active:
        raise _at("agency_id", "agency_inactive")
    if division_id not in agency.counties:
        raise _at("agency_id", "agency_not_serving", county=county.short_name)
    _check_reasons(agency_id, reasons, note)
    made = _insert(actor, division_id, year, agency_id, reasons, note)
    if made is None:
        raise _at("agency_id", "agency_selected", county=county.short_name, year=year)
    told = labels(SelectionReason, reasons)
    audit.record(actor, "agency.selected", agency, division=division_id, year=year, reasons=list(reasons))
    _tell(agency, county, made, "agency.selected", "被选为帮扶机构", f"理由：{told}。", reasons=told)
    return made


@transaction("agencies.select")
def get(actor: Actor, selection_id: UUID) -> AgencySelection:
    """Returns a selection of a county in reach; raises DomainError `not_found`."""
    found = session().get(AgencySelection, selection_id)
    if found is None or not actor.reaches_division(found.division_id):
        raise DomainError("not_found")
    return found


@transaction("agencies.select")
def withdraw(actor: Actor, selection_id: UUID, reason: str) -> None:
    """Takes a selection back; cases that are under way go on. The agency's people are told why.

    Raises DomainError `not_found`.
    """
    was = get(actor, selection_id)
    gone = delete(AgencySelection).where(AgencySelection.id == selection_id).returning(AgencySelection.id)
    if session().execute(gone).first() is None:  # somebody else was first
        raise DomainError("not_found")
    agency = session().get_one(Agency, was.agency_id)
    county = session().get_one(Division, was.division_id)
    audit.record(actor, "agency.deselected", agency, division=was.division_id, year=was.year, reason=reason)
    _tell(agency, county, was, "agency.deselected", "不再列为帮扶机构", f"原因：{reason}", reason=reason)


def _insert(
    actor: Actor,
    division_id: str,
    year: int,
    agency_id: UUID,
    reasons: Sequence[SelectionReason],
    note: str,
) -> AgencySelection | None:
    row = {
        "id": new_id(),
        "division_id": division_id,
        "year": year,
        "agency_id": agency_id,
        "reasons": [one.value for one in reasons],
        "note": note,
        "selected_by": actor.user_id,
    }
    made = insert(AgencySelection).values(row)
    made = made.on_conflict_do_nothing(index_elements=["division_id", "year", "agency_id"])
    return session().execute(made.returning(AgencySelection)).scalar()


def _check_reasons(agency_id: UUID, reasons: Sequence[SelectionReason], note: str) -> None:
    if SelectionReason.other in reasons and not note:
        raise DomainError("validation_failed", fields={"note": ["选“其他”时，请写明理由"]})
    if SelectionReason.ranked in reasons:
        ranked = (AgencyAssessment.agency_id == agency_id, AgencyAssessment.rank.is_not(None))
        if session().execute(select(AgencyAssessment.id).where(*ranked).limit(1)).first() is None:
            text = f"系统中没有该机构的考核位次，不能以“{SelectionReason.ranked.label}”为由"
            raise DomainError("validation_failed", fields={"reasons": [text]})


def _tell(
    agency: Agency,
    county: Division,
    chosen: AgencySelection,
    kind: str,
    title: str,
    why: str,
    **because: str,
) -> None:
    year = chosen.year
    facts = {"agency": agency.name, "county": county.short_name, "year": f"{year}年", **because}
    said = f"{county.name}{year}年度：贵机构{title}。{why}"
    people = agencies.staff_of(SYSTEM, agency.id)
    # Selected, withdrawn and selected again is told three times.
    outbox.notify_many(people, kind, agency, title, said, facts, once=chosen.id.hex[-12:])


def _at(field: str, code: str, **details: Any) -> DomainError:
    refusal = DomainError(code, **details)
    refusal.fields = {field: [refusal.message]}
    return refusal
