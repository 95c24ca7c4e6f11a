"""Sign-in: the codes a phone hands out, session keys, and the mobile number."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from wechat.simulator.errors import Refusal
from wechat.simulator.gateway import Call, Endpoint
from wechat.simulator.people import Person
from wechat.simulator.tokens import check_account

if TYPE_CHECKING:
    from wechat.simulator.platform import Platform

CODE_LIFETIME = 300


@dataclass
class Code:
    """What wx.login or the phone-number button gave the mini-program, good once and for five minutes."""

    kind: Literal["login", "phone"]
    appid: str
    person: Person
    issued: float
    session_key: str = ""
    used: bool = False


class LoginBook:
    """Codes by their value, and the one valid session key per mini-program and person."""

    def __init__(self) -> None:
        self._codes: dict[str, Code] = {}
        self._session_keys: dict[tuple[str, str], str] = {}

    def wx_login(self, person: Person, appid: str, now: float) -> str:
        """Returns a login code; the person's former session key ends here."""
        key = self._rotate(appid, person)
        value = "0" + secrets.choice("abcdef") + secrets.token_urlsafe(23)[:30]
        self._codes[value] = Code("login", appid, person, now, key)
        return value

    def phone_code(self, person: Person, appid: str, now: float) -> str:
        """Returns a code for getuserphonenumber."""
        value = secrets.token_hex(32)
        self._codes[value] = Code("phone", appid, person, now)
        return value

    def find(self, value: object, kind: Literal["login", "phone"], now: float) -> Code:
        """Returns the code if it is of this kind and in force; raises Refusal 40029 if not."""
        code = self._codes.get(value) if isinstance(value, str) else None
        if code is None or code.kind != kind or code.person.cancelled or now - code.issued >= CODE_LIFETIME:
            raise Refusal(40029)
        return code

    def session_key(self, appid: str, person: Person) -> str | None:
        """Returns the session key that is valid now."""
        return self._session_keys.get((appid, person.id))

    def reset(self, appid: str, person: Person) -> str:
        """Replaces the session key and returns the new one."""
        return self._rotate(appid, person)

    def _rotate(self, appid: str, person: Person) -> str:
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        self._session_keys[(appid, person.id)] = key
        return key


def code_to_session(platform: Platform, call: Call) -> dict[str, Any]:
    """GET /sns/jscode2session: a login code for openid, session key and unionid.

    https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/user-login/code2Session.html
    """
    app = check_account(platform, call.query.get("appid"), call.query.get("secret"))
    if app is not platform.app:
        raise Refusal(48001)
    if call.query.get("grant_type") != "authorization_code":
        raise Refusal(40002)
    value = call.query.get("js_code")
    if not value:
        raise Refusal(41008)
    now = platform.now()
    code = platform.logins.find(value, "login", now)
    if code.appid != platform.app.appid:
        raise Refusal(40029)
    if code.used:
        raise Refusal(40163)
    platform.quotas.spend_login(code.person.id, now)
    code.used = True
    return {
        "session_key": code.session_key,
        "openid": platform.people.openid(code.person),
        **platform.people.union(code.person),
    }


def _signed_person(platform: Platform, call: Call) -> Person:
    """Returns who `openid` is once `signature` proves the caller holds the session key."""
    person = platform.people.by_openid(call.query.get("openid", ""))
    if person is None:
        raise Refusal(40003)
    if call.query.get("sig_method") != "hmac_sha256":
        raise Refusal(87008)
    key = platform.logins.session_key(platform.app.appid, person)
    if key is None:
        raise Refusal(87007)
    signature = hmac.new(key.encode(), b"", hashlib.sha256).hexdigest()
    if not hmac.compare_digest(signature.encode(), call.query.get("signature", "").encode()):
        raise Refusal(87009)
    return person


def check_session(platform: Platform, call: Call) -> dict[str, Any]:
    """GET /wxa/checksession: whether a session key is still the valid one."""
    _signed_person(platform, call)
    return {"errcode": 0, "errmsg": "ok"}


def reset_session(platform: Platform, call: Call) -> dict[str, Any]:
    """GET /wxa/resetusersessionkey: a new session key for a person."""
    person = _signed_person(platform, call)
    return {
        "openid": platform.people.openid(person),
        "session_key": platform.logins.reset(platform.app.appid, person),
    }


def get_phone_number(platform: Platform, call: Call) -> dict[str, Any]:
    """POST /wxa/business/getuserphonenumber: a phone code, never a login code, for the number.

    https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/user-info/phone-number/getPhoneNumber.html
    """
    code = platform.logins.find(call.body.get("code"), "phone", platform.now())
    if code.used:
        raise Refusal(40029)
    if code.appid != platform.app.appid:
        raise Refusal(40013)
    openid = call.body.get("openid")
    if openid is not None and openid != platform.people.openid(code.person):
        raise Refusal(40003)
    code.used = True
    return {
        "errcode": 0,
        "errmsg": "ok",
        "phone_info": {
            "phoneNumber": code.person.phone,
            "purePhoneNumber": code.person.phone,
            "countryCode": "86",
            "watermark": {"timestamp": int(platform.now()), "appid": code.appid},
        },
    }


ENDPOINTS = [
    # people report that the answer is declared as plain text although it is JSON
    Endpoint("/sns/jscode2session", "GET", code_to_session, token=False, content_type="text/plain"),
    Endpoint("/wxa/checksession", "GET", check_session),
    Endpoint("/wxa/resetusersessionkey", "GET", reset_session),
    Endpoint("/wxa/business/getuserphonenumber", "POST", get_phone_number),
]
