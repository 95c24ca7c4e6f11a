"""WeChat's host played on loopback for the client's tests: it answers, refuses, stalls and hangs up."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

RID = "6645f0c1-3a1b2c3d-4e5f6071"

Script = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Call:
    path: str
    query: dict[str, list[str]]
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw)


class Platform:
    """Plays WeChat: each path has its script, whose last answer repeats."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.stalled = threading.Event()
        self._scripts: dict[str, list[Script]] = {}
        self._lock = threading.Lock()
        platform = self

        class Handler(BaseHTTPRequestHandler):
            def handle_call(self) -> None:
                raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                parts = urlsplit(self.path)
                platform.take(Call(parts.path, parse_qs(parts.query), raw))(self)

            do_GET = do_POST = handle_call

            def log_message(self, *_args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_args: object) -> None:
                pass  # clients that hung up, as scripted

        self._server = Server(("127.0.0.1", 0), Handler)
        self.base = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def on(self, path: str, *script: Script) -> None:
        self._scripts[path] = list(script)

    def take(self, call: Call) -> Script:
        with self._lock:
            self.calls.append(call)
            script = self._scripts.get(call.path, [text("<h1>404</h1>", 404)])
            return script.pop(0) if len(script) > 1 else script[0]

    def paths(self) -> list[str]:
        return [call.path for call in self.calls]

    def stall(self, handler: BaseHTTPRequestHandler) -> None:
        """Answers well, but so late that only a client without a timeout would see it."""
        self.stalled.wait(10)
        ok(openid="late", session_key="late", access_token="late", expires_in=7200)(handler)

    def close(self) -> None:
        self.stalled.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def raw(content: bytes, status: int = 200, kind: str = "text/plain", length: int | None = None) -> Script:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(content) if length is None else length))
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def text(content: str, status: int = 200) -> Script:
    return raw(content.encode(), status, "text/html")


def ok(**fields: Any) -> Script:
    return raw(json.dumps(fields, ensure_ascii=False).encode())


def refuse(errcode: int, errmsg: str = "refused", status: int = 200) -> Script:
    return raw(json.dumps({"errcode": errcode, "errmsg": f"{errmsg} rid: {RID}"}).encode(), status)


def drop(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.shutdown(socket.SHUT_RDWR)


def redirect(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(302)
    handler.send_header("Location", "/elsewhere")
    handler.send_header("Content-Length", "0")
    handler.end_headers()
