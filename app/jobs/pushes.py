"""Jobs of the platform's events."""

from __future__ import annotations

from typing import Any

from app.access import SYSTEM
from app.jobs import task
from app.services import pushes


@task("pushes.handle")
def handle(**event: Any) -> None:
    """Does what an event obliges us to."""
    pushes.handle(SYSTEM, **event)


@task("pushes.complete")
def complete(**result: Any) -> None:
    """Completes a delivery whose result came before our own record of the message."""
    pushes.complete(SYSTEM, **result)
