"""The phone on the screen, and the road from its mini-program to the application (wx.request)."""

from __future__ import annotations

import requests
from flask import Blueprint, Response, jsonify, render_template, request

from wechat.simulator.control.plane import platform

blueprint = Blueprint("phone", __name__)
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
TIMEOUT = 60.0  # what wx.request waits by default
_FORWARDED = ("Authorization", "Idempotency-Key", "Content-Type", "Accept", "If-Match", "If-None-Match")
_RETURNED = ("Content-Type", "Content-Disposition", "ETag", "Location", "Retry-After", "Link")


@blueprint.get("/")
def page() -> str:
    """The page for people."""
    return render_template("phone.html", appid=platform().app.appid)


@blueprint.route("/__sim__/app/<path:path>", methods=METHODS)
def wx_request(path: str) -> Response | tuple[Response, int]:
    """Carries a request of the simulated mini-program to the application's API, as a phone would."""
    p = platform()
    headers = {name: value for name in _FORWARDED if (value := request.headers.get(name))}
    headers["Referer"] = f"https://servicewechat.com/{p.app.appid}/0/page-frame.html"
    with requests.Session() as session:
        session.trust_env = False
        try:
            reply = session.request(
                request.method,
                f"{p.public_url}/api/v1/{path}",
                params=request.query_string.decode(),
                data=request.get_data(),
                headers=headers,
                timeout=TIMEOUT,
                allow_redirects=False,
            )
        except requests.Timeout:
            return jsonify(errMsg="request:fail timeout"), 504
        except requests.RequestException:
            return jsonify(errMsg="request:fail 应用没有应答"), 502
    answer = Response(reply.content, status=reply.status_code)
    answer.headers.pop("Content-Type", None)
    for name in _RETURNED:
        if name in reply.headers:
            answer.headers[name] = reply.headers[name]
    answer.headers["X-Simulator-Answered"] = "application"
    return answer
