"""What the platform answers when it refuses: error numbers with the texts it really sends."""

from __future__ import annotations

import secrets
import time

_RENEW = "could get access_token by getStableAccessToken, more details at https://mmbizurl.cn/s/JtxxFh33r"
MESSAGES: dict[int, str] = {
    -1: "system error",
    20001: "template not exist",
    40001: f"invalid credential, access_token is invalid or not latest, {_RENEW}",
    40002: "invalid grant_type",
    40003: "invalid openid",
    40013: "invalid appid",
    40014: "invalid access_token",
    40029: "invalid code,",
    40032: "invalid openid list size",
    40033: "invalid charset. please check your request, if include \\uxxxx will create fail!",
    40037: "invalid template_id",
    40039: "invalid url size",
    40097: "invalid args",
    40125: "invalid appsecret,",
    40129: "invalid scene",
    40163: "code been used,",
    40164: "invalid ip 203.0.113.9 ipv6 ::ffff:203.0.113.9, not in whitelist",
    40165: "invalid weapp pagepath",
    40169: "invalid length for scene, or the data is not json string",
    40226: "code blocked",
    41001: "access_token missing",
    41002: "appid missing",
    41004: "appsecret missing",
    41008: "missing code,",
    41030: "invalid page",
    42001: f"access_token expired, {_RENEW}",
    43001: "require GET method",
    43002: "require POST method",
    43004: "require subscribe",
    43101: "user refuse to accept the msg",
    43107: "subscribe message capability or template is banned",
    43108: "concurrent send to the same user",
    44002: "empty post data",
    45009: f"reach max api daily quota limit, {_RENEW}",
    45011: "api minute-quota reached, must slower, retry next minute",
    45168: "the content hits a sensitive word",
    47001: "data format error",
    47003: "argument invalid!",
    48001: "api unauthorized",
    50002: "user limited",
    61010: "code is expired",
    87007: "session_key is not existed or expired",
    87008: "invalid sig_method",
    87009: "invalid signature",
}


class Refusal(Exception):
    """The platform's refusal of one call; `detail` replaces the usual text."""

    def __init__(self, errcode: int, detail: str | None = None) -> None:
        super().__init__(errcode)
        self.errcode = errcode
        self.detail = detail

    def reply(self) -> dict[str, object]:
        """Returns the JSON answer, with a request id as every error of the platform carries."""
        text = self.detail or MESSAGES.get(self.errcode, "system error")
        return {"errcode": self.errcode, "errmsg": f"{text} rid: {request_id()}"}


def request_id() -> str:
    """Returns a fresh request id in the platform's form, e.g. 6645f0c1-3a1b2c3d-4e5f6071."""
    return f"{int(time.time()):08x}-{secrets.token_hex(4)}-{secrets.token_hex(4)}"
