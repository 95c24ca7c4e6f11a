"""Enrolling people who attended a training without having signed up for it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from app import audit, outbox
from app.access import SYSTEM, Actor
from app.errors import DomainError
from app.services import enterprises, people, seats
from app.services.signups import Attendee
from app.transactions import session, transaction
from models.crypto import keyring
from models.signups import Signup, SignupState
from models.trainings import Training


@transaction("signups.review")
def enrol(actor: Actor, training_id: UUID, enterprise: Any, attendee: Attendee) -> None:
    """Signs somebody up for a training that has begun, confirmed at once, where a seat is free.

    Args:
        enterprise: whose person it is: id, name and state.

    Raises DomainError `not_found`, `enterprise_not_eligible`, `enterprise_seats_exceeded`,
    `training_full` or `attendee_duplicate`.
    """
    wanted = (Training.division_id, Training.seats_per_enterprise, *seats.TOLD)
    training = session().execute(select(*wanted).where(Training.id == training_id)).first()
    if training is None or actor.user_id is None:
        raise DomainError("not_found")
    enterprises.require_eligible(enterprise.state)
    index = keyring().blind_index(attendee.phone)
    signup = Signup(
        training_id=training_id,
        division_id=training.division_id,
        enterprise_id=enterprise.id,
        enterprise_name=enterprise.name,
        created_by=actor.user_id,
        attendee_name=attendee.name,
        attendee_phone=attendee.phone,
        attendee_phone_index=index,
        attendee_post=attendee.post,
        attendee_user_id=people.find_by_phone(SYSTEM, index),
        state=SignupState.confirmed,
    )
    audit.record(actor, "signup.enrolled", signup)
    limit = training.seats_per_enterprise
    seats.take_of_enterprise(training_id, training.division_id, enterprise.id, 1, limit)
    seats.take_after_start(training_id)
    session().add(signup)
    try:
        session().flush()
    except IntegrityError:
        raise DomainError("attendee_duplicate") from None
    body = f"主办单位已登记您参加“{training.title}”。"
    facts = seats.signup_facts(training, signup.attendee_name, signup.state)
    outbox.notify(signup.attendee_user_id, "signup.enrolled", signup, "已登记参训", body, facts)
