"""Jobs of people."""

from __future__ import annotations

from uuid import UUID

from app.access import SYSTEM
from app.jobs import task
from app.services import personal_data


@task("people.close_account")
def close_account(user_id: str) -> None:
    """Closes an account whose time has come."""
    personal_data.close_account(SYSTEM, UUID(user_id))


@task("people.close_due_accounts", cron="7 * * * *")
def close_due_accounts() -> None:
    """Every hour: closes what a lost job left behind."""
    for user_id in personal_data.due_closures(SYSTEM):
        personal_data.close_account(SYSTEM, user_id)
