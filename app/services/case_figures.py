"""Figures of assistance, each with its definition, by county, agency, month, strategy or aspect; durations.

Every figure is counted from the cases in the actor's reach, and FIGURES says in words what it counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    DateTime,
    Integer,
    Text,
    and_,
    bindparam,
    case,
    cast,
    func,
    select,
    true,
)

from app.access import SYSTEM, Actor
from app.services import reference
from app.transactions import session, transaction
from models.agencies import Agency
from models.base import BEIJING, now
from models.cases import (
    OPEN,
    SATISFIED,
    Aspect,
    Case,
    CaseState,
    CaseTransition,
    Strategy,
)
from models.labels import Labelled


@dataclass(frozen=True)
class Figure:
    """A figure: what it is called, what it counts in words, and the condition on a case of the year."""

    name: str
    title: str
    definition: str
    counts: Callable[[], Any]


class Grouping(Labelled):
    """By what figures are broken down."""

    county = "county", "县（市）区"
    agency = "agency", "帮扶机构"
    month = "month", "申请月份"
    strategy = "strategy", "策略"
    aspect = "aspect", "提升方面"


_MOMENT = bindparam("moment", type_=DateTime(timezone=True))


def _overdue() -> ColumnElement[bool]:
    return and_(Case.state.in_(OPEN), Case.paused_at.is_(None), Case.due_at < _MOMENT)


def _reached(state: CaseState) -> Any:
    """Whether a case has ever come to a state."""
    return (
        select(CaseTransition.id)
        .where(CaseTransition.case_id == Case.id, CaseTransition.to_state == state)
        .exists()
    )


def _rows(condition: Any = None) -> Any:
    return func.count() if condition is None else func.count().filter(condition)


FIGURES: tuple[Figure, ...] = (
    Figure("requested", "申请", "本年度提出的帮扶申请数", _rows),
    Figure(
        "assisted",
        "帮扶企业",
        "本年度的项目中已完成诊断的企业数（同一企业只计一次）",
        lambda: func.count(Case.enterprise_id.distinct()).filter(_reached(CaseState.planning)),
    ),
    Figure(
        "open", "在办", "本年度尚未办结、撤回、终止或不予受理的项目数", lambda: _rows(Case.state.in_(OPEN))
    ),
    Figure("overdue", "逾期", "在办项目中，当前环节已过时限且不在补正的项目数", lambda: _rows(_overdue())),
    Figure("closed", "办结", "本年度的项目中已办结的项目数", lambda: _rows(Case.state == CaseState.closed)),
    Figure(
        "rated", "已评价", "本年度的项目中企业已作出评价的项目数", lambda: _rows(Case.rating.is_not(None))
    ),
    Figure(
        "satisfied",
        "满意",
        "已评价项目中评价为“非常满意”或“满意”的项目数",
        lambda: _rows(Case.rating.in_(SATISFIED)),
    ),
)


@dataclass(frozen=True)
class Group:
    """One line of a breakdown: its key ("" for those without one), what it is called, figures by name."""

    key: str
    label: str
    figures: dict[str, int]

    @property
    def satisfaction(self) -> float | None:
        """Satisfied out of rated, 0–1; None where nobody has rated."""
        return self.figures["satisfied"] / self.figures["rated"] if self.figures["rated"] else None


@dataclass(frozen=True)
class Duration:
    """How long cases of the year stayed in a state, without the time that the clock stood still.

    Args:
        left: how many have left it.
        median_days, longest_days: calendar days of those; None where none has.
        overdue: how many stand in it beyond its deadline now.
    """

    state: CaseState
    left: int
    median_days: float | None
    longest_days: float | None
    standing: int
    overdue: int


@dataclass(frozen=True)
class Breakdown:
    """Figures of a year by a grouping, with their total; the total counts a case once."""

    year: int
    by: Grouping
    total: Group
    groups: list[Group]


@transaction("cases.desk")
def breakdown(_actor: Actor, year: int, by: Grouping) -> Breakdown:
    """Returns the figures of a year by a grouping, in reach."""
    asked = {"year": year, "moment": now()}
    groups = [Group(row.key or "", "", _figures(row)) for row in session().execute(_GROUPED[by], asked)]
    total = Group("", "合计", _figures(session().execute(_TOTAL, asked).one()))
    labels = _labels(by)
    named = [Group(one.key, labels(one.key), one.figures) for one in groups]
    return Breakdown(year, by, total, sorted(named, key=lambda one: _order(by, one)))


def _figures(row: Any) -> dict[str, int]:
    return {one.name: getattr(row, one.name) for one in FIGURES}


def _order(by: Grouping, one: Group) -> Any:
    """Places and people by how much they have asked for, time and vocabularies in their own order."""
    if by in (Grouping.county, Grouping.agency):
        return (one.key == "", -one.figures["requested"], one.label)
    if by == Grouping.month:
        return one.key
    order = [*Strategy] if by == Grouping.strategy else [*Aspect]
    return order.index(one.key) if one.key else len(order)


def _labels(by: Grouping) -> Callable[[str], str]:
    if by == Grouping.county:
        names = reference.division_names(SYSTEM)
        return lambda key: names.get(key, key)
    if by == Grouping.agency:
        agencies = {str(row.id): row.name for row in session().execute(select(Agency.id, Agency.name))}
        return lambda key: agencies.get(key, "尚未确定机构")
    if by == Grouping.month:
        return lambda key: f"{int(key[-2:])} 月"
    vocabulary = {one.value: one.label for one in (Strategy if by == Grouping.strategy else Aspect)}
    return lambda key: vocabulary.get(key, "尚未选定")


@transaction("cases.desk")
def durations(_actor: Actor, year: int) -> list[Duration]:
    """Returns how long the cases of a year in reach stayed in each state that has a deadline."""
    stays = {row.state: row for row in session().execute(_STAYS, {"year": year})}
    standing = {row.state: row for row in session().execute(_STANDING, {"year": year, "moment": now()})}
    return [
        Duration(
            state,
            stays[state].left if state in stays else 0,
            _days(stays[state].median) if state in stays else None,
            _days(stays[state].longest) if state in stays else None,
            standing[state].standing if state in standing else 0,
            standing[state].overdue if state in standing else 0,
        )
        for state in OPEN
    ]


def _days(seconds: float) -> float:
    return float(seconds) / 86_400


@transaction("cases.desk")
def years(_actor: Actor) -> Sequence[int]:
    """Returns the years with cases in reach and the present one, the latest first."""
    found = session().execute(select(Case.year).distinct()).scalars()
    return sorted({*found, now().astimezone(BEIJING).year}, reverse=True)


# --- the statements


def _selected(*first: Any) -> Any:
    counted = (one.counts().label(one.name) for one in FIGURES)
    return select(*first, *counted).where(Case.year == bindparam("year", type_=Integer))


def _county() -> Any:
    """The county of a case: the first three steps of its division's path, 省.市.县."""
    return func.regexp_replace(Case.division_id, r"^(([^.]+\.){2}[^.]+)\..*$", r"\1")


def _month() -> Any:
    return func.to_char(func.timezone("Asia/Shanghai", Case.created_at), "YYYY-MM")


def _grouped(key: Any) -> Any:
    return _selected(key.label("key")).group_by(key)


def _by_aspect() -> Any:
    # A case counts under each of its aspects; one without any stands by itself.
    chosen = case((func.cardinality(Case.aspects) > 0, Case.aspects), else_=cast([""], ARRAY(Text)))
    aspect = func.unnest(chosen).table_valued("value", name="aspect").render_derived()
    return (
        _selected(aspect.c.value.label("key")).select_from(Case).join(aspect, true()).group_by(aspect.c.value)
    )


_TOTAL = _selected()
_GROUPED: dict[Grouping, Any] = {
    Grouping.county: _grouped(_county()),
    Grouping.agency: _grouped(cast(Case.agency_id, Text)),
    Grouping.month: _grouped(_month()),
    Grouping.strategy: _grouped(cast(Case.strategy, Text)),
    Grouping.aspect: _by_aspect(),
}


def _stays() -> Any:
    def following(column: Any) -> Any:
        return func.lead(column).over(partition_by=CaseTransition.case_id, order_by=CaseTransition.id)

    left_at, paused = following(CaseTransition.at), following(CaseTransition.paused_seconds)
    stay = (
        select(
            CaseTransition.to_state.label("state"),
            (func.extract("epoch", left_at - CaseTransition.at) - paused).label("seconds"),
        )
        .join(Case, Case.id == CaseTransition.case_id)
        .where(Case.year == bindparam("year", type_=Integer))
        .subquery()
    )
    return (
        select(
            stay.c.state,
            func.count().label("left"),
            func.percentile_cont(0.5).within_group(stay.c.seconds).label("median"),
            func.max(stay.c.seconds).label("longest"),
        )
        .where(stay.c.seconds.is_not(None))
        .group_by(stay.c.state)
    )


_STAYS = _stays()
_STANDING = (
    select(Case.state, func.count().label("standing"), func.count().filter(_overdue()).label("overdue"))
    .where(Case.year == bindparam("year", type_=Integer), Case.state.in_(OPEN))
    .group_by(Case.state)
)
