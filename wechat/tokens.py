"""Interface access tokens, shared by every process of one account through Redis."""

from __future__ import annotations

import json
import logging
import random
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import redis

log = logging.getLogger(__name__)

EARLY_SECONDS = 300
HELD_SECONDS = (60, 6900)
LOCK_SECONDS = 10
WAIT_SECONDS = 5.0
# WeChat wants 30 s between forced calls and allows 20 a day; the rest is left to people in a hurry.
FORCED_SPACING_SECONDS = 31
FORCED_PER_DAY = 15
# Asking Redis costs as much as the call itself. A token that another process replaced meanwhile is refused,
# and then Redis is asked in any case.
LOOK_AGAIN_SECONDS = 1.0
# While Redis is away it is asked again only this often, so that an outage does not slow every call.
REDIS_PAUSE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Grant:
    """An access token as WeChat issued it, with the seconds it has left."""

    token: str = field(repr=False)
    expires_in: int


Fetch = Callable[[bool], Grant]
"""Asks WeChat for a token; True forces a new one and kills the former at once."""


class TokenStore:
    """Keeps one token per appid in Redis, and lets one caller of the whole fleet fetch it.

    The lock only saves calls: an unforced stable token may be asked for twice without harm, so whoever
    waits too long asks WeChat itself. Without Redis each process holds its own token in memory.
    WeChat: 获取稳定版接口调用凭据.
    """

    def __init__(self, server: redis.Redis, *, clock: Callable[[], float] = time.time) -> None:
        self._redis = server
        self._clock = clock
        self._memory: dict[str, tuple[str, float]] = {}
        self._seen: dict[str, tuple[str, float]] = {}
        self._threads: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()
        self._redis_pause_until = 0.0

    def token(self, appid: str, fetch: Fetch) -> str:
        """Return the token of `appid`, fetched if none is held; what `fetch` raises passes through."""
        seen = self._seen.get(appid)
        if seen is not None and 0 <= self._clock() - seen[1] < LOOK_AGAIN_SECONDS:
            return seen[0]
        held = self._load(appid)
        if held is not None:
            return held
        with self._one_at_a_time(appid):
            held = self._load(appid)
            return held if held is not None else self._keep(appid, fetch(False))

    def replace(self, appid: str, refused: str, fetch: Fetch) -> str | None:
        """Return a token other than `refused`, which WeChat has just rejected, or None if there is none.

        WeChat is asked without force first; only if it hands out the refused token again is it forced, at
        most once in 31 s and 15 times a day.
        """
        self._forget(appid, refused)
        with self._one_at_a_time(appid):
            held = self._load(appid)
            if held is not None and held != refused:
                return held
            grant = fetch(False)
            if grant.token == refused:
                if not self._may_force(appid):
                    return None
                grant = fetch(True)
                if grant.token == refused:
                    return None
            return self._keep(appid, grant)

    # The token, in Redis and in memory

    def _load(self, appid: str) -> str | None:
        try:
            with self._server() as server:
                stored = _read(server.get(_token_key(appid)))
        except redis.RedisError:
            with self._guard:
                stored = self._memory.get(appid)
            return stored[0] if stored and stored[1] > self._clock() else None
        # The expiry of the key decides here, not `exp`: the clocks of two hosts may differ.
        with self._guard:
            if stored is None:
                self._memory.pop(appid, None)
            else:
                self._memory[appid] = stored
                self._seen[appid] = stored[0], self._clock()
        return stored[0] if stored else None

    def _keep(self, appid: str, grant: Grant) -> str:
        shortest, longest = HELD_SECONDS
        seconds = min(max(grant.expires_in - EARLY_SECONDS, shortest), longest)
        expires = self._clock() + seconds
        with self._guard:
            self._memory[appid] = (grant.token, expires)
            self._seen.pop(appid, None)
        try:
            with self._server() as server:
                value = json.dumps({"t": grant.token, "exp": int(expires)})
                server.set(_token_key(appid), value, px=seconds * 1000)
        except redis.RedisError:
            pass
        return grant.token

    def _forget(self, appid: str, refused: str) -> None:
        with self._guard:
            self._seen.pop(appid, None)
            if self._memory.get(appid, ("", 0.0))[0] == refused:
                del self._memory[appid]
        try:
            with self._server() as server:
                _delete_if(server, _token_key(appid), lambda value: (_read(value) or ("",))[0] == refused)
        except redis.RedisError:
            pass

    # Who may ask WeChat

    @contextmanager
    def _one_at_a_time(self, appid: str) -> Iterator[None]:
        deadline = time.monotonic() + WAIT_SECONDS
        with self._guard:
            threads = self._threads.setdefault(appid, threading.Lock())
        first = threads.acquire(timeout=WAIT_SECONDS)
        owner = uuid.uuid4().hex
        locked = False
        try:
            locked = self._lock(appid, owner, deadline)
            yield
        finally:
            if locked:
                self._unlock(appid, owner)
            if first:
                threads.release()

    def _lock(self, appid: str, owner: str, deadline: float) -> bool:
        try:
            with self._server() as server:
                while not server.set(_lock_key(appid), owner, nx=True, px=LOCK_SECONDS * 1000):
                    if time.monotonic() >= deadline:
                        return False
                    time.sleep(random.uniform(0.05, 0.1))
                return True
        except redis.RedisError:
            return False

    def _unlock(self, appid: str, owner: str) -> None:
        try:
            with self._server() as server:
                _delete_if(server, _lock_key(appid), lambda value: value == owner)
        except redis.RedisError:
            pass

    def _may_force(self, appid: str) -> bool:
        day = (datetime.fromtimestamp(self._clock(), UTC) + timedelta(hours=8)).date()
        counter = f"wx:{appid}:forced:{day:%Y%m%d}"
        try:
            with self._server() as server:
                if not server.set(f"wx:{appid}:forced", "1", nx=True, ex=FORCED_SPACING_SECONDS):
                    return False
                count = server.incr(counter)
                server.expire(counter, 2 * 86400)
        except redis.RedisError:
            # Nobody counts for the fleet now, and every forced call takes the token from the others.
            return False
        return count <= FORCED_PER_DAY

    @contextmanager
    def _server(self) -> Iterator[redis.Redis]:
        if time.monotonic() < self._redis_pause_until:
            raise redis.ConnectionError("Redis 暂停使用")
        try:
            yield self._redis
        except redis.RedisError as error:
            self._redis_pause_until = time.monotonic() + REDIS_PAUSE_SECONDS
            log.warning("Redis 不可用（%s），微信凭证暂存于本进程内存", type(error).__name__)
            raise


def _token_key(appid: str) -> str:
    return f"wx:{appid}:token"


def _lock_key(appid: str) -> str:
    return f"wx:{appid}:lock"


def _read(value: object) -> tuple[str, float] | None:
    if not isinstance(value, (str, bytes)):
        return None
    try:
        stored = json.loads(value)
        return str(stored["t"]), float(stored["exp"])
    except (ValueError, TypeError, KeyError):
        return None


def _delete_if(server: redis.Redis, key: str, matches: Callable[[str | None], bool]) -> None:
    """Delete `key` if its value matches; optimistic, because not every Redis server can run Lua."""
    with server.pipeline() as transaction:
        transaction.watch(key)  # type: ignore[no-untyped-call]
        value = transaction.get(key)
        if not matches(value.decode() if isinstance(value, bytes) else value):
            return
        transaction.multi()
        transaction.delete(key)
        try:
            transaction.execute()
        except redis.WatchError:
            # Somebody wrote it in between: what stands there now is not ours to delete.
            return
