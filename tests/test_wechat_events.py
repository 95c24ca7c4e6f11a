"""What pushes about messages and followers say, sealed as the platform seals them and opened as ours."""

from __future__ import annotations

from typing import Any

import pytest

from wechat.events import (
    Followed,
    Scanned,
    SubscribeMessageSent,
    SubscriptionAnswered,
    TemplateMessageSent,
    Told,
    Unfollowed,
    read,
)
from wechat.push import Event, Format, PushReceiver, PushRejected, seal

APPID, TOKEN, AES_KEY, NOW = "wxba5fad812f8e6fb9", "AAAAA", "A" * 43, 1_772_000_000
USER = "oia2TjjewbmiOUlr6X-1crbLOvLw"
RECEIVER = PushReceiver(APPID, TOKEN, AES_KEY, clock=lambda: NOW)


def opened(payload: dict[str, Any] | str, fmt: Format = "json", appid: str = APPID) -> Event:
    return RECEIVER.receive(
        *seal(payload, appid=appid, token=TOKEN, aes_key=AES_KEY, timestamp=NOW, to_user="gh_1", fmt=fmt)
    )


def told(payload: dict[str, Any] | str, fmt: Format = "json") -> list[Told]:
    return read(opened(payload, fmt))


def event(name: str, **fields: Any) -> dict[str, Any]:
    head = {"ToUserName": "gh_1", "FromUserName": USER, "CreateTime": NOW, "MsgType": "event", "Event": name}
    return {**head, **fields}


def answer(template_id: str, status: str) -> dict[str, str]:
    return {"TemplateId": template_id, "SubscribeStatusString": status, "PopupScene": "0"}


POPUP, CHANGE, SENT = "subscribe_msg_popup_event", "subscribe_msg_change_event", "subscribe_msg_sent_event"
BOTH = [answer("T1", "accept"), answer("T2", "reject")]


@pytest.mark.parametrize(
    ("payload", "fmt"),
    [
        (event(POPUP, List=BOTH), "json"),
        (event(POPUP, SubscribeMsgPopupEvent={"List": BOTH}), "json"),
        (event(POPUP, SubscribeMsgPopupEvent={"List": BOTH}), "xml"),
        (event(POPUP, CreateTime=str(NOW), List=BOTH), "json"),
    ],
)
def test_answers_in_the_sheet(payload: dict[str, Any], fmt: Format) -> None:
    assert told(payload, fmt) == [
        SubscriptionAnswered(USER, "T1", accepted=True, in_sheet=True, at=NOW),
        SubscriptionAnswered(USER, "T2", accepted=False, in_sheet=True, at=NOW),
    ]


@pytest.mark.parametrize("wrapper", ["SubscribeMsgChangeEvent", "SubscribeMsgPopupEvent"])
def test_a_refusal_in_the_settings(wrapper: str) -> None:
    refusal = SubscriptionAnswered(USER, "T1", accepted=False, in_sheet=False, at=NOW)
    assert told(event(CHANGE, **{wrapper: {"List": answer("T1", "reject")}}), "xml") == [refusal]
    assert told(event(CHANGE, List=answer("T1", "reject"))) == [refusal]


def test_answers_that_name_nothing_are_left_out() -> None:
    assert told(event(POPUP, List=[{"TemplateId": "T1"}, {"SubscribeStatusString": "accept"}, {}])) == []


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [("0", "success", ""), ("0", "", ""), ("-1", "system failed", "system failed"), ("7", "", "7")],
)
def test_what_became_of_a_subscribe_message(code: str, status: str, error: str) -> None:
    item = {
        "TemplateId": "T1",
        "MsgID": "1864323726461255680",
        "ErrorCode": code,
        "ErrorStatus": status,
    }
    expected = [SubscribeMessageSent(USER, "T1", "1864323726461255680", error)]
    assert told(event(SENT, List=item)) == expected
    assert told(event(SENT, SubscribeMsgSentEvent={"List": item}), "xml") == expected


FINISHED = """<xml><ToUserName><![CDATA[gh_7f083739789a]]></ToUserName>
<FromUserName><![CDATA[oia2TjjewbmiOUlr6X-1crbLOvLw]]></FromUserName><CreateTime>1395658920</CreateTime>
<MsgType><![CDATA[event]]></MsgType><Event><![CDATA[TEMPLATESENDJOBFINISH]]></Event>
<MsgID>200163836</MsgID><Status><![CDATA[{status}]]></Status></xml>"""


@pytest.mark.parametrize(
    ("status", "result"),
    [
        ("success", "success"),
        ("Success ", "success"),
        ("failed:user block", "blocked"),
        ("Failed: User Block", "blocked"),
        ("failed: system failed", "failed"),
        ("failed:freq limit", "failed"),
    ],
)
def test_what_became_of_a_template_message(status: str, result: Any) -> None:
    [finished] = told(FINISHED.format(status=status))
    assert finished == TemplateMessageSent(USER, "200163836", result, status.strip())


@pytest.mark.parametrize("fields", [{}, {"MsgID": "1"}, {"Status": "success"}])
def test_a_result_of_no_message(fields: dict[str, str]) -> None:
    assert told(event("TEMPLATESENDJOBFINISH", **fields), "xml") == []


def test_followers() -> None:
    scanned = {"EventKey": "qrscene_b7", "Ticket": "gQ1"}
    assert told(event("subscribe", EventKey=""), "xml") == [Followed(USER, "", NOW)]
    assert told(event("subscribe"), "xml") == [Followed(USER, "", NOW)]
    assert told(event("subscribe", **scanned), "xml") == [Followed(USER, "b7", NOW)]
    assert told(event("SCAN", EventKey="b7", Ticket="gQ1"), "xml") == [Scanned(USER, "b7", NOW)]
    assert told(event("unsubscribe", EventKey=""), "xml") == [Unfollowed(USER, NOW)]


def test_other_events_say_nothing_here() -> None:
    assert told(event("user_authorization_revoke", OpenID=USER, RevokeInfo="8")) == []
    assert told({**event("x"), "MsgType": "text", "MsgId": 1}) == []


def test_events_of_one_second_are_told_apart_and_repetitions_are_not() -> None:
    different = [
        event(POPUP, List=answer("T1", "accept")),
        event(POPUP, List=answer("T2", "accept")),
        event(POPUP, List=answer("T1", "reject")),
        event(CHANGE, List=answer("T1", "reject")),
        event(SENT, List={"TemplateId": "T1", "MsgID": "1"}),
        event(SENT, List={"TemplateId": "T1", "MsgID": "2"}),
        event("TEMPLATESENDJOBFINISH", MsgID=1, Status="success"),
        event("TEMPLATESENDJOBFINISH", MsgID=2, Status="success"),
        event("subscribe", EventKey=""),
        event("unsubscribe", EventKey=""),
        event("SCAN", EventKey="a"),
        event("SCAN", EventKey="b"),
    ]
    keys = [opened(payload).dedupe_key for payload in different]
    assert len(set(keys)) == len(keys)
    assert [opened(payload).dedupe_key for payload in different] == keys


def test_a_push_of_the_other_account_is_refused_even_with_the_same_keys() -> None:
    with pytest.raises(PushRejected) as refused:
        opened(event("subscribe"), "xml", appid="wx0000000000000000")
    assert refused.value.code == "wrong_app"


def test_nobody_is_named_in_the_repr() -> None:
    assert USER not in repr(told(event(POPUP, List=BOTH)) + told(event("unsubscribe")))
