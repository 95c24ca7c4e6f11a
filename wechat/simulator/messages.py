"""Subscribe messages: who allowed which, and what was sent."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Literal

from wechat.simulator.codes import page_exists
from wechat.simulator.errors import Refusal
from wechat.simulator.gateway import Call, Endpoint
from wechat.simulator.people import Person
from wechat.simulator.results import SUCCESS
from wechat.simulator.templates import Template, bad_argument, check_data
from wechat.templates import LONG_TERM

if TYPE_CHECKING:
    from wechat.simulator.platform import Platform

Answer = Literal["accept", "reject"]


def list_templates(platform: Platform, call: Call) -> dict[str, Any]:
    """GET /wxaapi/newtmpl/gettemplate: the account's own templates."""
    rows = [template.row for template in platform.templates.subscribe.values()]
    return {"errcode": 0, "errmsg": "ok", "data": rows}


def delete_template(platform: Platform, call: Call) -> dict[str, Any]:
    """POST /wxaapi/newtmpl/deltemplate."""
    if platform.templates.subscribe.pop(str(call.body.get("priTmplId", "")), None) is None:
        raise Refusal(20001)
    return {"errcode": 0, "errmsg": "ok"}


def answer_popup(platform: Platform, person: Person, answers: dict[str, Answer]) -> None:
    """Records what a person tapped in the subscription sheet and pushes it to the application.

    Each accept of a one-time template is worth one message; a long-term one stays accepted.
    """
    for template_id, answer in answers.items():
        if answer == "accept":
            allow(platform, person, template_id)
    platform.people.save(person)
    items = [
        {"TemplateId": template_id, "SubscribeStatusString": answer, "PopupScene": "0"}
        for template_id, answer in answers.items()
    ]
    openid = platform.people.openid(person)
    platform.pushes.subscribe_event("subscribe_msg_popup_event", "SubscribeMsgPopupEvent", openid, items)


def allow(platform: Platform, person: Person, template_id: str, times: int = 1) -> None:
    """Lets the template be sent to the person; the caller saves."""
    if platform.templates.subscribe[template_id].parsed.subscription != LONG_TERM:
        person.credits[template_id] = person.credits.get(template_id, 0) + times
    elif template_id not in person.standing:
        person.standing.append(template_id)


def switch_off(platform: Platform, person: Person, template_id: str) -> None:
    """Turns a template off in the mini-program's settings, which is pushed as a change."""
    person.credits.pop(template_id, None)
    person.standing = [standing for standing in person.standing if standing != template_id]
    platform.people.save(person)
    platform.pushes.subscribe_event(
        "subscribe_msg_change_event",
        "SubscribeMsgChangeEvent",
        platform.people.openid(person),
        [{"TemplateId": template_id, "SubscribeStatusString": "reject"}],
    )


def send(platform: Platform, call: Call) -> dict[str, Any]:
    """POST /cgi-bin/message/subscribe/send: one message for one accepted subscription.

    https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/mp-message-management/subscribe-message/sendMessage.html
    """
    body = call.body
    person = platform.people.by_openid(body.get("touser"))
    if person is None:
        raise Refusal(40003)
    template = platform.templates.subscribe.get(str(body.get("template_id", "")))
    if template is None:
        raise Refusal(40037)
    state = body.get("miniprogram_state", "formal")
    if state not in ("developer", "trial", "formal"):
        raise bad_argument("miniprogram_state invalid")
    if body.get("lang", "zh_CN") not in ("zh_CN", "en_US", "zh_HK", "zh_TW"):
        raise bad_argument("lang invalid")
    page = body.get("page") or ""
    if page and (not isinstance(page, str) or not page_opens(platform, page)):
        raise Refusal(41030)
    values = check_data(template, body.get("data"))
    _use_credit(person, template)
    platform.people.save(person)
    msgid, result = 2**61 + secrets.randbelow(2**61), platform.results.take()  # above 2**53 on purpose
    platform.sent.add(
        at=int(platform.now()),
        person=person.id,
        appid=platform.app.appid,
        openid=body["touser"],
        template_id=template.parsed.id,
        msgid=msgid,
        result=result,
        content={
            "title": template.parsed.title,
            "lines": template.lines(values),
            "page": page,
            "miniprogram_state": state,
        },
    )
    if platform.results.is_pushed(result):
        failed = result != SUCCESS
        status = {"ErrorCode": "-1" if failed else "0", "ErrorStatus": result}
        platform.pushes.subscribe_event(
            "subscribe_msg_sent_event",
            "SubscribeMsgSentEvent",
            body["touser"],
            [{"TemplateId": template.parsed.id, "MsgID": str(msgid), **status}],
            delay=platform.results.delay(),
        )
    return {"errcode": 0, "errmsg": "ok", "msgid": msgid}


def page_opens(platform: Platform, page: str) -> bool:
    """Tells whether a message may lead to this page, which may have a query."""
    return page_exists(platform, page.removeprefix("/").split("?")[0])


def _use_credit(person: Person, template: Template) -> None:
    template_id = template.parsed.id
    if template_id in person.standing:
        return
    if person.credits.get(template_id, 0) < 1:
        raise Refusal(43101)
    person.credits[template_id] -= 1


ENDPOINTS = [
    Endpoint("/cgi-bin/message/subscribe/send", "POST", send, to_person=True),
    Endpoint("/wxaapi/newtmpl/gettemplate", "GET", list_templates),
    Endpoint("/wxaapi/newtmpl/deltemplate", "POST", delete_template),
]
