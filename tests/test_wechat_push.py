"""Message push: what is taken, what it becomes, and everything that is refused."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given, settings
from hypothesis import strategies as st

from wechat import envelope
from wechat.codes import build_scene, is_scene, parse_scene
from wechat.push import Event, Format, PushReceiver, PushRejected, seal

APPID = "wxba5fad812f8e6fb9"
TOKEN = "push-token"
AES_KEY = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ"
NOW = 1_772_000_000
USER = "otFpruAK8D-E6EfStSYonYSBZ8_4"

RECEIVER = PushReceiver(APPID, TOKEN, AES_KEY, clock=lambda: NOW)


def sealed(
    payload: dict[str, Any] | str, fmt: Format = "json", *, timestamp: int = NOW, appid: str = APPID
) -> tuple[dict[str, str], bytes]:
    return seal(
        payload, appid=appid, token=TOKEN, aes_key=AES_KEY, timestamp=timestamp, to_user="gh_1", fmt=fmt
    )


def receive(payload: dict[str, Any] | str, fmt: Format = "json") -> Event:
    return RECEIVER.receive(*sealed(payload, fmt))


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises(PushRejected) as refused:
        act()
    return refused.value.code


def event(name: str, **fields: Any) -> dict[str, Any]:
    return {
        "ToUserName": "gh_1",
        "FromUserName": USER,
        "CreateTime": NOW,
        "MsgType": "event",
        "Event": name,
        **fields,
    }


def encrypted_body(encrypted: str, nonce: str = "n") -> tuple[dict[str, str], bytes]:
    args = {"timestamp": str(NOW), "nonce": nonce}
    args["msg_signature"] = envelope.sign(TOKEN, (str(NOW), nonce, encrypted))
    return args, json.dumps({"Encrypt": encrypted}).encode()


# What comes in


@pytest.mark.parametrize("fmt", ["json", "xml"])
def test_both_formats_say_the_same(fmt: Format) -> None:
    received = receive(event("debug_demo", debug_str="你好 <b> ]]> & 😀"), fmt)
    assert (received.name, received.user_openid, received.created_at) == ("debug_demo", USER, NOW)
    assert received.payload["debug_str"] == "你好 <b> ]]> & 😀"


ITEM_1 = {"TemplateId": "T1", "SubscribeStatusString": "accept", "PopupScene": "0"}
ITEM_2 = {"TemplateId": "T2", "SubscribeStatusString": "reject", "PopupScene": 0}
POPUP, CHANGE = "subscribe_msg_popup_event", "subscribe_msg_change_event"


@pytest.mark.parametrize(
    ("payload", "fmt", "templates"),
    [
        (event(POPUP, List=ITEM_1), "json", ["T1"]),
        (event(POPUP, List=[ITEM_1, ITEM_2]), "json", ["T1", "T2"]),
        (event(POPUP, SubscribeMsgPopupEvent={"List": ITEM_1}), "json", ["T1"]),
        (event(POPUP, SubscribeMsgPopupEvent={"List": ITEM_1}), "xml", ["T1"]),
        (event(POPUP, SubscribeMsgPopupEvent={"List": [ITEM_1, ITEM_2]}), "xml", ["T1", "T2"]),
        (event(CHANGE, SubscribeMsgChangeEvent={"List": [ITEM_2]}), "xml", ["T2"]),
        (event(CHANGE, SubscribeMsgPopupEvent={"List": [ITEM_2]}), "xml", ["T2"]),
        (event(POPUP), "json", []),
    ],
)
def test_subscribe_items_are_always_a_list_of_texts(
    payload: dict[str, Any], fmt: Format, templates: list[str]
) -> None:
    received = receive(payload, fmt)
    items = received.payload["List"]
    assert [item["TemplateId"] for item in items] == templates
    assert all(item["PopupScene"] == "0" for item in items)
    assert not any(name.startswith("SubscribeMsg") for name in received.payload)


def test_time_as_text() -> None:
    assert receive(event(POPUP, CreateTime=str(NOW), List=ITEM_1)).created_at == NOW


def test_consent_events_are_about_openid() -> None:
    payload = event("user_authorization_revoke", FromUserName="gh_1", OpenID=USER, RevokeInfo="8")
    assert receive(payload).user_openid == USER
    del payload["OpenID"]
    assert refusal(lambda: receive(payload)) == "malformed"


def test_the_dedupe_key_tells_pushes_apart() -> None:
    message = {"ToUserName": "gh_1", "FromUserName": USER, "CreateTime": NOW, "MsgType": "text", "MsgId": 5}
    sent = "subscribe_msg_sent_event"
    payloads: list[dict[str, Any]] = [
        event(POPUP, List=ITEM_1),
        event(POPUP, List=[ITEM_1, ITEM_2]),
        event(POPUP, List=ITEM_1, CreateTime=NOW + 1),
        event(POPUP, List=ITEM_1, FromUserName="other"),
        event(CHANGE, List=ITEM_1),
        event(sent, List={"TemplateId": "T1", "MsgID": "1", "ErrorCode": "0"}),
        event(sent, List={"TemplateId": "T1", "MsgID": "2", "ErrorCode": "0"}),
        event("wxa_media_check", trace_id="a"),
        event("wxa_media_check", trace_id="b"),
        event("user_authorization_revoke", OpenID="a", RevokeInfo="8"),
        event("user_authorization_revoke", OpenID="b", RevokeInfo="8"),
        message,
        {**message, "MsgId": 6},
    ]
    keys = [receive(payload).dedupe_key for payload in payloads]
    assert len(set(keys)) == len(keys)
    assert keys == [receive(payload).dedupe_key for payload in payloads]
    assert receive(event(POPUP, SubscribeMsgPopupEvent={"List": ITEM_1}), "xml").dedupe_key == keys[0]
    assert receive({**message, "MsgId": "5", "CreateTime": NOW + 5}, "xml").dedupe_key == keys[-2]
    assert receive(message).name == "message.text"


def test_the_user_is_not_in_the_repr_or_the_key() -> None:
    received = receive(event(POPUP, List=ITEM_1))
    assert USER not in repr(received) + received.dedupe_key


def test_compatible_mode_counts_only_what_is_sealed() -> None:
    args, body = sealed(event("debug_demo"))
    forged = {**event("user_authorization_cancellation", OpenID="victim"), **json.loads(body)}
    assert RECEIVER.receive(args, json.dumps(forged).encode()).name == "debug_demo"


def test_seals_differ_each_time() -> None:
    (first, one), (second, two) = sealed(event("debug_demo")), sealed(event("debug_demo"))
    assert first["nonce"] != second["nonce"]
    assert json.loads(one)["Encrypt"] != json.loads(two)["Encrypt"]


# What does not


def test_address_check_refusals() -> None:
    good = envelope.sign(TOKEN, (str(NOW), "n"))
    assert RECEIVER.verify(good, str(NOW), "n", "echo") == "echo"
    assert refusal(lambda: RECEIVER.verify("", str(NOW), "n", "echo")) == "bad_signature"
    assert refusal(lambda: RECEIVER.verify(good.upper(), str(NOW), "n", "echo")) == "bad_signature"
    assert refusal(lambda: RECEIVER.verify("签名\ud800", str(NOW), "n", "echo")) == "bad_signature"
    old = str(NOW - 601)
    assert refusal(lambda: RECEIVER.verify(envelope.sign(TOKEN, (old, "n")), old, "n", "e")) == "stale"
    odd = envelope.sign(TOKEN, ("١٢", "n"))
    assert refusal(lambda: RECEIVER.verify(odd, "١٢", "n", "e")) == "malformed"


@pytest.mark.parametrize(("age", "accepted"), [(600, True), (-600, True), (601, False), (-601, False)])
def test_freshness(age: int, accepted: bool) -> None:
    args, body = sealed(event("debug_demo"), timestamp=NOW - age)
    if accepted:
        assert RECEIVER.receive(args, body).name == "debug_demo"
    else:
        assert refusal(lambda: RECEIVER.receive(args, body)) == "stale"


@pytest.mark.parametrize("name", ["msg_signature", "timestamp", "nonce"])
def test_a_changed_or_missing_parameter(name: str) -> None:
    args, body = sealed(event("debug_demo"))
    assert refusal(lambda: RECEIVER.receive({**args, name: args[name] + "0"}, body)) == "bad_signature"
    without = {key: value for key, value in args.items() if key != name}
    assert refusal(lambda: RECEIVER.receive(without, body)) == "bad_signature"


@pytest.mark.parametrize("fmt", ["json", "xml"])
def test_the_plain_signature_does_not_open_a_sealed_push(fmt: Format) -> None:
    args, body = sealed(event("debug_demo"), fmt)
    args["msg_signature"] = args["signature"]
    assert refusal(lambda: RECEIVER.receive(args, body)) == "bad_signature"


def test_a_push_for_another_app() -> None:
    args, body = sealed(event("debug_demo"), appid="wx0000000000000000")
    assert refusal(lambda: RECEIVER.receive(args, body)) == "wrong_app"


def test_size() -> None:
    args, body = sealed(event("debug_demo"))
    padded = body[:-1] + b" " * (64 * 1024 - len(body)) + b"}"
    assert RECEIVER.receive(args, padded).name == "debug_demo"
    assert refusal(lambda: RECEIVER.receive(args, padded + b" ")) == "too_large"


BOMB = (
    '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><xml><Encrypt>&b;</Encrypt></xml>',
    '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]><xml><Encrypt>&a;</Encrypt></xml>',
    '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd"><xml><Encrypt>a</Encrypt></xml>',
    "<xml><Encrypt>&a;</Encrypt></xml>",
)
UNREADABLE = (
    *BOMB,
    "",
    " ",
    "null",
    "[]",
    "{",
    "{}",
    '{"Encrypt": 5}',
    '{"Encrypt": {"a": "b"}}',
    '{"Encrypt": NaN}',
    '{"Encrypt": ' + "9" * 5000 + "}",
    '{"a":' + "[" * 30_000,
    '{"a":' * 6_000 + "1" + "}" * 6_000,
    "<xml/>",
    "<xml>",
    "<xml><Encrypt>a</Encrypt><Encrypt>b</Encrypt></xml>",
    "<a>" * 6_000 + "</a>" * 6_000,
    "text",
)


@pytest.mark.parametrize("body", UNREADABLE, ids=range(len(UNREADABLE)))
def test_unreadable_bodies(body: str) -> None:
    args = {"msg_signature": "x", "timestamp": str(NOW), "nonce": "n"}
    assert refusal(lambda: RECEIVER.receive(args, body.encode())) == "malformed"


@pytest.mark.parametrize(
    "body", [b"\xff\xfe{}", b'{"Encrypt":"\xc3\x28"}', '{"Encrypt":"x"}'.encode("utf-16")]
)
def test_broken_utf8(body: bytes) -> None:
    args = {"msg_signature": "x", "timestamp": str(NOW), "nonce": "n"}
    assert refusal(lambda: RECEIVER.receive(args, body)) == "malformed"


INSIDE = (
    *UNREADABLE,
    json.dumps({"MsgType": "event", "Event": "x"}),
    json.dumps(event("")),
    json.dumps(event("x", MsgType=None)),
    json.dumps(event("x", Event=["x"])),
    json.dumps(event("x", CreateTime=True)),
    json.dumps(event("x", CreateTime=1.5)),
    json.dumps(event("x", CreateTime="soon")),
    json.dumps(event("x", CreateTime=10**13)),
    json.dumps(event("x", FromUserName=7)),
    json.dumps(event("x", text="nul \0")),
    json.dumps(event("x", text="half \ud800")),
    json.dumps({**event("x"), "key\ud800": 1}),
    json.dumps(event(POPUP, List="accept")),
    json.dumps(event(POPUP, List=["accept"])),
    json.dumps(event("x", List=5, TemplateId=float("inf"))),
)


@pytest.mark.parametrize("message", INSIDE, ids=range(len(INSIDE)))
def test_sealed_rubbish(message: str) -> None:
    assert refusal(lambda: RECEIVER.receive(*sealed(message))) == "malformed"


def test_a_list_elsewhere_is_left_alone() -> None:
    assert receive(event("x", List=5)).payload["List"] == 5


KEY = envelope.decode_key(AES_KEY)
WHOLE = envelope.encrypt(KEY, APPID, json.dumps(event("debug_demo")).encode())


@pytest.mark.parametrize(
    "encrypted",
    [
        "",
        "A",
        "not base64 签",
        "AAAA",
        WHOLE[:-4],
        WHOLE[:64],
        WHOLE[4:],
        envelope.encrypt(bytes(32), APPID, b"{}"),
        envelope.encrypt(KEY, APPID, b"\xff\xfe"),
        "A" * 43 + "=",
    ],
    ids=range(10),  # the texts are random: every worker must see the same names
)
def test_malformed_ciphertext_with_a_valid_signature(encrypted: str) -> None:
    assert refusal(lambda: RECEIVER.receive(*encrypted_body(encrypted))) in ("malformed", "wrong_app")


def enciphered(content: bytes) -> str:
    encryptor = Cipher(algorithms.AES(KEY), modes.CBC(KEY[:16])).encryptor()
    return base64.b64encode(encryptor.update(content) + encryptor.finalize()).decode()


INNER = json.dumps(event("debug_demo")).encode()
FRONT = bytes(16) + len(INNER).to_bytes(4, "big") + INNER + APPID.encode()
FILL = 32 - len(FRONT) % 32


@pytest.mark.parametrize(
    "content",
    [
        FRONT + bytes(FILL - 1) + bytes([FILL]),
        FRONT + bytes([FILL + 1]) * FILL,
        FRONT + bytes(FILL),
        FRONT + bytes([33]) * (FILL + 32),
        bytes(16) + b"\xff" * 4 + FRONT[20:] + bytes([FILL]) * FILL,
        bytes(14) + bytes([2]) * 2,
        bytes([32]) * 32,
    ],
    ids=["fill", "fill too long", "no fill", "fill beyond a block", "length", "nothing inside", "only fill"],
)
def test_malformed_content_with_a_valid_signature(content: bytes) -> None:
    whole = FRONT + bytes([FILL]) * FILL
    assert RECEIVER.receive(*encrypted_body(enciphered(whole))).name == "debug_demo"
    assert refusal(lambda: RECEIVER.receive(*encrypted_body(enciphered(content)))) == "malformed"


@settings(deadline=None)
@given(st.binary(max_size=200), st.text(max_size=20))
def test_no_other_exception_for_any_body(body: bytes, nonce: str) -> None:
    args = {"msg_signature": "x", "timestamp": str(NOW), "nonce": nonce}
    assert refusal(lambda: RECEIVER.receive(args, body)) in ("bad_signature", "malformed")


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_no_other_exception_for_any_ciphertext(content: bytes) -> None:
    blocks = content[: len(content) // 16 * 16]
    args, body = encrypted_body(base64.b64encode(blocks).decode())
    assert refusal(lambda: RECEIVER.receive(args, body)) in ("malformed", "wrong_app")


@settings(deadline=None)
@given(st.text(max_size=100))
def test_no_other_exception_for_any_message(message: str) -> None:
    assert refusal(lambda: RECEIVER.receive(*sealed(message))) == "malformed"


@pytest.mark.parametrize("key", ["", "short", "A" * 42, "A" * 44, "密" * 43, "A" * 42 + "!"])
def test_a_bad_key_is_refused_without_repeating_it(key: str) -> None:
    with pytest.raises(ValueError, match="EncodingAESKey") as refused:
        PushReceiver(APPID, TOKEN, key)
    assert not key or key not in str(refused.value)


# The scene of a code


@settings(deadline=None)
@given(
    st.dictionaries(st.from_regex(r"\A[a-z]{1,3}\Z"), st.from_regex(r"\A[0-9A-Za-z+/!~]{1,6}\Z"), max_size=3)
)
def test_scene_survives_the_scan(fields: dict[str, str]) -> None:
    if not fields:
        with pytest.raises(ValueError, match="1 至 32"):
            build_scene(fields)
        return
    scene = build_scene(fields)
    assert is_scene(scene)
    assert parse_scene(scene) == parse_scene(quote(scene, safe="")) == fields


@pytest.mark.parametrize(
    "raw",
    ["", "a", "a=", "=a", "a=1&a=2", "a=1&", "a=1=2", "a=%E7%AD%BE", "a=%ff", "a=%", "a=" + "x" * 31, "a=签"],
)
def test_scenes_that_are_none(raw: str) -> None:
    with pytest.raises(ValueError, match="场景参数无效"):
        parse_scene(raw)


@pytest.mark.parametrize("fields", [{"a": "1&b=2"}, {"a": "签"}, {"a": ""}, {"a": "x" * 31}, {"a": "100%"}])
def test_scenes_that_cannot_be_built(fields: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="场景参数"):
        build_scene(fields)
