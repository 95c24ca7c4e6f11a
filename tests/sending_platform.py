"""WeChat's two interfaces for messages, as a process of its own that is fast and keeps a log.

`python -m tests.sending_platform PORT LOG [MILLISECONDS]` answers each call after so long. The log has a
line for each message that was accepted, written before the answer: interface, openid, template, client id.
What goes wrong is told by POST /__faults__ with {"path", "kind", "times", "value"}: kinds are `errcode`,
`slow` (seconds), `html` and `drop` (after it was accepted).
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

SENDS = {"/cgi-bin/message/subscribe/send": "subscribe", "/cgi-bin/message/template/send": "template"}


class Platform:
    """What it was asked, what it accepted, and what is to go wrong."""

    def __init__(self, log: Path, delay: float) -> None:
        self._log, self._delay = log.open("a", buffering=1), delay
        self._faults: list[dict[str, Any]] = []
        self._numbers = itertools.count(2**61)
        self._known: dict[tuple[str, str], int] = {}

    async def answer(self, path: str, body: Any) -> bytes | None:
        """Returns the answer, None to hang up."""
        if path == "/__faults__":
            self._faults = [one for one in body if one["times"] > 0]
            return b"{}"
        if path == "/cgi-bin/stable_token":
            return b'{"access_token": "token-of-the-fake-platform", "expires_in": 7200}'
        fault = next((one for one in self._faults if one["path"] == path), None)
        if fault:
            fault["times"] -= 1
            self._faults = [one for one in self._faults if one["times"] > 0]
        kind = fault["kind"] if fault else ""
        await asyncio.sleep(fault["value"] if fault and kind == "slow" else self._delay)
        if fault and kind == "html":
            return "<html><body>系统维护中</body></html>".encode()
        if fault and kind == "errcode":
            return json.dumps({"errcode": fault["value"], "errmsg": "as told"}).encode()
        number = self._accept(SENDS[path], body)
        if kind == "drop":
            return None
        return json.dumps({"errcode": 0, "errmsg": "ok", "msgid": number}).encode()

    def _accept(self, interface: str, body: Any) -> int:
        client_id, openid = body.get("client_msg_id", ""), body["touser"]
        if client_id and (openid, client_id) in self._known:
            return self._known[openid, client_id]
        number = next(self._numbers)
        if client_id:
            self._known[openid, client_id] = number
        self._log.write(f"{interface} {openid} {body['template_id']} {client_id or '-'} {number}\n")
        return number


async def serve(port: int, platform: Platform) -> None:
    """Serves until the process ends."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                first, *lines = head.split("\r\n")
                length = next(
                    (int(one[15:]) for one in lines if one.lower().startswith("content-length:")), 0
                )
                body = await reader.readexactly(length) if length else b"null"
                answer = await platform.answer(urlsplit(first.split()[1]).path, json.loads(body))
                if answer is None:
                    break
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(answer), answer))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(connected, "127.0.0.1", port) as server:
        await server.serve_forever()


if __name__ == "__main__":
    delay = float(sys.argv[3]) / 1000 if len(sys.argv) > 3 else 0.0
    asyncio.run(serve(int(sys.argv[1]), Platform(Path(sys.argv[2]), delay)))
