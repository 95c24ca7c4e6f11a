"""Tables, constraints, enums and their legal moves; no Flask request, no HTTP."""

from models import (
    agencies,
    audit,
    checkins,
    enterprises,
    financing,
    messages,
    people,
    reference,
    requests,
    signups,
    trainings,
    transfers,
)

__all__ = [
    "agencies",
    "audit",
    "checkins",
    "enterprises",
    "financing",
    "messages",
    "people",
    "reference",
    "requests",
    "signups",
    "trainings",
    "transfers",
]
