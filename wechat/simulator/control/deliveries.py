"""What reached the phones, what was pushed to the application, and the codes on show."""

from __future__ import annotations

import time
from typing import Any

from flask import Response, request

from wechat.simulator.codes import draw_svg
from wechat.simulator.control.plane import ControlError, blueprint, body, find_person, platform
from wechat.simulator.sent import MOST

SHOWN_FOR = 60  # a phone says again what it shows; one that went away is forgotten
LONGEST_CODE = 1000


@blueprint.get("/sent")
def list_sent() -> dict[str, Any]:
    """?person=&after=&limit=: the messages accepted, newest first; `result` says whether one arrived.

    `after` is the number `n` of a message, `limit` at most 1000.
    """
    with platform().lock:
        log = platform().sent
        sent = log.list(request.args.get("person"), _number("after", 0), _number("limit", MOST))
        return {"sent": sent, "last": log.last()}


@blueprint.get("/sent/check")
def check_sent() -> dict[str, Any]:
    """?after=&template_id=&same=content|template: how many were sent, to how many, and who got one twice."""
    same = request.args.get("same", "content")
    if same not in ("content", "template"):
        raise ControlError(400, "same 应为 content 或 template")
    with platform().lock:
        return platform().sent.check(_number("after", 0), request.args.get("template_id"), same)


@blueprint.post("/results")
def choose_results() -> dict[str, Any]:
    """{result?, times?, pushed?: all|failures|none}: what becomes of the next messages, and what is told.

    `result` is success, or what went wrong, as in "failed: system failed".
    """
    wish, p = body(), platform()
    times, pushed = wish.get("times", 1), wish.get("pushed", p.results.pushed)
    if pushed not in ("all", "failures", "none"):
        raise ControlError(400, "pushed 应为 all、failures 或 none")
    if not isinstance(times, int) or not 1 <= times <= 100_000:
        raise ControlError(400, "times 应为 1 至 100000 的整数")
    with p.lock:
        p.results.pushed = pushed
        if "result" in wish:
            p.results.choose(str(wish["result"]), times)
    return {"pushed": pushed}


def _number(name: str, default: int) -> int:
    text = request.args.get(name, str(default))
    if not (text.isascii() and text.isdigit()):
        raise ControlError(400, f"{name} 应为整数")
    return min(int(text), MOST) if name == "limit" else int(text)


@blueprint.get("/pushes")
def list_pushes() -> dict[str, Any]:
    """The pushes of every account with their attempts, newest first."""
    pushes = [{**push, "account": app.kind} for app in platform().accounts.all for push in app.pushes.list()]
    return {"pushes": sorted(pushes, key=lambda push: push["started"], reverse=True)}


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
