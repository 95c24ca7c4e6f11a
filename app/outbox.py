"""What a service leaves for others to do: notices to people, and jobs, in its own transaction."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import LargeBinary, Text, Uuid, bindparam, cast, func, literal, select
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import insert

from app import notices
from app.prepared import Prepared, rows_given
from app.transactions import session
from models.base import NEW_ID, Base, new_id
from models.crypto import keyring
from models.messages import Notice

_DEFER = sql(
    """
    SELECT procrastinate_defer_jobs_v1(array_agg(
        ROW('default', task, 0, NULL, queueing_lock, args, at)::procrastinate_job_to_defer_v1
    ))
    FROM unnest(
        CAST(:tasks AS text[]), CAST(:locks AS text[]), CAST(:args AS jsonb[]), CAST(:at AS timestamptz[])
    ) AS job (task, queueing_lock, args, at)
    """
)


@dataclass(frozen=True, slots=True)
class Told:
    """One of several notices of a kind: to whom, of which row, and in which words."""

    user_id: UUID
    subject_id: UUID
    body: str
    facts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Job:
    """One of several jobs: its name in app/jobs, when it is due at the earliest, and what it is given."""

    task: str
    at: datetime | None
    args: Mapping[str, Any]
    queueing_lock: str | None = None


def notify(
    user_id: UUID | None,
    kind: str,
    subject: Base,
    title: str,
    body: str,
    facts: Mapping[str, str],
    *,
    once: str = "",
) -> None:
    """Leaves a notice for a person; a second one of the same kind, subject and `once` is the same one.

    A person who is not known to the program yet (`user_id` None) is told nothing. Raises LookupError or
    ValueError for a kind or facts that app/notices.py does not know.
    """
    notify_many([user_id] if user_id else [], kind, subject, title, body, facts, once=once)


def notify_many(
    user_ids: Iterable[UUID],
    kind: str,
    subject: Base,
    title: str,
    body: str,
    facts: Mapping[str, str],
    *,
    once: str = "",
) -> None:
    """Leaves the same notice for many people, as `notify` does, in one statement."""
    subject_id: UUID = subject.id  # type: ignore[attr-defined]
    told = [Told(user_id, subject_id, body, facts) for user_id in user_ids]
    notify_each(told, kind, subject.__tablename__, title, once=once)


def notify_each(told: Iterable[Told], kind: str, subject_type: str, title: str, *, once: str = "") -> None:
    """Leaves notices of one kind about rows of one table, as `notify` does, in one statement."""
    rows = list(told)
    facts = [notices.to_json(kind, one.facts) for one in rows]
    sealed = {text: keyring().encrypt(text.encode(), _FACTS) for text in set(facts)}
    if rows:
        _LEAVE(
            ids=[new_id() for _ in rows],
            users=[one.user_id for one in rows],
            subjects=[one.subject_id for one in rows],
            texts=[one.body[:500] for one in rows],
            facts=[sealed[text] for text in facts],
            keys=[f"{kind}:{one.subject_id}:{one.user_id}:{once}" for one in rows],
            of_kind=kind,
            of_type=subject_type,
            titled=title[:60],
        )


def notify_found(
    people: Any,
    kind: str,
    subject_type: str,
    title: str,
    body: str,
    facts: Mapping[str, str],
    *,
    once: str = "",
) -> int:
    """Leaves the same notice for whomever a query finds, as `notify` does, in one statement.

    Args:
        people: a SELECT of the columns `user_id` and `subject_id`.

    Returns how many were not told before.
    """
    found = people.subquery()
    key = (literal(f"{kind}:"), cast(found.c.subject_id, Text), literal(":"), cast(found.c.user_id, Text))
    values = {
        "id": NEW_ID,
        "user_id": found.c.user_id,
        "subject_id": found.c.subject_id,
        "kind": literal(kind),
        "title": literal(title[:60]),
        "body": literal(body[:500]),
        "facts": literal(notices.to_json(kind, facts), Notice.facts.type),
        "subject_type": literal(subject_type),
        "dedupe_key": func.concat(*key, literal(f":{once}")),
    }
    done: Any = session().execute(_insert(values, found), execution_options={"preserve_rowcount": True})
    return int(done.rowcount)


def _insert(values: Mapping[str, Any], rows: Any) -> Any:
    found = select(*(value.label(name) for name, value in values.items())).select_from(rows)
    made = insert(Notice).from_select(list(values), found, include_defaults=False)
    return made.on_conflict_do_nothing(index_elements=["dedupe_key"])


_given = rows_given("given", id=Uuid, user=Uuid, subject=Uuid, text=Text, fact=LargeBinary, key=Text)
_LEAVE = Prepared(
    _insert(
        {
            "id": _given.c.id,
            "user_id": _given.c.user,
            "subject_id": _given.c.subject,
            "body": _given.c.text,
            "facts": _given.c.fact,
            "dedupe_key": _given.c.key,
            "kind": bindparam("of_kind", type_=Text),
            "subject_type": bindparam("of_type", type_=Text),
            "title": bindparam("titled", type_=Text),
        },
        _given,
    )
)
_FACTS = Notice.facts.type.column


def defer(task: str, *, at: datetime | None = None, queueing_lock: str | None = None, **args: Any) -> None:
    """Enqueues a background job in the act's transaction: a rollback takes it back.

    Args:
        task: the job's name in app/jobs.
        at: not before this time.
    """
    defer_many([Job(task, at, args, queueing_lock)])


def defer_many(jobs: Iterable[Job]) -> None:
    """Enqueues jobs, as `defer` does, in one statement."""
    rows = list(jobs)
    if rows:
        session().execute(
            _DEFER,
            {
                "tasks": [job.task for job in rows],
                "args": [json.dumps(dict(job.args)) for job in rows],
                "at": [job.at for job in rows],
                "locks": [job.queueing_lock for job in rows],
            },
        )
