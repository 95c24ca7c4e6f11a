"""access_token: two families that do not touch each other."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from wechat.simulator.errors import Refusal
from wechat.simulator.gateway import Call, Endpoint

if TYPE_CHECKING:
    from wechat.simulator.accounts import App
    from wechat.simulator.platform import Platform

LIFETIME = 7200
OVERLAP = 300
FORCED_EVERY = 30
FORCED_PER_DAY = 20
_SHAPE = re.compile(r"\d{2,3}_[A-Za-z0-9_-]{40,509}")


@dataclass
class Token:
    """One issued token; `valid_until` is set when a newer one replaces it. Epoch seconds."""

    value: str
    expires: float
    valid_until: float | None = None

    def remaining(self, now: float) -> int:
        """Returns the whole seconds left."""
        return int(self.expires - now)


class TokenBook:
    """The tokens issued, by family."""

    def __init__(self) -> None:
        self._tokens: dict[str, Token] = {}
        self._current: dict[Literal["legacy", "stable"], Token] = {}
        self._forced: list[float] = []

    def legacy(self, now: float) -> Token:
        """Issues a new token each time; the former one lives five minutes more.

        https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/mp-access-token/getAccessToken.html
        """
        if former := self._current.get("legacy"):
            former.valid_until = now + OVERLAP
        return self._issue("legacy", now)

    def stable(self, now: float, *, force: bool) -> Token:
        """Returns the current token until five minutes before its end; `force` kills it at once.

        A forced call within 30 seconds of the last, or the 21st of a day, refreshes nothing.
        https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/mp-access-token/getStableAccessToken.html
        """
        current = self._current.get("stable")
        if force and self._may_force(now):
            self._forced.append(now)
            if current:
                current.valid_until = now
            return self._issue("stable", now)
        if current and current.remaining(now) > OVERLAP:
            return current
        return self._issue("stable", now)

    def issued(self, value: str) -> bool:
        """Tells whether this is one of ours, in force or not."""
        return value in self._tokens

    def check(self, value: str, now: float) -> None:
        """Raises Refusal unless `value` is a token that is in force."""
        if not value:
            raise Refusal(41001)
        if not _SHAPE.fullmatch(value):
            raise Refusal(40014)
        token = self._tokens.get(value)
        if token is None or (token.valid_until is not None and token.valid_until <= now < token.expires):
            raise Refusal(40001)
        if token.expires <= now:
            raise Refusal(42001)

    def _may_force(self, now: float) -> bool:
        def day(moment: float) -> int:
            return int(moment + 8 * 3600) // 86400

        today = [moment for moment in self._forced if day(moment) == day(now)]
        return len(today) < FORCED_PER_DAY and (not self._forced or now - self._forced[-1] >= FORCED_EVERY)

    def _issue(self, family: Literal["legacy", "stable"], now: float) -> Token:
        token = Token(value=f"98_{secrets.token_urlsafe(100)}", expires=now + LIFETIME)
        self._tokens[token.value] = token
        self._current[family] = token
        return token


def check_account(platform: Platform, appid: object, secret: object) -> App:
    """Returns the account with this appid and secret; raises Refusal."""
    app = platform.accounts.of_appid(appid)
    if not secret:
        raise Refusal(41004)
    if not secrets.compare_digest(str(secret).encode(), app.secret.encode()):
        raise Refusal(40125)
    return app


def _answer(token: Token, now: float) -> dict[str, Any]:
    return {"access_token": token.value, "expires_in": token.remaining(now)}


def get_token(platform: Platform, call: Call) -> dict[str, Any]:
    """GET /cgi-bin/token."""
    if call.query.get("grant_type") != "client_credential":
        raise Refusal(40002)
    app = check_account(platform, call.query.get("appid"), call.query.get("secret"))
    now = platform.now()
    return _answer(app.tokens.legacy(now), now)


def get_stable_token(platform: Platform, call: Call) -> dict[str, Any]:
    """POST /cgi-bin/stable_token."""
    if call.body.get("grant_type") != "client_credential":
        raise Refusal(40002)
    app = check_account(platform, call.body.get("appid"), call.body.get("secret"))
    now = platform.now()
    return _answer(app.tokens.stable(now, force=call.body.get("force_refresh") is True), now)


ENDPOINTS = [
    Endpoint("/cgi-bin/token", "GET", get_token, token=False),
    Endpoint("/cgi-bin/stable_token", "POST", get_stable_token, token=False),
]
