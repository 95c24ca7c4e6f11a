"""Jobs of the platform's events."""

from __future__ import annotations

from app.access import SYSTEM
from app.jobs import task
from app.services import pushes


@task("pushes.handle")
def handle(name: str, openid: str, revoked: list[str]) -> None:
    """Does what an event obliges us to."""
    pushes.handle(SYSTEM, name, openid, revoked)
