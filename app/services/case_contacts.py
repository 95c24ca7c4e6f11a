"""Whom to call about a case: masked wherever it is shown, told singly to who must call."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from app import audit
from app.access import Actor
from app.services import cases
from app.transactions import transaction


class Contact(NamedTuple):
    """The person that the enterprise named, in full."""

    name: str
    phone: str


@transaction("cases.correct")
def reveal(actor: Actor, case_id: UUID) -> Contact:
    """Returns whom to call about a case, and leaves word of who saw it (PIPL 51, 54); raises `not_found`."""
    case = cases.find(case_id)
    audit.record(actor, "personal.revealed", case, what="contact")
    return Contact(case.contact_name, case.contact_phone)
