"""Faults on demand: what a real platform does on a bad day."""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

FaultKind = Literal["errcode", "slow", "timeout", "5xx", "drop_after_accept", "html"]
KINDS: tuple[FaultKind, ...] = get_args(FaultKind)
DEFAULT_VALUES: dict[FaultKind, int] = {
    "errcode": -1,
    "slow": 10,
    "timeout": 10,
    "5xx": 502,
    "drop_after_accept": 0,
    "html": 200,
}


@dataclass
class Fault:
    """What happens to the next `times` calls of `path` ("*" is any), or to all of them `until` then.

    `value` is the error number (errcode), seconds (slow: the answer comes so much later; timeout: so long
    nothing is done, and then the line is cut) or HTTP status (5xx, html). `until` is of the monotonic clock.
    """

    id: int
    path: str
    kind: FaultKind
    value: int
    times: int | None
    until: float | None

    def describe(self) -> dict[str, Any]:
        """Returns what the control plane shows of a fault."""
        seconds = None if self.until is None else max(0, round(self.until - time.monotonic()))
        shown = {"id": self.id, "path": self.path, "kind": self.kind, "value": self.value}
        return {**shown, "times": self.times, "seconds": seconds}


class FaultBook:
    """The faults that are switched on, the oldest served first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._number = 0

    def add(
        self, path: str, kind: FaultKind, value: int, *, times: int | None = 1, seconds: float | None = None
    ) -> dict[str, Any]:
        """Switches a fault on, for so many calls or for so many seconds, and returns it."""
        until = None if seconds is None else time.monotonic() + seconds
        with self._lock:
            self._number += 1
            fault = Fault(self._number, path, kind, value, times if until is None else None, until)
            self._faults.append(fault)
            return fault.describe()

    def take(self, path: str) -> Fault | None:
        """Returns the fault that strikes this call, counting it down."""
        if not self._faults:
            return None
        with self._lock:
            self._drop_ended()
            fault = next((f for f in self._faults if f.path in (path, "*")), None)
            if fault and fault.times is not None:
                fault.times -= 1
            return fault

    def list(self) -> list[dict[str, Any]]:
        """Returns the faults still waiting for a call."""
        with self._lock:
            self._drop_ended()
            return [fault.describe() for fault in self._faults]

    def clear(self) -> None:
        """Switches every fault off."""
        with self._lock:
            self._faults = []

    def _drop_ended(self) -> None:
        now = time.monotonic()
        self._faults = [
            f for f in self._faults if (f.times is None or f.times > 0) and (f.until is None or f.until > now)
        ]


def hang_up(environ: WSGIEnvironment) -> None:
    """Breaks the connection of a request before anything is answered."""
    connection: socket.socket | None = environ.get("werkzeug.socket") or environ.get("gunicorn.socket")
    if connection is None:
        raise RuntimeError("本服务器不能断开连接：请用 gunicorn 或 werkzeug 运行")
    connection.shutdown(socket.SHUT_RDWR)
