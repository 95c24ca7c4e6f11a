"""The simulated platform, over real HTTP: its limits, its errors, its pushes and its faults."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from pathlib import Path
from typing import Any

import pytest
import requests

from config.settings import ConfigurationError
from tests.wechat_simulator import (
    APPID,
    LONG_TERM,
    ONE_TIME,
    OTHER_ONE_TIME,
    RESULT,
    TOKEN,
    Application,
    Simulator,
    refused,
    settings_for,
    sign,
    unseal,
)
from wechat.simulator import create_simulator

# --- where it may run


def test_refuses_to_start_outside_embedded_mode() -> None:
    with pytest.raises(ConfigurationError, match="内置环境"):
        create_simulator(settings_for("https://example.cn", embedded=False))


def test_people_survive_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INSTANCE_DIR", str(tmp_path))
    settings = settings_for("http://127.0.0.1:9")
    first = create_simulator(settings).test_client()
    created = first.post("/__sim__/people", json={"name": "李强"}).get_json()
    again = create_simulator(settings).test_client().get("/__sim__/people").get_json()["people"]
    assert again == [created]
    assert created["phone"].startswith("138") and len(created["phone"]) == 11

    monkeypatch.setenv("INSTANCE_DIR", str(tmp_path / "another"))
    stranger = (
        create_simulator(settings).test_client().post("/__sim__/people", json={"name": "李强"}).get_json()
    )
    assert stranger["openid"] != created["openid"]


# --- sign-in


def test_login_code_works_once(sim: Simulator) -> None:
    person = sim.person()
    code = sim.login_code(person)
    session = sim.session(code)
    assert session["openid"] == person["openid"] and session["unionid"] == person["unionid"]
    assert len(base64.b64decode(session["session_key"])) == 16
    assert "errcode" not in session
    assert refused(sim.session(code), 40163)


def test_login_answers_as_plain_text(sim: Simulator) -> None:
    reply = requests.get(sim.base + "/sns/jscode2session", params={"appid": APPID}, timeout=10)
    assert reply.headers["Content-Type"].startswith("text/plain")
    assert refused(reply.json(), 41004)


def test_login_code_expires_after_five_minutes(sim: Simulator) -> None:
    code = sim.login_code(sim.person())
    sim.control("/clock", advance=301)
    assert refused(sim.session(code), 40029)


def test_login_code_of_another_mini_program_is_refused(sim: Simulator) -> None:
    assert refused(sim.session(sim.login_code(sim.person(), appid="wx0000000000000000")), 40029)


@pytest.mark.parametrize(
    ("wrong", "errcode"),
    [
        ({"appid": ""}, 41002),
        ({"appid": "wx0000000000000000"}, 40013),
        ({"secret": ""}, 41004),
        ({"secret": "wrong"}, 40125),
        ({"js_code": ""}, 41008),
        ({"grant_type": "password"}, 40002),
        ({"js_code": "081invented"}, 40029),
    ],
)
def test_login_refuses_wrong_parameters_and_keeps_the_code(
    sim: Simulator, wrong: dict[str, str], errcode: int
) -> None:
    code = sim.login_code(sim.person())
    assert refused(sim.session(code, **wrong), errcode)
    assert "openid" in sim.session(code)


def test_a_newer_login_ends_the_session_key(sim: Simulator) -> None:
    person = sim.person()

    def check(key: str, path: str = "/wxa/checksession") -> Any:
        signature = hmac.new(key.encode(), b"", hashlib.sha256).hexdigest()
        query = {"openid": person["openid"], "signature": signature, "sig_method": "hmac_sha256"}
        return sim.get(path, access_token=sim.token, **query)

    older = sim.session(sim.login_code(person))["session_key"]
    assert check(older)["errcode"] == 0
    newer = sim.session(sim.login_code(person))["session_key"]
    assert refused(check(older), 87009)
    reset = check(newer, "/wxa/resetusersessionkey")
    assert reset["openid"] == person["openid"]
    assert refused(check(newer), 87009)
    assert check(reset["session_key"])["errcode"] == 0


def test_phone_number_code(sim: Simulator) -> None:
    person, other = sim.person(), sim.person("李强")
    path = "/wxa/business/getuserphonenumber"

    def code(**extra: str) -> str:
        value: str = sim.control("/phone_code", person=person["id"], **extra)["code"]
        return value

    one = code()
    assert refused(sim.session(one), 40029)
    assert refused(sim.post(path, {"code": sim.login_code(person)}), 40029)
    assert refused(sim.post(path, {"code": code(appid="wx0000000000000000")}), 40013)
    assert refused(sim.post(path, {"code": one, "openid": other["openid"]}), 40003)
    info = sim.post(path, {"code": one, "openid": person["openid"]})["phone_info"]
    assert info["purePhoneNumber"] == person["phone"]
    assert info["watermark"]["appid"] == APPID
    assert refused(sim.post(path, {"code": one}), 40029)
    late = code()
    sim.control("/clock", advance=300)
    assert refused(sim.post(path, {"code": late}), 40029)


# --- access_token


def check_token(sim: Simulator, token: str) -> Any:
    return sim.get("/wxaapi/newtmpl/gettemplate", access_token=token)


def test_token_families_do_not_touch_each_other(sim: Simulator) -> None:
    legacy = sim.legacy()["access_token"]
    sim.stable(force_refresh=True)
    assert check_token(sim, legacy)["errcode"] == 0
    stable = sim.stable()["access_token"]
    sim.legacy()
    sim.control("/clock", advance=301)
    assert refused(check_token(sim, legacy), 40001)
    assert check_token(sim, stable)["errcode"] == 0


def test_former_legacy_token_lives_five_minutes(sim: Simulator) -> None:
    former, latest = sim.legacy()["access_token"], sim.legacy()["access_token"]
    assert former != latest
    sim.control("/clock", advance=290)
    assert check_token(sim, former)["errcode"] == 0
    sim.control("/clock", advance=20)
    assert refused(check_token(sim, former), 40001)
    sim.control("/clock", advance=7200)
    assert refused(check_token(sim, latest), 42001)


def test_stable_token_stays_until_five_minutes_before_its_end(sim: Simulator) -> None:
    assert sim.stable()["access_token"] == sim.token
    sim.control("/clock", advance=6600)
    again = sim.stable()
    assert again["access_token"] == sim.token and 300 <= again["expires_in"] <= 600
    sim.control("/clock", advance=350)
    renewed = sim.stable()
    assert renewed["access_token"] != sim.token and renewed["expires_in"] > 7100
    assert check_token(sim, sim.token)["errcode"] == 0
    sim.control("/clock", advance=300)
    assert refused(check_token(sim, sim.token), 42001)


def test_forced_refresh_kills_the_token_but_not_twice_in_half_a_minute(sim: Simulator) -> None:
    forced = sim.stable(force_refresh=True)["access_token"]
    assert forced != sim.token
    assert refused(check_token(sim, sim.token), 40001)
    assert sim.stable(force_refresh=True)["access_token"] == forced
    sim.control("/clock", advance=31)
    assert sim.stable(force_refresh=True)["access_token"] != forced


def test_forced_refresh_works_twenty_times_a_day(sim: Simulator) -> None:
    to_midnight = 86400 - (time.time() + 8 * 3600) % 86400
    sim.control("/clock", advance=to_midnight + 1)
    tokens = []
    for _ in range(21):
        tokens.append(sim.stable(force_refresh=True)["access_token"])
        sim.control("/clock", advance=31)
    assert len(set(tokens[:20])) == 20
    assert tokens[20] == tokens[19]


def test_order_of_checks(sim: Simulator) -> None:
    path = "/cgi-bin/message/subscribe/send"
    base = sim.base + path
    wrong = "98_" + "x" * 130
    assert refused(requests.get(base, timeout=10).json(), 41001)
    assert refused(requests.get(base, params={"access_token": "nonsense"}, timeout=10).json(), 40014)
    assert refused(requests.get(base, params={"access_token": wrong}, timeout=10).json(), 40001)
    assert refused(sim.get(path, access_token=sim.token), 43002)
    assert refused(sim.post_raw(path, b"").json(), 44002)
    assert refused(sim.post_raw(path, b"touser=1").json(), 47001)
    assert refused(sim.post_raw(path, b'{"touser": "\\u4f01\\u4e1a"}').json(), 40033)
    assert refused(sim.post_raw("/wxaapi/newtmpl/gettemplate", b"{}").json(), 43001)
    sim.control("/quotas", path=path, limit=1, seconds=60, errcode=45011)
    assert refused(sim.post(path, {"touser": "nobody"}), 40003)
    assert refused(sim.post(path, {"touser": "nobody"}), 45011)
    sim.control("/clock", advance=60)
    assert refused(sim.post(path, {"touser": "nobody"}), 40003)


def test_unknown_path_is_a_page(sim: Simulator) -> None:
    reply = requests.get(sim.base + "/cgi-bin/nothing", timeout=10)
    assert reply.status_code == 404 and reply.headers["Content-Type"].startswith("text/html")


# --- subscribe messages


def test_each_accept_is_worth_one_message(sim: Simulator) -> None:
    person = sim.person()
    assert refused(sim.send(person), 43101)
    for _ in range(2):
        sim.control("/popup", person=person["id"], answers={ONE_TIME: "accept", OTHER_ONE_TIME: "reject"})
    first = sim.send(person)
    assert first["errcode"] == 0 and 2**53 < first["msgid"] < 2**63
    assert sim.send(person)["msgid"] != first["msgid"]
    assert refused(sim.send(person), 43101)
    sent = sim.ask(f"/sent?person={person['id']}")["sent"]
    assert [row["msgid"] for row in sent][-1] == str(first["msgid"])
    assert sent[0]["lines"][1] == ["报名结果", "已通过"]


def test_long_term_subscription_stays_until_switched_off(sim: Simulator) -> None:
    person = sim.person()
    data = {
        "thing1": {"value": "认证帮扶"},
        "enum2": {"value": "已受理"},
        "date3": {"value": "2026-03-05"},
        "thing4": {"value": "—"},
    }
    sim.control("/popup", person=person["id"], answers={LONG_TERM: "accept"})
    assert [sim.send(person, LONG_TERM, data=data)["errcode"] for _ in range(3)] == [0, 0, 0]
    assert refused(sim.send(person, LONG_TERM, data=data | {"enum2": {"value": "差不多"}}), 47003)
    sim.control(f"/people/{person['id']}/switch_off", template_id=LONG_TERM)
    assert refused(sim.send(person, LONG_TERM, data=data), 43101)


@pytest.mark.parametrize(
    ("change", "errmsg"),
    [
        ({"thing1": {"value": ""}}, "argument invalid! data.thing1.value is empty"),
        ({"thing1": {"value": "十" * 21}}, "argument invalid! data.thing1.value invalid"),
        ({"phrase2": {"value": "通过啦OK"}}, "argument invalid! data.phrase2.value invalid"),
        ({"time3": {"value": "2026年3月5日 25:00"}}, "argument invalid! data.time3.value invalid"),
        ({"thing4": {"value": "第一行\n第二行"}}, "argument invalid! data.thing4.value invalid"),
        ({"thing9": {"value": "多余"}}, "argument invalid! data.thing9 invalid"),
    ],
)
def test_field_that_breaks_its_rule_costs_no_credit(
    sim: Simulator, change: dict[str, Any], errmsg: str
) -> None:
    person = sim.person()
    sim.control("/popup", person=person["id"], answers={ONE_TIME: "accept"})
    reply = sim.send(person, data=RESULT | change)
    assert refused(reply, 47003) and reply["errmsg"].startswith(errmsg + " rid: ")
    assert sim.send(person)["errcode"] == 0


def test_send_refuses_wrong_addressee_template_and_page(sim: Simulator) -> None:
    person = sim.person()
    assert refused(sim.send({"openid": "oNobody"}), 40003)
    assert refused(sim.send(person, "unknown"), 40037)
    assert refused(sim.send(person, data=json.dumps(RESULT)), 47003)
    sim.control("/pages", pages=["pages/index/index"])
    assert refused(sim.send(person, page="pages/gone/gone?id=1"), 41030)
    assert refused(sim.send(person, page="pages/index/index?id=1"), 43101)


# --- mini-program codes


def test_unlimited_code_is_a_picture(sim: Simulator) -> None:
    body = json.dumps({"scene": "h=8fK2~x", "page": "pages/hall/hall"}).encode()
    reply = sim.post_raw("/wxa/getwxacodeunlimit", body)
    assert reply.headers["Content-Type"] == "image/png" and reply.content.startswith(b"\x89PNG")
    walls = sim.ask("/showing")["walls"]
    assert walls[0]["path"] == "pages/hall/hall?scene=h%3D8fK2~x"


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        ({}, 40129),
        ({"scene": "中文"}, 40129),
        ({"scene": "a b"}, 40129),
        ({"scene": "x" * 33}, 40169),
        ({"scene": "x", "page": "/pages/index/index"}, 41030),
        ({"scene": "x", "page": "pages/index/index?a=1"}, 41030),
        ({"scene": "x", "page": "pages/draft/draft"}, 41030),
        ({"scene": "x", "env_version": "beta"}, 40097),
    ],
)
def test_unlimited_code_refusals(sim: Simulator, body: dict[str, Any], errcode: int) -> None:
    sim.control("/pages", pages=["pages/index/index"])
    assert refused(sim.post("/wxa/getwxacodeunlimit", body), errcode)
    unchecked = {"scene": "x", "page": "pages/draft/draft", "check_path": False}
    picture = sim.post_raw("/wxa/getwxacodeunlimit", json.dumps(unchecked).encode())
    assert picture.content.startswith(b"\x89PNG")


# --- pushes


def test_popup_is_pushed_signed_and_sealed(sim: Simulator, application: tuple[Application, str]) -> None:
    person = sim.person()
    sim.control("/popup", person=person["id"], answers={ONE_TIME: "accept", OTHER_ONE_TIME: "reject"})
    sim.settled(1)
    push = application[0].received[0]
    query, envelope = push["query"], json.loads(push["body"])
    assert push["path"] == "/wechat/push"
    assert query["openid"] == person["openid"] and query["encrypt_type"] == "aes"
    parts = (query["timestamp"], query["nonce"])
    assert query["signature"] == sign(TOKEN, *parts)
    assert query["msg_signature"] == sign(TOKEN, *parts, envelope["Encrypt"])
    event = json.loads(unseal(envelope["Encrypt"]))
    assert event["Event"] == "subscribe_msg_popup_event" and event["FromUserName"] == person["openid"]
    assert [item["SubscribeStatusString"] for item in event["List"]] == ["accept", "reject"]

    sim.control("/popup", person=person["id"], answers={ONE_TIME: "accept"})
    sim.settled(2)
    single = json.loads(unseal(json.loads(application[0].received[1]["body"])["Encrypt"]))
    assert single["List"]["TemplateId"] == ONE_TIME


def test_xml_pushes(sim: Simulator, application: tuple[Application, str]) -> None:
    sim.control("/pushes/settings", format="xml")
    person = sim.person()
    sim.control("/popup", person=person["id"], answers={ONE_TIME: "accept", OTHER_ONE_TIME: "reject"})
    sim.settled(1)
    body = application[0].received[0]["body"].decode()
    encrypted = body.split("<Encrypt>")[1].split("</Encrypt>")[0]
    event = unseal(encrypted).decode()
    assert event.count("<List>") == 2 and "<SubscribeMsgPopupEvent><List><TemplateId><![CDATA[" in event


def test_three_attempts_with_identical_bytes(sim: Simulator, application: tuple[Application, str]) -> None:
    application[0].answers = [500, 503, 500]
    person = sim.person()
    sim.control("/popup", person=person["id"], answers={ONE_TIME: "accept"})
    push = sim.settled(1)[0]
    assert push["state"] == "failed" and [a["status"] for a in push["attempts"]] == [500, 503, 500]
    received = application[0].received
    assert len(received) == 3
    assert len({(r["body"], json.dumps(r["query"])) for r in received}) == 1


def test_sent_event_carries_the_message_number(sim: Simulator, application: tuple[Application, str]) -> None:
    person = sim.person()
    sim.control("/popup", person=person["id"], answers={ONE_TIME: "accept"})
    msgid = sim.send(person)["msgid"]
    sim.settled(2)
    events = [json.loads(unseal(json.loads(r["body"])["Encrypt"])) for r in application[0].received]
    sent = next(e for e in events if e["Event"] == "subscribe_msg_sent_event")
    assert sent["List"] == {
        "TemplateId": ONE_TIME,
        "MsgID": str(msgid),
        "ErrorCode": "0",
        "ErrorStatus": "success",
    }


def test_replay_and_forgery(sim: Simulator, application: tuple[Application, str]) -> None:
    person = sim.person()
    sim.control("/popup", person=person["id"], answers={ONE_TIME: "accept"})
    sim.settled(1)
    sim.control("/pushes/replay")
    sim.settled(2)
    first, again = application[0].received
    assert (first["body"], first["query"]) == (again["body"], again["query"])
    sim.control("/pushes/bad-signature", person=person["id"])
    sim.settled(3)
    forged = application[0].received[2]
    signed = (forged["query"]["timestamp"], forged["query"]["nonce"], json.loads(forged["body"])["Encrypt"])
    assert forged["query"]["msg_signature"] != sign(TOKEN, *signed)
    assert sim.control("/pushes/verify") == {"ok": True, "status": 200}


def test_revocation_and_cancellation(sim: Simulator, application: tuple[Application, str]) -> None:
    person = sim.person()
    code = sim.login_code(person)
    sim.control(f"/people/{person['id']}/revoke", info=["8"])
    sim.settled(1)
    sim.control(f"/people/{person['id']}/cancel")
    sim.settled(2)
    events = [json.loads(unseal(json.loads(r["body"])["Encrypt"])) for r in application[0].received]
    assert [e["Event"] for e in events] == ["user_authorization_revoke", "user_authorization_cancellation"]
    assert events[0]["RevokeInfo"] == "8"
    for event in events:
        assert event["OpenID"] == person["openid"] != event["FromUserName"]
    assert refused(sim.session(code), 40029)
    assert refused(sim.send(person), 40003)


# --- faults


def test_faults_strike_as_often_as_asked(sim: Simulator) -> None:
    path = "/wxaapi/newtmpl/gettemplate"
    url = sim.base + path
    query = {"access_token": sim.token}
    sim.control("/faults", path=path, kind="errcode", value=45009, times=2)
    sim.control("/faults", path=path, kind="5xx", value=503)
    sim.control("/faults", path="*", kind="html")
    replies = [requests.get(url, params=query, timeout=10) for _ in range(5)]
    assert [refused(r.json(), 45009) for r in replies[:2]] == [True, True]
    assert replies[2].status_code == 503
    assert replies[3].status_code == 200 and replies[3].text.startswith("<html>")
    assert replies[4].json()["errcode"] == 0
    assert sim.ask("/faults")["faults"] == []


def test_slow_answer_outlasts_the_caller(sim: Simulator) -> None:
    path = "/wxaapi/newtmpl/gettemplate"
    sim.control("/faults", path=path, kind="slow", value=2)
    with pytest.raises(requests.ReadTimeout):
        requests.get(sim.base + path, params={"access_token": sim.token}, timeout=0.5)


def test_dropped_answer_means_the_message_was_sent(sim: Simulator) -> None:
    person = sim.person()
    sim.control("/popup", person=person["id"], answers={ONE_TIME: "accept"})
    sim.control("/faults", path="/cgi-bin/message/subscribe/send", kind="drop_after_accept")
    with pytest.raises(requests.ConnectionError):
        sim.send(person)
    assert len(sim.ask("/sent")["sent"]) == 1
    assert refused(sim.send(person), 43101)


# --- the phone


def test_phones_see_each_others_codes(sim: Simulator) -> None:
    one, other = sim.person(), sim.person("李强")
    sim.control(f"/people/{one['id']}/showing", title="签到码", text="TZT1.abc")
    assert sim.ask(f"/showing?except={one['id']}")["phones"] == []
    assert sim.ask(f"/showing?except={other['id']}")["phones"][0]["text"] == "TZT1.abc"
    sim.control(f"/people/{one['id']}/showing", text=None)
    assert sim.ask(f"/showing?except={other['id']}")["phones"] == []


def test_wx_request_reaches_the_application(sim: Simulator, application: tuple[Application, str]) -> None:
    application[0].answers = [201]
    reply = requests.post(
        sim.base + "/__sim__/app/signups?from=phone",
        data='{"training": "一"}'.encode(),
        headers={
            "Authorization": "Bearer t",
            "Idempotency-Key": "k-1",
            "Content-Type": "application/json",
            "Cookie": "secret=1",
        },
        timeout=10,
    )
    got = application[0].received[0]
    environ = got["environ"]
    assert reply.status_code == 201 and reply.headers["ETag"] == '"7"'
    assert got["path"] == "/api/v1/signups" and got["query"] == {"from": "phone"}
    assert json.loads(got["body"]) == {"training": "一"}
    assert environ["HTTP_AUTHORIZATION"] == "Bearer t" and environ["HTTP_IDEMPOTENCY_KEY"] == "k-1"
    assert environ["HTTP_REFERER"] == f"https://servicewechat.com/{APPID}/0/page-frame.html"
    assert "HTTP_COOKIE" not in environ


def test_control_plane_takes_json_only(sim: Simulator) -> None:
    reply = requests.post(sim.base + "/__sim__/people", data='{"name": "x"}', timeout=10)
    assert reply.status_code == 400 and "application/json" in reply.json()["error"]


@pytest.mark.parametrize("path", ["/", "/static/phone.js", "/static/wx.js", "/static/phone.css"])
def test_page_is_served_from_this_machine_alone(sim: Simulator, path: str) -> None:
    reply = requests.get(sim.base + path, timeout=10)
    assert reply.status_code == 200
    assert "//cdn" not in reply.text and "https://" not in reply.text
    assert reply.headers["Content-Security-Policy"].startswith("default-src 'self'")
