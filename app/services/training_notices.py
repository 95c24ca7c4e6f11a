"""Telling everybody who has signed up for a training, in one statement however many they are."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Text, Uuid, cast, func, literal, literal_column, select, union
from sqlalchemy.dialects.postgresql import insert

from app.access import Actor
from app.transactions import session, transaction
from models.messages import Notice
from models.signups import ACTIVE, Signup
from models.trainings import Training

# A UUIDv7 as models.base.new_id makes them, so that the inbox keeps its order: a random one with the
# milliseconds in front and the version raised from 4 to 7.
_NEW_ID: Any = literal_column(
    "encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid()) placing"
    " substring(int8send(floor(extract(epoch from clock_timestamp()) * 1000)::bigint) from 3)"
    " from 1 for 6), 52, 1), 53, 1), 'hex')::uuid",
    Uuid(),
)


@transaction(None)
def tell_signed_up(
    _actor: Actor, training_id: UUID, kind: str, title: str, body: str, *, once: str = ""
) -> None:
    """Leaves a notice for everybody with an active sign-up, and for who signed them up.

    A second one of the same kind and `once` is the same one, as in `outbox.notify`.
    """
    people = _signed_up(training_id)
    values = {
        "id": _NEW_ID,
        "user_id": people.c.user_id,
        "kind": literal(kind),
        "title": literal(title[:60]),
        "body": literal(body[:500]),
        "subject_type": literal(Training.__tablename__),
        "subject_id": literal(training_id, Uuid()),
        "dedupe_key": func.concat(
            literal(f"{kind}:{training_id}:"), cast(people.c.user_id, Text), literal(f":{once}")
        ),
    }
    notices = select(*(value.label(name) for name, value in values.items())).select_from(people)
    session().execute(
        insert(Notice)
        .from_select(list(values), notices, include_defaults=False)
        .on_conflict_do_nothing(index_elements=["dedupe_key"])
    )


@transaction("trainings.manage")
def count_signed_up(_actor: Actor, training_id: UUID) -> int:
    """Returns how many people `tell_signed_up` would tell."""
    return session().execute(select(func.count()).select_from(_signed_up(training_id))).scalar_one()


def _signed_up(training_id: UUID) -> Any:
    active = (Signup.training_id == training_id, Signup.state.in_(ACTIVE))
    return union(
        select(Signup.created_by.label("user_id")).where(*active),
        select(Signup.attendee_user_id).where(*active, Signup.attendee_user_id.is_not(None)),
    ).subquery()
