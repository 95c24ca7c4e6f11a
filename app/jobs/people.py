"""Jobs of people."""

from __future__ import annotations

from uuid import UUID

from app.access import SYSTEM
from app.jobs import task
from app.services import people


@task("people.close_account")
def close_account(user_id: str) -> None:
    """Closes an account whose time has come."""
    people.close_account(SYSTEM, UUID(user_id))


@task("people.close_due_accounts", cron="7 * * * *")
def close_due_accounts() -> None:
    """Every hour: closes what a lost job left behind."""
    for user_id in people.due_closures(SYSTEM):
        people.close_account(SYSTEM, user_id)
