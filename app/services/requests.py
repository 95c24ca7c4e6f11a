"""Idempotency keys: how long an answer is kept for a repeated request."""

from __future__ import annotations

from sqlalchemy import delete, func, text

from app.access import Actor
from app.transactions import session, transaction
from models.requests import IdempotencyKey


@transaction(None)
def forget(_actor: Actor) -> None:
    """Forgets answers older than a day."""
    session().execute(
        delete(IdempotencyKey).where(IdempotencyKey.created_at < func.now() - text("interval '1 day'"))
    )
