"""What agencies there are, with their experts, assessments and selections: as enterprises and desks look."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Integer,
    Text,
    any_,
    bindparam,
    exists,
    func,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import distinct_on

from app import masks
from app.access import SYSTEM, Actor
from app.errors import DomainError
from app.pagination import Listing, Page, holds, like
from app.registers import Filter, Register, contains
from app.services import reference
from app.transactions import session, transaction
from app.workbooks import Column
from app.workbooks.columns import Kind
from models.agencies import Agency, AgencyAssessment, AgencySelection, Expert
from models.base import now
from models.cases import Aspect
from models.labels import Labelled

# Read when the statement runs, so that one statement serves for good.
_THIS_YEAR: Any = bindparam("this_year", callable_=lambda: now().year, type_=Integer)

LATEST = (
    select(AgencyAssessment.agency_id, AgencyAssessment.year, AgencyAssessment.rank, AgencyAssessment.score)
    .ext(distinct_on(AgencyAssessment.agency_id))
    .order_by(AgencyAssessment.agency_id, AgencyAssessment.year.desc())
    .subquery("latest")
)
"""The latest assessment of each agency."""
_SELECTED_BY = func.array(
    select(AgencySelection.division_id)
    .where(AgencySelection.agency_id == Agency.id, AgencySelection.year == _THIS_YEAR)
    .order_by(AgencySelection.division_id)
    .scalar_subquery(),
    type_=ARRAY(Text),
)
_EXPERTS = (
    select(func.count())
    .select_from(Expert)
    .where(Expert.agency_id == Agency.id, Expert.active)
    .scalar_subquery()
)
_ITEM: tuple[Any, ...] = (
    Agency.id,
    Agency.name,
    Agency.approval_number,
    Agency.telephone,
    Agency.address,
    Agency.schemes,
    Agency.counties,
    Agency.capacity,
    Agency.under_way,
    (Agency.capacity - Agency.under_way).label("remaining"),
    Agency.fee_waiver,
    Agency.active,
    LATEST.c.year.label("assessed_year"),
    LATEST.c.rank,
    LATEST.c.score,
    _SELECTED_BY.label("selected_by"),
)
_FROM = select(*_ITEM).outerjoin(LATEST, LATEST.c.agency_id == Agency.id)


def serves(name: str) -> ColumnElement[bool]:
    """Returns the condition `name`: the agency serves that division, the county it is in, or one below it."""
    county = func.unnest(Agency.counties).column_valued("county").concat(".")
    wanted = bindparam(name, type_=Text).concat(".")
    return exists().where(or_(func.starts_with(wanted, county), func.starts_with(county, wanted)))


def _selected(name: str) -> ColumnElement[bool]:
    """Returns the condition `name`: selected this year by the county that the division is, or is in."""
    chosen = (AgencySelection.agency_id == Agency.id, AgencySelection.year == _THIS_YEAR)
    county = AgencySelection.division_id.concat(".")
    return exists().where(*chosen, func.starts_with(bindparam(name, type_=Text).concat("."), county))


def _certifies(name: str) -> ColumnElement[bool]:
    return bindparam(name, type_=Text) == any_(Agency.schemes)


_LIST = Listing(
    _FROM.where(Agency.active),
    [Agency.name, Agency.id],
    division=serves("division"),
    selected=_selected("selected"),
    scheme=_certifies("scheme"),
    q=holds(Agency.name, "q"),
)


@transaction("agencies.read")
def catalogue(
    _actor: Actor,
    *,
    limit: int,
    cursor: str | None = None,
    division: str | None = None,
    selected: str | None = None,
    scheme: str | None = None,
    q: str | None = None,
) -> Page:
    """Returns a page of the agencies that take part, by name, each with its experts: two queries.

    Args:
        division: those that serve it, such as an enterprise's.
        selected: those that its county selected this year.
        q: part of the name.

    Raises DomainError `invalid_cursor`, `validation_failed` (a scheme that there is not).
    """
    if scheme is not None:
        reference.check_schemes(SYSTEM, "scheme", [scheme])
    page = _LIST.page(cursor, limit, division=division, selected=selected, scheme=scheme, q=like(q))
    experts = _experts([one.id for one in page.items])
    items = [{**one._asdict(), "experts": experts.get(one.id, [])} for one in page.items]
    return Page(items, page.next)


@transaction("agencies.read")
def details(_actor: Actor, agency_id: UUID) -> dict[str, Any]:
    """Returns an agency with its experts, and its assessments and selections of all years, newest first.

    Raises DomainError `not_found`.
    """
    found = session().execute(_FROM.add_columns(Agency.profile).where(Agency.id == agency_id)).first()
    if found is None:
        raise DomainError("not_found")
    assessed = select(AgencyAssessment.year, AgencyAssessment.rank, AgencyAssessment.score)
    chosen = select(AgencySelection.division_id, AgencySelection.year, AgencySelection.reasons)
    return {
        **found._mapping,
        "experts": _experts([agency_id]).get(agency_id, []),
        "assessments": session()
        .execute(
            assessed.where(AgencyAssessment.agency_id == agency_id).order_by(AgencyAssessment.year.desc())
        )
        .all(),
        "selections": session()
        .execute(
            chosen.where(AgencySelection.agency_id == agency_id).order_by(
                AgencySelection.year.desc(), AgencySelection.division_id
            )
        )
        .all(),
    }


def _experts(agency_ids: Collection[UUID]) -> dict[UUID, list[dict[str, Any]]]:
    """Returns the experts in post of these agencies, with their names masked."""
    wanted = select(Expert.id, Expert.agency_id, Expert.name, Expert.title, Expert.fields)
    wanted = wanted.where(Expert.agency_id.in_(agency_ids), Expert.active).order_by(Expert.number)
    found: dict[UUID, list[dict[str, Any]]] = {}
    for one in session().execute(wanted):
        shown = {"id": one.id, "name": masks.name(one.name), "title": one.title, "fields": one.fields}
        found.setdefault(one.agency_id, []).append(shown)
    return found


# --- as desks look for them


@transaction("agencies.desk")
def at_desk(actor: Actor, agency_id: UUID) -> dict[str, Any]:
    """Returns what `details` does; raises DomainError `not_found`."""
    return details(actor, agency_id)


@transaction("agencies.desk")
def choosable(_actor: Actor, counties: Collection[str]) -> Sequence[Any]:
    """Returns the agencies that take part and serve any of the counties, by name, with their latest rank."""
    wanted = select(Agency.id, Agency.name, LATEST.c.year, LATEST.c.rank)
    wanted = wanted.outerjoin(LATEST, LATEST.c.agency_id == Agency.id)
    serving = Agency.counties.op("&&", is_comparison=True)(list(counties))
    return session().execute(wanted.where(Agency.active, serving).order_by(Agency.name)).all()


def labels(kind: type[Labelled], values: Sequence[str]) -> str:
    """Returns what people read for values of an enumeration."""
    return "、".join(one.label for one in kind if one.value in values)


def scheme_labels(codes: Collection[str], names: Mapping[str, str]) -> str:
    """Returns what people read for the codes of schemes."""
    return "、".join(name for code, name in names.items() if code in codes)


def _show(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    names, schemes = reference.division_names(SYSTEM), reference.scheme_names(SYSTEM)
    for row in rows:
        row["schemes"] = scheme_labels(row["schemes"], schemes)
        row["counties"] = "、".join(names.get(one, one) for one in row["counties"])
        row["selected_by"] = "、".join(names.get(one, one) for one in row["selected_by"])
        row["assessed_year"] = row["assessed_year"] and str(row["assessed_year"])  # no thousands
        row["active"] = "参与" if row["active"] else "不参与"
    return rows


def _choice(name: str, label: str, condition: ColumnElement[bool], kind: type[Labelled]) -> Filter:
    values = {one.value for one in kind}

    def read(text: str) -> str:
        if text not in values:
            raise ValueError("没有这个选项")
        return text

    return Filter(name, label, condition, read, "choice", [(one.value, one.label) for one in kind])


def _schemes() -> list[tuple[str, str]]:
    return list(reference.scheme_names(SYSTEM).items())


def _scheme(text: str) -> str:
    if text not in reference.scheme_names(SYSTEM):
        raise ValueError("没有这个选项")
    return text


def _yes_or_no(name: str, label: str, column: Any, yes: str, no: str) -> Filter:
    def read(text: str) -> bool:
        if text not in ("yes", "no"):
            raise ValueError("没有这个选项")
        return text == "yes"

    return Filter(name, label, column == bindparam(name), read, "choice", [("yes", yes), ("no", no)])


REGISTER = Register(
    "agencies.catalogue",
    "帮扶机构",
    "agencies.desk",
    _FROM.add_columns(_EXPERTS.label("experts")),
    [
        Column("名称", "name", width=32),
        Column("批准号", "approval_number", width=14),
        Column("认证领域", "schemes", width=30),
        Column("服务县（市）区", "counties", width=26),
        Column("本年选定的县（市）区", "selected_by", width=24),
        Column("专家", "experts", kind=Kind.INTEGER, width=8),
        Column("在办", "under_way", kind=Kind.INTEGER, width=8),
        Column("还可承接", "remaining", kind=Kind.INTEGER, width=10),
        Column("考核年度", "assessed_year", width=10),
        Column("位次", "rank", kind=Kind.INTEGER, width=8),
        Column("得分", "score", width=8),
        Column("费用减免", "fee_waiver", width=24),
        Column("参与帮扶", "active", width=10),
    ],
    key=Agency.id,
    sorts={
        "name": Agency.name,
        "remaining": Agency.capacity - Agency.under_way,
        "rank": LATEST.c.rank,
        "score": LATEST.c.score,
    },
    default="name",
    filters=(
        contains("q", "名称", Agency.name, "名称中的字"),
        Filter("serves", "服务县（市）区", serves("serves"), str, "division"),
        Filter("scheme", "认证领域", _certifies("scheme"), _scheme, "choice", _schemes),
        Filter("selected", "本年由谁选定", _selected("selected"), str, "division"),
        _yes_or_no("active", "参与帮扶", Agency.active, "参与", "不参与"),
    ),
    show=_show,
)


def _show_experts(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for row in rows:
        row["name"] = masks.name(row["name"])
        row["fields"] = labels(Aspect, row["fields"])
        row["active"] = "在岗" if row["active"] else "已停用"
    return rows


EXPERTS = Register(
    "agencies.experts",
    "专家名册",
    "agencies.desk",
    select(
        Expert.id,
        Expert.number,
        Expert.agency_id,
        Agency.name.label("agency"),
        Expert.name,
        Expert.title,
        Expert.fields,
        Expert.active,
        Expert.created_at,
    ).join(Agency, Agency.id == Expert.agency_id),
    [
        Column("机构", "agency", width=32),
        Column("姓名", "name", width=12),
        Column("职务或资格", "title", width=24),
        Column("专长", "fields", width=36),
        Column("是否在岗", "active", width=10),
        Column("登记时间", "created_at", kind=Kind.DATETIME),
    ],
    key=Expert.number,
    sorts={"agency": Agency.name, "created_at": Expert.created_at},
    default="agency",
    filters=(
        contains("agency", "机构", Agency.name, "名称中的字"),
        _choice("field", "专长", bindparam("field", type_=Text) == any_(Expert.fields), Aspect),
        _yes_or_no("active", "是否在岗", Expert.active, "在岗", "已停用"),
    ),
    show=_show_experts,
)
