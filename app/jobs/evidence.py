"""Jobs of evidence."""

from __future__ import annotations

from app.jobs import task
from app.services import evidence


@task("evidence.sweep", cron="43 18 * * *")
def sweep() -> None:
    """Every night (02:43 in Beijing): deletes contents that no case names."""
    evidence.sweep()
