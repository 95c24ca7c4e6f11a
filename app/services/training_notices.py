"""Telling everybody who has signed up for a training, in one statement however many they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Uuid, func, literal, select, union

from app import outbox
from app.access import Actor
from app.transactions import session, transaction
from models.signups import ACTIVE, Signup
from models.trainings import Training


@transaction(None)
def tell_signed_up(
    _actor: Actor,
    training_id: UUID,
    kind: str,
    title: str,
    body: str,
    facts: Mapping[str, str],
    *,
    once: str = "",
) -> None:
    """Leaves a notice for everybody with an active sign-up, and for who signed them up.

    A second one of the same kind and `once` is the same one, as in `outbox.notify`.
    """
    found = people(training_id, *_active(training_id))
    outbox.notify_found(found, kind, Training.__tablename__, title, body, facts, once=once)


@transaction("trainings.manage")
def count_signed_up(_actor: Actor, training_id: UUID) -> int:
    """Returns how many people `tell_signed_up` would tell."""
    found = people(training_id, *_active(training_id)).subquery()
    return session().execute(select(func.count()).select_from(found)).scalar_one()


def _active(training_id: UUID) -> tuple[Any, ...]:
    return Signup.training_id == training_id, Signup.state.in_(ACTIVE)


def people(training_id: UUID, *which: Any) -> Any:
    """Returns the query of the attendees of some sign-ups and of who signed them up, each once."""
    subject = literal(training_id, Uuid()).label("subject_id")
    return union(
        select(Signup.created_by.label("user_id"), subject).where(*which),
        select(Signup.attendee_user_id, subject).where(*which, Signup.attendee_user_id.is_not(None)),
    )
