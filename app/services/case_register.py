"""The register of cases 帮扶台账, what of it is overdue, and the queue of what waits for the county."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Boolean, Integer, Text, and_, any_, bindparam, false, func, or_, select

from app.access import SYSTEM
from app.registers import Filter, Register, choice, contains, division
from app.services import reference
from app.services.case_deadlines import overdue_by
from app.workbooks import Column
from app.workbooks.columns import Kind
from models.agencies import Agency
from models.base import now
from models.cases import Aspect, Case, CaseState, Strategy

_moment: Any = bindparam("now", callable_=now)
LATE = and_(Case.due_at <= _moment, Case.paused_at.is_(None))
"""The condition that a step is overdue; what is over has no deadline."""


def _year(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) != 4:
        raise ValueError("年份应为四位数字")
    return int(text)


def _yes(text: str) -> bool:
    if text not in ("yes", "no"):
        raise ValueError("没有这个选项")
    return text == "yes"


def _aspect(text: str) -> str:
    if text not in [one.value for one in Aspect]:
        raise ValueError("没有这个选项")
    return text


IN_DIVISION = division("division", "所属辖区", Case.division_id)
OF_AGENCY = contains("agency", "帮扶机构", Agency.name, "名称中的几个字")
OVERDUE_ONLY = Filter(
    "overdue",
    "逾期",
    func.coalesce(LATE, false()) == bindparam("overdue", type_=Boolean),
    _yes,
    "choice",
    [("yes", "已逾期"), ("no", "未逾期")],
)
_FILTERS = (
    contains("q", "企业名称", Case.enterprise_name, "名称中的几个字"),
    Filter(
        "number",
        "项目编号",
        Case.number == bindparam("number", type_=Text),
        lambda text: text.strip().upper(),
    ),
    choice("state", "环节", Case.state, CaseState),
    IN_DIVISION,
    OF_AGENCY,
    OVERDUE_ONLY,
    choice("strategy", "策略", Case.strategy, Strategy),
    Filter(
        "aspect",
        "提升方面",
        bindparam("aspect", type_=Text) == any_(Case.aspects),
        _aspect,
        "choice",
        [(one.value, one.label) for one in Aspect],
    ),
    Filter("year", "年度", Case.year == bindparam("year", type_=Integer), _year, hint="如 2026"),
)
_LISTED = select(
    Case.id,
    Case.number,
    Case.enterprise_name,
    Case.division_id,
    Agency.name.label("agency"),
    Case.state,
    Case.state_since,
    Case.due_at,
    Case.paused_at,
    Case.strategy,
    Case.aspects,
    Case.rating,
    Case.year,
    Case.created_at,
    Case.closed_at,
).outerjoin(Agency, Agency.id == Case.agency_id)
_COLUMNS = (
    Column("企业", "enterprise_name", width=28),
    Column("项目编号", "number", width=14),
    Column("环节", "state", width=12),
    Column("所属辖区", "division", width=12),
    Column("帮扶机构", "agency", width=26),
    Column("进入本环节", "state_since", kind=Kind.DATETIME),
    Column("办理时限", "due_at", kind=Kind.DATETIME),
    Column("时限情况", "clock", width=14),
)
_MORE = (
    Column("策略", "strategy", width=18),
    Column("提升方面", "aspects", width=28),
    Column("企业评价", "rating", width=10),
    Column("年度", "year", width=8),
    Column("申请时间", "created_at", kind=Kind.DATETIME),
    Column("办结时间", "closed_at", kind=Kind.DATETIME),
)
_ASPECTS = {one.value: one.label for one in Aspect}


def clock(row: Mapping[str, Any]) -> str:
    """Returns how a case stands with its deadline, in words."""
    if row["paused_at"] is not None:
        return "补正中，停止计时"
    if row["due_at"] is None:
        return ""
    days = overdue_by(row["due_at"])
    if row["due_at"] > now():
        return "未逾期"
    return f"逾期 {days} 个工作日" if days else "今日逾期"


def _show(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for row in rows:
        row["clock"], row["year"] = clock(row), str(row["year"])
        row["aspects"] = "、".join(_ASPECTS.get(one, one) for one in row["aspects"])
        row["strategy"] = row["strategy"].label if row["strategy"] else ""
    return rows


_SORTS = {
    "enterprise_name": Case.enterprise_name,
    "division": Case.division_id,
    "agency": Agency.name,
    "state_since": Case.state_since,
    "due_at": Case.due_at,
    "created_at": Case.created_at,
}


def _register(name: str, title: str, permission: str, statement: Any, **options: Any) -> Register:
    given = {"filters": _FILTERS, "sorts": _SORTS, "default": "due_at", "show": _show, **options}
    columns = given.pop("columns", (*_COLUMNS, *_MORE))
    return Register(name, title, permission, statement, columns, key=Case.id, **given)


def _except(*names: str) -> tuple[Filter, ...]:
    return tuple(one for one in _FILTERS if one.name not in names)


CASES = _register("cases", "帮扶台账", "cases.desk", _LISTED, default="-created_at")
OVERDUE = _register(
    "cases.overdue",
    "逾期项目",
    "cases.desk",
    _LISTED.where(LATE),
    columns=_COLUMNS,
    filters=_except("overdue"),
)
"""The steps that should have been done, the longest overdue first."""

OWN = _register(
    "cases.own",
    "我的项目",
    "cases.work",
    _LISTED,
    columns=tuple(one for one in (*_COLUMNS, *_MORE) if one.key != "agency"),
    filters=_except("agency", "division"),
)
"""What an agency has, and had."""

_waits = or_(*(Case.state == state for state in (CaseState.requested, CaseState.routing, CaseState.offered)))
QUEUE = _register(
    "cases.queue",
    "派单",
    "cases.route",
    _LISTED.add_columns(Case.need, Case.wanted, Case.scheme).where(_waits),
    columns=(
        Column("企业", "enterprise_name", width=28),
        Column("项目编号", "number", width=14),
        Column("环节", "state", width=12),
        Column("所属辖区", "division", width=12),
        Column("希望提升", "wanted", width=24),
        Column("意向认证", "scheme", width=16),
        Column("申请时间", "created_at", kind=Kind.DATETIME),
        Column("办理时限", "due_at", kind=Kind.DATETIME),
        Column("时限情况", "clock", width=14),
    ),
    filters=_except("agency", "year"),
    show=lambda rows: _show_wanted(_show(rows)),
)
"""What waits for the county's review or for an agency, the most urgent first."""


def _show_wanted(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    schemes = reference.scheme_names(SYSTEM)
    for row in rows:
        row["wanted"] = "、".join(_ASPECTS.get(one, one) for one in row["wanted"])
        row["scheme"] = schemes.get(row["scheme"], "")
    return rows
