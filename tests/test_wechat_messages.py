"""Sending messages: what goes out, what each answer means, and what is never sent twice."""

from __future__ import annotations

import socket
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis

from tests.wechat_platform import Platform, Script, drop, ok, raw, refuse, text
from wechat.client import MiniProgram
from wechat.errors import Outcome, WeChatError
from wechat.official_account import Follower, OfficialAccount, Page
from wechat.templates import TemplateField
from wechat.tokens import TokenStore

OPENID = "oGZUI0egBJY1zhBYw2KhdUfwVJJE"
STABLE, SUBSCRIBE = "/cgi-bin/stable_token", "/cgi-bin/message/subscribe/send"
TEMPLATE, INFO, LIST = "/cgi-bin/message/template/send", "/cgi-bin/user/info", "/cgi-bin/user/get"
DATA = {"thing1": "质量管理😀", "time2": "2026-03-05 14:00"}
Send = Callable[[], str]


@pytest.fixture
def platform() -> Iterator[Platform]:
    server = Platform()
    server.on(STABLE, ok(access_token="token", expires_in=7200))
    yield server
    server.close()


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def account(redis_url: str, platform: Platform, pauses: list[float]) -> Iterator[dict[str, Any]]:
    server = redis.Redis.from_url(redis_url)
    yield {"tokens": TokenStore(server), "api_base": platform.base, "sleep": pauses.append}
    server.close()


@pytest.fixture
def mp(account: dict[str, Any]) -> MiniProgram:
    return MiniProgram(f"wx{uuid.uuid4().hex[:16]}", "secret", **account)


@pytest.fixture
def oa(account: dict[str, Any]) -> OfficialAccount:
    return OfficialAccount(f"wx{uuid.uuid4().hex[:16]}", "secret", **account)


@pytest.fixture(params=[SUBSCRIBE, TEMPLATE])
def path(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


@pytest.fixture
def send(path: str, mp: MiniProgram, oa: OfficialAccount) -> Send:
    if path == SUBSCRIBE:
        return lambda: mp.send_subscribe_message(OPENID, "T1", DATA)
    return lambda: oa.send_template_message(OPENID, "T1", DATA, client_msg_id="m-1")


def test_a_subscribe_message(mp: MiniProgram, platform: Platform) -> None:
    platform.on(SUBSCRIBE, ok(errcode=0, errmsg="ok", msgid=3395159288267931652))
    assert mp.send_subscribe_message(OPENID, "T1", DATA, page="pages/a/b?id=1") == "3395159288267931652"
    values = {"thing1": {"value": "质量管理😀"}, "time2": {"value": "2026-03-05 14:00"}}
    assert platform.calls[-1].body == {
        "touser": OPENID,
        "template_id": "T1",
        "page": "pages/a/b?id=1",
        "miniprogram_state": "formal",
        "lang": "zh_CN",
        "data": values,
    }
    assert "质量管理😀".encode() in platform.calls[-1].raw
    mp.send_subscribe_message(OPENID, "T1", DATA, state="trial", lang="en_US")
    body = platform.calls[-1].body
    assert (body["miniprogram_state"], body["lang"], "page" in body) == ("trial", "en_US", False)


def test_a_template_message(oa: OfficialAccount, platform: Platform) -> None:
    platform.on(TEMPLATE, ok(errcode=0, errmsg="ok", msgid=200228332))
    page = Page("wxmini", "pages/a/b?id=1")
    sent = oa.send_template_message(
        OPENID, "T1", {"thing1": "甲"}, url="https://x/", page=page, client_msg_id="m-1"
    )
    assert sent == "200228332"
    assert platform.calls[-1].body == {
        "touser": OPENID,
        "template_id": "T1",
        "url": "https://x/",
        "miniprogram": {"appid": "wxmini", "pagepath": "pages/a/b?id=1"},
        "client_msg_id": "m-1",
        "data": {"thing1": {"value": "甲"}},
    }
    oa.send_template_message(OPENID, "T1", {"thing1": "甲"})
    assert set(platform.calls[-1].body) == {"touser", "template_id", "data"}


def test_an_answer_without_a_number(send: Send, path: str, platform: Platform) -> None:
    platform.on(path, ok(errcode=0, errmsg="ok"))
    assert send() == ""


OUTCOMES = {
    Outcome.RETRY_TRANSIENT: [-1],
    Outcome.THROTTLED: [45011, 44991, 44990, 43108, 61081, 87020],
    Outcome.QUOTA_DAY: [45009, 44993],
    Outcome.CONFIGURATION: [
        40013, 40125, 40164, 40243, 41002, 41004, 48001, 48004, 50002, 50004, 50007, 61007, 89503, 89506,
        89507, 40036, 40037, 43106, 43107, 43116, 45109, 40002,
    ],
    Outcome.USER_STATE: [43101, 43004, 43019, 40003, 48002, 61010, 40226],
    Outcome.USER_INPUT: [40029, 40163, 41008],
    Outcome.CONTENT: [
        47001, 47003, 44002, 43002, 40097, 40129, 40169, 40159, 41030, 40165, 40039, 40008, 45168, 40249,
        87014,
    ],
    Outcome.UNKNOWN: [99999],
}  # fmt: skip


@pytest.mark.parametrize(
    ("errcode", "outcome"), [(code, outcome) for outcome, codes in OUTCOMES.items() for code in codes]
)
def test_every_refusal_has_its_class_and_is_final(
    send: Send, path: str, platform: Platform, pauses: list[float], errcode: int, outcome: Outcome
) -> None:
    platform.on(path, refuse(errcode))
    with pytest.raises(WeChatError) as failed:
        send()
    assert (failed.value.outcome, failed.value.errcode) == (outcome, errcode)
    assert platform.paths() == [STABLE, path]
    assert pauses == []


@pytest.mark.parametrize(
    "answer",
    [
        drop,
        text("<html>"),
        text("<html>", 502),
        text("", 500),
        raw(b""),
        raw(b"[]"),
        raw(b'{"errcode": 0', length=500),
        ok(errcode="many"),
    ],
)
def test_what_may_have_been_sent_is_not_sent_again(
    send: Send, path: str, platform: Platform, pauses: list[float], answer: Script
) -> None:
    platform.on(path, answer)
    with pytest.raises(WeChatError) as failed:
        send()
    assert (failed.value.outcome, failed.value.errcode) == (Outcome.UNKNOWN, None)
    assert platform.paths() == [STABLE, path]
    assert pauses == []


def test_an_answer_too_late(account: dict[str, Any], platform: Platform) -> None:
    hasty = MiniProgram(f"wx{uuid.uuid4().hex[:16]}", "secret", **account, timeout=(2.0, 0.2))
    platform.on(SUBSCRIBE, platform.stall)
    with pytest.raises(WeChatError) as failed:
        hasty.send_subscribe_message(OPENID, "T1", DATA)
    assert failed.value.outcome is Outcome.UNKNOWN
    assert platform.paths() == [STABLE, SUBSCRIBE]


def test_nothing_was_sent_if_nobody_was_there(
    mp: MiniProgram, account: dict[str, Any], platform: Platform, pauses: list[float]
) -> None:
    platform.on("/cgi-bin/works", ok(errcode=0))
    mp.get("/cgi-bin/works")
    with socket.create_server(("127.0.0.1", 0)) as unused:
        nowhere = f"http://127.0.0.1:{unused.getsockname()[1]}"
    deserted = MiniProgram(mp.appid, "secret", account["tokens"], nowhere, sleep=pauses.append)
    with pytest.raises(WeChatError) as failed:
        deserted.send_subscribe_message(OPENID, "T1", DATA)
    assert failed.value.outcome is Outcome.RETRY_TRANSIENT
    assert pauses == []


@pytest.mark.parametrize("answer", [drop, text("<html>"), refuse(99999)])
def test_without_a_token_nothing_was_sent(send: Send, path: str, platform: Platform, answer: Script) -> None:
    platform.on(path, refuse(40001))
    platform.on(
        STABLE, ok(access_token="token", expires_in=7200), ok(access_token="token", expires_in=1), answer
    )
    with pytest.raises(WeChatError) as failed:
        send()
    assert failed.value.outcome is Outcome.RETRY_TRANSIENT
    assert platform.paths() == [STABLE, path, STABLE, STABLE]


def test_a_refused_token_is_replaced_and_the_message_sent_once_more(
    send: Send, path: str, platform: Platform
) -> None:
    platform.on(STABLE, ok(access_token="stale", expires_in=7200), ok(access_token="fresh", expires_in=7200))
    platform.on(path, refuse(40001), ok(errcode=0, msgid=7))
    assert send() == "7"
    assert platform.paths() == [STABLE, path, STABLE, path]


def test_what_was_sent_is_not_in_the_error(send: Send, path: str, platform: Platform) -> None:
    platform.on(path, refuse(47003, f"argument invalid! data.thing1.value 质量管理😀 of {OPENID} invalid"))
    with pytest.raises(WeChatError) as failed:
        send()
    assert failed.value.detail == "argument invalid! data.thing1.value * of * invalid"


def test_many_threads_share_the_connections(account: dict[str, Any], platform: Platform) -> None:
    mp = MiniProgram(f"wx{uuid.uuid4().hex[:16]}", "secret", **account, connections=4)
    platform.on(SUBSCRIBE, ok(errcode=0, msgid=1))
    with ThreadPoolExecutor(24) as pool:
        sent = list(pool.map(lambda _: mp.send_subscribe_message(OPENID, "T1", DATA), range(120)))
    assert sent == ["1"] * 120
    assert platform.paths().count(SUBSCRIBE) == 120 and platform.paths().count(STABLE) == 1
    mp.close()


# Templates


def test_templates_of_the_mini_program(mp: MiniProgram, platform: Platform) -> None:
    row = {
        "priTmplId": "T1",
        "title": "办理进度",
        "content": "事项:{{thing1.DATA}}\n状态:{{enum2.DATA}}\n",
        "example": "事项:认证\n",
        "type": 3,
        "keywordEnumValueList": [{"keywordCode": "enum2.DATA", "enumValueList": ["已受理", "已办结"]}],
    }
    once = {"priTmplId": "T2", "title": "提醒", "content": "时间:{{time1.DATA}}\n", "type": 2}
    platform.on("/wxaapi/newtmpl/gettemplate", ok(errcode=0, data=[row, once]))
    first, second = mp.templates()
    assert (first.id, first.title, first.subscription) == ("T1", "办理进度", "long_term")
    assert first.fields == (
        TemplateField("事项", "thing1", "thing"),
        TemplateField("状态", "enum2", "enum", ("已受理", "已办结")),
    )
    assert second.subscription == "one_time"


def test_templates_of_the_official_account_without_the_one_nobody_can_use(
    oa: OfficialAccount, platform: Platform
) -> None:
    rows = [
        {"template_id": "P", "title": "订阅模板消息", "content": "{{content.DATA}}"},
        {"template_id": "T1", "title": "提醒", "content": "课程：{{thing1.DATA}}\n"},
    ]
    platform.on("/cgi-bin/template/get_all_private_template", ok(template_list=rows))
    [template] = oa.templates()
    assert (template.id, template.subscription) == ("T1", "none")
    assert template.fields == (TemplateField("课程", "thing1", "thing"),)


@pytest.mark.parametrize("answer", [ok(errcode=0), ok(data="x"), ok(data=["x"]), ok(data=[{"title": "x"}])])
def test_a_list_of_templates_that_is_none(mp: MiniProgram, platform: Platform, answer: Script) -> None:
    platform.on("/wxaapi/newtmpl/gettemplate", answer)
    with pytest.raises(WeChatError) as failed:
        mp.templates()
    assert failed.value.outcome is Outcome.UNKNOWN


# Followers


def test_followers(oa: OfficialAccount, platform: Platform) -> None:
    row = {"subscribe": 1, "openid": "o1", "unionid": "u1", "subscribe_time": 1_700_000_000}
    platform.on(INFO, ok(**row))
    assert oa.follower("o1") == Follower("o1", True, "u1", 1_700_000_000)
    assert platform.calls[-1].query == {"access_token": ["token"], "openid": ["o1"], "lang": ["zh_CN"]}
    platform.on(INFO + "/batchget", refuse(-1), ok(user_info_list=[row, {"subscribe": 0, "openid": "o2"}]))
    assert oa.followers(["o1", "o2"]) == [Follower("o1", True, "u1", 1_700_000_000), Follower("o2", False)]
    assert platform.calls[-1].body == {
        "user_list": [{"openid": "o1", "lang": "zh_CN"}, {"openid": "o2", "lang": "zh_CN"}]
    }
    assert oa.followers([]) == []
    with pytest.raises(ValueError, match="100"):
        oa.followers(["o"] * 101)
    assert "u1" not in repr(oa.follower("o1"))


def test_all_followers_page_by_page(oa: OfficialAccount, platform: Platform) -> None:
    platform.on(
        LIST,
        ok(total=3, count=2, data={"openid": ["o1", "o2"]}, next_openid="o2"),
        ok(total=3, count=1, data={"openid": ["o3"]}, next_openid="o3"),
        ok(total=3, count=0, next_openid=""),
    )
    assert list(oa.all_followers()) == ["o1", "o2", "o3"]
    asked = [call.query.get("next_openid") for call in platform.calls if call.path == LIST]
    assert asked == [None, ["o2"], ["o3"]]
