"""One access token for the whole fleet: on a real Redis, without it, and when WeChat refuses it."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from wechat import tokens
from wechat.tokens import Grant, TokenStore


@pytest.fixture
def token_redis(redis_url: str) -> Iterator[redis.Redis]:
    server = redis.Redis.from_url(redis_url)
    yield server
    server.close()


@pytest.fixture
def appid() -> str:
    return f"wx{uuid.uuid4().hex[:16]}"


@pytest.fixture
def no_redis() -> redis.Redis:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    return redis.Redis(port=port, retry=Retry(NoBackoff(), 0))


class WeChat:
    """Issues tokens as the stable interface does: the same one until it is forced."""

    def __init__(self, lifetime: int = 7200) -> None:
        self.lifetime = lifetime
        self.number = 1
        self.calls: list[bool] = []

    def __call__(self, force: bool) -> Grant:
        self.calls.append(force)
        self.number += force
        return Grant(f"token-{self.number}", self.lifetime)


@pytest.mark.parametrize(
    ("lifetime", "held"), [(7200, 6900), (3600, 3300), (361, 61), (300, 60), (0, 60), (99999, 6900)]
)
def test_layout_and_lifetime_in_redis(token_redis: redis.Redis, appid: str, lifetime: int, held: int) -> None:
    TokenStore(token_redis, clock=lambda: 1_000_000.0).token(appid, WeChat(lifetime))
    stored = token_redis.get(f"wx:{appid}:token")
    assert isinstance(stored, bytes)
    assert json.loads(stored) == {"t": "token-1", "exp": 1_000_000 + held}
    left = token_redis.pttl(f"wx:{appid}:token")
    assert held * 1000 - 30_000 < left <= held * 1000
    assert token_redis.exists(f"wx:{appid}:lock") == 0


def test_two_processes_share_the_token(token_redis: redis.Redis, appid: str) -> None:
    wechat = WeChat()
    assert TokenStore(token_redis).token(appid, wechat) == TokenStore(token_redis).token(appid, wechat)
    assert wechat.calls == [False]


@pytest.mark.parametrize("seconds", [0.0, 60.0])
def test_redis_is_not_asked_for_what_was_just_seen(
    token_redis: redis.Redis, appid: str, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    monkeypatch.setattr(tokens, "LOOK_AGAIN_SECONDS", seconds)
    wechat, store = WeChat(), TokenStore(token_redis)
    store.token(appid, wechat)
    first = store.token(appid, wechat)
    others = json.dumps({"t": "of-another-process", "exp": 1})
    token_redis.set(f"wx:{appid}:token", others)
    assert store.token(appid, wechat) == (first if seconds else "of-another-process")
    assert store.replace(appid, first, wechat) == "of-another-process"
    assert store.token(appid, wechat) == "of-another-process"
    assert wechat.calls == [False]


class Unguarded(TokenStore):
    @contextlib.contextmanager
    def _one_at_a_time(self, appid: str) -> Iterator[None]:
        yield


def test_without_the_lock_callers_race(token_redis: redis.Redis, appid: str) -> None:
    together = threading.Barrier(2, timeout=10)

    def fetch(_force: bool) -> Grant:
        together.wait()
        return Grant("token", 7200)

    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(Unguarded(token_redis).token, appid, fetch) for _ in range(2)]
    assert [future.result() for future in asked] == ["token", "token"]


def test_sixteen_threads_of_two_processes_fetch_once(token_redis: redis.Redis, appid: str) -> None:
    wechat, stores, together = (
        WeChat(),
        (TokenStore(token_redis), TokenStore(token_redis)),
        threading.Barrier(32),
    )

    def ask(number: int) -> str:
        together.wait(timeout=10)
        return stores[number % 2].token(appid, wechat)

    with ThreadPoolExecutor(32) as pool:
        assert set(pool.map(ask, range(32))) == {"token-1"}
    assert wechat.calls == [False]


def test_sixteen_threads_of_two_processes_replace_once(token_redis: redis.Redis, appid: str) -> None:
    wechat, stores, together = (
        WeChat(),
        (TokenStore(token_redis), TokenStore(token_redis)),
        threading.Barrier(32),
    )
    stores[0].token(appid, wechat)

    def refused(number: int) -> str | None:
        together.wait(timeout=10)
        return stores[number % 2].replace(appid, "token-1", wechat)

    with ThreadPoolExecutor(32) as pool:
        assert set(pool.map(refused, range(32))) == {"token-2"}
    assert wechat.calls == [False, False, True]


def test_a_token_that_others_replaced_is_not_expired(token_redis: redis.Redis, appid: str) -> None:
    wechat = WeChat()
    store = TokenStore(token_redis)
    store.token(appid, wechat)
    assert store.replace(appid, "token-0", wechat) == "token-1"
    assert wechat.calls == [False]


class PutBack(TokenStore):
    def _forget(self, appid: str, refused: str) -> None:
        """As if another process had fetched the refused token again at once."""


def test_a_refused_token_that_others_put_back_is_not_used(token_redis: redis.Redis, appid: str) -> None:
    wechat = WeChat()
    store = PutBack(token_redis)
    store.token(appid, wechat)
    assert store.replace(appid, "token-1", wechat) == "token-2"
    assert store.token(appid, wechat) == "token-2"


def test_an_expired_token_is_refetched_without_force(token_redis: redis.Redis, appid: str) -> None:
    wechat = WeChat()
    store = TokenStore(token_redis)
    store.token(appid, wechat)
    wechat.number = 2
    assert store.replace(appid, "token-1", wechat) == "token-2"
    assert wechat.calls == [False, False]
    assert store.token(appid, wechat) == "token-2"


def test_force_is_spaced(token_redis: redis.Redis, appid: str) -> None:
    wechat = WeChat()
    store = TokenStore(token_redis)
    assert store.replace(appid, "token-1", wechat) == "token-2"
    assert store.replace(appid, "token-2", wechat) is None
    assert wechat.calls == [False, True, False]
    assert 25 < token_redis.ttl(f"wx:{appid}:forced") <= 31


def test_force_is_counted_by_the_day_of_beijing(token_redis: redis.Redis, appid: str) -> None:
    wechat = WeChat()
    now = [1_767_196_800.0 - 60]  # 2025-12-31 23:59 in Beijing
    store = TokenStore(token_redis, clock=lambda: now[0])
    for _ in range(15):
        assert store.replace(appid, f"token-{wechat.number}", wechat) is not None
        token_redis.delete(f"wx:{appid}:forced")
    assert store.replace(appid, f"token-{wechat.number}", wechat) is None
    now[0] += 60
    token_redis.delete(f"wx:{appid}:forced")
    assert store.replace(appid, f"token-{wechat.number}", wechat) == "token-17"


def test_force_that_changes_nothing(token_redis: redis.Redis, appid: str) -> None:
    store = TokenStore(token_redis)
    assert store.replace(appid, "same", lambda _force: Grant("same", 7200)) is None


def test_a_crashed_holder_does_not_stop_the_others(
    token_redis: redis.Redis, appid: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "WAIT_SECONDS", 0.2)
    token_redis.set(f"wx:{appid}:lock", "crashed", px=60_000)
    assert TokenStore(token_redis).token(appid, WeChat()) == "token-1"
    assert token_redis.get(f"wx:{appid}:lock") == b"crashed"


def test_a_lock_lost_during_the_call_is_left_to_its_new_owner(token_redis: redis.Redis, appid: str) -> None:
    def slow(_force: bool) -> Grant:
        token_redis.set(f"wx:{appid}:lock", "other", px=60_000)
        return Grant("token", 7200)

    TokenStore(token_redis).token(appid, slow)
    assert token_redis.get(f"wx:{appid}:lock") == b"other"


def test_compare_and_delete_loses_against_a_writer(token_redis: redis.Redis, appid: str) -> None:
    key = f"wx:{appid}:token"
    token_redis.set(key, "old")

    def matches(value: str | None) -> bool:
        token_redis.set(key, "new")
        return value == "old"

    tokens._delete_if(token_redis, key, matches)
    assert token_redis.get(key) == b"new"


def test_a_failed_fetch_frees_the_lock(token_redis: redis.Redis, appid: str) -> None:
    def broken(_force: bool) -> Grant:
        raise ZeroDivisionError

    store = TokenStore(token_redis)
    with pytest.raises(ZeroDivisionError):
        store.token(appid, broken)
    assert token_redis.exists(f"wx:{appid}:lock") == 0
    assert store.token(appid, WeChat()) == "token-1"


@pytest.mark.parametrize("rubbish", [b"", b"{", b"[]", b'"x"', b'{"t": "x"}', b"\xff\xfe"])
def test_rubbish_in_redis_is_replaced(token_redis: redis.Redis, appid: str, rubbish: bytes) -> None:
    token_redis.set(f"wx:{appid}:token", rubbish)
    assert TokenStore(token_redis).token(appid, WeChat()) == "token-1"


def test_a_client_that_decodes_works_too(redis_url: str, token_redis: redis.Redis, appid: str) -> None:
    wechat = WeChat()
    with redis.Redis.from_url(redis_url, decode_responses=True) as decoding:
        store = TokenStore(decoding)
        assert store.token(appid, wechat) == "token-1"
        assert store.replace(appid, "token-1", wechat) == "token-2"
    assert token_redis.exists(f"wx:{appid}:lock") == 0


def test_without_redis_the_process_keeps_its_own(no_redis: redis.Redis, appid: str) -> None:
    now = [1000.0]
    wechat = WeChat()
    store = TokenStore(no_redis, clock=lambda: now[0])
    assert [store.token(appid, wechat) for _ in range(3)] == ["token-1"] * 3
    assert wechat.calls == [False]
    now[0] += 6901
    store.token(appid, wechat)
    assert wechat.calls == [False, False]


def test_without_redis_the_threads_of_a_process_fetch_once(no_redis: redis.Redis, appid: str) -> None:
    wechat, store, together = WeChat(), TokenStore(no_redis), threading.Barrier(16)

    def slow(force: bool) -> Grant:
        time.sleep(0.1)
        return wechat(force)

    def ask(_number: int) -> str:
        together.wait(timeout=10)
        return store.token(appid, slow)

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(ask, range(16))) == {"token-1"}
    assert wechat.calls == [False]


def test_without_redis_nothing_is_forced(no_redis: redis.Redis, appid: str) -> None:
    wechat = WeChat()
    store = TokenStore(no_redis)
    store.token(appid, wechat)
    assert store.replace(appid, "token-1", wechat) is None
    wechat.number = 2
    assert store.replace(appid, "token-1", wechat) == "token-2"
    assert True not in wechat.calls


class Interruptible(redis.Redis):
    down = False
    asked = 0

    def execute_command(self, *args: Any, **options: Any) -> Any:
        self.asked += 1
        if self.down:
            raise redis.TimeoutError
        return super().execute_command(*args, **options)  # type: ignore[no-untyped-call]


def test_an_outage_keeps_the_token_and_is_felt_once(
    token_redis: redis.Redis, redis_url: str, appid: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wechat = WeChat()
    with Interruptible.from_url(redis_url) as server:
        store = TokenStore(server)
        store.token(appid, wechat)
        server.down, server.asked = True, 0
        assert [store.token(appid, wechat) for _ in range(5)] == ["token-1"] * 5
        assert server.asked == 1
        server.down = False
        token_redis.delete(f"wx:{appid}:token")
        later = time.monotonic() + tokens.REDIS_PAUSE_SECONDS + 1
        monkeypatch.setattr(time, "monotonic", lambda: later)
        store.token(appid, wechat)
    assert wechat.calls == [False, False]
    assert token_redis.exists(f"wx:{appid}:token") == 1


def test_a_token_has_no_repr(appid: str, no_redis: redis.Redis) -> None:
    assert "secret-token" not in repr(Grant("secret-token", 7200))
