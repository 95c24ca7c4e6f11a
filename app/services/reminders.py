"""Reminders: those who are to come are told again before each session, as long before as the training says.

A reminder is a job of its minute. A job whose session was moved, whose training was cancelled or whose lead
was given up finds nothing to do; one that is lost is made up for. Whoever was told is not told twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select

from app import notices, outbox
from app.access import Actor
from app.outbox import Job
from app.services.training_notices import people
from app.services.training_rules import SPAN
from app.transactions import session, transaction
from models.base import now
from models.signups import Signup, SignupState
from models.trainings import Training, TrainingSession, TrainingState

CATCH_UP = timedelta(hours=2)
"""How long a reminder whose job was lost is still made up for."""

EARLY = timedelta(minutes=1)
"""How far a worker's clock may be behind the database's, which says when a job is due."""

_SESSIONS = (
    select(
        TrainingSession.id,
        TrainingSession.training_id,
        TrainingSession.number,
        TrainingSession.title.label("session"),
        TrainingSession.starts_at,
        Training.title,
        Training.place,
        Training.ends_at,
        Training.remind_before,
    )
    .join(Training, Training.id == TrainingSession.training_id)
    .where(Training.state == TrainingState.published)
)


@transaction(None)
def schedule(_actor: Actor, training_id: UUID) -> None:
    """Enqueues what a published training will tell by itself: its reminders, and the certificates earned.

    Jobs enqueued before, for other times, are left: they will find nothing to do.
    """
    sessions = session().execute(_SESSIONS.where(TrainingSession.training_id == training_id)).all()
    jobs = [
        Job(
            "reminders.remind",
            at,
            {"session_id": str(one.id), "starts_at": one.starts_at.isoformat(), "minutes": minutes},
        )
        for one in sessions
        for minutes in one.remind_before
        if (at := one.starts_at - timedelta(minutes=minutes)) > now()
    ]
    end = max(one.ends_at for one in sessions)
    outbox.defer_many([*jobs, Job("certificates.tell_earned", end, {"training_id": str(training_id)})])


@transaction(None)
def remind(_actor: Actor, session_id: UUID, starts_at: datetime, minutes: int) -> int:
    """Reminds of a session that still begins at this time, unless a nearer reminder is due or it has begun.

    It goes to those whose seat was confirmed and who had signed up by then, and to who signed them up.
    Returns how many were told who had not been.
    """
    still = (TrainingSession.id == session_id, TrainingSession.starts_at == starts_at)
    found = session().execute(_SESSIONS.where(*still)).first()
    if found is None or _due(found.starts_at, found.remind_before) != minutes:
        return 0
    who = people(
        found.training_id,
        Signup.training_id == found.training_id,
        Signup.state == SignupState.confirmed,
        Signup.created_at <= starts_at - timedelta(minutes=minutes),
    )
    facts = notices.training_facts(found.title, starts_at, found.place) | {"session": found.session}
    body = f"“{found.title}”（{found.session}）将于 {facts['time']} 开始，{facts['place']}。请准时参加。"
    once = f"{found.number}:{int(starts_at.timestamp())}:{minutes}"
    table = Training.__tablename__
    return outbox.notify_found(who, "training.reminder", table, "培训提醒", body, facts, once=once)


@transaction(None)
def lately_due(_actor: Actor) -> list[tuple[UUID, datetime, int]]:
    """Returns the reminders that came due not longer than CATCH_UP ago, in case their own job was lost."""
    moment = now()
    # The earliest start is implied by SPAN; said here, the index skips the years that are over.
    coming = (Training.starts_at > moment - SPAN, TrainingSession.starts_at > moment)
    due: list[tuple[UUID, datetime, int]] = []
    for one in session().execute(_SESSIONS.where(*coming)):
        minutes = _due(one.starts_at, one.remind_before)
        if minutes is not None and one.starts_at - timedelta(minutes=minutes) > moment - CATCH_UP:
            due.append((one.id, one.starts_at, minutes))
    return due


def _due(starts_at: Any, remind_before: Sequence[int]) -> int | None:
    """Returns the lead whose turn it is, the nearest that has come; None before all, and at the start."""
    if now() >= starts_at:
        return None
    left = starts_at - now() - EARLY
    return min((lead for lead in remind_before if timedelta(minutes=lead) >= left), default=None)
