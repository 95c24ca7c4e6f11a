"""Messages the platform pushes to the application: safe mode, three attempts, identical bytes.

https://developers.weixin.qq.com/miniprogram/dev/framework/server-ability/message-push.html
"""

from __future__ import annotations

import hashlib
import json
import queue
import secrets
import threading
import time
from collections import deque
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

import requests

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
    id: int = 0
    kind: Literal["normal", "replay", "bad_signature"] = "normal"
    state: Literal["waiting", "delivered", "failed"] = "waiting"
    attempts: list[dict[str, Any]] = field(default_factory=list)

    def describe(self) -> dict[str, Any]:
        """Returns what the control plane shows of a push."""
        return {
            "id": self.id,
            "event": self.event,
            "kind": self.kind,
            "query": self.query,
            "message": self.message,
            "body": self.body.decode(),
            "state": self.state,
            "attempts": list(self.attempts),
        }


class PushService:
    """Pushes events to one callback address from a few threads of its own.

    Pushes carry the wall clock, not the platform's: they are made now, however far the clock that
    ages codes and tokens was put forward.
    """

    def __init__(self, *, appid: str, original_id: str, token: str, aes_key: str, callback_url: str) -> None:
        self.callback_url = callback_url
        self.format: Format = "json"
        self.create_time_as_text = False
        self.pushes: deque[Push] = deque(maxlen=500)
        self._appid = appid
        self._original_id = original_id
        self._token = token
        self._aes_key = aes_key
        self._lock = threading.Lock()
        self._queue: queue.SimpleQueue[Push] = queue.SimpleQueue()
        self._workers: list[threading.Thread] = []
        self._number = 0
        self._closed = threading.Event()

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
        return self._start(replace(last, kind="replay", due=time.monotonic(), state="waiting", attempts=[]))

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
            with requests.Session() as session:
                session.trust_env = False
                reply = session.get(self.callback_url, params=query, timeout=TIMEOUT)
        except requests.RequestException as error:
            return {"ok": False, "reason": type(error).__name__}
        return {"ok": reply.status_code == 200 and reply.text == echo, "status": reply.status_code}

    def close(self) -> None:
        """Stops pushing: nothing is attempted any more."""
        self._closed.set()

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
            if not self._workers:
                self._workers = [threading.Thread(target=self._work, daemon=True) for _ in range(WORKERS)]
                for worker in self._workers:
                    worker.start()
        self._queue.put(push)
        return push

    def _work(self) -> None:
        with requests.Session() as session:
            session.trust_env = False
            while True:
                push = self._queue.get()
                self._closed.wait(max(0.0, push.due - time.monotonic()))
                self._deliver(session, push)

    def _deliver(self, session: requests.Session, push: Push) -> None:
        for number in range(ATTEMPTS):
            if self._closed.wait(PAUSE if number else 0):
                return
            attempt = self._attempt(session, push)
            with self._lock:
                push.attempts.append(attempt)
                if attempt["ok"]:
                    push.state = "delivered"
                    return
        push.state = "failed"

    def _attempt(self, session: requests.Session, push: Push) -> dict[str, Any]:
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        headers = {"Content-Type": push.content_type, "User-Agent": "Mozilla/4.0"}
        try:
            reply = session.post(
                self.callback_url, params=push.query, data=push.body, headers=headers, timeout=TIMEOUT
            )
        except requests.RequestException as error:
            return {"at": at, "ok": False, "status": None, "reason": type(error).__name__}
        ok = reply.status_code == 200 and reply.text.strip() in ("", "success")
        return {"at": at, "ok": ok, "status": reply.status_code, "reason": None}


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
