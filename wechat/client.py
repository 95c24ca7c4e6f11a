"""The interfaces of a mini-program's server side that are in use."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from wechat.account import Account, answer_list, answer_object, answer_text
from wechat.codes import is_scene
from wechat.errors import Outcome, WeChatError
from wechat.templates import LONG_TERM, ONE_TIME, MessageTemplate, read_template
from wechat.transport import OFFICIAL

EnvVersion = Literal["release", "trial", "develop"]
MiniProgramState = Literal["formal", "trial", "developer"]
Language = Literal["zh_CN", "en_US", "zh_HK", "zh_TW"]
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


class MiniProgram(Account):
    """A mini-program's account.

    Calls that failed in transit are repeated only where that cannot do a thing twice; an exchanged code may
    be used up, and then the outcome is UNKNOWN: ask the client for a fresh one.
    """

    def code2session(self, code: str) -> Session:
        """Exchange the code of wx.login (WeChat: 小程序登录凭证校验); needs no access token."""
        path = "/sns/jscode2session"
        params = {
            "appid": self.appid,
            "secret": self._secret,
            "js_code": code,
            "grant_type": "authorization_code",
        }
        answer = answer_object(self._transport.tokenless(path, params, idempotent=False), path)
        return Session(
            openid=answer_text(answer, "openid", path),
            unionid=answer.get("unionid") or None,
            session_key=answer_text(answer, "session_key", path),
        )

    def phone_number(self, code: str, openid: str) -> PhoneNumber:
        """Exchange the code of the phone button (WeChat: 获取手机号), which must belong to `openid`."""
        path = "/wxa/business/getuserphonenumber"
        answer = self.post(path, {"code": code, "openid": openid})
        info = answer_object(answer.get("phone_info"), path)
        watermark = info.get("watermark")
        if isinstance(watermark, dict) and watermark.get("appid", self.appid) != self.appid:
            raise WeChatError(Outcome.CONFIGURATION, endpoint=path)
        number, country = answer_text(info, "purePhoneNumber", path), str(info.get("countryCode", ""))
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

    def send_subscribe_message(
        self,
        openid: str,
        template_id: str,
        data: Mapping[str, str],
        *,
        page: str = "",
        state: MiniProgramState = "formal",
        lang: Language = "zh_CN",
    ) -> str:
        """Send one subscribe message (WeChat: 发送订阅消息) and return its msgid; see `send` for failures.

        `data` maps the keys of the template to texts; `page` may have a query and opens in `state`.
        """
        body = {
            "touser": openid,
            "template_id": template_id,
            "miniprogram_state": state,
            "lang": lang,
            "data": {key: {"value": value} for key, value in data.items()},
        }
        if page:
            body["page"] = page
        return self.send("/cgi-bin/message/subscribe/send", body)

    def templates(self) -> list[MessageTemplate]:
        """Return the account's own templates (WeChat: 获取个人模板列表)."""
        path = "/wxaapi/newtmpl/gettemplate"
        rows = answer_list(self.get(path), "data", path)
        return [
            read_template(
                answer_text(row, "priTmplId", path), row, LONG_TERM if row.get("type") == 3 else ONE_TIME
            )
            for row in rows
        ]
