"""Pages of the requests to join an enterprise that has no owner: staff appoint one, or turn them down."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response, url_for

from app.access import Actor
from app.console.enterprises import url_of
from app.console.frame import back, done, page, require
from app.console.lists import list_page
from app.services import membership_desk, membership_requests


@page("/membership-requests", endpoint="membership_requests")
@require("enterprises.review")
def index(actor: Actor) -> Response:
    """The requests that wait."""
    links = {"enterprise": lambda row: url_of(row["enterprise_id"])}
    return list_page(actor, membership_desk.REGISTER, template="enterprises/requests.html", links=links)


@page("/membership-requests/<uuid:request_id>/appoint", methods=("POST",), endpoint="membership_appoint")
@require("enterprises.review")
def appoint(actor: Actor, request_id: UUID) -> Any:
    """Makes who asks the owner."""
    membership_requests.appoint(actor, request_id)
    return done("已同意，申请人成为企业负责人，并已通知本人。", back(url_for(".membership_requests")))


@page("/membership-requests/<uuid:request_id>/turn-down", methods=("POST",), endpoint="membership_turn_down")
@require("enterprises.review")
def turn_down(actor: Actor, request_id: UUID) -> Any:
    """Turns who asks down."""
    membership_requests.turn_down(actor, request_id)
    return done("已拒绝该申请，并已通知本人。", back(url_for(".membership_requests")))
