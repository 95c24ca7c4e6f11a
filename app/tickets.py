"""The rotating codes: an attendee's ticket (30 s steps) and a hall's code (5 min steps).

A code is its number, which says whose it is, and a truncated HMAC over number and time step, which
says when it was shown (the construction of RFC 6238 TOTP, with the key on the server only). A
photograph is useless soon after. All characters are in QR's alphanumeric mode, so the QR stays small.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta

from models.base import BEIJING
from models.columns import CODE_ALPHABET
from models.crypto import keyring

MAC = 8  # characters: 40 bits, for a code that lives for a minute and is tried through a rate limit


@dataclass(frozen=True)
class Kind:
    """One kind of rotating code: its prefix, the length of its number and its step."""

    prefix: str
    number: int
    step: timedelta

    def code(self, number: str, at: datetime) -> str:
        """Returns the code that is shown at that time."""
        return f"{self.prefix}{number}{self._mac(number, self._step(at))}"

    def codes(self, number: str, at: datetime, count: int) -> list[tuple[str, datetime, datetime]]:
        """Returns the code of that time and the following ones, each with from and until."""
        first, seconds = self._step(at), self.step.total_seconds()
        return [
            (
                f"{self.prefix}{number}{self._mac(number, step)}",
                datetime.fromtimestamp(step * seconds, BEIJING),
                datetime.fromtimestamp((step + 1) * seconds, BEIJING),
            )
            for step in range(first, first + count)
        ]

    def number_of(self, content: str) -> str | None:
        """Returns the number that a scanned content names, None if it is no code of this kind."""
        text = content.strip().upper()
        right = len(text) == len(self.prefix) + self.number + MAC and text.startswith(self.prefix)
        return text[len(self.prefix) : -MAC] if right else None

    def was_shown(self, content: str, at: datetime) -> bool:
        """Returns whether the code was the one shown at that time, give or take one step."""
        number, mac = self.number_of(content) or "", content.strip().upper()[-MAC:].encode()
        step = self._step(at)
        return any(
            hmac.compare_digest(self._mac(number, near).encode(), mac) for near in (step, step - 1, step + 1)
        )

    def _step(self, at: datetime) -> int:
        return int(at.timestamp() // self.step.total_seconds())

    def _mac(self, number: str, step: int) -> str:
        key = keyring().purpose_key(f"code {self.prefix}")
        value = int.from_bytes(hmac.digest(key, f"{number}|{step}".encode(), hashlib.sha256)[:5], "big")
        return "".join(CODE_ALPHABET[value >> shift & 31] for shift in range(35, -1, -5))


TICKET = Kind("T", 10, timedelta(seconds=30))
HALL = Kind("H", 10, timedelta(minutes=5))
