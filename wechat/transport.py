"""The way to api.weixin.qq.com: timeouts, retries, the access token, and errors that give nothing away."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from wechatpy import WeChatClient

from wechat.connections import Connections, Lost, NeverSent
from wechat.errors import TOKEN_REFUSED, Outcome, WeChatError
from wechat.tokens import Grant, TokenStore

OFFICIAL = "https://api.weixin.qq.com"
ATTEMPTS = 3
BACKOFF_SECONDS = 1.0
_PLAIN = {"Accept": "*/*"}
_JSON = {"Content-Type": "application/json"}
_IMAGE_STARTS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")

Answer = dict[str, Any] | bytes


class Transport(WeChatClient):  # type: ignore[misc]
    """wechatpy's client with its way of calling replaced; its groups of interfaces work as they are.

    What is replaced: endless refreshing of a refused token, token calls without a timeout, the fixed host,
    tokens fetched by every process on its own, exceptions that carry the secret in their URL, and requests.
    """

    def __init__(
        self,
        appid: str,
        secret: str,
        tokens: TokenStore,
        *,
        api_base: str,
        timeout: tuple[float, float],
        connections: int,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(appid, secret, auto_retry=False)
        self._tokens = tokens
        self._sleep = sleep
        self._connections = Connections(api_base, size=connections, timeout=timeout)

    @property
    def access_token(self) -> str:
        """The token in use, fetched if there is none."""
        return self._tokens.token(self.appid, self._grant)

    def fetch_access_token(self) -> dict[str, Any]:
        """Called by nobody here; kept because wechatpy's own would bypass the store."""
        return {"access_token": self.access_token}

    def _request(self, method: str, url_or_endpoint: str, **kwargs: Any) -> Any:
        """Make a call with the access token, replacing a refused token once.

        Calls that failed in transit are repeated only if `idempotent` (by default a GET) or surely not sent,
        and `attempts` are made at most. Raises WeChatError and no other.
        """
        base = kwargs.pop("api_base_url", self.API_BASE_URL)
        url = url_or_endpoint if url_or_endpoint.startswith("https://") else f"{base}{url_or_endpoint}"
        process = kwargs.pop("result_processor", None)
        params = dict(kwargs.pop("params", None) or {})
        kwargs.setdefault("idempotent", method.lower() == "get")
        token = self.access_token
        answer = self._call(method, url, {**params, "access_token": token}, **kwargs)
        if isinstance(answer, WeChatError) and answer.errcode in TOKEN_REFUSED:
            fresh = self._tokens.replace(self.appid, token, self._grant)
            if fresh is not None:
                answer = self._call(method, url, {**params, "access_token": fresh}, **kwargs)
        if isinstance(answer, WeChatError):
            raise answer
        return process(answer) if process else answer

    def tokenless(self, path: str, params: Mapping[str, str], *, idempotent: bool) -> Answer:
        """GET `path` with `params` alone; raises WeChatError."""
        answer = self._call("get", f"{OFFICIAL}{path}", params, idempotent=idempotent)
        if isinstance(answer, WeChatError):
            raise answer
        return answer

    def close(self) -> None:
        """Close the idle connections."""
        self._connections.close()

    def _grant(self, force: bool) -> Grant:
        """Ask for the access token (WeChat: 获取稳定版接口调用凭据); a forced call is never repeated."""
        path = "/cgi-bin/stable_token"
        asked = {
            "grant_type": "client_credential",
            "appid": self.appid,
            "secret": self.secret,
            "force_refresh": force,
        }
        answer = self._call("post", f"{OFFICIAL}{path}", {}, idempotent=not force, data=asked)
        if isinstance(answer, WeChatError):
            if answer.outcome is Outcome.REFRESH_ONCE:
                # There is no token in this call: 40001 means here that the secret is wrong.
                raise WeChatError(Outcome.CONFIGURATION, answer.errcode, endpoint=path)
            if answer.outcome is Outcome.UNKNOWN:
                # Whatever became of the token, the call that wanted it was not made.
                raise WeChatError(Outcome.RETRY_TRANSIENT, answer.errcode, endpoint=path)
            raise answer
        token = answer.get("access_token") if isinstance(answer, dict) else None
        lifetime = answer.get("expires_in") if isinstance(answer, dict) else None
        if not isinstance(token, str) or not token or not isinstance(lifetime, int):
            raise WeChatError(Outcome.RETRY_TRANSIENT, endpoint=path)
        return Grant(token, lifetime)

    def _call(
        self,
        method: str,
        url: str,
        params: Mapping[str, object],
        *,
        idempotent: bool,
        data: Mapping[str, Any] | None = None,
        attempts: int = ATTEMPTS,
    ) -> Answer | WeChatError:
        if not url.startswith(f"{OFFICIAL}/"):
            raise ValueError("只能调用微信服务端接口")
        path = url.removeprefix(OFFICIAL)
        target = f"{path}?{urlencode(params, errors='replace')}" if params else path
        # WeChat takes \uXXXX literally in some interfaces, so the body is plain UTF-8.
        body = None if data is None else json.dumps(data, ensure_ascii=False).encode("utf-8", "replace")
        call = (method.upper(), path, target, body, idempotent, [params, data])
        answer, may_repeat = self._exchange(*call)
        for attempt in range(1, attempts):
            if not may_repeat:
                break
            self._sleep(BACKOFF_SECONDS * 2 ** (attempt - 1) * random.uniform(0.5, 1.0))
            answer, may_repeat = self._exchange(*call)
        return answer

    def _exchange(
        self, method: str, path: str, target: str, body: bytes | None, idempotent: bool, sent: object
    ) -> tuple[Answer | WeChatError, bool]:
        """Call once; returns the answer or the error, and whether the call may be made again.

        Errors are returned, not raised, so that nothing of the call becomes their context; what was `sent`
        is kept out of their text.
        """
        lost = WeChatError(Outcome.RETRY_TRANSIENT if idempotent else Outcome.UNKNOWN, endpoint=path)
        try:
            reply = self._connections.exchange(method, target, body, _JSON if body is not None else _PLAIN)
        except NeverSent:
            return WeChatError(Outcome.RETRY_TRANSIENT, endpoint=path), True
        except Lost:
            return lost, idempotent
        if reply.status == 200 and reply.content.startswith(_IMAGE_STARTS):
            return reply.content, False
        answer = _decode(reply.content)
        if answer is not None:
            errcode = _errcode(answer)
            if errcode == 0 and reply.status == 200:
                return answer, False
            if errcode:
                failure = WeChatError.answered(errcode, str(answer.get("errmsg", "")), path, _strings(sent))
                return failure, idempotent and failure.outcome is Outcome.RETRY_TRANSIENT
        if reply.status == 429:
            return WeChatError(Outcome.THROTTLED, endpoint=path), False
        if 400 <= reply.status < 500:
            return WeChatError(Outcome.CONFIGURATION, endpoint=path), False
        return lost, idempotent


def _decode(content: bytes) -> dict[str, Any] | None:
    # By content: the login interface calls its JSON text/plain.
    try:
        answer = json.loads(content.decode("utf-8", "replace"), strict=False)
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def _errcode(answer: dict[str, Any]) -> int | None:
    try:
        return int(answer.get("errcode", 0))
    except (TypeError, ValueError):
        return None


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
