"""Tables, constraints, enums and their legal moves; no Flask request, no HTTP."""

from models import (
    agencies,
    audit,
    campaigns,
    checkins,
    deliveries,
    enterprises,
    financing,
    message_templates,
    messages,
    people,
    reference,
    requests,
    signups,
    subscriptions,
    trainings,
    transfers,
)

__all__ = [
    "agencies",
    "audit",
    "campaigns",
    "checkins",
    "deliveries",
    "enterprises",
    "financing",
    "message_templates",
    "messages",
    "people",
    "reference",
    "requests",
    "signups",
    "subscriptions",
    "trainings",
    "transfers",
]
