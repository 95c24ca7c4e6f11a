"""The page of an auditor: the audit trail."""

from __future__ import annotations

from flask import Response

from app.access import Actor
from app.console.frame import page, require
from app.console.lists import list_page
from app.services.audit_trail import AUDIT_TRAIL


@page("/audit", endpoint="audit_trail")
@require("audit.read")
def index(actor: Actor) -> Response:
    """Who did what, newest first."""
    return list_page(actor, AUDIT_TRAIL)
