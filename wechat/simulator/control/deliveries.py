"""What reached the phones, what was pushed to the application, and the codes on show."""

from __future__ import annotations

import time
from typing import Any

from flask import Response, request

from wechat.simulator.codes import draw_svg
from wechat.simulator.control.plane import ControlError, blueprint, body, find_person, platform

SHOWN_FOR = 60  # a phone says again what it shows; one that went away is forgotten
LONGEST_CODE = 1000


@blueprint.get("/sent")
def list_sent() -> dict[str, Any]:
    """?person=: the subscribe messages that arrived, newest first."""
    person = request.args.get("person")
    with platform().lock:
        return {"sent": [row for row in platform().messages.sent if person in (None, row["person"])]}


@blueprint.get("/pushes")
def list_pushes() -> dict[str, Any]:
    """The pushes with their attempts, newest first."""
    return {"pushes": platform().pushes.list()}


@blueprint.post("/pushes/settings")
def set_push_format() -> dict[str, Any]:
    """{format?: json|xml, create_time_as_text?: bool}: the console's settings for pushes."""
    wish, pushes = body(), platform().pushes
    if wish.get("format", "json") not in ("json", "xml"):
        raise ControlError(400, "format 应为 json 或 xml")
    pushes.format = wish.get("format", pushes.format)
    pushes.create_time_as_text = wish.get("create_time_as_text", pushes.create_time_as_text) is True
    return {"format": pushes.format, "create_time_as_text": pushes.create_time_as_text}


@blueprint.post("/pushes/replay")
def replay_push() -> dict[str, Any]:
    """{}: the last finished push once more, the same bytes."""
    body()
    push = platform().pushes.replay_last()
    if push is None:
        raise ControlError(409, "还没有可重放的推送")
    return push.describe()


@blueprint.post("/pushes/bad-signature")
def forge_push() -> dict[str, Any]:
    """{person}: an event about that person with a wrong signature."""
    with platform().lock:
        openid = platform().people.openid(find_person(body().get("person")))
    return platform().pushes.forge(openid).describe()


@blueprint.post("/pushes/verify")
def verify_callback() -> dict[str, Any]:
    """{}: the check the console makes of the callback address."""
    body()
    return platform().pushes.verify_address()


@blueprint.post("/people/<person_id>/showing")
def show_code(person_id: str) -> dict[str, Any]:
    """{title, text}: the code on that phone's screen, which others can scan; no text takes it away."""
    wish = body()
    text, title = wish.get("text"), str(wish.get("title", ""))[:40]
    if text is not None and (not isinstance(text, str) or not 1 <= len(text) <= LONGEST_CODE):
        raise ControlError(400, "text 应为 1 至 1000 个字符")
    p = platform()
    with p.lock:
        person = find_person(person_id)
        p.codes.shown.pop(person.id, None)
        if text is not None:
            p.codes.shown[person.id] = {"title": title, "text": text, "at": time.time()}
    return {"showing": text is not None}


@blueprint.get("/showing")
def list_shown() -> dict[str, Any]:
    """?except=: what a camera can see: the codes on the other phones, and the mini-program codes drawn."""
    p, own = platform(), request.args.get("except")
    with p.lock:
        phones = [
            {"person": person.id, "name": person.name, "title": shown["title"], "text": shown["text"]}
            for person in p.people
            if person.id != own
            and (shown := p.codes.shown.get(person.id))
            and time.time() - shown["at"] < SHOWN_FOR
        ]
        return {"phones": phones, "walls": list(p.codes.drawn)}


@blueprint.post("/qr")
def draw_code() -> Response:
    """{text}: that text as a QR picture (SVG)."""
    text = body().get("text")
    if not isinstance(text, str) or not 1 <= len(text) <= LONGEST_CODE:
        raise ControlError(400, "text 应为 1 至 1000 个字符")
    return Response(draw_svg(text), mimetype="image/svg+xml")
