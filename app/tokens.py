"""Our own tokens: opaque, short-lived for access, rotating for refresh; only their hashes are kept."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from config.settings import settings
from models.base import now


@dataclass(frozen=True)
class Pair:
    """An access token and the refresh token that follows it."""

    access_token: str
    access_expires_at: datetime
    refresh_token: str
    refresh_expires_at: datetime


def issue(sign_in_id: UUID) -> Pair:
    """Returns a fresh pair for a family of tokens; the refresh token names its family."""
    moment = now()
    return Pair(
        access_token=secrets.token_urlsafe(32),
        access_expires_at=moment + timedelta(minutes=settings().access_token_minutes),
        refresh_token=f"{sign_in_id.hex}.{secrets.token_urlsafe(32)}",
        refresh_expires_at=moment + timedelta(days=settings().refresh_token_days),
    )


def columns(pair: Pair) -> dict[str, Any]:
    """Returns what is stored of a pair."""
    return {
        "access_hash": digest(pair.access_token),
        "access_expires_at": pair.access_expires_at,
        "refresh_hash": digest(pair.refresh_token),
        "refresh_expires_at": pair.refresh_expires_at,
    }


def digest(token: str) -> bytes:
    """Returns the SHA-256 of a token: 256 random bits need no slow hash."""
    return hashlib.sha256(token.encode()).digest()


def sign_in_of(refresh_token: str) -> UUID | None:
    """Returns the family that a refresh token names, None if it names none."""
    try:
        return UUID(hex=refresh_token.partition(".")[0])
    except ValueError:
        return None
