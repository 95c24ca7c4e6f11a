"""Rate limits per user and per address, counted in Redis for all processes together."""

from __future__ import annotations

import time

import redis
from flask import Flask, current_app, request
from limits import RateLimitItem, parse
from limits.storage import storage_from_string
from limits.strategies import FixedWindowRateLimiter

from app.errors import DomainError
from app.logs import log
from config.settings import Settings

LARGEST_SHARE = 10
SHARE_SECONDS = 5.0
MOST_SHARES = 20_000


class Limits:
    """The limits of this process, over one shared storage.

    A process takes a hundredth of a limit at a time (ten requests at most) and spends it for some
    seconds before it asks Redis again: asking for each request costs more than the request's own work.
    So somebody at the limit may be refused that much early for each process.
    """

    def __init__(self, settings: Settings) -> None:
        self._limiter = FixedWindowRateLimiter(
            storage_from_string(settings.redis_url, socket_timeout=1, socket_connect_timeout=1)
        )
        self._limits = {
            "user": parse(settings.rate_limit_user),
            "address": parse(settings.rate_limit_address),
            "sign_in": parse(settings.rate_limit_sign_in),
        }
        self._shares: dict[tuple[str, str], tuple[float, int]] = {}

    def hit(self, kind: str, key: str) -> None:
        """Counts one request; raises DomainError `rate_limited` with Retry-After (seconds) over the limit.

        While Redis is away nobody is turned away: the limit protects the service, it is not the service.
        """
        until, left = self._shares.get((kind, key), (0.0, 0))
        moment = time.monotonic()
        if left > 0 and moment < until:
            self._shares[kind, key] = until, left - 1
            return
        limit: RateLimitItem = self._limits[kind]
        share = min(max(limit.amount // 100, 1), LARGEST_SHARE)
        try:
            if self._limiter.hit(limit, kind, key, cost=share):
                self._keep(kind, key, moment, share - 1)
                return
            reset_at = self._limiter.get_window_stats(limit, kind, key).reset_time
        except redis.RedisError:
            log.warning("rate limit not counted: redis is away")
            return
        seconds = max(1, round(reset_at - time.time()))
        raise DomainError("rate_limited", headers={"Retry-After": str(seconds)}, retry_after=seconds)

    def _keep(self, kind: str, key: str, moment: float, left: int) -> None:
        if len(self._shares) >= MOST_SHARES:
            self._shares.clear()  # what is forgotten was counted already
        self._shares[kind, key] = moment + SHARE_SECONDS, left


def init_app(app: Flask, settings: Settings) -> None:
    """Counts every request of an address, but for health checks and pushes of the platform."""
    limits = app.extensions["limits"] = Limits(settings)

    @app.before_request
    def count_address() -> None:
        if request.path.startswith(("/api/", "/verify/", "/console/sign-in")):
            limits.hit("address", request.remote_addr or "")


def count_user(user: str) -> None:
    """Counts a request of a signed-in user."""
    current_app.extensions["limits"].hit("user", user)


def count_sign_in() -> None:
    """Counts a password that somebody not signed in has given; each costs an argon2id to tell."""
    current_app.extensions["limits"].hit("sign_in", request.remote_addr or "")
