"""Jobs of assistance cases."""

from __future__ import annotations

from uuid import UUID

from app.access import SYSTEM
from app.jobs import task
from app.services import case_deadlines, case_offers


@task("cases.expire_offers")
def expire_offers(case_id: str) -> None:
    """Ends the offers of a case that nobody answered, at the minute their time is up."""
    case_offers.expire(SYSTEM, UUID(case_id))


@task("cases.watch_deadlines", cron="*/10 * * * *")
def watch_deadlines() -> None:
    """Every ten minutes: ends what a lost job left behind, and tells of what is overdue."""
    for case_id in case_offers.overdue(SYSTEM):
        case_offers.expire(SYSTEM, case_id)
    for late in case_deadlines.to_escalate(SYSTEM):
        case_deadlines.escalate(SYSTEM, late)
