"""Messages the platform pushes to the application: safe mode, three attempts, identical bytes.

https://developers.weixin.qq.com/miniprogram/dev/framework/server-ability/message-push.html
"""

from __future__ import annotations

import hashlib
import heapq
import json
import queue
import secrets
import threading
import time
from collections import deque
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import urlencode, urlsplit

from wechat.connections import Connections, Lost, NeverSent, Reply
from wechat.envelope import sign
from wechat.push import Format, seal

ATTEMPTS = 3
TIMEOUT = 5.0
PAUSE = 1.0
WORKERS = 8
_CONTENT_TYPE: dict[Format, str] = {"json": "application/json", "xml": "text/xml"}


@dataclass
class Push:
    """One push: `message` in clear, `query` and `body` as they go over the wire at every attempt."""

    event: str
    query: dict[str, str]
    message: dict[str, Any]
    body: bytes
    content_type: str
    due: float
    started: float = field(default_factory=time.monotonic)
    id: int = 0
    kind: Literal["normal", "replay", "bad_signature"] = "normal"
    state: Literal["waiting", "delivered", "failed"] = "waiting"
    attempts: list[dict[str, Any]] = field(default_factory=list)

    def __lt__(self, other: Push) -> bool:
        return self.due < other.due

    def describe(self) -> dict[str, Any]:
        """Returns what the control plane shows of a push."""
        return {
            "id": self.id,
            "started": self.started,
            "event": self.event,
            "kind": self.kind,
            "query": self.query,
            "message": self.message,
            "body": self.body.decode(),
            "state": self.state,
            "attempts": list(self.attempts),
        }


class PushService:
    """Pushes events of one account to its callback address, from a few threads of its own.

    Pushes carry the wall clock, not the platform's: they are made now, however far the clock that
    ages codes and tokens was put forward.
    """

    def __init__(
        self,
        *,
        appid: str,
        original_id: str,
        token: str,
        aes_key: str,
        callback_url: str,
        xml_only: bool = False,
    ) -> None:
        self.callback_url = callback_url
        self.xml_only = xml_only
        self.format: Format = "xml" if xml_only else "json"
        self.create_time_as_text = False
        self.pushes: deque[Push] = deque(maxlen=500)
        self._appid = appid
        self._original_id = original_id
        self._token = token
        self._aes_key = aes_key
        self._lock = threading.Lock()
        self._ready = threading.Condition(self._lock)
        self._waiting: list[Push] = []
        self._due: queue.SimpleQueue[Push | None] = queue.SimpleQueue()
        self._connections: dict[str, Connections] = {}
        self._workers: list[threading.Thread] = []
        self._number = 0
        self._closed = False

    def event(self, name: str, openid: str, extra: dict[str, Any], delay: float = 0.0) -> Push:
        """Pushes an event that a person caused, with the fields in `extra`; `delay` in seconds."""
        return self._start(self._seal(openid, self._message(name, openid) | extra, delay))

    def subscribe_event(
        self, event: str, wrapper: str, openid: str, items: list[dict[str, str]], delay: float = 0.0
    ) -> Push:
        """Pushes one of the three subscription events; `delay` in seconds."""
        message = self._message(event, openid)
        if self.format == "json":
            # the platform's JSON has an object where one item would make a list of one
            message["List"] = items[0] if len(items) == 1 else items
        else:
            message[wrapper] = {"List": items}
        return self._start(self._seal(openid, message, delay))

    def account_event(self, event: str, openid: str, extra: dict[str, str]) -> Push:
        """Pushes an event about a person's account; the person is in OpenID, not in FromUserName."""
        sender = "o" + hashlib.sha256(f"sender|{self._appid}".encode()).hexdigest()[:27]
        message = self._message(event, sender) | {"OpenID": openid, "AppID": self._appid} | extra
        return self._start(self._seal(sender, message))

    def replay_last(self) -> Push | None:
        """Sends the last finished push again, byte for byte."""
        with self._lock:
            last = next((p for p in self.pushes if p.kind == "normal" and p.state != "waiting"), None)
        if last is None:
            return None
        now = time.monotonic()
        return self._start(replace(last, kind="replay", due=now, started=now, state="waiting", attempts=[]))

    def forge(self, openid: str) -> Push:
        """Pushes a well-formed event that somebody without the token signed."""
        push = self._seal(openid, self._message("debug_demo", openid))
        push.kind = "bad_signature"
        push.query |= {"signature": secrets.token_hex(20), "msg_signature": secrets.token_hex(20)}
        return self._start(push)

    def verify_address(self) -> dict[str, Any]:
        """Asks the callback address to prove itself, as the console does when it is saved."""
        timestamp, nonce, echo = str(int(time.time())), _digits(10), _digits(19)
        query = {"signature": sign(self._token, (timestamp, nonce)), "timestamp": timestamp}
        query |= {"nonce": nonce, "echostr": echo}
        try:
            reply = self._call("GET", query, None, {"Accept": "*/*"})
        except (NeverSent, Lost) as error:
            return {"ok": False, "reason": type(error).__name__}
        return {"ok": reply.status == 200 and reply.content == echo.encode(), "status": reply.status}

    def close(self) -> None:
        """Stops pushing: nothing is attempted any more."""
        with self._ready:
            self._closed = True
            self._ready.notify()
        for _ in self._workers:
            self._due.put(None)
        for worker in self._workers:
            worker.join()
        for connections in self._connections.values():
            connections.close()

    def list(self) -> list[dict[str, Any]]:
        """Returns the pushes, newest first."""
        with self._lock:
            return [push.describe() for push in self.pushes]

    def _message(self, event: str, sender: str) -> dict[str, Any]:
        now = int(time.time())
        return {
            "ToUserName": self._original_id,
            "FromUserName": sender,
            "CreateTime": str(now) if self.create_time_as_text else now,
            "MsgType": "event",
            "Event": event,
        }

    def _seal(self, openid: str, message: dict[str, Any], delay: float = 0.0) -> Push:
        query, body = seal(
            render(message, self.format),
            appid=self._appid,
            token=self._token,
            aes_key=self._aes_key,
            timestamp=int(time.time()),
            to_user=self._original_id,
            openid=openid,
            fmt=self.format,
        )
        return Push(
            event=message["Event"],
            query=query,
            message=message,
            body=body,
            content_type=_CONTENT_TYPE[self.format],
            due=time.monotonic() + delay,
        )

    def _start(self, push: Push) -> Push:
        with self._lock:
            self._number += 1
            push.id = self._number
            self.pushes.appendleft(push)
            if not self._workers and not self._closed:
                tasks = [self._keep_time, *[self._work] * WORKERS]
                self._workers = [threading.Thread(target=task, daemon=True) for task in tasks]
                for worker in self._workers:
                    worker.start()
            self._wait_for(push)
        return push

    def _keep_time(self) -> None:
        """Hands each push to the workers when it is due; one thread waits, for a crowd that wakes is dear."""
        with self._ready:
            while not self._closed:
                wait = self._waiting[0].due - time.monotonic() if self._waiting else None
                if wait is not None and wait <= 0:
                    self._due.put(heapq.heappop(self._waiting))
                else:
                    self._ready.wait(wait)

    def _work(self) -> None:
        while (push := self._due.get()) and not self._closed:
            attempt = self._attempt(push)
            with self._ready:
                push.attempts.append(attempt)
                if attempt["ok"]:
                    push.state = "delivered"
                elif len(push.attempts) == ATTEMPTS:
                    push.state = "failed"
                else:
                    push.due = time.monotonic() + PAUSE
                    self._wait_for(push)

    def _wait_for(self, push: Push) -> None:
        heapq.heappush(self._waiting, push)
        if self._waiting[0] is push:
            self._ready.notify()

    def _attempt(self, push: Push) -> dict[str, Any]:
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        headers = {"Content-Type": push.content_type, "User-Agent": "Mozilla/4.0"}
        try:
            reply = self._call("POST", push.query, push.body, headers)
        except (NeverSent, Lost) as error:
            return {"at": at, "ok": False, "status": None, "reason": type(error).__name__}
        ok = reply.status == 200 and reply.content.strip() in (b"", b"success")
        return {"at": at, "ok": ok, "status": reply.status, "reason": None}

    def _call(self, method: str, query: dict[str, str], body: bytes | None, headers: dict[str, str]) -> Reply:
        parts = urlsplit(self.callback_url)
        base = f"{parts.scheme}://{parts.netloc}"
        with self._lock:
            if base not in self._connections:
                self._connections[base] = Connections(base, size=WORKERS, timeout=(TIMEOUT, TIMEOUT))
            connections = self._connections[base]
        return connections.exchange(method, f"{parts.path}?{urlencode(query)}", body, headers)


def render(message: dict[str, Any], form: Format) -> str:
    """Returns a message as the platform writes it before it is encrypted."""
    if form == "json":
        return json.dumps(message, ensure_ascii=False, separators=(",", ":"))
    return f"<xml>{_xml(message)}</xml>"


def _xml(fields: dict[str, Any]) -> str:
    parts = []
    for name, value in fields.items():
        if isinstance(value, list):
            parts += [f"<{name}>{_xml(item)}</{name}>" for item in value]
        elif isinstance(value, dict):
            parts.append(f"<{name}>{_xml(value)}</{name}>")
        elif isinstance(value, int) or value.isdigit():
            parts.append(f"<{name}>{value}</{name}>")
        else:
            parts.append(f"<{name}><![CDATA[{value}]]></{name}>")
    return "".join(parts)


def _digits(count: int) -> str:
    return str(1 + secrets.randbelow(9)) + "".join(secrets.choice("0123456789") for _ in range(count - 1))
