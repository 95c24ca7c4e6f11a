"""The mini-program's calls, against a server on loopback that answers, refuses, stalls and hangs up."""

from __future__ import annotations

import logging
import socket
import traceback
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
import redis

from tests.wechat_platform import RID, Platform, Script, drop, ok, raw, redirect, refuse, text
from wechat.client import MiniProgram, PhoneNumber, Session
from wechat.errors import Outcome, WeChatError, classify
from wechat.tokens import TokenStore

SECRET = "5ec2e7a9d0b14c6f8e3a7b2c1d4f6e80"
CODE = "0a3QWElogincode0b1CDEFGhijklmn"
OPENID = "oGZUI0egBJY1zhBYw2KhdUfwVJJE"
PHONE = "13800138000"
TOKEN = "68_Token-of-the-Account_abcdefghijklmnopqrstuvwxyz"
SECRETS = (SECRET, CODE, OPENID, PHONE, TOKEN)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
LOGIN, PHONE_PATH, STABLE = "/sns/jscode2session", "/wxa/business/getuserphonenumber", "/cgi-bin/stable_token"
CODE_PATH, SEND = "/wxa/getwxacodeunlimit", "/cgi-bin/message/subscribe/send"


@pytest.fixture
def platform() -> Iterator[Platform]:
    server = Platform()
    server.on(STABLE, ok(access_token=TOKEN, expires_in=7200))
    yield server
    server.close()


@pytest.fixture
def token_redis(redis_url: str) -> Iterator[redis.Redis]:
    server = redis.Redis.from_url(redis_url)
    yield server
    server.close()


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def make(token_redis: redis.Redis, platform: Platform, pauses: list[float]) -> Callable[..., MiniProgram]:
    def build(**changes: Any) -> MiniProgram:
        settings = {"api_base": platform.base, "timeout": (2.0, 10.0), **changes}
        appid = f"wx{uuid.uuid4().hex[:16]}"
        return MiniProgram(appid, SECRET, TokenStore(token_redis), sleep=pauses.append, **settings)

    return build


@pytest.fixture
def mp(make: Callable[..., MiniProgram]) -> MiniProgram:
    return make()


@pytest.fixture
def hasty(make: Callable[..., MiniProgram]) -> MiniProgram:
    return make(timeout=(2.0, 0.2))


def failure(act: Callable[[], object]) -> WeChatError:
    with pytest.raises(WeChatError) as failed:
        act()
    error = failed.value
    told = str(error) + repr(error) + "".join(traceback.format_exception(error)) + repr(vars(error))
    assert error.__cause__ is None
    assert error.__context__ is None
    assert not [value for value in (*SECRETS, "http://", "https://", "access_token=") if value in told]
    return error


# Sign-in


def test_sign_in_is_one_call_without_an_access_token(mp: MiniProgram, platform: Platform) -> None:
    platform.on(LOGIN, ok(openid=OPENID, session_key="c2Vzc2lvbg==", unionid="u1"))
    session = mp.code2session(CODE)
    assert session == Session(OPENID, "u1", "c2Vzc2lvbg==")
    assert repr(session) == "Session()"
    [call] = platform.calls
    assert call.path == LOGIN
    assert call.query == {
        "appid": [mp.appid],
        "secret": [SECRET],
        "js_code": [CODE],
        "grant_type": ["authorization_code"],
    }


def test_sign_in_without_unionid_and_with_errcode_0(mp: MiniProgram, platform: Platform) -> None:
    platform.on(LOGIN, ok(errcode=0, errmsg="ok", openid=OPENID, session_key="k"))
    assert mp.code2session(CODE).unionid is None


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (refuse(40029, f"invalid code {CODE},"), Outcome.USER_INPUT),
        (refuse(40163, "code been used,"), Outcome.USER_INPUT),
        (refuse(40226), Outcome.USER_STATE),
        (refuse(40125, f"invalid appsecret {SECRET}"), Outcome.CONFIGURATION),
        (refuse(45011), Outcome.THROTTLED),
        (refuse(-1, "system error"), Outcome.RETRY_TRANSIENT),
        (refuse(-1, "system error", status=500), Outcome.RETRY_TRANSIENT),
        (text("busy", 502), Outcome.UNKNOWN),
        (text("<html>"), Outcome.UNKNOWN),
        (text("", 429), Outcome.THROTTLED),
        (text("", 404), Outcome.CONFIGURATION),
        (raw(b"[]"), Outcome.UNKNOWN),
        (raw(b"[" * 100_000), Outcome.UNKNOWN),
        (raw(b'{"openid"', length=500), Outcome.UNKNOWN),
        (ok(errcode="many"), Outcome.UNKNOWN),
        (ok(openid=OPENID), Outcome.UNKNOWN),
        (ok(session_key="k"), Outcome.UNKNOWN),
        (raw(PNG), Outcome.UNKNOWN),
        (drop, Outcome.UNKNOWN),
        (redirect, Outcome.UNKNOWN),
    ],
)
def test_a_code_is_exchanged_once_whatever_happens(
    mp: MiniProgram, platform: Platform, answer: Script, outcome: Outcome
) -> None:
    platform.on(LOGIN, answer)
    assert failure(lambda: mp.code2session(CODE)).outcome is outcome
    assert platform.paths() == [LOGIN]


def test_a_code_whose_answer_never_comes_is_not_sent_again(hasty: MiniProgram, platform: Platform) -> None:
    platform.on(LOGIN, platform.stall)
    error = failure(lambda: hasty.code2session(CODE))
    assert (error.outcome, error.errcode, error.endpoint) == (Outcome.UNKNOWN, None, LOGIN)
    assert platform.paths() == [LOGIN]


def test_a_code_that_was_never_sent_is_tried_again(
    make: Callable[..., MiniProgram], pauses: list[float]
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{unused.getsockname()[1]}"
    error = failure(lambda: make(api_base=nowhere).code2session(CODE))
    assert error.outcome is Outcome.RETRY_TRANSIENT
    assert len(pauses) == 2
    assert 0.5 <= pauses[0] <= 1 <= pauses[1] <= 2


def test_a_code_of_half_a_character(mp: MiniProgram, platform: Platform) -> None:
    platform.on(LOGIN, refuse(40029))
    platform.on(PHONE_PATH, refuse(40029))
    assert failure(lambda: mp.code2session("\ud800")).outcome is Outcome.USER_INPUT
    assert failure(lambda: mp.phone_number("\ud800", OPENID)).outcome is Outcome.USER_INPUT


# The telephone number


def phone_info(**changes: Any) -> Script:
    info = {"phoneNumber": PHONE, "purePhoneNumber": PHONE, "countryCode": "86", **changes}
    return ok(errcode=0, errmsg="ok", phone_info=info)


@pytest.mark.parametrize("country", ["86", 86])
def test_phone_number(mp: MiniProgram, platform: Platform, country: object) -> None:
    platform.on(PHONE_PATH, phone_info(countryCode=country, watermark={"appid": mp.appid, "timestamp": 1}))
    number = mp.phone_number(CODE, OPENID)
    assert number == PhoneNumber(PHONE, "86")
    assert PHONE not in repr(number)
    call = platform.calls[-1]
    assert call.body == {"code": CODE, "openid": OPENID}
    assert call.query == {"access_token": [TOKEN]}


def test_foreign_phone_number(mp: MiniProgram, platform: Platform) -> None:
    platform.on(
        PHONE_PATH, phone_info(phoneNumber="+85291234567", purePhoneNumber="91234567", countryCode=852)
    )
    assert mp.phone_number(CODE, OPENID) == PhoneNumber("91234567", "852")


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (phone_info(watermark={"appid": "wx-of-somebody-else"}), Outcome.CONFIGURATION),
        (phone_info(purePhoneNumber="+86 138"), Outcome.UNKNOWN),
        (phone_info(purePhoneNumber=None), Outcome.UNKNOWN),
        (phone_info(countryCode=None), Outcome.UNKNOWN),
        (ok(errcode=0, phone_info=PHONE), Outcome.UNKNOWN),
        (refuse(40029), Outcome.USER_INPUT),
        (refuse(-1), Outcome.RETRY_TRANSIENT),
        (text("", 503), Outcome.UNKNOWN),
        (drop, Outcome.UNKNOWN),
    ],
)
def test_a_phone_code_is_exchanged_once_whatever_happens(
    mp: MiniProgram, platform: Platform, answer: Script, outcome: Outcome
) -> None:
    platform.on(PHONE_PATH, answer)
    assert failure(lambda: mp.phone_number(CODE, OPENID)).outcome is outcome
    assert platform.paths() == [STABLE, PHONE_PATH]


# Codes


def test_mini_program_code(mp: MiniProgram, platform: Platform) -> None:
    platform.on(CODE_PATH, raw(PNG, kind="image/png"))
    image = mp.mini_program_code("c=7fQ2", "pages/a/b", check_path=False, env_version="trial", width=280)
    assert image == PNG
    assert platform.calls[-1].body == {
        "scene": "c=7fQ2",
        "page": "pages/a/b",
        "check_path": False,
        "env_version": "trial",
        "width": 280,
    }


@pytest.mark.parametrize("answer", [text("", 502), text("<html>"), refuse(-1), drop])
def test_drawing_is_repeated(
    mp: MiniProgram, platform: Platform, pauses: list[float], answer: Script
) -> None:
    platform.on(CODE_PATH, answer, answer, raw(PNG))
    assert mp.mini_program_code("a=1", "pages/a/b") == PNG
    assert len(pauses) == 2


@pytest.mark.parametrize(
    ("answer", "outcome", "calls"),
    [
        (refuse(41030, "invalid page"), Outcome.CONTENT, 1),
        (refuse(45009, "reach max api daily quota limit"), Outcome.QUOTA_DAY, 1),
        (text("<html>"), Outcome.RETRY_TRANSIENT, 3),
        (ok(errcode=0), Outcome.RETRY_TRANSIENT, 1),
    ],
)
def test_drawing_that_fails(
    mp: MiniProgram, platform: Platform, answer: Script, outcome: Outcome, calls: int
) -> None:
    platform.on(CODE_PATH, answer)
    assert failure(lambda: mp.mini_program_code("a=1", "pages/a/b")).outcome is outcome
    assert platform.paths() == [STABLE] + [CODE_PATH] * calls


@pytest.mark.parametrize(
    ("scene", "page", "width"),
    [
        ("", "p", 430),
        ("a=%", "p", 430),
        ("签到", "p", 430),
        ("x" * 33, "p", 430),
        ("a\n", "p", 430),
        ("a", "/p", 430),
        ("a", "p?x=1", 430),
        ("a", "", 430),
        ("a", "p", 279),
        ("a", "p", 1281),
    ],
)
def test_what_wechat_would_refuse_is_not_sent(
    mp: MiniProgram, platform: Platform, scene: str, page: str, width: int
) -> None:
    with pytest.raises(ValueError, match=r"场景值|页面路径|宽度"):
        mp.mini_program_code(scene, page, width=width)
    assert platform.calls == []


# The access token


def test_the_token_is_asked_for_as_a_stable_one(mp: MiniProgram, platform: Platform) -> None:
    platform.on(SEND, ok(errcode=0))
    mp.post(SEND, {})
    mp.post(SEND, {})
    assert platform.paths() == [STABLE, SEND, SEND]
    assert platform.calls[0].query == {}
    assert platform.calls[0].body == {
        "grant_type": "client_credential",
        "appid": mp.appid,
        "secret": SECRET,
        "force_refresh": False,
    }


def test_threads_fetch_one_token(mp: MiniProgram, platform: Platform) -> None:
    platform.on(SEND, ok(errcode=0))
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda number: mp.post(SEND, {"n": number}), range(16)))
    assert answers == [{"errcode": 0}] * 16
    assert platform.paths().count(STABLE) == 1


@pytest.mark.parametrize("errcode", [40001, 40014, 42001])
def test_a_refused_token_is_replaced_once(mp: MiniProgram, platform: Platform, errcode: int) -> None:
    platform.on(STABLE, ok(access_token="stale", expires_in=7200), ok(access_token=TOKEN, expires_in=7200))
    platform.on(SEND, refuse(errcode), ok(errcode=0, msgid=2**62))
    assert mp.post(SEND, {})["msgid"] == 2**62
    assert platform.paths() == [STABLE, SEND, STABLE, SEND]
    assert [call.query["access_token"] for call in platform.calls if call.path == SEND] == [
        ["stale"],
        [TOKEN],
    ]


def test_a_dead_token_costs_four_calls(mp: MiniProgram, platform: Platform) -> None:
    platform.on("/cgi-bin/works", ok(errcode=0))
    mp.get("/cgi-bin/works")
    platform.on(SEND, refuse(40001, f"invalid credential, access_token is invalid {TOKEN},"))
    platform.on(
        STABLE, ok(access_token=TOKEN, expires_in=7200), ok(access_token=f"{TOKEN}2", expires_in=7200)
    )
    platform.calls.clear()
    error = failure(lambda: mp.post(SEND, {}))
    assert (error.outcome, error.errcode, error.rid) == (Outcome.REFRESH_ONCE, 40001, RID)
    assert platform.paths() == [SEND, STABLE, STABLE, SEND]
    assert [call.body["force_refresh"] for call in platform.calls if call.path == STABLE] == [False, True]


def test_a_token_that_cannot_be_replaced_is_not_used_again(mp: MiniProgram, platform: Platform) -> None:
    platform.on(SEND, refuse(42001))
    assert failure(lambda: mp.post(SEND, {})).outcome is Outcome.REFRESH_ONCE
    assert platform.paths() == [STABLE, SEND, STABLE, STABLE]


@pytest.mark.parametrize(
    ("answer", "outcome", "calls"),
    [
        (refuse(40001, "invalid credential"), Outcome.CONFIGURATION, 1),
        (refuse(40125, f"invalid appsecret {SECRET}"), Outcome.CONFIGURATION, 1),
        (refuse(40164, "invalid ip 1.2.3.4 ipv6 ::ffff:1.2.3.4, not in whitelist"), Outcome.CONFIGURATION, 1),
        (refuse(-1), Outcome.RETRY_TRANSIENT, 3),
        (text("", 500), Outcome.RETRY_TRANSIENT, 3),
        (ok(expires_in=7200), Outcome.RETRY_TRANSIENT, 1),
        (ok(access_token=TOKEN), Outcome.RETRY_TRANSIENT, 1),
        (raw(PNG), Outcome.RETRY_TRANSIENT, 1),
    ],
)
def test_no_token(mp: MiniProgram, platform: Platform, answer: Script, outcome: Outcome, calls: int) -> None:
    platform.on(STABLE, answer)
    assert failure(lambda: mp.post(SEND, {})).outcome is outcome
    assert platform.paths() == [STABLE] * calls


def test_the_token_call_has_a_timeout(hasty: MiniProgram, platform: Platform) -> None:
    platform.on(STABLE, platform.stall, platform.stall, ok(access_token=TOKEN, expires_in=7200))
    platform.on(SEND, ok(errcode=0))
    assert hasty.post(SEND, {}) == {"errcode": 0}
    assert platform.paths() == [STABLE, STABLE, STABLE, SEND]


# Any call


def test_a_body_is_plain_utf8(mp: MiniProgram, platform: Platform) -> None:
    platform.on(SEND, ok(errcode=0))
    mp.post(SEND, {"data": {"thing1": {"value": "财税培训😀"}}})
    assert "财税培训😀".encode() in platform.calls[-1].raw


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [(refuse(-1), Outcome.RETRY_TRANSIENT), (text("", 502), Outcome.UNKNOWN), (drop, Outcome.UNKNOWN)],
)
def test_a_post_is_not_repeated(
    mp: MiniProgram, platform: Platform, answer: Script, outcome: Outcome
) -> None:
    platform.on(SEND, answer)
    assert failure(lambda: mp.post(SEND, {"touser": OPENID})).outcome is outcome
    assert platform.paths() == [STABLE, SEND]


@pytest.mark.parametrize("answer", [refuse(-1), text("", 502), text("<html>"), drop])
def test_a_get_is_repeated(mp: MiniProgram, platform: Platform, answer: Script) -> None:
    platform.on("/cgi-bin/user/info", answer, answer, ok(subscribe=1))
    assert mp.get("/cgi-bin/user/info", {"openid": OPENID}) == {"subscribe": 1}
    assert platform.calls[-1].query == {"openid": [OPENID], "access_token": [TOKEN]}


def test_redirects_are_not_followed(mp: MiniProgram, platform: Platform) -> None:
    platform.on(SEND, redirect)
    platform.on("/elsewhere", ok(errcode=0))
    failure(lambda: mp.post(SEND, {}))
    assert "/elsewhere" not in platform.paths()


def test_cookies_are_not_kept(mp: MiniProgram, platform: Platform) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Set-Cookie", "who=somebody")
        handler.end_headers()
        handler.wfile.write(b'{"errcode": 0}')
        cookies.append(handler.headers.get("Cookie"))

    cookies: list[str | None] = []
    platform.on(SEND, answer)
    mp.post(SEND, {})
    mp.post(SEND, {})
    assert cookies == [None, None]


def test_the_library_s_interfaces_use_the_same_calls(mp: MiniProgram, platform: Platform) -> None:
    path = "/wxaapi/newtmpl/gettemplate"
    platform.on(path, refuse(40001), ok(errcode=0, data=[{"priTmplId": "T1"}]))
    platform.on(STABLE, ok(access_token="stale", expires_in=7200), ok(access_token=TOKEN, expires_in=7200))
    assert mp.interfaces.template.get_subscribe_message_templates() == [{"priTmplId": "T1"}]
    assert platform.paths() == [STABLE, path, STABLE, path]


def test_other_hosts_are_never_called(mp: MiniProgram, platform: Platform) -> None:
    with pytest.raises(ValueError, match="微信"):
        mp.interfaces.get("https://example.invalid/cgi-bin/x")
    platform.calls.clear()
    with pytest.raises(ValueError, match="微信"):
        mp.get("@example.invalid/x")
    assert platform.calls == []


def test_a_proxy_for_wechat_is_not_asked_for_another_base(
    mp: MiniProgram, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    platform.on(SEND, ok(errcode=0))
    assert mp.post(SEND, {}) == {"errcode": 0}


# What is told


@pytest.mark.parametrize("answer", [refuse(40029), drop, text("", 500), ok(openid=OPENID, session_key="k")])
def test_nothing_secret_is_logged(
    mp: MiniProgram, platform: Platform, caplog: pytest.LogCaptureFixture, answer: Script
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("urllib3", "urllib3.connectionpool", "requests", "wechatpy", "wechat"):
        caplog.set_level(logging.DEBUG, name)
    platform.on(LOGIN, answer)
    platform.on(PHONE_PATH, answer)
    for act in (lambda: mp.code2session(CODE), lambda: mp.phone_number(CODE, OPENID)):
        try:
            act()
        except WeChatError as error:
            logging.getLogger("wechat").exception("failed: %r", error)
    assert "failed" in caplog.text or answer is not drop
    assert not [value for value in SECRETS if value in caplog.text]


def test_what_an_error_tells() -> None:
    error = WeChatError.answered(
        47003, f"argument invalid! data.thing14.value is empty rid: {RID}", SEND, [OPENID]
    )
    assert error.detail == "argument invalid! data.thing14.value is empty"
    assert str(error) == (
        f"提交给微信的内容不符合要求（47003）：argument invalid! data.thing14.value is empty [rid {RID}]"
    )
    whitelist = "invalid ip 1.2.3.4 ipv6 ::ffff:1.2.3.4, not in whitelist"
    assert WeChatError.answered(40164, f"{whitelist} rid: {RID}", STABLE, []).detail == whitelist
    told = WeChatError.answered(
        1, f"no {OPENID} {PHONE} +8613800138000 {TOKEN} https://x/?a=b 王小明 q7k9", SEND, ["王小明", "q7k9"]
    )
    assert told.detail == "no * * * * * * *"
    assert (
        WeChatError.answered(40029, "invalid code, hints: [ req_id: abc ]", LOGIN, []).detail
        == "invalid code"
    )


@pytest.mark.parametrize(
    ("errcode", "outcome"),
    [
        (-1, Outcome.RETRY_TRANSIENT),
        (42001, Outcome.REFRESH_ONCE),
        (43108, Outcome.THROTTLED),
        (45009, Outcome.QUOTA_DAY),
        (40164, Outcome.CONFIGURATION),
        (43101, Outcome.USER_STATE),
        (40163, Outcome.USER_INPUT),
        (47003, Outcome.CONTENT),
        (99999, Outcome.UNKNOWN),
    ],
)
def test_classes(errcode: int, outcome: Outcome) -> None:
    assert classify(errcode) is outcome
