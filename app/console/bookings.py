"""Pages of bookings: the register, one booking, and what the agency says became of it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from flask import Response, current_app, url_for

from app import calendars
from app.access import Actor
from app.console.forms import Form
from app.console.frame import attachment, done, page, render, require
from app.console.lists import list_page
from app.services import booking_desk, booking_moves
from models.base import now
from models.bookings import PASSING, BookingState
from schemas.base import ReasonBody


@page("/bookings", endpoint="bookings")
@require("bookings.desk")
def index(actor: Actor) -> Response:
    """The bookings of the actor's divisions or agency."""
    links = {"starts_at": lambda row: _url(row["id"])}
    return list_page(actor, booking_desk.REGISTER, template="bookings/list.html", links=links)


@page("/bookings/<uuid:booking_id>")
@require("bookings.desk")
def booking(actor: Actor, booking_id: UUID) -> Response:
    """One booking."""
    return _page(actor, booking_id)


def _page(actor: Actor, booking_id: UUID, **values: Any) -> Response:
    found = booking_desk.details(actor, booking_id)
    return render(
        "bookings/booking.html",
        booking=found,
        begun=found["starts_at"] <= now(),
        open=found["state"] == BookingState.booked,
        made=found["state"] not in PASSING,
        history=booking_desk.history(actor, booking_id),
        **values,
    )


@page("/bookings/<uuid:booking_id>/contact", methods=("POST",), endpoint="booking_contact")
@require("bookings.manage")
def contact(actor: Actor, booking_id: UUID) -> Response:
    """Shows whom to ask for, in full."""
    name, phone = booking_moves.reveal_contact(actor, booking_id)
    return _page(actor.acting("bookings.desk"), booking_id, revealed=(name, phone))


@page("/bookings/<uuid:booking_id>/seen", methods=("POST",), endpoint="booking_seen")
@require("bookings.manage")
def see(actor: Actor, booking_id: UUID) -> Any:
    """Notes that they met."""
    booking_moves.see(actor, booking_id)
    return done("已登记见面。", _url(booking_id))


@page("/bookings/<uuid:booking_id>/no-show", methods=("POST",), endpoint="booking_no_show")
@require("bookings.manage")
def miss(actor: Actor, booking_id: UUID) -> Any:
    """Notes that the enterprise did not come."""
    booking_moves.miss(actor, booking_id)
    return done("已登记企业未到，并已通知企业。", _url(booking_id))


@page("/bookings/<uuid:booking_id>/excuse", methods=("POST",), endpoint="booking_excuse")
@require("bookings.manage")
def excuse(actor: Actor, booking_id: UUID) -> Any:
    """Notes that the enterprise has excused itself."""
    booking_moves.excuse(actor, booking_id, Form(ReasonBody).values()["reason"])
    return done("已登记企业请假，并已通知企业。", _url(booking_id))


@page("/bookings/<uuid:booking_id>/revoke", methods=("POST",), endpoint="booking_revoke")
@require("bookings.manage")
def revoke(actor: Actor, booking_id: UUID) -> Any:
    """Takes a booking back on the agency's side."""
    booking_moves.revoke(actor, booking_id, Form(ReasonBody).values()["reason"])
    return done("预约已取消，并已通知企业。", _url(booking_id))


@page("/bookings/<uuid:booking_id>/calendar.ics", endpoint="booking_file")
@require("bookings.desk")
def file(actor: Actor, booking_id: UUID) -> Response:
    """A booking for the office's calendar."""
    public_url = current_app.config["SETTINGS"].public_url
    host = urlsplit(public_url).hostname or "localhost"
    found = booking_desk.details(actor, booking_id)
    content = calendars.booking_file(found, host, public_url, stamp=now())
    return attachment("预约.ics", content, "text/calendar")


def _url(booking_id: UUID) -> str:
    return url_for("console.booking", booking_id=booking_id)
