"""The workbench: the first page after signing in."""

from __future__ import annotations

from flask import Response

from app.access import Actor
from app.console.frame import page, render, require
from app.services import overview, transfers
from models.base import now


@page("/", endpoint="home")
@require("people.staff")
def home(actor: Actor) -> Response:
    """What waits, what comes next, and how the division stands."""
    seen = overview.overview(actor)
    return render("home.html", seen=seen, today=now(), transfers=transfers.mine(actor, 5))
