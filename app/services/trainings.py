"""Trainings: drafted, changed, published, cancelled and copied (notice 二（一）)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from app import audit, notices
from app.access import SYSTEM, Actor
from app.errors import DomainError
from app.services import reminders, seats
from app.services import training_rules as rules
from app.services.training_catalogue import details
from app.services.training_notices import tell_signed_up
from app.transactions import session, transaction
from models.base import new_id, now
from models.lifecycle import move
from models.reference import Division
from models.trainings import Training, TrainingSession, TrainingState

# What a person sets; the rest is counted, derived or moved.
FIELDS = (
    "division_id",
    "title",
    "description",
    "mode",
    "provider",
    "audience",
    "organiser",
    "place",
    "online_url",
    "open_to",
    "capacity",
    "seats_per_enterprise",
    "opens_at",
    "closes_at",
    "change_deadline",
    "cancel_deadline",
    "needs_approval",
    "offer_minutes",
    "certificate_percent",
    "remind_before",
    "starts_at",
    "ends_at",
)
_OVER = (TrainingState.cancelled, TrainingState.discarded)
_SESSION_FIELDS = ("number", "title", "starts_at", "ends_at", "checkin_from", "checkin_until")
_CONTENT = select(*(getattr(Training, name) for name in FIELDS))
_SESSIONS = select(*(getattr(TrainingSession, name) for name in _SESSION_FIELDS)).order_by(
    TrainingSession.number
)


@transaction("trainings.manage")
def create(actor: Actor, given: dict[str, Any]) -> dict[str, Any]:
    """Writes a draft and returns it.

    Raises DomainError `validation_failed`, `session_times_invalid`, `division_unknown` or
    `permission_denied` (a division out of the actor's reach).
    """
    values = sound(actor, given)
    training_id = new_id()
    write(training_id, values)
    audit.record(
        actor, "training.created", (Training.__tablename__, training_id), division=values["division_id"]
    )
    return details(actor, training_id)


@transaction("trainings.manage")
def import_draft(actor: Actor, import_key: str, given: dict[str, Any]) -> bool:
    """Writes a draft unless one was imported under this key before; returns whether it did.

    Raises what `create` raises.
    """
    values = sound(actor, given)
    training_id = new_id()
    if not write(training_id, values, import_key=import_key):
        return False
    audit.record(
        actor, "training.imported", (Training.__tablename__, training_id), division=values["division_id"]
    )
    return True


def sound(actor: Actor, given: dict[str, Any]) -> dict[str, Any]:
    """Returns the training complete with its defaults and checked; raises what `create` raises."""
    values = rules.complete(given)
    rules.check(values)
    asked = {values["division_id"], *values["open_to"]}
    known = set(session().execute(select(Division.id).where(Division.id.in_(asked))).scalars())
    if values["division_id"] not in known:
        raise DomainError("division_unknown", fields={"division_id": ["所属辖区不存在"]})
    if asked - known:
        unknown = "、".join(sorted(asked - known))
        raise DomainError("division_unknown", fields={"open_to": [f"辖区不存在：{unknown}"]})
    if not actor.reaches_division(values["division_id"]):
        raise DomainError("permission_denied", fields={"division_id": ["不在您的管辖范围内"]})
    return values


def write(training_id: UUID, values: dict[str, Any], **also: Any) -> bool:
    """Inserts a checked training with its sessions; returns False when its `import_key` is taken."""
    row = {"id": training_id, "state": TrainingState.draft, "taken": 0, "waiting": 0, "waiting_seq": 0}
    row |= {"revision": 0, **{name: values[name] for name in FIELDS}, **also}
    made = insert(Training).values(row).on_conflict_do_nothing(index_elements=["import_key"])
    if session().execute(made.returning(Training.id)).first() is None:
        return False
    belongs = {"training_id": training_id, "division_id": values["division_id"]}
    session().add_all(TrainingSession(**belongs, **one) for one in values["sessions"])
    return True


@transaction("trainings.manage")
def change(actor: Actor, training_id: UUID, changes: dict[str, Any]) -> dict[str, Any]:
    """Changes a draft in anything, a published training in what CHANGEABLE names.

    Those signed up are told of a new time or place; new seats go to the waiting list. Raises DomainError
    `not_found`, `training_cancelled`, `validation_failed`, `session_times_invalid`, `division_unknown`,
    `permission_denied`, `capacity_below_taken` or `session_has_scans`.
    """
    training = seats.hold(actor, training_id)
    if training.state in _OVER:
        raise DomainError("training_cancelled")
    published = training.state == TrainingState.published
    before = _content(training_id)
    after = sound(actor, before | _following(before, changes) | changes)
    if published:
        rules.check_change(before, after)
    changed = sorted(name for name in after if after[name] != before[name])
    if not changed:
        return details(actor, training_id)
    moved = published and rules.schedule(before) != rules.schedule(after)
    revision = training.revision + moved
    _update(training_id, after, revision)
    if {"sessions", "division_id"} & set(changed):
        _replace_sessions(training_id, after)
    audit.record(actor, "training.changed", training, fields=changed)
    if moved:
        _tell_moved(training_id, after, revision)
    if published and {"sessions", "remind_before"} & set(changed):
        reminders.schedule(SYSTEM, training_id)
    if published and after["capacity"] > before["capacity"] and after["starts_at"] > now():
        seats.promote_waiting(SYSTEM, training_id)
    return details(actor, training_id)


def _tell_moved(training_id: UUID, values: dict[str, Any], revision: int) -> None:
    facts = notices.training_facts(values["title"], values["starts_at"], values["place"])
    told = f"“{values['title']}”的时间或地点有调整：{facts['time']}，{facts['place']}。请查看最新安排。"
    once = str(revision)
    tell_signed_up(SYSTEM, training_id, "training.changed", "培训安排有调整", told, facts, once=once)


def _following(before: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """What was left to follow another field goes on following it."""
    following: dict[str, Any] = {}
    if "closes_at" in changes:
        following |= dict.fromkeys(name for name in rules.DEADLINES if before[name] == before["closes_at"])
    if before["open_to"] == [before["division_id"]]:
        following["open_to"] = None
    return following


def _update(training_id: UUID, values: dict[str, Any], revision: int) -> None:
    # The seats taken are compared by the statement itself, whatever was read before.
    changed = session().execute(
        update(Training)
        .where(Training.id == training_id, Training.taken <= values["capacity"])
        .values({name: values[name] for name in FIELDS} | {"revision": revision})
        .returning(Training.id)
        .execution_options(synchronize_session=False)
    )
    if changed.first() is None:
        taken = session().execute(select(Training.taken).where(Training.id == training_id)).scalar_one()
        raise DomainError(
            "capacity_below_taken", fields={"capacity": [f"不能低于已占用的 {taken} 个名额"]}, taken=taken
        )


def _replace_sessions(training_id: UUID, values: dict[str, Any]) -> None:
    """Session n remains session n, with the id that calendars and check-ins know it by."""
    of_training = select(TrainingSession).where(TrainingSession.training_id == training_id)
    rows = {row.number: row for row in session().execute(of_training).scalars()}
    for one in values["sessions"]:
        row = rows.get(one["number"])
        if row is None:
            session().add(TrainingSession(training_id=training_id, division_id=values["division_id"], **one))
            continue
        for name in _SESSION_FIELDS:
            setattr(row, name, one[name])
        row.division_id = values["division_id"]
    beyond = (TrainingSession.training_id == training_id, TrainingSession.number > len(values["sessions"]))
    try:
        with session().begin_nested():
            session().execute(
                delete(TrainingSession).where(*beyond).execution_options(synchronize_session=False)
            )
    except IntegrityError:
        raise DomainError("session_has_scans", fields={"sessions": ["已有扫码记录的场次不能删除"]}) from None


@transaction("trainings.manage")
def editable(_actor: Actor, training_id: UUID) -> dict[str, Any]:
    """Returns what `change` may change, with the state that decides what; raises what `change` raises."""
    found = session().execute(select(Training.state).where(Training.id == training_id)).scalar()
    if found in _OVER:
        raise DomainError("training_cancelled")
    return {**_content(training_id), "state": found}


@transaction("trainings.manage")
def publish(actor: Actor, training_id: UUID) -> dict[str, Any]:
    """Publishes a draft and sees to its reminders.

    Raises DomainError `not_found` or `training_started`, IllegalMove.
    """
    training = seats.hold(actor, training_id)
    move(training, TrainingState.published)
    if training.starts_at <= now():
        raise DomainError("training_started")
    audit.record(actor, "training.published", training)
    session().flush()
    reminders.schedule(SYSTEM, training_id)
    return details(actor, training_id)


@transaction("trainings.manage")
def cancel(actor: Actor, training_id: UUID, reason: str) -> dict[str, Any]:
    """Cancels a training that is not over, with every active sign-up; those people are told why.

    Raises DomainError `not_found` or `training_ended`, IllegalMove.
    """
    training = seats.hold(actor, training_id)
    # A draft was never announced and is not now: it is discarded, out of the public's sight.
    published = training.state == TrainingState.published
    move(training, TrainingState.cancelled if published else TrainingState.discarded)
    if published and training.ends_at <= now():
        raise DomainError("training_ended")
    training.state_reason = reason
    training.revision += 1
    audit.record(actor, "training.cancelled", training)
    session().flush()
    if published:
        seats.cancel_all(SYSTEM, training_id, reason)
    return details(actor, training_id)


@transaction("trainings.manage")
def copy(actor: Actor, training_id: UUID) -> dict[str, Any]:
    """Writes a new draft with the same content and times; raises DomainError `not_found`."""
    values = _content(training_id)
    new = new_id()
    write(new, values | {"title": f"{values['title'][:116]}（副本）"})
    audit.record(actor, "training.copied", (Training.__tablename__, new), source=str(training_id))
    session().flush()
    return details(actor, new)


def _content(training_id: UUID) -> dict[str, Any]:
    found = session().execute(_CONTENT.where(Training.id == training_id)).mappings().first()
    if found is None:
        raise DomainError("not_found")
    sessions = session().execute(_SESSIONS.where(TrainingSession.training_id == training_id)).mappings()
    return {**found, "sessions": [dict(one) for one in sessions]}
