"""Jobs of transfers."""

from __future__ import annotations

from uuid import UUID

from app.jobs import task
from app.services import transfers


@task("transfers.run")
def run(transfer_id: str) -> None:
    """Carries an import or an export out."""
    transfers.run(UUID(transfer_id))
