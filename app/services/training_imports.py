"""Trainings taken over from a workbook, a row for each session: every row is answered, none is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from app.access import Actor
from app.errors import DomainError
from app.services import reference, trainings
from app.workbooks import Column, Outcome, Row
from app.workbooks.columns import Kind
from models.labels import Labelled
from models.reference import Division
from models.trainings import Audience, Mode, Provider

NUMBER = Column("培训编号", "import_key", required=True, width=16)
OF_TRAINING = (
    Column("培训名称", "title", width=32),
    Column("说明", "description", width=32),
    Column("培训方式", "mode", width=10),
    Column("举办方", "provider", width=10),
    Column("培训对象", "audience", width=12),
    Column("主办单位", "organiser", width=24),
    Column("主办辖区", "division_id", width=14),
    Column("面向辖区", "open_to"),
    Column("地点", "place", width=28),
    Column("线上地址", "online_url", width=28),
    Column("名额", "capacity", kind=Kind.INTEGER, width=8),
    Column("每家企业名额", "seats_per_enterprise", kind=Kind.INTEGER, width=12),
    Column("报名开始", "opens_at", kind=Kind.DATETIME),
    Column("报名截止", "closes_at", kind=Kind.DATETIME),
    Column("更换参训人截止", "change_deadline", kind=Kind.DATETIME),
    Column("取消报名截止", "cancel_deadline", kind=Kind.DATETIME),
    Column("是否审核", "needs_approval", width=10),
    Column("候补确认分钟", "offer_minutes", kind=Kind.INTEGER, width=12),
    Column("发证出勤比例", "certificate_percent", kind=Kind.INTEGER, width=12),
)
OF_SESSION = (
    Column("场次名称", "title_of_session"),
    Column("场次开始", "starts_at", required=True, kind=Kind.DATETIME),
    Column("场次结束", "ends_at", required=True, kind=Kind.DATETIME),
    Column("签到开始", "checkin_from", kind=Kind.DATETIME),
    Column("签到结束", "checkin_until", kind=Kind.DATETIME),
)
COLUMNS = (NUMBER, *OF_TRAINING, *OF_SESSION)

_KEY_LENGTH = 64
_NAMES = {column.key: column.name for column in COLUMNS}
_SESSION_NAMES = _NAMES | {"title": "场次名称"}


class Result(Labelled):
    """What became of a row."""

    added = "added", "已导入为草稿"
    known = "known", "已导入过，未改动"
    rejected = "rejected", "未导入"


@dataclass
class _Group:
    """The rows of one training, and what is wrong with them by row number."""

    rows: list[Row]
    problems: dict[int, list[str]] = field(default_factory=dict)

    def blame(self, row: Row, reason: str) -> None:
        reasons = self.problems.setdefault(row.number, [])
        if reason not in reasons:
            reasons.append(reason)

    def rejected(self) -> Iterator[Outcome]:
        """A training comes whole or not at all: sound rows go out with the wrong ones."""
        wrong = "、".join(map(str, sorted(self.problems)))
        for row in self.rows:
            own = self.problems.get(row.number)
            yield Outcome(row, Result.rejected, "；".join(own) if own else f"同一培训的第 {wrong} 行有误")


def import_rows(actor: Actor, rows: Sequence[Row]) -> Iterator[Outcome]:
    """Takes rows of COLUMNS over as drafts, and yields what became of each, training by training.

    Rows with the same 培训编号 are the sessions of one training, which the first of them describes; the
    others may leave that out, but not contradict it. A training that was imported before is left as it is,
    so that a run may be repeated. Each training is a transaction of its own.

    Raises DomainError `permission_denied`.
    """
    divisions = reference.divisions(actor)
    groups: dict[str, _Group] = {}
    for row in rows:
        key = str(row.values["import_key"] or f"\n{row.number}")
        groups.setdefault(key, _Group([])).rows.append(row)
    for key, group in groups.items():
        values = _read(group, divisions)
        if not group.problems:
            yield from _take_over(actor, key, values, group)
        else:
            yield from group.rejected()


def _take_over(actor: Actor, key: str, values: dict[str, Any], group: _Group) -> Iterator[Outcome]:
    # The sessions may stand in any order in the file; a training has them by time.
    ordered = sorted(group.rows, key=lambda row: row.values["starts_at"])  # type: ignore[arg-type, return-value]
    values["sessions"] = [_session(row) for row in ordered]
    try:
        added = trainings.import_draft(actor, key, values)
    except DomainError as error:
        if error.code == "permission_denied" and not error.fields:
            raise
        for name, texts in error.fields.items():
            _blame(group, ordered, name, "、".join(texts))
        yield from group.rejected()
        return
    for row in group.rows:
        yield Outcome(row, Result.added if added else Result.known)


def _session(row: Row) -> dict[str, Any]:
    return {"title": row.values.get("title_of_session")} | {
        column.key: row.values.get(column.key) for column in OF_SESSION[1:]
    }


def _blame(group: _Group, ordered: Sequence[Row], name: str, reason: str) -> None:
    """Puts a problem of a field such as "sessions.1.ends_at" to the row and the column that hold it."""
    inside = name.split(".")
    if len(inside) == 3:
        group.blame(ordered[int(inside[1])], f"{_SESSION_NAMES[inside[2]]}：{reason}")
    else:
        group.blame(group.rows[0], f"{_NAMES.get(name, '场次')}：{reason}")


def _read(group: _Group, divisions: Sequence[Division]) -> dict[str, Any]:
    """Returns what the rows say of their training, with the problems left in the group."""
    first = group.rows[0]
    for row in group.rows:
        for reason in row.problems.values():
            group.blame(row, reason)
        if len(str(row.values["import_key"] or "")) > _KEY_LENGTH:
            group.blame(row, f"培训编号：不能超过 {_KEY_LENGTH} 个字")
        for column in OF_TRAINING:
            said = row.values.get(column.key)
            if said is not None and said != first.values.get(column.key):
                group.blame(row, f"{column.name}：与第 {first.number} 行不一致")
    values: dict[str, Any] = {}
    for column in OF_TRAINING:
        said = first.values.get(column.key)
        if said is None:
            continue
        try:
            values[column.key] = _READERS.get(column.key, _as_is)(said, divisions)
        except ValueError as reason:
            group.blame(first, f"{column.name}：{reason}")
    return values


def _as_is(said: Any, _divisions: Sequence[Division]) -> Any:
    return said


def _choice(kind: type[Labelled], said: str, _divisions: Sequence[Division]) -> Labelled:
    for member in kind:
        if said in (member.label, member.value):
            return member
    raise ValueError(f"只能是 {'、'.join(member.label for member in kind)}")


def _yes_or_no(said: str, _divisions: Sequence[Division]) -> bool:
    if said not in ("是", "否"):
        raise ValueError("只能是 是、否")
    return said == "是"


def _division(said: str, divisions: Sequence[Division]) -> str:
    found = [
        division.id for division in divisions if said in (division.id, division.name, division.short_name)
    ]
    if len(found) != 1:
        raise ValueError(f"没有“{said}”" if not found else f"有多个“{said}”，请填写编号")
    return found[0]


def _divisions(said: str, divisions: Sequence[Division]) -> list[str]:
    names = said.replace("，", "、").replace(",", "、").replace("；", "、").split("、")
    return [_division(name.strip(), divisions) for name in names if name.strip()]


_READERS: Mapping[str, Callable[[Any, Sequence[Division]], Any]] = {
    "mode": partial(_choice, Mode),
    "provider": partial(_choice, Provider),
    "audience": partial(_choice, Audience),
    "division_id": _division,
    "open_to": _divisions,
    "needs_approval": _yes_or_no,
}
