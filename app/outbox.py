"""What a service leaves for others to do: notices to people, and jobs, in its own transaction."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert

from app.transactions import session
from models.base import Base, new_id
from models.messages import Notice

_DEFER = text(
    """
    SELECT procrastinate_defer_jobs_v1(ARRAY[
        ROW(:queue, :task, 0, NULL, :queueing_lock, CAST(:args AS jsonb), :at)::procrastinate_job_to_defer_v1
    ])
    """
)


def notify(user_id: UUID | None, kind: str, subject: Base, title: str, body: str, *, once: str = "") -> None:
    """Leaves a notice for a person; a second one of the same kind, subject and `once` is the same one.

    A person who is not known to the program yet (`user_id` None) is told nothing.
    """
    if user_id is None:
        return
    notify_many([user_id], kind, subject, title, body, once=once)


def notify_many(
    user_ids: Iterable[UUID], kind: str, subject: Base, title: str, body: str, *, once: str = ""
) -> None:
    """Leaves the same notice for many people, in one statement."""
    subject_id: UUID = subject.id  # type: ignore[attr-defined]
    rows = [
        {
            "id": new_id(),
            "user_id": user_id,
            "kind": kind,
            "title": title[:60],
            "body": body[:500],
            "subject_type": subject.__tablename__,
            "subject_id": subject_id,
            "dedupe_key": f"{kind}:{subject_id}:{user_id}:{once}",
        }
        for user_id in user_ids
    ]
    if rows:
        session().execute(insert(Notice).on_conflict_do_nothing(index_elements=["dedupe_key"]), rows)


def defer(task: str, *, at: datetime | None = None, queueing_lock: str | None = None, **args: Any) -> None:
    """Enqueues a background job in the act's transaction: a rollback takes it back.

    Args:
        task: the job's name in app/jobs.
        at: not before this time.
    """
    session().execute(
        _DEFER,
        {
            "queue": "default",
            "task": task,
            "queueing_lock": queueing_lock,
            "args": json.dumps(args),
            "at": at,
        },
    )
