"""The sign-in sheet: everybody who is expected, for paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select

from app.access import Actor
from app.errors import DomainError
from app.prepared import Prepared
from app.transactions import transaction
from models.signups import Signup, SignupState
from models.trainings import Training, TrainingSession

_TRAINING = Prepared(
    select(
        Training.id,
        Training.title,
        Training.organiser,
        Training.place,
        Training.starts_at,
        Training.ends_at,
        Training.state,
        Training.provider,
        Training.certificate_percent,
    ).where(Training.id == bindparam("training"))
)
_SESSIONS = Prepared(
    select(TrainingSession.number, TrainingSession.title, TrainingSession.starts_at, TrainingSession.ends_at)
    .where(TrainingSession.training_id == bindparam("training"))
    .order_by(TrainingSession.number)
)
_EXPECTED = Prepared(
    select(Signup.enterprise_name, Signup.attendee_name, Signup.attendee_phone, Signup.attendee_post)
    .where(Signup.training_id == bindparam("training"), Signup.state == SignupState.confirmed)
    .order_by(Signup.enterprise_name, Signup.id)
)


@dataclass(frozen=True)
class Sheet:
    """A training, its sessions, and who is expected, by enterprise; names and phones are whole."""

    training: Any
    sessions: Sequence[Any]
    people: Sequence[Any]


@transaction("signups.roster")
def training(_actor: Actor, training_id: UUID) -> Any:
    """Returns what stands above attendance; raises DomainError `not_found`."""
    found = _TRAINING.first(training=training_id)
    if found is None:
        raise DomainError("not_found")
    return found


@transaction("signups.roster")
def sheet(actor: Actor, training_id: UUID) -> Sheet:
    """Returns the sign-in sheet of a training; raises DomainError `not_found`."""
    whose = training(actor, training_id)
    return Sheet(whose, _SESSIONS(training=training_id), _EXPECTED(training=training_id))
