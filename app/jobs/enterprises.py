"""Jobs of enterprises."""

from __future__ import annotations

from uuid import UUID

from app.access import SYSTEM
from app.jobs import task
from app.services import enterprise_merges


@task("enterprises.finish_merge")
def finish_merge(enterprise_id: str) -> None:
    """Takes over what was written for a merged enterprise by acts that began before."""
    enterprise_merges.finish(SYSTEM, UUID(enterprise_id))
