"""Kept connections to one host, with the one distinction that matters: was it sent, or never?

http.client and not requests: a message costs a quarter of the time, and connecting is a step of its own, so
that a refused connection, a bad certificate or a dead proxy is never taken for a message that may have gone.
"""

from __future__ import annotations

import base64
import http.client
import select
import socket
import ssl
import time
from collections import deque
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from requests.utils import DEFAULT_CA_BUNDLE_PATH

IDLE_SECONDS = 30.0


class NeverSent(Exception):
    """There was no connection: nothing of the call left this machine."""


class Lost(Exception):
    """The call was on its way, and no whole answer came."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the host answered, whole."""

    status: int
    content: bytes


class Connections:
    """Connections to `base` (scheme and host), safe for threads; `size` of them are kept when idle.

    `timeout` is (connect, read) in seconds. The proxy of the environment is used for an https base only.
    """

    def __init__(self, base: str, *, size: int, timeout: tuple[float, float]) -> None:
        parts = urlsplit(base)
        self._host, self._port, self._tls = parts.hostname or "", parts.port, parts.scheme == "https"
        self._address = parts.netloc
        self._connect_seconds, self._read_seconds = timeout
        self._idle: deque[tuple[http.client.HTTPConnection, float]] = deque()
        self._size = size
        self._context = ssl.create_default_context(cafile=DEFAULT_CA_BUNDLE_PATH) if self._tls else None
        proxy = getproxies().get("https") if self._tls and not proxy_bypass(self._host) else None
        self._proxy = urlsplit(proxy if "://" in proxy else f"http://{proxy}") if proxy else None

    def exchange(self, method: str, target: str, body: bytes | None, headers: dict[str, str]) -> Reply:
        """Makes one call of `target` (path and query); raises NeverSent or Lost and no other."""
        connection = self._kept() or self._connect()
        sock = connection.sock
        head = {"Host": self._address, "Content-Length": str(len(body or b"")), **headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
        try:
            # In one piece, which http.client's own request() does not do: one packet, one system call.
            sock.sendall(f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode("ascii") + (body or b""))
            with http.client.HTTPResponse(sock, method=method) as response:
                response.begin()
                reply = Reply(response.status, response.read())
        except (OSError, ValueError, http.client.HTTPException) as error:
            connection.close()
            raise Lost(type(error).__name__) from None
        self._keep(connection, response.will_close)
        return reply

    def close(self) -> None:
        """Closes what is idle."""
        while self._idle:
            self._idle.pop()[0].close()

    def _kept(self) -> http.client.HTTPConnection | None:
        while True:
            try:
                connection, since = self._idle.pop()
            except IndexError:
                return None
            if time.monotonic() - since < IDLE_SECONDS and not _is_readable(connection.sock):
                return connection
            connection.close()

    def _keep(self, connection: http.client.HTTPConnection, closing: bool) -> None:
        if closing or len(self._idle) >= self._size:
            connection.close()
        else:
            self._idle.append((connection, time.monotonic()))

    def _connect(self) -> http.client.HTTPConnection:
        connection = self._new()
        try:
            connection.connect()
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sock.settimeout(self._read_seconds)
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise NeverSent(type(error).__name__) from None
        return connection

    def _new(self) -> http.client.HTTPConnection:
        if self._context is None:
            return http.client.HTTPConnection(self._host, self._port, timeout=self._connect_seconds)
        proxy = self._proxy
        host, port = (proxy.hostname or "", proxy.port or 8080) if proxy else (self._host, self._port)
        connection = http.client.HTTPSConnection(
            host, port, timeout=self._connect_seconds, context=self._context
        )
        if proxy:
            connection.set_tunnel(
                self._host, self._port or 443, _authorization(proxy.username, proxy.password)
            )
        return connection


def _authorization(user: str | None, password: str | None) -> dict[str, str]:
    if user is None:
        return {}
    pair = f"{unquote(user)}:{unquote(password or '')}".encode()
    return {"Proxy-Authorization": "Basic " + base64.b64encode(pair).decode()}


def _is_readable(sock: socket.socket) -> bool:
    """Tells whether the host has hung up meanwhile, or says what nobody asked for."""
    try:
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        return bool(poll.poll(0))
    except (OSError, ValueError):
        return True
