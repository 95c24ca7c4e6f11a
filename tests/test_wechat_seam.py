"""Both ends of the seam: our clients and receivers against the simulated platform, over real HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fakeredis import FakeRedis, FakeServer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.wechat_simulator import (
    AES_KEY,
    APPID,
    LONG_TERM,
    OFFICIAL_APPID,
    OFFICIAL_SECRET,
    ONE_TIME,
    SECRET,
    TOKEN,
    Application,
    Simulator,
    wait_for,
)
from wechat.client import MiniProgram
from wechat.errors import Outcome, WeChatError
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
from wechat.fields import problems
from wechat.official_account import Follower, OfficialAccount, Page
from wechat.push import PushReceiver
from wechat.tokens import TokenStore

SUBSCRIBE, TEMPLATE = "/cgi-bin/message/subscribe/send", "/cgi-bin/message/template/send"
DATA = {"thing1": "质量培训", "phrase2": "已通过", "time3": "2026年3月5日 14:00", "thing4": "请准时到场"}


@pytest.fixture
def tokens() -> TokenStore:
    return TokenStore(FakeRedis(server=FakeServer()))


@pytest.fixture
def mp(sim: Simulator, tokens: TokenStore) -> Iterator[MiniProgram]:
    account = MiniProgram(APPID, SECRET, tokens, sim.base, timeout=(5, 5), sleep=lambda _s: None)
    yield account
    account.close()


@pytest.fixture
def oa(sim: Simulator, tokens: TokenStore) -> Iterator[OfficialAccount]:
    account = OfficialAccount(OFFICIAL_APPID, OFFICIAL_SECRET, tokens, sim.base, timeout=(5, 5))
    yield account
    account.close()


def example(account: MiniProgram | OfficialAccount, title: str) -> tuple[str, dict[str, str]]:
    """A template of that title, with the values of its own example."""
    template = next(t for t in account.templates() if t.title == title)
    values = [line.split(":", 1)[1] for line in template.example.splitlines()]
    return template.id, dict(zip([f.key for f in template.fields], values, strict=True))


def refusal(act: Any) -> WeChatError:
    with pytest.raises(WeChatError) as refused:
        act()
    return refused.value


def told(application: Application, count: int) -> list[Told]:
    """What the first `count` pushes said, once they have arrived."""
    wait_for(lambda: application.received if len(application.received) >= count else [])
    said: list[Told] = []
    for push in application.received:
        appid = APPID if push["path"] == "/wechat/push" else OFFICIAL_APPID
        assert push["path"] in ("/wechat/push", "/wechat/push/oa")
        said += read(PushReceiver(appid, TOKEN, AES_KEY).receive(push["query"], push["body"]))
    return said


def test_every_template_takes_its_own_example(sim: Simulator, mp: MiniProgram, oa: OfficialAccount) -> None:
    person, templates = sim.person(), mp.templates()
    assert {t.subscription for t in templates} == {"one_time", "long_term"}
    sim.control(f"/people/{person['id']}/follow")
    for account in (mp, oa):
        for template in account.templates():
            values = [line.split(":", 1)[1] for line in template.example.splitlines()]
            data = dict(zip([f.key for f in template.fields], values, strict=True))
            assert all(not problems(f.type, data[f.key], f.choices) for f in template.fields), template.title
            if isinstance(account, MiniProgram):
                sim.control("/popup", person=person["id"], answers={template.id: "accept"})
                account.send_subscribe_message(person["openid"], template.id, data)
            else:
                account.send_template_message(person["official_openid"], template.id, data)
    assert sim.ask("/sent/check")["sent"] == len(templates) + len(oa.templates())


def test_a_subscribe_message_from_the_sheet_to_its_result(
    sim: Simulator, application: tuple[Application, str], mp: MiniProgram
) -> None:
    person = sim.person()
    sim.control("/popup", person=person["id"], answers={ONE_TIME: "accept"})
    msgid = mp.send_subscribe_message(person["openid"], ONE_TIME, DATA, page="pages/a/b?id=1")
    assert refusal(lambda: mp.send_subscribe_message(person["openid"], ONE_TIME, DATA)).errcode == 43101
    answered, sent = told(application[0], 2)
    assert isinstance(answered, SubscriptionAnswered) and answered.accepted and answered.in_sheet
    assert sent == SubscribeMessageSent(person["openid"], ONE_TIME, msgid, "")
    [logged] = sim.ask(f"/sent?person={person['id']}")["sent"]
    assert (logged["msgid"], logged["page"], logged["result"]) == (msgid, "pages/a/b?id=1", "success")


def test_results_by_choice(
    sim: Simulator, application: tuple[Application, str], mp: MiniProgram, oa: OfficialAccount
) -> None:
    person = sim.control("/people/batch", count=1, accept={ONE_TIME: 3}, follows=True)["people"][0]
    template_id, data = example(oa, "课程开课提醒")
    sim.control("/results", result="failed: system failed", times=2, pushed="failures")
    mp.send_subscribe_message(person["openid"], ONE_TIME, DATA)
    oa.send_template_message(person["official_openid"], template_id, data)
    mp.send_subscribe_message(person["openid"], ONE_TIME, DATA)
    sim.control(f"/people/{person['id']}/block", blocks=True)
    oa.send_template_message(person["official_openid"], template_id, data)
    said = told(application[0], 3)
    assert [t.error for t in said if isinstance(t, SubscribeMessageSent)] == ["failed: system failed"]
    results = {t.result for t in said if isinstance(t, TemplateMessageSent)}
    assert results == {"failed", "blocked"}
    sim.control("/results", pushed="none")
    mp.send_subscribe_message(person["openid"], ONE_TIME, DATA)
    assert len(sim.ask("/pushes")["pushes"]) == 3


# The Official Account


def test_following(sim: Simulator, application: tuple[Application, str], oa: OfficialAccount) -> None:
    person = sim.person()
    openid = person["official_openid"]
    assert openid != person["openid"]
    assert oa.follower(openid) == Follower(openid, follows=False)
    template_id, data = example(oa, "课程开课提醒")
    assert refusal(lambda: oa.send_template_message(openid, template_id, data)).errcode == 43004
    sim.control(f"/people/{person['id']}/follow", scene="b7")
    sim.control(f"/people/{person['id']}/follow", scene="b8")
    follower = oa.follower(openid)
    assert follower.follows and follower.unionid == person["unionid"]
    assert oa.send_template_message(openid, template_id, data)
    sim.control(f"/people/{person['id']}/unfollow")
    assert refusal(lambda: oa.send_template_message(openid, template_id, data)).errcode == 43004
    said = [type(t) for t in told(application[0], 4)]
    assert sorted(said, key=str) == sorted([Followed, Scanned, TemplateMessageSent, Unfollowed], key=str)
    scenes = {t.scene for t in told(application[0], 4) if isinstance(t, Followed | Scanned)}
    assert scenes == {"b7", "b8"}
    assert all(p["body"].startswith(b"<xml>") for p in application[0].received)


def test_followers_have_no_unionid_until_the_account_is_bound(sim: Simulator, oa: OfficialAccount) -> None:
    people = sim.control("/people/batch", count=3, follows=True)["people"]
    openids = [person["official_openid"] for person in people]
    sim.control("/open-platform", bound=False)
    assert [f.unionid for f in oa.followers(openids)] == [None] * 3
    sim.control("/open-platform", bound=True)
    assert [f.unionid for f in oa.followers(openids)] == [person["unionid"] for person in people]
    assert refusal(lambda: oa.followers(["oNobody"])).errcode == 40003


def test_all_followers_beyond_a_page(sim: Simulator, oa: OfficialAccount) -> None:
    people = sim.control("/people/batch", count=10_001, follows=True)["people"]
    sim.person()
    assert list(oa.all_followers()) == [person["official_openid"] for person in people]


def test_a_message_to_a_follower_leads_where_it_may(sim: Simulator, oa: OfficialAccount) -> None:
    person = sim.control("/people/batch", count=1, follows=True)["people"][0]
    openid = person["official_openid"]
    template_id, data = example(oa, "课程开课提醒")
    sim.control("/pages", pages=["pages/index/index"])

    def send(**leads: Any) -> str:
        return oa.send_template_message(openid, template_id, data, **leads)

    assert refusal(lambda: send(page=Page(APPID, "pages/gone/gone"))).errcode == 40165
    assert refusal(lambda: send(page=Page("wx-of-another", "pages/index/index"))).errcode == 40013
    assert refusal(lambda: send(url="https://x/" + "a" * 2048)).errcode == 40039
    send(page=Page(APPID, "pages/index/index?id=1"), url="https://x/")
    [logged] = sim.ask("/sent")["sent"]
    assert (logged["page"], logged["url"], logged["title"]) == (
        "pages/index/index?id=1", "https://x/", "课程开课提醒",
    )  # fmt: skip


def test_refusals_of_the_official_account(sim: Simulator, oa: OfficialAccount, mp: MiniProgram) -> None:
    person = sim.control("/people/batch", count=1, follows=True)["people"][0]
    openid = person["official_openid"]
    template_id, data = example(oa, "课程开课提醒")
    assert refusal(lambda: oa.send_template_message(person["openid"], template_id, data)).errcode == 40003
    assert refusal(lambda: oa.send_template_message(openid, "gone", data)).errcode == 40037
    long = refusal(lambda: oa.send_template_message(openid, template_id, {**data, "thing1": "十" * 21}))
    assert (long.errcode, long.detail) == (47003, "argument invalid! data.thing1.value invalid")
    assert refusal(lambda: mp.post(TEMPLATE, {"touser": openid})).errcode == 48001
    assert refusal(lambda: oa.post(SUBSCRIBE, {"touser": openid})).errcode == 48001


def test_a_repeated_client_msg_id_is_delivered_once_for_ten_minutes(
    sim: Simulator, oa: OfficialAccount
) -> None:
    first, other = sim.control("/people/batch", count=2, follows=True)["people"]
    template_id, data = example(oa, "课程开课提醒")

    def send(person: Any, client_msg_id: str) -> str:
        openid = person["official_openid"]
        return oa.send_template_message(openid, template_id, data, client_msg_id=client_msg_id)

    msgid = send(first, "m-1")
    assert send(first, "m-1") == msgid
    assert len({send(other, "m-1"), send(first, "m-2"), msgid}) == 3
    assert sim.ask("/sent/check")["sent"] == 3
    sim.control("/clock", advance=601)
    assert send(first, "m-1") != msgid
    check = sim.ask("/sent/check")
    assert (check["sent"], check["addressees"]) == (4, 2)
    [twice] = check["duplicates"]
    assert (twice["openid"], twice["times"]) == (first["official_openid"], 3)


# Templates


def test_a_template_that_changes_or_vanishes(sim: Simulator, mp: MiniProgram, oa: OfficialAccount) -> None:
    for account, title in ((mp, "报名结果通知"), (oa, "课程开课提醒")):
        template_id, _ = example(account, title)
        sim.control(f"/templates/{template_id}", content="时间:{{time1.DATA}}\n")
        changed = next(t for t in account.templates() if t.id == template_id)
        assert [f.key for f in changed.fields] == ["time1"]
        sim.control(f"/templates/{template_id}")
        assert template_id not in [t.id for t in account.templates()]
    person = sim.person()
    assert refusal(lambda: mp.send_subscribe_message(person["openid"], ONE_TIME, DATA)).errcode == 40037


@given(text=st.text(max_size=30) | st.text("0123456789年月日:- 质量a\n…", max_size=24))
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize("key", ["thing1", "enum2", "date3"])
def test_the_platform_accepts_what_has_no_problem_and_nothing_else(
    sim: Simulator, mp: MiniProgram, key: str, text: str
) -> None:
    template = next(t for t in mp.templates() if t.id == LONG_TERM)
    person = (sim.ask("/people")["people"] or [sim.person()])[0]
    openid = person["openid"]
    sim.control("/popup", person=person["id"], answers={LONG_TERM: "accept"})
    data = {"thing1": "认证", "enum2": "已受理", "date3": "2026-03-05", "thing4": "—", key: text}
    field = next(f for f in template.fields if f.key == key)
    if problems(field.type, text, field.choices):
        assert refusal(lambda: mp.send_subscribe_message(openid, LONG_TERM, data)).errcode == 47003
    else:
        mp.send_subscribe_message(openid, LONG_TERM, data)


# Limits and bad days


def test_two_messages_to_one_person_at_once(sim: Simulator, mp: MiniProgram) -> None:
    one, other = sim.control("/people/batch", count=2, accept={ONE_TIME: 9})["people"]
    mp.templates()
    sim.control("/latency", ms=1000)

    def send(person: Any) -> int | None:
        try:
            mp.send_subscribe_message(person["openid"], ONE_TIME, DATA)
        except WeChatError as error:
            return error.errcode
        return 0

    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(send, [one, one, other]))
    sim.control("/latency", ms=0)
    assert sorted(map(int, results[:2])) == [0, 43108] and results[2] == 0
    assert send(one) == 0


def test_the_quota_of_a_day_ends_at_midnight_in_beijing(sim: Simulator, mp: MiniProgram) -> None:
    person = sim.control("/people/batch", count=1, accept={ONE_TIME: 9})["people"][0]
    noon = (86400 - (time.time() + 8 * 3600) % 86400) + 12 * 3600
    sim.control("/clock", advance=noon)
    sim.control("/quotas", path=SUBSCRIBE, limit=1, seconds=86400, errcode=45009)

    def send() -> str:
        return mp.send_subscribe_message(person["openid"], ONE_TIME, DATA)

    assert send()
    assert refusal(send).outcome is Outcome.QUOTA_DAY
    sim.control("/clock", advance=11 * 3600)
    assert refusal(send).outcome is Outcome.QUOTA_DAY
    sim.control("/clock", advance=3600 + 60)
    assert send()


def test_the_quota_of_a_minute(sim: Simulator, mp: MiniProgram) -> None:
    person = sim.control("/people/batch", count=1, accept={ONE_TIME: 9})["people"][0]
    sim.control("/clock", advance=60 - time.time() % 60 + 1)
    sim.control("/quotas", path=SUBSCRIBE, limit=1, seconds=60, errcode=45011)

    def send() -> str:
        return mp.send_subscribe_message(person["openid"], ONE_TIME, DATA)

    assert send()
    assert refusal(send).outcome is Outcome.THROTTLED
    sim.control("/clock", advance=60)
    assert send()


@pytest.mark.parametrize(
    ("fault", "outcome", "sent"),
    [
        ({"kind": "errcode", "value": -1}, Outcome.RETRY_TRANSIENT, 0),
        ({"kind": "errcode", "value": 45168}, Outcome.CONTENT, 0),
        ({"kind": "5xx"}, Outcome.UNKNOWN, 0),
        ({"kind": "html"}, Outcome.UNKNOWN, 0),
        ({"kind": "drop_after_accept"}, Outcome.UNKNOWN, 1),
        ({"kind": "timeout", "value": 1}, Outcome.UNKNOWN, 0),
        ({"kind": "slow", "value": 1}, Outcome.UNKNOWN, 1),
    ],
)
def test_a_bad_day_ends_as_it_must(
    sim: Simulator, tokens: TokenStore, fault: dict[str, Any], outcome: Outcome, sent: int
) -> None:
    hasty = MiniProgram(APPID, SECRET, tokens, sim.base, timeout=(5, 0.5))
    person = sim.control("/people/batch", count=1, accept={ONE_TIME: 9})["people"][0]
    hasty.templates()
    sim.control("/faults", path=SUBSCRIBE, **fault)
    error = refusal(lambda: hasty.send_subscribe_message(person["openid"], ONE_TIME, DATA))
    assert error.outcome is outcome
    if sent:
        wait_for(lambda: list(sim.ask("/sent")["sent"]))
    assert sim.ask("/sent/check")["sent"] == sent


def test_a_fault_for_so_many_seconds(
    sim: Simulator, mp: MiniProgram, monkeypatch: pytest.MonkeyPatch
) -> None:
    sim.control("/faults", path=SUBSCRIBE, kind="errcode", value=-1, seconds=60)
    for _ in range(3):
        assert refusal(lambda: mp.send_subscribe_message("o", ONE_TIME, DATA)).errcode == -1
    [fault] = sim.ask("/faults")["faults"]
    assert fault["times"] is None and 50 <= fault["seconds"] <= 60
    later = time.monotonic() + 61
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert refusal(lambda: mp.send_subscribe_message("o", ONE_TIME, DATA)).errcode == 40003
    assert sim.ask("/faults")["faults"] == []


# The log


def test_the_log_finds_who_got_a_message_twice(sim: Simulator, mp: MiniProgram) -> None:
    sim.control("/results", pushed="none")
    one, other = sim.control("/people/batch", count=2, accept={ONE_TIME: 9})["people"]
    mp.send_subscribe_message(one["openid"], ONE_TIME, DATA)
    before = sim.ask("/sent?limit=1")["last"]
    mp.send_subscribe_message(one["openid"], ONE_TIME, DATA)
    mp.send_subscribe_message(other["openid"], ONE_TIME, {**DATA, "thing4": "甲"})
    mp.send_subscribe_message(other["openid"], ONE_TIME, {**DATA, "thing4": "乙"})
    duplicates = sim.ask("/sent/check")["duplicates"]
    assert [(d["openid"], d["times"], d["numbers"]) for d in duplicates] == [(one["openid"], 2, [1, 2])]
    assert sim.ask(f"/sent/check?after={before}")["duplicates"] == []
    by_template = sim.ask(f"/sent/check?after={before}&same=template&template_id={ONE_TIME}")
    assert [d["openid"] for d in by_template["duplicates"]] == [other["openid"]]
    assert by_template["sent"] == 3 and by_template["addressees"] == 2
    assert [row["n"] for row in sim.ask("/sent?limit=2")["sent"]] == [4, 3]


def test_many_threads_send_to_many_and_nothing_is_missing(sim: Simulator, mp: MiniProgram) -> None:
    sim.control("/results", pushed="none")
    people = sim.control("/people/batch", count=400, accept={ONE_TIME: 1})["people"]
    with ThreadPoolExecutor(32) as pool:
        msgids = list(pool.map(lambda p: mp.send_subscribe_message(p["openid"], ONE_TIME, DATA), people))
    check = sim.ask("/sent/check")
    assert (len(set(msgids)), check["sent"], check["addressees"], check["duplicates"]) == (400, 400, 400, [])


def test_every_message_has_its_result(
    sim: Simulator, application: tuple[Application, str], mp: MiniProgram
) -> None:
    people = sim.control("/people/batch", count=60, accept={ONE_TIME: 1})["people"]
    msgids = {mp.send_subscribe_message(person["openid"], ONE_TIME, DATA) for person in people}
    said = told(application[0], 60)
    assert {t.msgid for t in said if isinstance(t, SubscribeMessageSent)} == msgids
