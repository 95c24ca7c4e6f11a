"""The platform itself: its clock, its templates and pages, its faults and quotas."""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from flask import current_app

from wechat.simulator import faults
from wechat.simulator.control.plane import ControlError, blueprint, body, platform
from wechat.simulator.quotas import Quota


@blueprint.get("/state")
def state() -> dict[str, Any]:
    """The platform at a glance."""
    p = platform()
    with p.lock:
        return {
            "appid": p.app.appid,
            "now": datetime.fromtimestamp(p.now(), UTC).isoformat(timespec="seconds"),
            "offset": round(p.advance(0)),
            "callback_url": p.pushes.callback_url,
            "push_format": p.pushes.format,
            "create_time_as_text": p.pushes.create_time_as_text,
            "official_account": p.accounts.official
            and {
                "appid": p.accounts.official.appid,
                "callback_url": p.accounts.official.pushes.callback_url,
            },
            "latency_ms": round(p.latency * 1000),
            "paths": _interfaces(),
        }


def _interfaces() -> list[str]:
    paths: list[str] = current_app.extensions["wechat_interfaces"]
    return paths


@blueprint.get("/templates")
def list_templates() -> dict[str, Any]:
    """The mini-program's templates, as the sheet and the settings page show them."""
    rows = [template.row for template in platform().templates.subscribe.values()]
    return {"templates": [{"id": r["priTmplId"], "title": r["title"], "type": r["type"]} for r in rows]}


@blueprint.post("/templates/<template_id>")
def change_template(template_id: str) -> dict[str, Any]:
    """{content}: the owner replaces what a template of either account says; no content takes it away."""
    content, templates = body().get("content"), platform().templates
    with platform().lock:
        if content is None:
            found = templates.remove(template_id)
        else:
            found = templates.change(template_id, str(content))
    if not found:
        raise ControlError(404, "没有这个模板")
    return {"id": template_id, "content": content}


@blueprint.post("/latency")
def set_latency() -> dict[str, Any]:
    """{ms}: what every call of an interface takes, in milliseconds."""
    ms = body().get("ms")
    if not isinstance(ms, int) or not 0 <= ms <= 60_000:
        raise ControlError(400, "ms 应为 0 至 60000 的整数")
    platform().latency = ms / 1000
    return {"ms": ms}


@blueprint.post("/clock")
def advance_clock() -> dict[str, Any]:
    """{advance: seconds}: codes, tokens and quotas grow older by so much."""
    seconds = body().get("advance")
    if not isinstance(seconds, int | float) or not 0 < seconds <= 366 * 86400:
        raise ControlError(400, "advance 应为正的秒数，不超过一年")
    with platform().lock:
        return {"offset": round(platform().advance(seconds))}


@blueprint.get("/faults")
def list_faults() -> dict[str, Any]:
    """The faults still waiting for a call."""
    return {"faults": platform().faults.list(), "kinds": list(faults.KINDS)}


@blueprint.post("/faults")
def add_fault() -> tuple[dict[str, Any], int]:
    """{path, kind, value?, times? or seconds?}: calls of an interface ("*" for any) go wrong.

    It strikes the next call, the next `times` calls, or every call in so many `seconds`.
    """
    wish = body()
    kind, path = wish.get("kind"), wish.get("path")
    if kind not in faults.KINDS:
        raise ControlError(400, f"kind 应为 {'、'.join(faults.KINDS)} 之一")
    if not isinstance(path, str) or path not in ("*", *_interfaces()):
        raise ControlError(400, "path 应为接口路径，或 *")
    times, value = wish.get("times", 1), wish.get("value", faults.DEFAULT_VALUES[kind])
    seconds = wish.get("seconds")
    if not isinstance(times, int) or not 1 <= times <= 10_000 or not isinstance(value, int):
        raise ControlError(400, "times 应为 1 至 10000 的整数，value 应为整数")
    if seconds is not None and (not isinstance(seconds, int | float) or not 0 < seconds <= 86400):
        raise ControlError(400, "seconds 应为正的秒数，不超过一天")
    if kind in ("5xx", "html") and value not in set(HTTPStatus):
        raise ControlError(400, "value 应为 HTTP 状态码")
    return platform().faults.add(path, kind, value, times=times, seconds=seconds), 201


@blueprint.delete("/faults")
def clear_faults() -> dict[str, Any]:
    """Every fault off."""
    platform().faults.clear()
    return {"faults": []}


@blueprint.post("/quotas")
def set_quota() -> dict[str, Any]:
    """{path, limit, seconds, errcode}: replaces the limits of an interface."""
    wish = body()
    try:
        quota = Quota(int(wish["limit"]), int(wish["seconds"]), int(wish["errcode"]))
        path = str(wish["path"])
    except (KeyError, TypeError, ValueError):
        raise ControlError(400, "应给出 path、limit、seconds、errcode") from None
    if quota.seconds < 1:
        raise ControlError(400, "seconds 应为正数")
    with platform().lock:
        platform().quotas.limits[path] = [quota]
    return {"path": path, "limit": quota.limit}


@blueprint.post("/pages")
def publish_pages() -> dict[str, Any]:
    """{pages: [...]}: the pages of the published mini-program; an empty list lets any page pass."""
    pages = body().get("pages")
    if not isinstance(pages, list) or not all(isinstance(page, str) for page in pages):
        raise ControlError(400, "pages 应为页面路径的列表")
    with platform().lock:
        platform().people.publish(pages)
    return {"pages": pages}


@blueprint.get("/calls")
def list_calls() -> dict[str, Any]:
    """The calls of the platform's interfaces, oldest first, with their outcome."""
    with platform().lock:
        return {"calls": list(platform().calls)}
