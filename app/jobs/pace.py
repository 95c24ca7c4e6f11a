"""How fast an account may be called: evenly, no faster than all processes may together, and not in vain."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import redis
from limits import RateLimitItemPerSecond
from limits.storage import storage_from_string
from limits.strategies import FixedWindowRateLimiter

from app.logs import log

SHARES = 50
"""Into so many shares the rate of a second is divided; a process takes one at a time."""
SHARE_SECONDS = 1.0
WITHOUT_REDIS_SECONDS = 5.0
MOST_IN_VAIN = 20
FIRST_REST, LONGEST_REST = 1.0, 30.0


class Pace:
    """The pace of one channel in this process; safe for threads.

    While Redis is away each process keeps to the rate by itself. After MOST_IN_VAIN calls in a row that were
    not answered as they should be, the channel rests, a second at first, and is tried with single calls.
    """

    def __init__(
        self, name: str, rate: int, redis_url: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._name, self._rate, self._clock = name, rate, clock
        self._limiter = FixedWindowRateLimiter(
            storage_from_string(redis_url, socket_timeout=1, socket_connect_timeout=1)
        )
        self._limit = RateLimitItemPerSecond(rate)
        self._share = max(1, rate // SHARES)
        self._lock = threading.Lock()
        self._allowed, self._filled_at = float(self._share), clock()
        self._held, self._held_until = 0, 0.0
        self._alone_until = 0.0
        self._in_vain, self._rest, self._rests_until = 0, FIRST_REST, 0.0

    def take(self, wanted: int) -> int:
        """Returns how many of the wanted calls may be made now."""
        with self._lock:
            moment = self._clock()
            self._fill(moment)
            if moment < self._rests_until:
                return 0
            if self._in_vain >= MOST_IN_VAIN:
                wanted = min(wanted, 1)
            wanted = min(wanted, int(self._allowed))
            if wanted > 0 and not self._has_share(moment):
                return 0
            taken = min(wanted, self._held)
            self._held -= taken
            self._allowed -= taken
            if taken and self._in_vain >= MOST_IN_VAIN:
                self._rest = min(2 * self._rest, LONGEST_REST)
                self._rests_until = moment + self._rest
            return taken

    def give_back(self, unused: int) -> None:
        """Takes back what was not called for after all."""
        with self._lock:
            self._held += unused
            self._allowed += unused
            if self._in_vain >= MOST_IN_VAIN:
                self._rests_until = 0.0

    def note(self, answered: bool) -> None:
        """Notes whether a call was answered as it should be."""
        with self._lock:
            if answered:
                self._in_vain, self._rest, self._rests_until = 0, FIRST_REST, 0.0
                return
            self._in_vain += 1
            if self._in_vain == MOST_IN_VAIN:
                self._rests_until = self._clock() + self._rest
                log.warning("sending rests", channel=self._name)

    def _fill(self, moment: float) -> None:
        # Never more than a share at once, so that a second's calls do not come in its first moment.
        filled = self._allowed + (moment - self._filled_at) * self._rate
        self._allowed, self._filled_at = min(filled, float(2 * self._share)), moment

    def _has_share(self, moment: float) -> bool:
        if self._held > 0 and moment < self._held_until:
            return True
        if moment >= self._alone_until:
            try:
                if not self._limiter.hit(self._limit, "sending", self._name, cost=self._share):
                    return False
            except redis.RedisError:
                self._alone_until = moment + WITHOUT_REDIS_SECONDS
                log.warning("sending rate not shared: redis is away")
        self._held, self._held_until = self._share, moment + SHARE_SECONDS
        return True
