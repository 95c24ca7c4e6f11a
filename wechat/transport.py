"""The way to api.weixin.qq.com: timeouts, retries, the access token, and errors that give nothing away."""

from __future__ import annotations

import json
import logging
import random
import time
from collections.abc import Callable, Iterator, Mapping
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import MaxRetryError, NewConnectionError
from wechatpy import WeChatClient

from wechat.errors import TOKEN_REFUSED, Outcome, WeChatError
from wechat.tokens import Grant, TokenStore

OFFICIAL = "https://api.weixin.qq.com"
ATTEMPTS = 3
BACKOFF_SECONDS = 1.0
_IMAGE_STARTS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")

Answer = dict[str, Any] | bytes


class Transport(WeChatClient):  # type: ignore[misc]
    """wechatpy's client with its way of calling replaced; its groups of interfaces work as they are.

    What is replaced: endless refreshing of a refused token, token calls without a timeout, the fixed host,
    tokens fetched by every process on its own, and exceptions that carry the secret in their URL.
    """

    def __init__(
        self,
        appid: str,
        secret: str,
        tokens: TokenStore,
        *,
        api_base: str,
        timeout: tuple[float, float],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(appid, secret, timeout=timeout, auto_retry=False)
        self._tokens = tokens
        self._sleep = sleep
        self._http.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._http.mount(f"{OFFICIAL}/", _Adapter(api_base.rstrip("/")))

    @property
    def access_token(self) -> str:
        """The token in use, fetched if there is none."""
        return self._tokens.token(self.appid, self._grant)

    def fetch_access_token(self) -> dict[str, Any]:
        """Called by nobody here; kept because wechatpy's own would bypass the store."""
        return {"access_token": self.access_token}

    def _request(self, method: str, url_or_endpoint: str, **kwargs: Any) -> Any:
        """Make a call with the access token, replacing a refused token once.

        Repeats calls that failed in transit only if `idempotent` (by default a GET) or surely not sent.
        Raises WeChatError and no other.
        """
        base = kwargs.pop("api_base_url", self.API_BASE_URL)
        url = url_or_endpoint if url_or_endpoint.startswith("https://") else f"{base}{url_or_endpoint}"
        process = kwargs.pop("result_processor", None)
        params = dict(kwargs.pop("params", None) or {})
        idempotent = kwargs.pop("idempotent", method.lower() == "get")
        token = self.access_token
        answer = self._call(method, url, {**params, "access_token": token}, idempotent, **kwargs)
        if isinstance(answer, WeChatError) and answer.errcode in TOKEN_REFUSED:
            fresh = self._tokens.replace(self.appid, token, self._grant)
            if fresh is not None:
                answer = self._call(method, url, {**params, "access_token": fresh}, idempotent, **kwargs)
        if isinstance(answer, WeChatError):
            raise answer
        return process(answer) if process else answer

    def tokenless(self, path: str, params: Mapping[str, str], *, idempotent: bool) -> Answer:
        """GET `path` with `params` alone; raises WeChatError."""
        answer = self._call("get", f"{OFFICIAL}{path}", dict(params), idempotent)
        if isinstance(answer, WeChatError):
            raise answer
        return answer

    def _grant(self, force: bool) -> Grant:
        """Ask for the access token (WeChat: 获取稳定版接口调用凭据); a forced call is never repeated."""
        path = "/cgi-bin/stable_token"
        asked = {
            "grant_type": "client_credential",
            "appid": self.appid,
            "secret": self.secret,
            "force_refresh": force,
        }
        answer = self._call("post", f"{OFFICIAL}{path}", {}, not force, data=asked)
        if isinstance(answer, WeChatError):
            if answer.outcome is Outcome.REFRESH_ONCE:
                # There is no token in this call: 40001 means here that the secret is wrong.
                raise WeChatError(Outcome.CONFIGURATION, answer.errcode, endpoint=path)
            raise answer
        token = answer.get("access_token") if isinstance(answer, dict) else None
        lifetime = answer.get("expires_in") if isinstance(answer, dict) else None
        if not isinstance(token, str) or not token or not isinstance(lifetime, int):
            raise WeChatError(Outcome.RETRY_TRANSIENT, endpoint=path)
        return Grant(token, lifetime)

    def _call(
        self, method: str, url: str, params: dict[str, Any], idempotent: bool, **kwargs: Any
    ) -> Answer | WeChatError:
        if not url.startswith(f"{OFFICIAL}/"):
            raise ValueError("只能调用微信服务端接口")
        if isinstance(kwargs.get("data"), dict):
            # WeChat takes \uXXXX literally in some interfaces, so the body is plain UTF-8.
            kwargs["data"] = json.dumps(kwargs["data"], ensure_ascii=False).encode("utf-8", "replace")
            kwargs["headers"] = {"Content-Type": "application/json"}
        params = {name: str(value).encode("utf-8", "replace").decode() for name, value in params.items()}
        kwargs.setdefault("timeout", self.timeout)
        answer, may_repeat = self._exchange(method, url, params, idempotent, kwargs)
        for attempt in range(1, ATTEMPTS):
            if not may_repeat:
                break
            self._sleep(BACKOFF_SECONDS * 2 ** (attempt - 1) * random.uniform(0.5, 1.0))
            answer, may_repeat = self._exchange(method, url, params, idempotent, kwargs)
        return answer

    def _exchange(
        self, method: str, url: str, params: dict[str, Any], idempotent: bool, kwargs: dict[str, Any]
    ) -> tuple[Answer | WeChatError, bool]:
        """Call once; returns the answer or the error, and whether the call may be made again.

        Errors are returned, not raised: an exception of requests, with its URL, must not be their context.
        """
        endpoint = url.removeprefix(OFFICIAL)
        lost = WeChatError(Outcome.RETRY_TRANSIENT if idempotent else Outcome.UNKNOWN, endpoint=endpoint)
        try:
            response = self._http.request(method, url, params=params, allow_redirects=False, **kwargs)
            status, content = response.status_code, response.content
        except requests.RequestException as error:
            if _was_never_sent(error):
                return WeChatError(Outcome.RETRY_TRANSIENT, endpoint=endpoint), True
            return lost, idempotent
        if status == 200 and content.startswith(_IMAGE_STARTS):
            return content, False
        answer = _decode(content)
        if answer is not None:
            errcode = _errcode(answer)
            if errcode == 0 and status == 200:
                return answer, False
            if errcode:
                sent = [*_strings(params), *_strings(_decode(kwargs.get("data")))]
                failure = WeChatError.answered(errcode, str(answer.get("errmsg", "")), endpoint, sent)
                return failure, idempotent and failure.outcome is Outcome.RETRY_TRANSIENT
        if status == 429:
            return WeChatError(Outcome.THROTTLED, endpoint=endpoint), False
        if 400 <= status < 500:
            return WeChatError(Outcome.CONFIGURATION, endpoint=endpoint), False
        return lost, idempotent


class _Adapter(HTTPAdapter):
    """Sends what is addressed to WeChat's host to `base`."""

    def __init__(self, base: str) -> None:
        self._base = base
        super().__init__(pool_maxsize=32)

    def send(
        self, request: requests.PreparedRequest, *args: Any, **kwargs: Any
    ) -> requests.Response:  # the parameters after the request are passed on as they come
        if self._base != OFFICIAL and request.url is not None:
            request.url = request.url.replace(OFFICIAL, self._base, 1)
            # A proxy was chosen for WeChat's host, not for this one.
            kwargs["proxies"] = {}
        return super().send(request, *args, **kwargs)


class _WithoutQuery(logging.Filter):
    """Cuts what urllib3 writes about a request where the query, with its secrets, begins."""

    def filter(self, record: logging.LogRecord) -> bool:
        path, mark, _ = record.getMessage().partition("?")
        if mark:
            record.msg, record.args, record.exc_info = path, (), None
        return True


for _name in ("urllib3.connectionpool", "urllib3.util.retry"):
    logging.getLogger(_name).addFilter(_WithoutQuery())


def _was_never_sent(error: requests.RequestException) -> bool:
    if isinstance(error, requests.ConnectTimeout):
        return True
    reason = error.args[0] if error.args else None
    return isinstance(reason, MaxRetryError) and isinstance(reason.reason, NewConnectionError)


def _decode(content: object) -> dict[str, Any] | None:
    # By content: the login interface calls its JSON text/plain.
    if not isinstance(content, bytes):
        return None
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
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
