"""The Official Account: its template messages and its followers."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from wechat.simulator.errors import Refusal
from wechat.simulator.gateway import Call, Endpoint, Handler, Method
from wechat.simulator.messages import page_opens
from wechat.simulator.people import Person
from wechat.simulator.results import BLOCKED
from wechat.simulator.templates import check_data

if TYPE_CHECKING:
    from wechat.simulator.accounts import App
    from wechat.simulator.platform import Platform

RECOGNISED = 600  # seconds for which a client_msg_id is known
PAGE = 10_000
BATCH = 100
LONGEST_URL = 2048


def send(platform: Platform, call: Call) -> dict[str, Any]:
    """POST /cgi-bin/message/template/send: one message to a follower.

    A repetition with the same client_msg_id within ten minutes gets the first msgid and is not sent.
    https://developers.weixin.qq.com/doc/service/api/notify/template/api_sendtemplatemessage.html
    """
    body, openid = call.body, str(call.body.get("touser", ""))
    person = platform.people.by_openid(openid, call.app.appid)
    if person is None:
        raise Refusal(40003)
    template = platform.templates.official.get(str(body.get("template_id", "")))
    if template is None:
        raise Refusal(40037)
    leads_to = _destination(platform, body)
    values = check_data(template, body.get("data"))
    if person.followed_at is None:
        raise Refusal(43004)
    now, client_msg_id = platform.now(), str(body.get("client_msg_id") or "")
    known = platform.sent.recognise(call.app.appid, person.id, client_msg_id, now - RECOGNISED)
    if known is not None:
        return {"errcode": 0, "errmsg": "ok", "msgid": known}
    msgid = 10**9 + secrets.randbelow(10**9)
    result = BLOCKED if person.blocks else platform.results.take()
    platform.sent.add(
        at=int(now),
        person=person.id,
        appid=call.app.appid,
        openid=openid,
        template_id=template.parsed.id,
        msgid=msgid,
        result=result,
        content={"title": template.parsed.title, "lines": template.lines(values), **leads_to},
        client_msg_id=client_msg_id,
    )
    if platform.results.is_pushed(result):
        finished = {"MsgID": msgid, "Status": result}
        call.app.pushes.event("TEMPLATESENDJOBFINISH", openid, finished, delay=platform.results.delay())
    return {"errcode": 0, "errmsg": "ok", "msgid": msgid}


def _destination(platform: Platform, body: dict[str, Any]) -> dict[str, str]:
    url, jump = body.get("url") or "", body.get("miniprogram") or {}
    if not isinstance(url, str) or len(url) > LONGEST_URL:
        raise Refusal(40039)
    if not isinstance(jump, dict) or (jump and jump.get("appid") != platform.app.appid):
        raise Refusal(40013)
    page = jump.get("pagepath") or ""
    if page and (not isinstance(page, str) or not page_opens(platform, page)):
        raise Refusal(40165)
    return {"url": url, "page": page}


def list_templates(platform: Platform, call: Call) -> dict[str, Any]:
    """GET /cgi-bin/template/get_all_private_template: the account's own templates."""
    return {"template_list": [template.row for template in platform.templates.official.values()]}


def delete_template(platform: Platform, call: Call) -> dict[str, Any]:
    """POST /cgi-bin/template/del_private_template; the pseudo-template of the platform stays."""
    template = platform.templates.official.get(str(call.body.get("template_id", "")))
    if template is None or [field.key for field in template.parsed.fields] == ["content"]:
        raise Refusal(40037)
    platform.templates.remove(template.parsed.id)
    return {"errcode": 0, "errmsg": "ok"}


def describe(platform: Platform, openid: object, appid: str) -> dict[str, Any]:
    """Returns what the account may know of a person; raises Refusal 40003."""
    person = platform.people.by_openid(openid, appid)
    if person is None:
        raise Refusal(40003)
    if person.followed_at is None:
        return {"subscribe": 0, "openid": openid}
    return {
        "subscribe": 1,
        "openid": openid,
        "language": "zh_CN",
        "subscribe_time": person.followed_at,
        **platform.people.union(person),
        "remark": "",
        "groupid": 0,
        "tagid_list": [],
        "subscribe_scene": "ADD_SCENE_SEARCH",
        "qr_scene": 0,
        "qr_scene_str": "",
    }


def user_info(platform: Platform, call: Call) -> dict[str, Any]:
    """GET /cgi-bin/user/info: who a person is."""
    return describe(platform, call.query.get("openid"), call.app.appid)


def user_info_batch(platform: Platform, call: Call) -> dict[str, Any]:
    """POST /cgi-bin/user/info/batchget: who up to a hundred people are."""
    asked = call.body.get("user_list")
    if not isinstance(asked, list) or not 1 <= len(asked) <= BATCH:
        raise Refusal(40032)
    openids = [item.get("openid") if isinstance(item, dict) else None for item in asked]
    return {"user_info_list": [describe(platform, openid, call.app.appid) for openid in openids]}


def list_followers(platform: Platform, call: Call) -> dict[str, Any]:
    """GET /cgi-bin/user/get: the openids of up to 10,000 followers after `next_openid`."""
    people, after = platform.people, call.query.get("next_openid", "")
    followers = [p for p in people if p.followed_at is not None and not p.cancelled]
    openids = [people.openid(person, call.app.appid) for person in followers]
    if after and after not in openids:
        raise Refusal(40003)
    begin = openids.index(after) + 1 if after else 0
    page = openids[begin : begin + PAGE]
    if not page:
        return {"total": len(openids), "count": 0, "next_openid": ""}
    return {"total": len(openids), "count": len(page), "data": {"openid": page}, "next_openid": page[-1]}


def follow(platform: Platform, app: App, person: Person, scene: str = "") -> None:
    """Follows the account, or scans its code again: a subscribe event the first time, then SCAN."""
    openid, first = platform.people.openid(person, app.appid), person.followed_at is None
    if first:
        person.followed_at = int(platform.now())
        platform.people.save(person)
    key = f"qrscene_{scene}" if scene and first else scene
    ticket = {"Ticket": f"gQ{secrets.token_hex(20)}"} if scene else {}
    app.pushes.event("subscribe" if first else "SCAN", openid, {"EventKey": key, **ticket})


def unfollow(platform: Platform, app: App, person: Person) -> None:
    """Stops following the account."""
    person.followed_at = None
    platform.people.save(person)
    app.pushes.event("unsubscribe", platform.people.openid(person, app.appid), {"EventKey": ""})


def _of_account(path: str, method: Method, handler: Handler, *, to_person: bool = False) -> Endpoint:
    return Endpoint(path, method, handler, kind="official_account", to_person=to_person)


ENDPOINTS = [
    _of_account("/cgi-bin/message/template/send", "POST", send, to_person=True),
    _of_account("/cgi-bin/template/get_all_private_template", "GET", list_templates),
    _of_account("/cgi-bin/template/del_private_template", "POST", delete_template),
    _of_account("/cgi-bin/user/info", "GET", user_info),
    _of_account("/cgi-bin/user/info/batchget", "POST", user_info_batch),
    _of_account("/cgi-bin/user/get", "GET", list_followers),
]
