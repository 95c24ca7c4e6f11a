"""Pages of a session's check-in: the live page, the hall's screen, and scanning at a desk."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import marshmallow
from flask import Response, flash, jsonify, redirect, request, url_for

from app import masks
from app.access import Actor
from app.console import arrivals
from app.console.forms import Form
from app.console.frame import done, page, render, require
from app.errors import DomainError, by_field
from app.services import attendance, attendance_live, checkins
from app.services.checkins import OfflineScan
from models.base import new_id, now
from models.checkins import Method, Outcome
from schemas import checkins as shapes

_METHODS = {one.value: one.label for one in Method}
_OUTCOMES = {one.value: one.label for one in Outcome}


@page("/sessions/<uuid:session_id>/live")
@require("checkins.write")
def attendance_live_page(actor: Actor, session_id: UUID) -> Response:
    """A session as it stands; to htmx, the part that moves."""
    seen = attendance_live.live(actor, session_id)
    values: dict[str, Any] = {
        "seen": seen,
        "now": now(),
        "curve": arrivals.curve(seen, now()),
        "methods": _METHODS,
        "outcomes": _OUTCOMES,
        "masked": masks.phone,
    }
    if request.headers.get("HX-Request") == "true":
        return render("attendance/_live.html", **values)
    sessions = attendance_live.sessions(actor, seen.session.training_id)
    return render("attendance/live.html", sessions=sessions, **values)


@page("/sessions/<uuid:session_id>/marks", methods=("POST",))
@require("checkins.write")
def attendance_mark(actor: Actor, session_id: UUID) -> Any:
    """Checks somebody in by hand."""
    attendance_live.find(actor, session_id)
    given = Form(shapes.MarkBody(exclude=("nonce",))).values()
    made = checkins.mark(actor, session_id, given["signup_id"], given["reason"], new_id().hex)
    url = url_for(".attendance_live_page", session_id=session_id)
    if made.outcome == Outcome.accepted:
        return done(f"已为 {made.attendee_name} 补签。", url)
    flash(f"未补签：{made.attendee_name}，{made.message}。", "warning")
    return redirect(url, 303)


# --- the hall's screen


@page("/sessions/<uuid:session_id>/projector")
@require("checkins.write")
def attendance_projector(actor: Actor, session_id: UUID) -> Response:
    """The hall's code, to be shown on the wall."""
    return render("attendance/projector.html", here=attendance_live.find(actor, session_id))


@page("/sessions/<uuid:session_id>/hall-code")
@require("checkins.write")
def attendance_hall_code(actor: Actor, session_id: UUID) -> Response:
    """What the screen shows now: the code, for how many more seconds, and the counts."""
    code = checkins.hall_code(actor, session_id)
    left: timedelta = code["valid_until"] - now()
    counts = attendance.counts(actor, session_id)
    return jsonify(
        code=code["content"],
        seconds_left=max(left.total_seconds(), 0),
        expected=counts["expected"],
        checked_in=counts["checked_in"],
    )


@page("/sessions/<uuid:session_id>/hall-code.png")
@require("checkins.write")
def attendance_hall_image(actor: Actor, session_id: UUID) -> Response:
    """The hall's code as a mini-program code."""
    return Response(checkins.hall_code_image(actor, session_id), mimetype="image/png")


# --- scanning at a desk


@page("/sessions/<uuid:session_id>/scan")
@require("checkins.write")
def attendance_scan(actor: Actor, session_id: UUID) -> Response:
    """Scanning with the computer's camera or a USB scanner."""
    here = attendance_live.find(actor, session_id)
    response = render("attendance/scan.html", here=here, counts=attendance.counts(actor, session_id))
    response.headers["Permissions-Policy"] = "camera=(self), microphone=(), geolocation=()"
    return response


@page("/sessions/<uuid:session_id>/scans", methods=("POST",))
@require("checkins.write")
def attendance_scan_one(actor: Actor, session_id: UUID) -> Any:
    """Records a scan, and says what it was worth."""
    attendance_live.find(actor, session_id)

    def record() -> dict[str, Any]:
        attendance_live.find(actor, session_id)
        scanned = checkins.scan(actor, session_id, **_body(shapes.ScanBody))
        return {**shapes.ScannedOut().dump(scanned), **_counts(actor, session_id)}

    return _answered(record)


@page("/sessions/<uuid:session_id>/scans/upload", methods=("POST",))
@require("checkins.write")
def attendance_scan_upload(actor: Actor, session_id: UUID) -> Any:
    """Records the scans that were made while the network was away."""
    attendance_live.find(actor, session_id)

    def record() -> dict[str, Any]:
        attendance_live.find(actor, session_id)
        body = _body(shapes.UploadBody)
        scans = [OfflineScan(**made) for made in body["scans"]]
        uploaded = checkins.upload(actor, session_id, body["device_time"], scans)
        return {"items": shapes.ScannedOut(many=True).dump(uploaded), **_counts(actor, session_id)}

    return _answered(record)


def _counts(actor: Actor, session_id: UUID) -> dict[str, int]:
    counts = attendance.counts(actor, session_id)
    return {"expected": counts["expected"], "checked_in": counts["checked_in"]}


def _body(shape: type[marshmallow.Schema]) -> dict[str, Any]:
    try:
        loaded: dict[str, Any] = shape().load(request.get_json(silent=True) or {})
    except marshmallow.ValidationError as error:
        raise DomainError("validation_failed", fields=by_field(error.messages)) from None
    return loaded


def _answered(record: Callable[[], dict[str, Any]]) -> Any:
    """Returns what the page's script is told, a refusal too: it knows no pages."""
    try:
        return jsonify(record()), 201
    except DomainError as error:
        return jsonify(error.problem()), 403 if error.code == "not_found" else error.status
