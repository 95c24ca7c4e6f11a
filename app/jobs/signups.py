"""Jobs of sign-ups."""

from __future__ import annotations

from uuid import UUID

from app.access import SYSTEM
from app.jobs import task
from app.services import seats


@task("signups.expire_offers")
def expire_offers(training_id: str) -> None:
    """Ends the offers of a training that ran out, at the minute they do."""
    seats.expire_offers(SYSTEM, UUID(training_id))


@task("signups.expire_overdue_offers", cron="*/5 * * * *")
def expire_overdue_offers() -> None:
    """Every five minutes: ends what a lost job left behind."""
    for training_id in seats.trainings_with_overdue_offers(SYSTEM):
        seats.expire_offers(SYSTEM, training_id)
