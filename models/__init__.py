"""Tables, constraints, enums and their legal moves; no Flask request, no HTTP."""

from models import audit, checkins, enterprises, messages, people, reference, requests, signups, trainings

__all__ = [
    "audit",
    "checkins",
    "enterprises",
    "messages",
    "people",
    "reference",
    "requests",
    "signups",
    "trainings",
]
