"""What becomes of a message after it was accepted; the platform tells it by a push, a little later."""

from __future__ import annotations

import random
from collections import deque
from typing import Literal

Pushed = Literal["all", "failures", "none"]
SUCCESS = "success"
BLOCKED, FAILED = "failed:user block", "failed: system failed"


class ResultBook:
    """The results chosen for the next messages, and which results are pushed at all."""

    def __init__(self) -> None:
        self.pushed: Pushed = "all"
        self._chosen: deque[str] = deque()

    def choose(self, result: str, times: int) -> None:
        """Gives the next `times` messages that are accepted this result."""
        self._chosen.extend([result] * times)

    def take(self) -> str:
        """Returns the result of a message that was just accepted."""
        return self._chosen.popleft() if self._chosen else SUCCESS

    def is_pushed(self, result: str) -> bool:
        """Tells whether the application hears of this result."""
        return self.pushed == "all" or (self.pushed == "failures" and result != SUCCESS)

    def delay(self) -> float:
        """Returns how long the platform takes to tell, in seconds."""
        return random.uniform(0.2, 1.0)
