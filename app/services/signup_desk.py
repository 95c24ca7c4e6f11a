"""The sign-ups of one training as the desk works through them: the register, and counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, func, select

from app import masks
from app import registers as find
from app.access import Actor
from app.errors import DomainError
from app.registers import Filter, Register
from app.services.attendance import ATTENDED
from app.transactions import session, transaction
from app.workbooks import Column
from app.workbooks.columns import Kind
from models import mobile_number
from models.crypto import keyring
from models.signups import ACTIVE, Signup, SignupState
from models.trainings import Training


def _phone(text: str) -> bytes:
    return keyring().blind_index(mobile_number.check(text))


def _show(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**row, "attendee_phone": masks.phone(row["attendee_phone"])} for row in rows]


REGISTER = Register(
    "signups.roster",
    "报名名单",
    "signups.roster",
    select(
        Signup.id,
        Signup.enterprise_id,
        Signup.attendee_name,
        Signup.attendee_phone,
        Signup.attendee_post,
        Signup.enterprise_name,
        Signup.state,
        Signup.state_reason,
        Signup.waiting_no,
        Signup.created_at,
        ATTENDED,
    ).where(Signup.training_id == bindparam("training")),
    [
        Column("参训人", "attendee_name", width=12),
        Column("手机号", "attendee_phone", width=14),
        Column("职务", "attendee_post", width=14),
        Column("企业", "enterprise_name", width=32),
        Column("状态", "state", width=12),
        Column("候补号", "waiting_no", kind=Kind.INTEGER, width=8),
        Column("报名时间", "created_at", kind=Kind.DATETIME),
        Column("已到场次", "attended", kind=Kind.INTEGER, width=10),
        Column("原因", "state_reason", width=24),
    ],
    key=Signup.id,
    sorts={
        "enterprise_name": Signup.enterprise_name,
        "waiting_no": Signup.waiting_no,
        "created_at": Signup.created_at,
    },
    default="created_at",
    filters=(
        find.choice("state", "状态", Signup.state, SignupState),
        find.contains("enterprise", "企业名称", Signup.enterprise_name, "名称中的字"),
        Filter(
            "phone",
            "手机号",
            Signup.attendee_phone_index == bindparam("phone"),
            _phone,
            hint="完整的 11 位手机号",
        ),
    ),
    show=_show,
    of={"training": UUID},
)


@dataclass(frozen=True)
class Counts:
    """How a training is filled: people by state, and the enterprises with most places."""

    by_state: Mapping[SignupState, int]
    enterprises: int
    largest: Sequence[Any]

    @property
    def active(self) -> int:
        return sum(self.by_state.get(state, 0) for state in ACTIVE)


@transaction("signups.roster")
def counts(_actor: Actor, training_id: UUID, largest: int = 8) -> Counts:
    """Returns how a training is filled; raises DomainError `not_found`."""
    _require_training(training_id)
    of_it = Signup.training_id == training_id
    states = session().execute(select(Signup.state, func.count()).where(of_it).group_by(Signup.state))
    held = (
        select(
            Signup.enterprise_id,
            func.max(Signup.enterprise_name).label("name"),
            func.count().label("people"),
            func.count().over().label("enterprises"),
        )
        .where(of_it, Signup.state.in_(ACTIVE))
        .group_by(Signup.enterprise_id)
        .order_by(func.count().desc(), func.max(Signup.enterprise_name))
        .limit(largest)
    )
    rows = session().execute(held).all()
    return Counts(dict(states.all()), rows[0].enterprises if rows else 0, rows)


@transaction("signups.review")
def training_of(_actor: Actor, signup_id: UUID) -> UUID:
    """Returns the training that a sign-up is of; raises DomainError `not_found`."""
    found = session().execute(select(Signup.training_id).where(Signup.id == signup_id)).scalar()
    if found is None:
        raise DomainError("not_found")
    return found


@transaction("signups.review")
def some(_actor: Actor, training_id: UUID, signup_ids: Sequence[UUID]) -> list[Any]:
    """Returns those of the training's sign-ups that are in reach, in the order they were made.

    Raises DomainError `not_found` (the training), or `nothing_chosen` when none is.
    """
    _require_training(training_id)
    found = (
        select(Signup.id, Signup.attendee_name, Signup.enterprise_name, Signup.state)
        .where(Signup.training_id == training_id, Signup.id.in_(signup_ids))
        .order_by(Signup.id)
    )
    rows = list(session().execute(found))
    if not rows:
        raise DomainError("nothing_chosen")
    return rows


def _require_training(training_id: UUID) -> None:
    if session().execute(select(Training.id).where(Training.id == training_id)).first() is None:
        raise DomainError("not_found")


@transaction("signups.review")
def waiting_list(_actor: Actor, training_id: UUID, limit: int = 200) -> list[Any]:
    """Returns who waits, the head first; raises DomainError `not_found`."""
    found = (
        select(Signup.id, Signup.attendee_name, Signup.enterprise_name, Signup.waiting_no, Signup.created_at)
        .where(Signup.training_id == training_id, Signup.state == SignupState.waiting)
        .order_by(Signup.waiting_no)
        .limit(limit)
    )
    return list(session().execute(found))
