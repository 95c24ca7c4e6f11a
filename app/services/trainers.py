"""Trainers of a training: being assigned is a grant of the role in the scope of that training."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import delete, select

from app import audit, notices, outbox
from app.access import SYSTEM, Actor
from app.errors import DomainError
from app.services import people, roles
from app.transactions import session, transaction
from models.crypto import keyring
from models.people import RoleGrant, User
from models.trainings import Training, TrainingState

ROLE = "trainer"


@transaction("trainings.manage")
def assign(actor: Actor, training_id: UUID, phone: str) -> Any:
    """Makes the person who has bound this phone a trainer of the training, once; returns the trainer.

    Raises DomainError `not_found`, `training_cancelled`, `trainer_unknown` or `role_conflict`.
    """
    training = _training(training_id)
    if training.state == TrainingState.cancelled:
        raise DomainError("training_cancelled")
    user_id = people.find_by_phone(SYSTEM, keyring().blind_index(phone))
    if user_id is None:
        raise DomainError("trainer_unknown")
    if _grant(SYSTEM, training_id, user_id, actor.user_id):
        audit.record(actor, "training.trainer_assigned", training, trainer=str(user_id))
        told = f"您被安排担任“{training.title}”的讲师/签到员，{training.starts_at:%Y-%m-%d %H:%M} 开始。"
        facts = notices.training_facts(training.title, training.starts_at, training.place)
        outbox.notify(user_id, "training.trainer_assigned", training, "培训工作安排", told, facts)
    return next(trainer for trainer in _trainers(SYSTEM, training_id) if trainer.user_id == user_id)


@transaction("trainings.manage")
def trainers(_actor: Actor, training_id: UUID) -> list[Any]:
    """Returns the trainers of a training, in the order they were assigned; raises DomainError `not_found`."""
    return _trainers(SYSTEM, _training(training_id).id)


@transaction("trainings.manage")
def remove(actor: Actor, training_id: UUID, user_id: UUID) -> None:
    """Takes the assignment back, effective at once; raises DomainError `not_found`."""
    training = _training(training_id)
    if not _revoke(SYSTEM, training_id, user_id):
        raise DomainError("not_found")
    audit.record(actor, "training.trainer_removed", training, trainer=str(user_id))


def _training(training_id: UUID) -> Training:
    found = session().execute(select(Training).where(Training.id == training_id)).scalar()
    if found is None:
        raise DomainError("not_found")
    return found


# The grants of other people are out of every member of staff's reach: the program acts for them.


@transaction(None)
def _grant(actor: Actor, training_id: UUID, user_id: UUID, granted_by: UUID | None) -> bool:
    try:
        return roles.grant(actor, user_id, ROLE, "training", str(training_id), granted_by)
    except DomainError as refusal:
        raise DomainError("trainer_unknown") if refusal.code == "not_found" else refusal from None


@transaction(None)
def _revoke(_actor: Actor, training_id: UUID, user_id: UUID) -> bool:
    revoked = delete(RoleGrant).where(*_held_in(training_id), RoleGrant.user_id == user_id)
    return session().execute(revoked.returning(RoleGrant.id)).first() is not None


@transaction(None)
def _trainers(_actor: Actor, training_id: UUID) -> list[Any]:
    columns = (User.id.label("user_id"), User.name, User.phone, RoleGrant.created_at.label("assigned_at"))
    held = select(*columns).join(RoleGrant, RoleGrant.user_id == User.id).where(*_held_in(training_id))
    return list(session().execute(held.order_by(RoleGrant.id)))


def _held_in(training_id: UUID) -> tuple[Any, ...]:
    return (
        RoleGrant.role == ROLE,
        RoleGrant.scope_type == "training",
        RoleGrant.scope_id == str(training_id),
    )
