"""The interfaces of a mini-program's server side that are in use."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from wechatpy import WeChatClient

from wechat.codes import is_scene
from wechat.errors import Outcome, WeChatError
from wechat.tokens import TokenStore
from wechat.transport import OFFICIAL, Transport

EnvVersion = Literal["release", "trial", "develop"]
_NUMBER = re.compile(r"[0-9]{5,15}")
_COUNTRY = re.compile(r"[0-9]{1,4}")


@dataclass(frozen=True, slots=True)
class Session:
    """Who signed in; `unionid` only if the account belongs to an open platform account."""

    openid: str = field(repr=False)
    unionid: str | None = field(repr=False)
    session_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class PhoneNumber:
    """A number without its country code (86 for the Chinese mainland), both as plain digits."""

    number: str = field(repr=False)
    country_code: str


class MiniProgram:
    """One mini-program account; safe for threads, one per process and appid, made after forking.

    Every method raises WeChatError and no exception of the libraries below. `timeout` is (connect, read) in
    seconds. Calls that failed in transit are repeated only where that cannot do a thing twice; an exchanged
    code may be used up, and then the outcome is UNKNOWN: ask the client for a fresh one.
    """

    def __init__(
        self,
        appid: str,
        secret: str,
        tokens: TokenStore,
        api_base: str = OFFICIAL,
        timeout: tuple[float, float] = (3.0, 5.0),
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.appid = appid
        self._transport = Transport(appid, secret, tokens, api_base=api_base, timeout=timeout, sleep=sleep)
        self._secret = secret

    @property
    def interfaces(self) -> WeChatClient:
        """wechatpy's groups of interfaces (`.template`, `.wxa`, …) over the same calls, token and errors."""
        return self._transport

    def code2session(self, code: str) -> Session:
        """Exchange the code of wx.login (WeChat: 小程序登录凭证校验); needs no access token."""
        path = "/sns/jscode2session"
        params = {
            "appid": self.appid,
            "secret": self._secret,
            "js_code": code,
            "grant_type": "authorization_code",
        }
        answer = _object(self._transport.tokenless(path, params, idempotent=False), path)
        return Session(
            openid=_text(answer, "openid", path),
            unionid=answer.get("unionid") or None,
            session_key=_text(answer, "session_key", path),
        )

    def phone_number(self, code: str, openid: str) -> PhoneNumber:
        """Exchange the code of the phone button (WeChat: 获取手机号), which must belong to `openid`."""
        path = "/wxa/business/getuserphonenumber"
        answer = self.post(path, {"code": code, "openid": openid})
        info = _object(answer.get("phone_info"), path)
        watermark = info.get("watermark")
        if isinstance(watermark, dict) and watermark.get("appid", self.appid) != self.appid:
            raise WeChatError(Outcome.CONFIGURATION, endpoint=path)
        number, country = _text(info, "purePhoneNumber", path), str(info.get("countryCode", ""))
        if not _NUMBER.fullmatch(number) or not _COUNTRY.fullmatch(country):
            raise WeChatError(Outcome.UNKNOWN, endpoint=path)
        return PhoneNumber(number, country)

    def mini_program_code(
        self,
        scene: str,
        page: str,
        *,
        check_path: bool = True,
        env_version: EnvVersion = "release",
        width: int = 430,
    ) -> bytes:
        """Return the image of a code that opens `page` with `scene` (WeChat: 获取不限制的小程序码).

        `width` is in pixels. Raises ValueError for what WeChat is known to refuse.
        """
        if not is_scene(scene):
            raise ValueError("场景值应为 1 至 32 个微信允许的字符")
        if page.startswith("/") or "?" in page or not page:
            raise ValueError("页面路径不能以“/”开头，也不能带参数")
        if not 280 <= width <= 1280:
            raise ValueError("小程序码宽度应在 280 至 1280 像素之间")
        path = "/wxa/getwxacodeunlimit"
        body = {
            "scene": scene,
            "page": page,
            "check_path": check_path,
            "env_version": env_version,
            "width": width,
        }
        # Drawing the same code again does no harm, so this POST may be repeated.
        image = self._transport.post(f"{OFFICIAL}{path}", data=body, idempotent=True)
        if not isinstance(image, bytes):
            raise WeChatError(Outcome.RETRY_TRANSIENT, endpoint=path)
        return image

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST `body` as JSON to `path` (with its leading slash); never repeated once it may have arrived."""
        return _object(self._transport.post(f"{OFFICIAL}{path}", data=dict(body)), path)

    def get(self, path: str, params: Mapping[str, str] | None = None) -> dict[str, Any]:
        """GET `path` (with its leading slash); repeated when it failed in transit."""
        return _object(self._transport.get(f"{OFFICIAL}{path}", params=dict(params or {})), path)


def _object(answer: object, path: str) -> dict[str, Any]:
    if not isinstance(answer, dict):
        raise WeChatError(Outcome.UNKNOWN, endpoint=path)
    return answer


def _text(answer: dict[str, Any], name: str, path: str) -> str:
    value = answer.get(name)
    if not isinstance(value, str) or not value:
        raise WeChatError(Outcome.UNKNOWN, endpoint=path)
    return value
