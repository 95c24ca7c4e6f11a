"""Trainings as the desk looks for them, and what happened to one."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Text, bindparam, func, select

from app import registers as find
from app.access import Actor
from app.errors import DomainError
from app.registers import Filter, Register
from app.services import audit_trail
from app.services.training_catalogue import SIGNUP_WINDOW, ends
from app.transactions import session, transaction
from app.workbooks import Column
from app.workbooks.columns import Kind
from models.trainings import (
    Audience,
    Mode,
    Provider,
    SignupWindow,
    Training,
    TrainingSession,
    TrainingState,
)

_SESSIONS = (
    select(func.count())
    .select_from(TrainingSession)
    .where(TrainingSession.training_id == Training.id)
    .scalar_subquery()
)


def _invited(text: str) -> list[str]:
    return [text[:end] for end in ends(text)]


_WINDOWS = {one.value: one for one in SignupWindow}


def _show(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for row in rows:
        row["window"] = _WINDOWS[row["window"]]
        for plain in ("mode", "provider", "audience"):
            row[plain] = row[plain].label
    return rows


REGISTER = Register(
    "trainings.desk",
    "培训列表",
    "trainings.desk",
    select(
        Training.id,
        Training.division_id,
        Training.title,
        Training.state,
        SIGNUP_WINDOW.label("window"),
        Training.mode,
        Training.provider,
        Training.audience,
        Training.organiser,
        Training.place,
        Training.starts_at,
        Training.ends_at,
        Training.capacity,
        Training.taken,
        Training.waiting,
        _SESSIONS.label("sessions"),
    ),
    [
        Column("名称", "title", width=32),
        Column("状态", "state", width=10),
        Column("报名", "window", width=14),
        Column("首场开始", "starts_at", kind=Kind.DATETIME),
        Column("场次", "sessions", kind=Kind.INTEGER, width=8),
        Column("方式", "mode", width=8),
        Column("对象", "audience", width=14),
        Column("举办方", "provider", width=12),
        Column("主办辖区", "division", width=12),
        Column("名额", "capacity", kind=Kind.INTEGER, width=8),
        Column("已报名", "taken", kind=Kind.INTEGER, width=8),
        Column("候补", "waiting", kind=Kind.INTEGER, width=8),
    ],
    key=Training.id,
    sorts={"title": Training.title, "starts_at": Training.starts_at, "taken": Training.taken},
    default="-starts_at",
    filters=(
        find.contains("q", "名称", Training.title, "名称中的字"),
        find.choice("state", "状态", Training.state, TrainingState),
        find.choice("window", "报名", SIGNUP_WINDOW, SignupWindow),
        find.choice("mode", "方式", Training.mode, Mode),
        find.choice("provider", "举办方", Training.provider, Provider),
        find.choice("audience", "对象", Training.audience, Audience),
        find.division("division", "主办辖区", Training.division_id),
        Filter(
            "open_to",
            "面向辖区",
            Training.open_to.op("&&", is_comparison=True)(bindparam("open_to", type_=ARRAY(Text))),
            _invited,
            "division",
        ),
        find.since("from", "首场不早于", Training.starts_at),
        find.until("to", "首场不晚于", Training.starts_at),
    ),
    show=_show,
)


@transaction("trainings.manage")
def history(actor: Actor, training_id: UUID, limit: int = 50) -> list[audit_trail.Happened]:
    """Returns what happened to a training, newest first; raises DomainError `not_found`."""
    if session().execute(select(Training.id).where(Training.id == training_id)).first() is None:
        raise DomainError("not_found")
    return audit_trail.history(actor, Training, training_id, _detail, limit)


def _detail(detail: dict[str, Any]) -> str:
    """What a person reads of an audit row's facts: the fields that changed, how many people."""
    parts = []
    if fields := detail.get("fields"):
        named = {column.key: column.comment for column in Training.__table__.columns}
        named |= {"sessions": "场次", "remind_before": "开始前的提醒"}
        changed = [named.get(name) or "" for name in fields if name not in ("starts_at", "ends_at")]
        parts.append("修改了" + "、".join(filter(None, changed)))
    if people := detail.get("people"):
        parts.append(f"{people} 人")
    if reason := detail.get("reason"):
        parts.append(str(reason))
    return "；".join(parts)
