"""Pages of how sending stands: pauses, the queue, and automatic notices one by one."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response, url_for

from app.access import Actor
from app.console.frame import done, page, render, require
from app.console.lists import list_page
from app.services import sending_figures, sending_pauses
from models.deliveries import DeliveryState
from models.message_templates import Channel


@page("/messages/sending", endpoint="sending")
@require("messages.desk")
def index(actor: Actor) -> Response:
    """Pauses and figures."""
    return render(
        "messages/sending.html",
        pauses=sending_pauses.open_pauses(actor),
        figures=sending_figures.figures(actor),
        channels=tuple(Channel),
        states=tuple(DeliveryState),
        open_states=sending_figures.OPEN,
    )


@page("/messages/pauses/<uuid:pause_id>/lift", methods=("POST",), endpoint="sending_lift")
@require("messages.templates")
def lift(actor: Actor, pause_id: UUID) -> Any:
    """Lets sending go on."""
    sending_pauses.lift(actor, pause_id)
    return done("已恢复发送。原因若仍在，会再次暂停并提示。", url_for(".sending"))


@page("/messages/sending/automatic", endpoint="sending_automatic")
@require("messages.desk")
def automatic(actor: Actor) -> Response:
    """Automatic notices one by one."""
    return list_page(actor, sending_figures.AUTOMATIC, template="messages/automatic.html")
