"""Subscribe messages: who allowed which, what was sent, and what the phone shows."""

from __future__ import annotations

import json
import re
import secrets
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from wechat.fields import problems
from wechat.simulator.codes import page_exists
from wechat.simulator.errors import Refusal
from wechat.simulator.gateway import Call, Endpoint
from wechat.simulator.people import Person

if TYPE_CHECKING:
    from wechat.simulator.platform import Platform

LONG_TERM = 3
Answer = Literal["accept", "reject"]
_LINE = re.compile(r"(?P<label>.+?):\{\{(?P<key>\w+)\.DATA\}\}")
_LIBRARY = Path(__file__).with_name("message_templates.json")


class MessageBook:
    """The account's own templates and the messages sent, the newest first."""

    def __init__(self) -> None:
        self.templates: dict[str, dict[str, Any]] = {
            row["priTmplId"]: row for row in json.loads(_LIBRARY.read_text("utf-8"))
        }
        self.sent: deque[dict[str, Any]] = deque(maxlen=2000)


def template_lines(template: dict[str, Any]) -> list[tuple[str, str]]:
    """Returns (label, key) for each line of a template."""
    return [(m["label"].strip(), m["key"]) for m in _LINE.finditer(template["content"])]


def list_templates(platform: Platform, call: Call) -> dict[str, Any]:
    """GET /wxaapi/newtmpl/gettemplate: the account's own templates."""
    return {"errcode": 0, "errmsg": "ok", "data": list(platform.messages.templates.values())}


def answer_popup(platform: Platform, person: Person, answers: dict[str, Answer]) -> None:
    """Records what a person tapped in the subscription sheet and pushes it to the application.

    Each accept of a one-time template is worth one message; a long-term one stays accepted.
    """
    for template_id, answer in answers.items():
        if answer == "accept":
            _allow(platform, person, template_id)
    platform.people.save()
    items = [
        {"TemplateId": template_id, "SubscribeStatusString": answer, "PopupScene": "0"}
        for template_id, answer in answers.items()
    ]
    openid = platform.people.openid(person)
    platform.pushes.subscribe_event("subscribe_msg_popup_event", "SubscribeMsgPopupEvent", openid, items)


def _allow(platform: Platform, person: Person, template_id: str) -> None:
    if platform.messages.templates[template_id]["type"] != LONG_TERM:
        person.credits[template_id] = person.credits.get(template_id, 0) + 1
    elif template_id not in person.standing:
        person.standing.append(template_id)


def switch_off(platform: Platform, person: Person, template_id: str) -> None:
    """Turns a template off in the mini-program's settings, which is pushed as a change."""
    person.credits.pop(template_id, None)
    person.standing = [standing for standing in person.standing if standing != template_id]
    platform.people.save()
    platform.pushes.subscribe_event(
        "subscribe_msg_change_event",
        "SubscribeMsgChangeEvent",
        platform.people.openid(person),
        [{"TemplateId": template_id, "SubscribeStatusString": "reject"}],
    )


def send(platform: Platform, call: Call) -> dict[str, Any]:
    """POST /cgi-bin/message/subscribe/send: one message for one accepted subscription."""
    body = call.body
    person = platform.people.by_openid(str(body.get("touser", "")))
    if person is None:
        raise Refusal(40003)
    template = platform.messages.templates.get(str(body.get("template_id", "")))
    if template is None:
        raise Refusal(40037)
    state = body.get("miniprogram_state", "formal")
    if state not in ("developer", "trial", "formal"):
        raise _bad_argument("miniprogram_state invalid")
    if body.get("lang", "zh_CN") not in ("zh_CN", "en_US", "zh_HK", "zh_TW"):
        raise _bad_argument("lang invalid")
    page = body.get("page") or ""
    if page and (not isinstance(page, str) or not _page_opens(platform, page)):
        raise Refusal(41030)
    values = _check_data(template, body.get("data"))
    _use_credit(person, template)
    platform.people.save()
    msgid = 2**61 + secrets.randbelow(2**61)  # above 2**53: not every JSON reader keeps it whole
    platform.messages.sent.appendleft(
        {
            "msgid": str(msgid),
            "at": int(platform.now()),
            "person": person.id,
            "openid": body["touser"],
            "template_id": template["priTmplId"],
            "title": template["title"],
            "lines": [[label, values[key]] for label, key in template_lines(template)],
            "page": page,
            "miniprogram_state": state,
        }
    )
    platform.pushes.subscribe_event(
        "subscribe_msg_sent_event",
        "SubscribeMsgSentEvent",
        body["touser"],
        [
            {
                "TemplateId": template["priTmplId"],
                "MsgID": str(msgid),
                "ErrorCode": "0",
                "ErrorStatus": "success",
            }
        ],
        delay=0.3,
    )
    return {"errcode": 0, "errmsg": "ok", "msgid": msgid}


def _page_opens(platform: Platform, page: str) -> bool:
    return page_exists(platform, page.removeprefix("/").split("?")[0])


def _check_data(template: dict[str, Any], data: object) -> dict[str, str]:
    if not isinstance(data, dict):
        raise _bad_argument("data invalid")
    keys = [key for _, key in template_lines(template)]
    choices = {
        row["keywordCode"].removesuffix(".DATA"): row["enumValueList"]
        for row in template["keywordEnumValueList"]
    }
    values: dict[str, str] = {}
    for key in keys:
        item = data.get(key)
        value = item.get("value") if isinstance(item, dict) else None
        if value is None or value == "":
            raise _bad_argument(f"data.{key}.value is empty")
        values[key] = str(value)
        if problems(key.rstrip("0123456789"), values[key], choices.get(key, [])):
            raise _bad_argument(f"data.{key}.value invalid")
    for key in data:
        if key not in keys:
            raise _bad_argument(f"data.{key} invalid")
    return values


def _use_credit(person: Person, template: dict[str, Any]) -> None:
    template_id = template["priTmplId"]
    if template_id in person.standing:
        return
    if person.credits.get(template_id, 0) < 1:
        raise Refusal(43101)
    person.credits[template_id] -= 1


def _bad_argument(detail: str) -> Refusal:
    return Refusal(47003, f"argument invalid! {detail}")


ENDPOINTS = [
    Endpoint("/cgi-bin/message/subscribe/send", "POST", send),
    Endpoint("/wxaapi/newtmpl/gettemplate", "GET", list_templates),
]
