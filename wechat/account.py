"""What every account has: its calls, over one transport and one token."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from wechatpy import WeChatClient

from wechat.errors import Outcome, WeChatError
from wechat.tokens import TokenStore
from wechat.transport import OFFICIAL, Transport


class Account:
    """One account of the platform; safe for threads, one per process and appid, made after forking.

    Every method raises WeChatError and no exception of the libraries below. `timeout` is (connect, read) in
    seconds; of the `connections` in use at a time so many are kept.
    """

    def __init__(
        self,
        appid: str,
        secret: str,
        tokens: TokenStore,
        api_base: str = OFFICIAL,
        timeout: tuple[float, float] = (3.0, 5.0),
        *,
        connections: int = 32,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.appid = appid
        self._secret = secret
        self._transport = Transport(
            appid, secret, tokens, api_base=api_base, timeout=timeout, connections=connections, sleep=sleep
        )

    @property
    def interfaces(self) -> WeChatClient:
        """wechatpy's groups of interfaces (`.template`, `.wxa`, …) over the same calls, token and errors."""
        return self._transport

    def post(self, path: str, body: Mapping[str, Any], *, idempotent: bool = False) -> dict[str, Any]:
        """POST `body` as JSON to `path` (with its leading slash).

        Only an `idempotent` one is repeated once it may have arrived.
        """
        return answer_object(
            self._transport.post(f"{OFFICIAL}{path}", data=dict(body), idempotent=idempotent), path
        )

    def get(self, path: str, params: Mapping[str, str] | None = None) -> dict[str, Any]:
        """GET `path` (with its leading slash); repeated when it failed in transit."""
        return answer_object(self._transport.get(f"{OFFICIAL}{path}", params=dict(params or {})), path)

    def send(self, path: str, body: Mapping[str, Any]) -> str:
        """POST a message in one attempt and return its msgid, empty if the platform gave none.

        The patience for another attempt is the caller's. In the WeChatError, RETRY_TRANSIENT says that
        nothing was sent; UNKNOWN without an errcode says that it may have been sent: do not send it again
        unless the platform can recognise it.
        """
        answer = self._transport.post(f"{OFFICIAL}{path}", data=dict(body), attempts=1)
        # A number beyond 2**53; the pushes about it name it as text.
        return str(answer_object(answer, path).get("msgid") or "")

    def close(self) -> None:
        """Close the idle connections."""
        self._transport.close()


def answer_object(answer: object, path: str) -> dict[str, Any]:
    """Return the answer as an object; raises WeChatError (UNKNOWN)."""
    if not isinstance(answer, dict):
        raise WeChatError(Outcome.UNKNOWN, endpoint=path)
    return answer


def answer_text(answer: dict[str, Any], name: str, path: str) -> str:
    """Return a text of the answer that must be there; raises WeChatError (UNKNOWN)."""
    value = answer.get(name)
    if not isinstance(value, str) or not value:
        raise WeChatError(Outcome.UNKNOWN, endpoint=path)
    return value


def answer_list(answer: dict[str, Any], name: str, path: str) -> list[dict[str, Any]]:
    """Return a list of objects of the answer; raises WeChatError (UNKNOWN)."""
    value = answer.get(name)
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise WeChatError(Outcome.UNKNOWN, endpoint=path)
    return value
