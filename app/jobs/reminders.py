"""Jobs of reminders."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from app.access import SYSTEM
from app.jobs import task
from app.services import reminders


@task("reminders.remind")
def remind(session_id: str, starts_at: str, minutes: int) -> None:
    """Reminds of a session, at the minute it is due."""
    reminders.remind(SYSTEM, UUID(session_id), datetime.fromisoformat(starts_at), minutes)


@task("reminders.catch_up", cron="*/10 * * * *")
def catch_up() -> None:
    """Every ten minutes: makes up for what a lost job left behind."""
    for session_id, starts_at, minutes in reminders.lately_due(SYSTEM):
        reminders.remind(SYSTEM, session_id, starts_at, minutes)
