"""The audit row that every business act leaves."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import insert

from app.access import Actor
from app.prepared import Prepared
from config.settings import settings
from models.audit import AuditEvent
from models.base import Base, new_id

_WRITE = Prepared(insert(AuditEvent))


def record(
    actor: Actor,
    verb: str,
    subject: Base | tuple[str, UUID | str],
    *,
    division: str | None = None,
    **detail: Any,
) -> None:
    """Writes who did what to which row, in the act's own transaction.

    Args:
        verb: "signup.cancelled": the subject's noun and what happened to it.
        subject: the row, or (table name, id) on hot paths.
        division: whose the act is; else the subject's own division, else the actor's, else the one that
            runs the service, so that each act is in somebody's audit.
        detail: facts without personal data.
    """
    table, subject_id = subject if isinstance(subject, tuple) else (subject.__tablename__, subject.id)  # type: ignore[attr-defined]
    _WRITE(
        id=new_id(),
        user_id=actor.user_id,
        verb=verb,
        subject_type=table,
        subject_id=str(subject_id),
        division_id=division
        or getattr(subject, "division_id", None)
        or actor.home
        or settings().home_division,
        detail=detail,
        request_id=structlog.contextvars.get_contextvars().get("request_id"),
    )
