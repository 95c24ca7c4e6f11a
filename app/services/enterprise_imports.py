"""A county's list of enterprises, taken over from a workbook: every row is answered, none is lost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from app import audit
from app.access import SYSTEM, Actor
from app.errors import DomainError
from app.services import clusters, enterprises, memberships, reference, sizing, transfers
from app.services.enterprises import CHOOSABLE, Profile
from app.transactions import session, transaction
from app.workbooks import Column, Outcome, Row
from app.workbooks.columns import Kind
from models import credit_code
from models.base import new_id
from models.enterprises import (
    MAX_HEADCOUNT,
    MAX_YUAN,
    Enterprise,
    EnterpriseState,
    MembershipRequest,
    MembershipState,
)
from models.labels import Labelled
from models.reference import Division

COLUMNS = (
    Column("统一社会信用代码", "credit_code", required=True, width=24),
    Column("企业名称", "name", required=True, width=32),
    Column("所属辖区", "division"),
    Column("行业代码", "industry_code", required=True, width=10),
    Column("从业人员", "headcount", kind=Kind.INTEGER, width=10),
    Column("营业收入（元）", "revenue", kind=Kind.INTEGER),
    Column("资产总额（元）", "assets", kind=Kind.INTEGER),
    Column("地址", "address", width=36),
    Column("法定代表人", "legal_representative", width=12),
    Column("产业集群（链）", "clusters", width=28),
)
CHUNK = 200
"""Rows to a transaction: a run that is cut short keeps what it did, and may simply be repeated."""

_NAMES = {column.key: column.name for column in COLUMNS} | {"division_id": "所属辖区"}
_LENGTHS = {"name": 128, "address": 200, "legal_representative": 64}
_FIGURES = {"headcount": MAX_HEADCOUNT, "revenue": MAX_YUAN, "assets": MAX_YUAN}


class Result(Labelled):
    """What became of a row."""

    added = "added", "新增"
    updated = "updated", "已存在，已更新"
    unchanged = "unchanged", "已存在，无变化"
    owned = "owned", "已存在，由企业自行维护，未改动"
    rejected = "rejected", "未导入"


@dataclass(frozen=True)
class _Candidate:
    """A row that is right in itself: the columns of an enterprise."""

    row: Row
    credit_code: str
    division_id: str
    values: dict[str, Any]


class _Unfit(ValueError):
    """A row cannot be taken over; the argument is the Chinese reason."""


@dataclass
class _Desk:
    """What rows are judged by, and the credit codes that the file named before."""

    yardstick: sizing.Yardstick
    divisions: Mapping[str, Division]
    within: str | None
    tags: clusters.Reader
    seen: dict[str, int] = field(default_factory=dict)

    def judge(self, actor: Actor, row: Row) -> _Candidate:
        """Returns the row as columns; raises _Unfit with everything that is wrong in its cells."""
        if row.problems:
            raise _Unfit("；".join(row.problems.values()))
        code = self._credit_code(row)
        division_id = self._division(actor, row)
        _require_bounds(row.values)
        told = {name: row.values.get(name) for name in Profile.__dataclass_fields__}
        profile = Profile(**told | {"clusters": self._clusters(row)})  # type: ignore[arg-type]
        try:
            values = profile.columns(self.yardstick)
        except DomainError as error:
            reasons = [f"{_NAMES[name]}：{'、'.join(texts)}" for name, texts in error.fields.items()]
            raise _Unfit("；".join(reasons)) from None
        earlier = self.seen.setdefault(code, row.number)
        if earlier != row.number:
            raise _Unfit(f"与第 {earlier} 行的统一社会信用代码重复")
        return _Candidate(row, code, division_id, values)

    def _credit_code(self, row: Row) -> str:
        try:
            return credit_code.check(str(row.values["credit_code"]))
        except credit_code.CreditCodeError as error:
            raise _Unfit(error.message) from None

    def _clusters(self, row: Row) -> list[str]:
        try:
            return self.tags.read(str(row.values.get("clusters") or ""))
        except ValueError as reason:
            raise _Unfit(f"{_NAMES['clusters']}：{reason}") from None

    def _division(self, actor: Actor, row: Row) -> str:
        named = str(row.values.get("division") or self.within or "")
        if not named:
            raise _Unfit("所属辖区：不能为空")
        every = self.divisions.values()
        found = [d for d in every if named in (d.id, d.name, d.short_name)]
        if self.within:
            found = [d for d in found if _covers(self.within, d.id)]
        if not found:
            raise _Unfit(f"所属辖区：没有“{named}”，或不在本次导入的辖区内")
        if len(found) > 1:
            raise _Unfit(f"所属辖区：有多个“{named}”，请填写编号")
        if found[0].kind not in CHOOSABLE:
            raise _Unfit("所属辖区：请填写县（市）区局或基层分局")
        if not actor.reaches_division(found[0].id):
            raise _Unfit("所属辖区：不在您的管辖范围内")
        return found[0].id


def import_rows(actor: Actor, rows: Sequence[Row], division_id: str | None = None) -> Iterator[Outcome]:
    """Takes rows of COLUMNS over, and yields what became of each, in their order.

    A good row makes an enterprise without an owner, to be reviewed. One that is there already is brought
    up to date (a blank cell changes nothing), unless it has an owner: what its owner wrote stands. Repeated,
    a run makes nothing twice. Rows are committed in chunks.

    Args:
        division_id: the list is of this division: rows may leave theirs out, and name none outside it.

    Raises DomainError `permission_denied` or `division_unknown`.
    """
    desk = _open(actor, division_id)
    for start in range(0, len(rows), CHUNK):
        yield from _import_chunk(actor, rows[start : start + CHUNK], desk)


@transaction("enterprises.review")
def _open(actor: Actor, within: str | None) -> _Desk:
    divisions = {division.id: division for division in reference.divisions(actor)}
    if within is not None and within not in divisions:
        raise DomainError("division_unknown")
    return _Desk(sizing.yardstick(actor), divisions, within, clusters.Reader())


@transaction("enterprises.review")
def _import_chunk(actor: Actor, rows: Sequence[Row], desk: _Desk) -> list[Outcome]:
    outcomes: dict[int, Outcome] = {}
    candidates: list[_Candidate] = []
    for row in rows:
        try:
            candidates.append(desk.judge(actor, row))
        except _Unfit as reason:
            outcomes[row.number] = Outcome(row, Result.rejected, str(reason))
    for outcome in _take_over(actor, candidates):
        outcomes[outcome.row.number] = outcome
    return [outcomes[row.number] for row in rows]


def _take_over(actor: Actor, candidates: Sequence[_Candidate]) -> Iterator[Outcome]:
    added = _insert(actor, candidates)
    there = [candidate for candidate in candidates if candidate.credit_code not in added]
    existing = _locked(SYSTEM, [candidate.credit_code for candidate in there])
    owned = memberships.owned(SYSTEM, [enterprise.id for enterprise in existing.values()])
    for candidate in candidates:
        if candidate.credit_code in added:
            yield Outcome(candidate.row, Result.added)
            continue
        enterprise = existing[candidate.credit_code]
        try:
            yield Outcome(candidate.row, _bring_up_to_date(actor, enterprise, candidate, owned))
        except _Unfit as reason:
            yield Outcome(candidate.row, Result.rejected, str(reason))


def _insert(actor: Actor, candidates: Sequence[_Candidate]) -> set[str]:
    """Inserts what is not there yet, in the order of the codes so that two imports cannot deadlock."""
    if not candidates:
        return set()
    rows = [
        {
            **candidate.values,
            "id": new_id(),
            "credit_code": candidate.credit_code,
            "division_id": candidate.division_id,
            "state": EnterpriseState.registered,
        }
        for candidate in sorted(candidates, key=lambda candidate: candidate.credit_code)
    ]
    statement = insert(Enterprise).values(rows).on_conflict_do_nothing(index_elements=["credit_code"])
    added: set[str] = set()
    for id_, code in session().execute(statement.returning(Enterprise.id, Enterprise.credit_code)):
        audit.record(actor, "enterprise.imported", ("enterprises", id_))
        added.add(code)
    return added


@transaction(None)
def _locked(_actor: Actor, codes: Sequence[str]) -> dict[str, Enterprise]:
    wanted = select(Enterprise).where(Enterprise.credit_code.in_(codes)).order_by(Enterprise.credit_code)
    rows = session().execute(wanted.with_for_update(), execution_options={"populate_existing": True})
    return {enterprise.credit_code: enterprise for enterprise in rows.scalars()}


def _bring_up_to_date(
    actor: Actor, enterprise: Enterprise, candidate: _Candidate, owned: set[UUID]
) -> Result:
    if not (
        _covers(candidate.division_id, enterprise.division_id)
        or _covers(enterprise.division_id, candidate.division_id)
    ):
        raise _Unfit("该企业已登记在其他辖区，请联系其所属局")
    if enterprise.merged_into is not None:
        other = enterprises.kept(SYSTEM, enterprise)
        raise _Unfit(f"该企业已并入“{other.name}”（{other.credit_code}），请改填后者")
    if enterprise.id in owned:
        return Result.owned
    values = {name: value for name, value in candidate.values.items() if value not in (None, [])}
    if _covers(enterprise.division_id, candidate.division_id):
        values["division_id"] = candidate.division_id
    changed = sorted(name for name, value in values.items() if getattr(enterprise, name) != value)
    if not changed:
        return Result.unchanged
    for name in changed:
        setattr(enterprise, name, values[name])
    if "division_id" in changed:
        _take_requests_along(SYSTEM, enterprise.id, candidate.division_id)
    audit.record(actor, "enterprise.import_updated", enterprise, fields=changed)
    return Result.updated


@transaction(None)
def _take_requests_along(_actor: Actor, enterprise_id: UUID, division_id: str) -> None:
    session().execute(
        update(MembershipRequest)
        .where(
            MembershipRequest.enterprise_id == enterprise_id,
            MembershipRequest.state == MembershipState.pending,
        )
        .values(division_id=division_id),
        execution_options={"synchronize_session": False},
    )


def _covers(division_id: str, other: str) -> bool:
    return other == division_id or other.startswith(f"{division_id}.")


def _require_bounds(values: Mapping[str, Any]) -> None:
    for name, most in _FIGURES.items():
        figure = values.get(name)
        if figure is not None and not 0 <= figure <= most:
            raise _Unfit(f"{_NAMES[name]}：应在 0 与 {most} 之间")
    for name, length in _LENGTHS.items():
        if len(values.get(name) or "") > length:
            raise _Unfit(f"{_NAMES[name]}：至多 {length} 字")


IMPORT = transfers.register_import(
    "enterprises.import",
    "导入企业",
    "enterprises.review",
    COLUMNS,
    Result,
    import_rows,
    {
        # The check digit is wrong on purpose: an example that was left in is not taken over.
        "credit_code": "91320321MA0EXAMP00",
        "name": "示例（填写时请删除本行）",
        "division": "丰县",
        "industry_code": "C3670",
        "headcount": 86,
        "revenue": 32_000_000,
        "assets": 28_000_000,
        "address": "丰县经济开发区华山路 8 号",
        "legal_representative": "张三",
        "clusters": "工程机械、新材料",
    },
)
