"""What a refusal by WeChat means for the caller, and the one exception that leaves this package."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum

TOKEN_REFUSED = frozenset({40001, 40014, 42001})


class Outcome(StrEnum):
    """What to do about a call that did not succeed."""

    RETRY_TRANSIENT = "retry_transient"
    """Nothing was done; the same call may be repeated after a pause."""
    REFRESH_ONCE = "refresh_once"
    """The access token was refused, and a fresh one as well."""
    THROTTLED = "throttled"
    """Too many calls; wait a minute."""
    QUOTA_DAY = "quota_day"
    """Today's quota is spent; nothing more before 00:00 Beijing time."""
    CONFIGURATION = "configuration"
    """Permanent until somebody changes a setting here or at WeChat."""
    USER_STATE = "user_state"
    """This user cannot be reached or served that way (not subscribed, blocked, inactive)."""
    USER_INPUT = "user_input"
    """The code is used, expired or wrong: ask the client for a fresh one."""
    CONTENT = "content"
    """The request itself is refused; unchanged it will be refused again."""
    UNKNOWN = "unknown"
    """An error number nobody documented or, without a number, no readable answer: it may have been done."""


# fmt: off
_CODES: dict[Outcome, tuple[int, ...]] = {
    Outcome.RETRY_TRANSIENT: (-1,),
    Outcome.REFRESH_ONCE: tuple(TOKEN_REFUSED),
    Outcome.THROTTLED: (43108, 44990, 44991, 45011, 61081, 87020),
    Outcome.QUOTA_DAY: (44993, 45009),
    Outcome.CONFIGURATION: (
        40002, 40013, 40036, 40037, 40125, 40164, 40243, 41001, 41002, 41004, 43106, 43107, 43116, 45109,
        48001, 48004, 48006, 50002, 50004, 50007, 61007, 89503, 89506, 89507,
    ),
    Outcome.USER_STATE: (40003, 40226, 43004, 43019, 43101, 48002, 61010),
    Outcome.USER_INPUT: (40029, 40163, 41008),
    Outcome.CONTENT: (
        40008, 40039, 40097, 40129, 40159, 40165, 40169, 40249, 41030, 43002, 44002, 45168, 47001, 47003,
        85096, 87014,
    ),
}
# fmt: on
_OUTCOMES = {code: outcome for outcome, codes in _CODES.items() for code in codes}

_SAYS: dict[Outcome, str] = {
    Outcome.RETRY_TRANSIENT: "微信暂时繁忙或无法连接，请稍后再试",
    Outcome.REFRESH_ONCE: "微信拒绝了接口调用凭证，更换后仍被拒绝",
    Outcome.THROTTLED: "调用微信接口过于频繁，请稍后再试",
    Outcome.QUOTA_DAY: "微信接口当日调用额度已用完",
    Outcome.CONFIGURATION: "微信账号或接口配置有误，请联系管理员",
    Outcome.USER_STATE: "该微信用户当前无法使用此项服务",
    Outcome.USER_INPUT: "微信登录或授权凭证无效或已使用，请重新获取",
    Outcome.CONTENT: "提交给微信的内容不符合要求",
    Outcome.UNKNOWN: "未收到微信的有效答复，办理结果不明",
}

_RID = re.compile(r"\brid:\s*([0-9A-Za-z]+(?:-[0-9A-Za-z]+)+)")
_TRAILER = re.compile(r"[,;]?\s*\b(?:rid|hints):.*$", re.DOTALL)
_URL = re.compile(r"\w+://\S+")
# Long opaque words are tokens, openids or codes; long digit runs are telephone or message numbers.
_OPAQUE = re.compile(r"[0-9A-Za-z_\-+/=]{20,}|\+?\d{7,}")


def classify(errcode: int) -> Outcome:
    """Say what kind of refusal a WeChat `errcode` is; a number not known here is UNKNOWN.

    WeChat: 全局返回码 and the error table of each interface.
    """
    return _OUTCOMES.get(errcode, Outcome.UNKNOWN)


class WeChatError(Exception):
    """A call to WeChat that did not succeed; its text is safe to log and to show to staff.

    `errcode` is None when no readable answer came. `detail` is WeChat's explanation without request id,
    addresses, opaque words, and everything that was sent. `rid` can be looked up at WeChat for 7 days.
    `endpoint` is the path without its query.
    """

    def __init__(
        self,
        outcome: Outcome,
        errcode: int | None = None,
        *,
        errmsg: str = "",
        endpoint: str = "",
        sent: Iterable[str] = (),
    ) -> None:
        rid = _RID.search(errmsg)
        self.outcome = outcome
        self.errcode = errcode
        self.rid = rid.group(1) if rid else None
        self.endpoint = endpoint
        self.detail = _redact(errmsg, sent)
        text = _SAYS[outcome]
        if errcode is not None:
            text = f"微信返回错误 {errcode}" if outcome is Outcome.UNKNOWN else f"{text}（{errcode}）"
        if self.detail:
            text = f"{text}：{self.detail}"
        if self.rid:
            text = f"{text} [rid {self.rid}]"
        super().__init__(text)

    @classmethod
    def answered(cls, errcode: int, errmsg: str, endpoint: str, sent: Iterable[str]) -> WeChatError:
        """Make the error for what WeChat answered; the strings in `sent` are kept out of its text."""
        return cls(classify(errcode), errcode, errmsg=errmsg, endpoint=endpoint, sent=sent)


def _redact(errmsg: str, sent: Iterable[str]) -> str:
    text = _TRAILER.sub("", errmsg)
    for value in sorted(set(sent), key=len, reverse=True):
        # One to three letters cannot be told from words of the explanation; a name in Chinese can.
        if len(value) > 3 or not value.isascii():
            text = text.replace(value, "*")
    return _OPAQUE.sub("*", _URL.sub("*", text)).strip()[:200]
