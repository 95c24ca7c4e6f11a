"""Faults on demand: what a real platform does on a bad day."""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Any, Literal, get_args

from flask import Response, request

FaultKind = Literal["errcode", "slow", "5xx", "drop_after_accept", "html"]
KINDS: tuple[FaultKind, ...] = get_args(FaultKind)
DEFAULT_VALUES: dict[FaultKind, int] = {
    "errcode": -1,
    "slow": 10,
    "5xx": 502,
    "drop_after_accept": 0,
    "html": 200,
}
_PAGE = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center></body></html>"


@dataclass
class Fault:
    """What happens to the next `times` calls of `path` ("*" is any).

    `value` is the error number (errcode), seconds of delay (slow) or HTTP status (5xx, html).
    """

    id: int
    path: str
    kind: FaultKind
    times: int
    value: int


class FaultBook:
    """The faults that are switched on, the oldest served first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._number = 0

    def add(self, path: str, kind: FaultKind, times: int, value: int) -> dict[str, Any]:
        """Switches a fault on and returns it."""
        with self._lock:
            self._number += 1
            fault = Fault(self._number, path, kind, times, value)
            self._faults.append(fault)
            return asdict(fault)

    def take(self, path: str) -> Fault | None:
        """Returns the fault that strikes this call, counting it down."""
        with self._lock:
            fault = next((f for f in self._faults if f.path in (path, "*")), None)
            if fault:
                fault.times -= 1
                self._faults = [f for f in self._faults if f.times > 0]
            return fault

    def list(self) -> list[dict[str, Any]]:
        """Returns the faults still waiting for a call."""
        with self._lock:
            return [asdict(fault) for fault in self._faults]

    def clear(self) -> None:
        """Switches every fault off."""
        with self._lock:
            self._faults = []


def strike(fault: Fault) -> Response | None:
    """Plays the part of a fault that comes before the call; returns the answer if it replaces it."""
    if fault.kind == "slow":
        time.sleep(fault.value)
    if fault.kind == "5xx":
        return html_page(fault.value, f"{fault.value} {HTTPStatus(fault.value).phrase}")
    if fault.kind == "html":
        return html_page(fault.value, "系统维护中")
    return None


def html_page(status: int, title: str) -> Response:
    """Returns the bare page a web server in front of the platform shows."""
    return Response(_PAGE.format(title), status=status, mimetype="text/html")


def hang_up() -> Response:
    """Breaks the connection of the current request before anything is answered."""
    connection: socket.socket | None = request.environ.get("werkzeug.socket") or request.environ.get(
        "gunicorn.socket"
    )
    if connection is None:
        raise RuntimeError("本服务器不能断开连接：请用 gunicorn 或 werkzeug 运行")
    connection.shutdown(socket.SHUT_RDWR)
    return Response(status=500)
