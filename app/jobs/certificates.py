"""Jobs of certificates."""

from __future__ import annotations

from uuid import UUID

from app.access import SYSTEM
from app.jobs import task
from app.services import certificates


@task("certificates.tell_earned")
def tell_earned(training_id: str) -> None:
    """Tells those who earned the certificate of a training, when it has ended."""
    certificates.tell_earned(SYSTEM, UUID(training_id))


@task("certificates.tell_lately_earned", cron="23 1-12 * * *")
def tell_lately_earned() -> None:
    """Every hour of the day in Beijing: tells those whose attendance was written down later."""
    for training_id in certificates.lately_ended(SYSTEM):
        certificates.tell_earned(SYSTEM, training_id)
