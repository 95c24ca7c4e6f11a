"""How often each interface may be called."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from wechat.simulator.errors import Refusal

MINUTE, DAY = 60, 86400
_BEIJING = 8 * 3600  # the platform's days begin at midnight in Beijing


@dataclass(frozen=True)
class Quota:
    """At most `limit` calls in each window of `seconds`; one more is refused with `errcode`."""

    limit: int
    seconds: int
    errcode: int


class QuotaBook:
    """Counts calls per interface; the limits are those of the documentation and may be lowered."""

    def __init__(self) -> None:
        self.limits: dict[str, list[Quota]] = {
            "/cgi-bin/token": [Quota(2000, DAY, 45009)],
            "/cgi-bin/stable_token": [Quota(10_000, MINUTE, 45011), Quota(500_000, DAY, 45009)],
            "/wxa/getwxacodeunlimit": [Quota(5000, MINUTE, 45009)],
            "/cgi-bin/message/subscribe/send": [Quota(10_000_000, DAY, 45009)],
            "/cgi-bin/message/template/send": [Quota(100_000, DAY, 45009)],
        }
        self._used: Counter[tuple[str, int, int]] = Counter()

    def spend(self, path: str, now: float) -> None:
        """Counts one call of `path`; raises Refusal when a limit is used up."""
        for quota in self.limits.get(path, []):
            self._count(path, quota, now)

    def spend_login(self, person_id: str, now: float) -> None:
        """Counts one login of a person: 100 a minute."""
        self._count(f"login/{person_id}", Quota(100, MINUTE, 45011), now)

    def _count(self, name: str, quota: Quota, now: float) -> None:
        key = (name, quota.seconds, int(now + _BEIJING) // quota.seconds)
        if self._used[key] >= quota.limit:
            raise Refusal(quota.errcode)
        self._used[key] += 1
