"""The official examples of WeChat's documentation, reproduced to the bit."""

from __future__ import annotations

import json

import pytest

from wechat import envelope
from wechat.errors import Outcome, WeChatError
from wechat.push import PushReceiver, PushRejected
from wechat.userdata import open_user_data, session_signature

APPID = "wxba5fad812f8e6fb9"
TOKEN = "AAAAA"
AES_KEY = "A" * 43

ENCRYPTED_PUSH = (
    "+qdx1OKCy+5JPCBFWw70tm0fJGb2Jmeia4FCB7kao+/Q5c/ohsOzQHi8khUOb05JCpj0JB4RvQMkUyus8TPxLKJGQqcvZqzDpVzazhZv"
    "6JsXUnnR8XGT740XgXZUXQ7vJVnAG+tE8NUd4yFyjPy7GgiaviNrlCTj+l5kdfMuFUPpRSrfMZuMcp3Fn2Pede2IuQrKEYwKSqFIZoNq"
    "J4M8EajAsjLY2km32IIjdf8YL/P50F7mStwntrA2cPDrM1kb6mOcfBgRtWygb3VIYnSeOBrebufAlr7F9mFUPAJGj04="
)
ENCRYPTED_USER_DATA = (
    "CiyLU1Aw2KjvrjMdj8YKliAjtP4gsMZMQmRzooG2xrDcvSnxIMXFufNstNGTyaGS9uT5geRa0W4oTOb1WT7fJlAC+oNPdbB+3hVbJSRg"
    "v+4lGOETKUQz6OYStslQ142dNCuabNPGBzlooOmB231qMM85d2/fV6ChevvXvQP8Hkue1poOFtnEtpyxVLW1zAo6/1Xx1COxFvrc2d7U"
    "L/lmHInNlxuacJXwu0fjpXfz/YqYzBIBzD6WUfTIF9GRHpOn/Hz7saL8xz+W//FRAUid1OksQaQx4CMs8LOddcQhULW4ucetDf96JcR3"
    "g0gfRK4PC7E/r7Z6xNrXd2UIeorGj5Ef7b1pJAYB6Y5anaHqZ9J6nKEBvB4DnNLIVWSgARns/8wR2SiRS7MNACwTyrGvt9ts8p12PKFd"
    "lqYTopNHR1Vf7XjfhQlVsAJdNiKdYmYVoKlaRv85IfVunYzO0IKXsyl7JCUjCpoG20f0a04COwfneQAGGwd5oa+T8yO5hzuyDb/XcxxmK"
    "01EpqOyuxINew=="
)
USER_DATA_APPID = "wx4f4bc4dec97d474b"
USER_DATA_KEY = "tiihtNczf5v6AKRyjwEUhQ=="
USER_DATA_IV = "r7BXXKkLb8qrSNn05n0qiA=="
USER_DATA_AT = 1477314187


def receiver(now: int) -> PushReceiver:
    return PushReceiver(APPID, TOKEN, AES_KEY, clock=lambda: now)


def test_session_signature() -> None:
    expected = "654571f79995b2ce1e149e53c0a33dc39c0a74090db514261454e8dbe432aa0b"
    assert session_signature("o0q0otL8aEzpcZL/FT9WsQ==", '{"foo":"bar"}') == expected


def test_address_check() -> None:
    signature = "f464b24fc39322e44b38aa78f5edd27bd1441696"
    echo = receiver(1714036504).verify(signature, "1714036504", "1514711492", "4375120948345356249")
    assert echo == "4375120948345356249"


def test_plain_push_signature_is_right_but_the_push_is_refused() -> None:
    args = {
        "signature": "899cf89e464efb63f54ddac96b0a0a235f53aa78",
        "timestamp": "1714037059",
        "nonce": "486452656",
    }
    assert envelope.is_signed(TOKEN, (args["timestamp"], args["nonce"]), args["signature"])
    body = b'{"ToUserName":"gh_97417a04a28d","CreateTime":1714037059,"MsgType":"event","Event":"debug_demo"}'
    with pytest.raises(PushRejected) as refused:
        receiver(1714037059).receive(args, body)
    assert refused.value.code == "bad_signature"


def test_safe_push() -> None:
    args = {
        "signature": "6c5c811b55cc85e0e1b54100749188c20beb3f5d",
        "timestamp": "1714112445",
        "nonce": "415670741",
        "openid": "o9AgO5Kd5ggOC-bXrbNODIiE3bGY",
        "encrypt_type": "aes",
        "msg_signature": "046e02f8204d34f8ba5fa3b1db94908f3df2e9b3",
    }
    body = json.dumps({"ToUserName": "gh_97417a04a28d", "Encrypt": ENCRYPTED_PUSH}).encode()
    event = receiver(1714112445).receive(args, body)
    assert (event.name, event.created_at) == ("debug_demo", 1714112445)
    assert event.user_openid == "o9AgO5Kd5ggOC-bXrbNODIiE3bGY"
    assert event.payload == {
        "ToUserName": "gh_97417a04a28d",
        "FromUserName": "o9AgO5Kd5ggOC-bXrbNODIiE3bGY",
        "CreateTime": 1714112445,
        "MsgType": "event",
        "Event": "debug_demo",
        "debug_str": "hello world",
    }


def test_encrypted_reply() -> None:
    key = envelope.decode_key(AES_KEY)
    encrypted = envelope.encrypt(key, APPID, b'{"demo_resp":"good luck"}', salt=b"707722b803182950")
    assert encrypted == (
        "ELGduP2YcVatjqIS+eZbp80MNLoAUWvzzyJxgGzxZO/5sAvd070Bs6qrLARC9nVHm48Y4hyRbtzve1L32tmxSQ=="
    )
    signature = envelope.sign(TOKEN, ("1713424427", "415670741", encrypted))
    assert signature == "1b9339964ed2e271e7c7b6ff2b0ef902fc94dea1"


def test_user_data() -> None:
    data = open_user_data(
        ENCRYPTED_USER_DATA, USER_DATA_IV, USER_DATA_KEY, USER_DATA_APPID, now=USER_DATA_AT + 60
    )
    assert data["openId"] == "oGZUI0egBJY1zhBYw2KhdUfwVJJE"
    assert data["unionId"] == "ocMvos6NjeKLIBqg5Mr9QjxrP1FA"
    assert data["watermark"] == {"timestamp": USER_DATA_AT, "appid": USER_DATA_APPID}


@pytest.mark.parametrize(
    ("encrypted", "iv", "key", "appid", "now"),
    [
        pytest.param(
            ENCRYPTED_USER_DATA, USER_DATA_IV, USER_DATA_KEY, USER_DATA_APPID, USER_DATA_AT + 601, id="old"
        ),
        pytest.param(ENCRYPTED_USER_DATA, USER_DATA_IV, USER_DATA_KEY, APPID, USER_DATA_AT, id="other app"),
        pytest.param(
            ENCRYPTED_USER_DATA, USER_DATA_IV, "A" * 22 + "==", USER_DATA_APPID, USER_DATA_AT, id="other key"
        ),
        pytest.param(ENCRYPTED_USER_DATA, "short", USER_DATA_KEY, USER_DATA_APPID, USER_DATA_AT, id="bad iv"),
        pytest.param(
            ENCRYPTED_USER_DATA[:-8], USER_DATA_IV, USER_DATA_KEY, USER_DATA_APPID, USER_DATA_AT, id="cut"
        ),
        pytest.param("", USER_DATA_IV, USER_DATA_KEY, USER_DATA_APPID, USER_DATA_AT, id="empty"),
    ],
)
def test_user_data_that_is_not_accepted(encrypted: str, iv: str, key: str, appid: str, now: int) -> None:
    with pytest.raises(WeChatError) as refused:
        open_user_data(encrypted, iv, key, appid, now=now)
    assert refused.value.outcome is Outcome.USER_INPUT
    assert refused.value.__suppress_context__ or refused.value.__context__ is None
