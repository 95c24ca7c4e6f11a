"""The province's yearly assessments of agencies (年度考核: 位次、得分), taken over from a workbook."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from sqlalchemy import Integer, bindparam, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import aliased

from app import audit
from app.access import Actor
from app.registers import Filter, Register, contains
from app.services import transfers
from app.services.agency_selections import year as read_year
from app.transactions import session, transaction
from app.workbooks import Column, Outcome, Row
from app.workbooks.columns import Kind
from models.agencies import LIMITS, Agency, AgencyAssessment
from models.base import new_id
from models.labels import Labelled

COLUMNS = (
    Column("机构名称", "name", required=True, width=36),
    Column("批准号", "approval_number", width=20),
    Column("位次", "rank", kind=Kind.INTEGER, width=8),
    Column("得分", "score", width=10),
)


class Result(Labelled):
    """What became of a row."""

    added = "added", "新增"
    updated = "updated", "已有，已更新"
    unchanged = "unchanged", "已有，无变化"
    rejected = "rejected", "未导入"


class Checked(Labelled):
    """What would become of a row."""

    added = "added", "将新增"
    updated = "updated", "将更新"
    unchanged = "unchanged", "已有，无变化"
    rejected = "rejected", "有误，不能导入"


class _Unfit(ValueError):
    """A row cannot be taken over; the argument is the Chinese reason."""


@dataclass
class _Desk:
    """What rows are judged by, and the agencies that the file named before."""

    names: Mapping[str, UUID]
    approved: Mapping[str, list[tuple[UUID, str]]]
    seen: dict[UUID, int] = field(default_factory=dict)

    def judge(self, row: Row) -> tuple[UUID, dict[str, Any]]:
        """Returns whom a row is about and what it says; raises _Unfit with what is wrong in it."""
        if row.problems:
            raise _Unfit("；".join(row.problems.values()))
        says = {"rank": _rank(row.values.get("rank")), "score": _score(row.values.get("score"))}
        given = {name: value for name, value in says.items() if value is not None}
        if not given:
            raise _Unfit("位次和得分至少填一项")
        agency_id = self._agency(row)
        earlier = self.seen.setdefault(agency_id, row.number)
        if earlier != row.number:
            raise _Unfit(f"与第 {earlier} 行是同一家机构")
        return agency_id, given

    def _agency(self, row: Row) -> UUID:
        name, number = str(row.values["name"]), str(row.values.get("approval_number") or "")
        found = self.names.get(name)
        if number:
            called = self.approved.get(number, [])
            if found is not None and found in [agency_id for agency_id, _ in called]:
                return found
            if called:
                raise _Unfit(f"批准号 {number} 是“{called[0][1]}”的，与机构名称不符")
        if found is None:
            raise _Unfit(f"没有名为“{name}”的机构，请核对，或先添加")
        return found


def _rank(said: Any) -> int | None:
    low, high = LIMITS["rank"]
    if said is not None and not low <= said <= high:
        raise _Unfit(f"位次：应在 {low} 与 {high} 之间")
    rank: int | None = said
    return rank


def _score(said: Any) -> float | None:
    if said is None:
        return None
    low, high = LIMITS["score"]
    try:
        score = Decimal(str(said).removesuffix("分"))
    except InvalidOperation:
        raise _Unfit("得分：应为数字，如 92.5") from None
    if not (score.is_finite() and low <= score <= high):
        raise _Unfit(f"得分：应在 {low} 与 {high} 之间")
    if score != score.quantize(Decimal("0.01")):
        raise _Unfit("得分：至多两位小数")
    return float(score)


@dataclass(frozen=True)
class Standing:
    """An agency in one year's assessment, and how many were assessed."""

    year: int
    rank: int | None
    score: float | None
    among: int


@transaction("agencies.desk")
def standings(_actor: Actor, agency_id: UUID) -> list[Standing]:
    """Returns how an agency stood in each year, newest first."""
    peers = aliased(AgencyAssessment)
    among = select(func.count()).where(peers.year == AgencyAssessment.year).scalar_subquery()
    columns = (AgencyAssessment.year, AgencyAssessment.rank, AgencyAssessment.score, among)
    wanted = select(*columns).where(AgencyAssessment.agency_id == agency_id)
    return [Standing(*row) for row in session().execute(wanted.order_by(AgencyAssessment.year.desc()))]


@transaction("agencies.manage")
def import_rows(actor: Actor, rows: Sequence[Row], year: int, *, only_check: bool = False) -> list[Outcome]:
    """Takes the assessments of a year over, and returns what became of each row, in their order.

    A blank cell changes nothing; repeated, a run makes nothing twice. An agency's year is written by one
    statement, so that two imports at once leave one row each.

    Args:
        only_check: writes nothing, and returns what would become of each.

    Raises DomainError `permission_denied`.
    """
    desk, results = _open(), Checked if only_check else Result
    outcomes = []
    for row in rows:
        try:
            agency_id, said = desk.judge(row)
        except _Unfit as reason:
            outcomes.append(Outcome(row, results.rejected, str(reason)))
            continue
        result = _what_becomes(agency_id, year, said)
        if not only_check and result != Result.unchanged:
            _write(actor, agency_id, year, said)
        outcomes.append(Outcome(row, results[result.name]))
    return outcomes


def _open() -> _Desk:
    approved: dict[str, list[tuple[UUID, str]]] = defaultdict(list)
    found = session().execute(select(Agency.id, Agency.name, Agency.approval_number)).all()
    for one in found:
        if one.approval_number:
            approved[one.approval_number].append((one.id, one.name))
    return _Desk({one.name: one.id for one in found}, approved)


def _what_becomes(agency_id: UUID, year: int, said: Mapping[str, Any]) -> Result:
    kept = select(AgencyAssessment.rank, AgencyAssessment.score)
    of_it = (AgencyAssessment.agency_id == agency_id, AgencyAssessment.year == year)
    found = session().execute(kept.where(*of_it)).mappings().first()
    if found is None:
        return Result.added
    return Result.unchanged if said == {name: found[name] for name in said} else Result.updated


def _write(actor: Actor, agency_id: UUID, year: int, said: Mapping[str, Any]) -> None:
    row = {"id": new_id(), "agency_id": agency_id, "year": year, **said}
    made = insert(AgencyAssessment).values(row)
    session().execute(made.on_conflict_do_update(index_elements=["agency_id", "year"], set_=said))
    audit.record(actor, "agency.assessed", (Agency.__tablename__, agency_id), year=year, **said)


def _run(actor: Actor, rows: Sequence[Row], year: int) -> Iterator[Outcome]:
    yield from import_rows(actor, rows, year)


def _run_check(actor: Actor, rows: Sequence[Row], year: int) -> Iterator[Outcome]:
    yield from import_rows(actor, rows, year, only_check=True)


_EXAMPLE = {
    "name": "示例（填写时请删除本行）",
    "approval_number": "CNCA-R-2002-001",
    "rank": 3,
    "score": "92.5",
}

IMPORT = transfers.register_import(
    "agencies.assessments", "导入年度考核", "agencies.manage", COLUMNS, Result, _run, _EXAMPLE
)
CHECK = transfers.register_import(
    "agencies.assessments-check",
    "核对年度考核（不写入）",
    "agencies.manage",
    COLUMNS,
    Checked,
    _run_check,
    _EXAMPLE,
)


def _show(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for row in rows:
        row["year"] = str(row["year"])  # no thousands
    return rows


ASSESSMENTS = Register(
    "agencies.assessments",
    "年度考核",
    "agencies.desk",
    select(
        AgencyAssessment.id,
        AgencyAssessment.agency_id,
        AgencyAssessment.year,
        Agency.name,
        Agency.approval_number,
        AgencyAssessment.rank,
        AgencyAssessment.score,
    ).join(Agency, Agency.id == AgencyAssessment.agency_id),
    [
        Column("考核年度", "year", width=10),
        Column("位次", "rank", kind=Kind.INTEGER, width=8),
        Column("机构", "name", width=36),
        Column("批准号", "approval_number", width=14),
        Column("得分", "score", width=10),
    ],
    key=AgencyAssessment.id,
    sorts={"year": AgencyAssessment.year, "rank": AgencyAssessment.rank, "score": AgencyAssessment.score},
    default="rank",
    filters=(
        Filter("year", "考核年度", AgencyAssessment.year == bindparam("year", type_=Integer), read_year),
        contains("agency", "机构", Agency.name, "名称中的字"),
    ),
    show=_show,
)
