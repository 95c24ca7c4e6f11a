"""分层培训 inside a case: for one layer of the enterprise, who is to come, who came (notice 二（二）3)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, delete, func, literal, select, update

from app import audit
from app.access import Actor
from app.errors import DomainError
from app.services import case_acts
from app.transactions import session, transaction
from models.base import now
from models.cases import LIMITS, CaseAttendee, CaseTraining

FIELDS = ("audience", "title", "trainer", "place", "starts_at", "ends_at")


@transaction("cases.work")
def add(actor: Actor, case_id: UUID, given: dict[str, Any]) -> CaseTraining:
    """Adds a training with FIELDS.

    Raises DomainError `not_found`, `case_state`, `correction_open`, or `validation_failed` for times that do
    not fit together.
    """
    case = case_acts.hold_for(case_id, "trainings")
    made = CaseTraining(case_id=case_id, **given)
    case_acts.require_times(made)
    session().add(made)
    session().flush()
    audit.record(actor, "case.training_added", case, audience=made.audience.label)
    return made


@transaction("cases.work")
def change(actor: Actor, training_id: UUID, changes: dict[str, Any]) -> CaseTraining:
    """Changes some of FIELDS; raises what `add` raises."""
    case, training = case_acts.hold_part(CaseTraining, training_id, "trainings")
    changed = sorted(name for name, value in changes.items() if getattr(training, name) != value)
    for name in changed:
        setattr(training, name, changes[name])
    case_acts.require_times(training)
    if changed:
        audit.record(actor, "case.training_changed", case, audience=training.audience.label, fields=changed)
    return training


@transaction("cases.work")
def add_attendees(actor: Actor, training_id: UUID, people: Sequence[tuple[str, str]]) -> list[CaseAttendee]:
    """Puts people on a training's list, each with name and post; returns those added.

    Raises DomainError `not_found`, `case_state`, `correction_open` or `attendees_too_many`.
    """
    case, training = case_acts.hold_part(CaseTraining, training_id, "trainings")
    # The case is held: nobody else adds to the list meanwhile.
    listed = select(func.count()).where(CaseAttendee.training_id == training_id)
    most = LIMITS["attendees"][1]
    if session().execute(listed).scalar_one() + len(people) > most:
        raise DomainError("attendees_too_many", limit=most)
    made = [
        CaseAttendee(case_id=case.id, training_id=training_id, name=name, post=post) for name, post in people
    ]
    session().add_all(made)
    session().flush()
    audit.record(actor, "case.attendees_added", case, audience=training.audience.label, people=len(made))
    return made


@transaction("cases.work")
def remove_attendee(actor: Actor, attendee_id: UUID) -> UUID:
    """Takes somebody off the list, and returns the training's id.

    Raises DomainError `not_found`, `case_state`, `correction_open`, or `attendee_attended` for who came.
    """
    case, attendee = case_acts.hold_part(CaseAttendee, attendee_id, "trainings")
    if attendee.attended:
        raise DomainError("attendee_attended")
    session().execute(delete(CaseAttendee).where(CaseAttendee.id == attendee_id))
    audit.record(actor, "case.attendee_removed", case)
    return attendee.training_id


@transaction("cases.work")
def record_attendance(actor: Actor, training_id: UUID, came: Collection[UUID]) -> CaseTraining:
    """Records who of the list came; all others did not.

    Raises DomainError `not_found`, `case_state`, `correction_open`, `case_training_ahead` before it began,
    or `validation_failed` for people who are not on the list.
    """
    case, training = case_acts.hold_part(CaseTraining, training_id, "trainings")
    if training.starts_at > now():
        raise DomainError("case_training_ahead")
    recorded = (
        update(CaseAttendee)
        .where(CaseAttendee.training_id == training_id)
        .values(attended=CaseAttendee.id == any_(literal(list(came), ARRAY(Uuid()))))
        .returning(CaseAttendee.id)
        .execution_options(synchronize_session=False)
    )
    listed = set(session().execute(recorded).scalars())
    if set(came) - listed:
        raise DomainError("validation_failed", fields={"attended": ["有人不在参训名单中，请刷新后重试"]})
    audit.record(
        actor, "case.attendance_recorded", case, audience=training.audience.label, people=len(set(came))
    )
    return training
