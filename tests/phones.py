"""The simulated platform on loopback for the application's tests, with people and their phones."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import requests
from flask import Flask
from werkzeug.serving import make_server


@contextmanager
def served(app: Flask) -> Iterator[str]:
    """Serves an application on a free port of this machine; gives its address."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass(frozen=True)
class Phone:
    """One person's phone: `id` is the person's number on the platform."""

    platform: Phones
    id: str
    openid: str
    unionid: str
    number: str

    def login_code(self, **of_app: str) -> str:
        """What wx.login gives the mini-program, or another one (`appid`)."""
        code: str = self.platform.control("/login", person=self.id, **of_app)["code"]
        return code

    def phone_code(self) -> str:
        """What the phone-number button gives the mini-program."""
        code: str = self.platform.control("/phone_code", person=self.id)["code"]
        return code


class Phones:
    """The platform's control plane: what people do, what time it is there, and what goes wrong."""

    def __init__(self, base: str, simulator: Flask) -> None:
        self.base = base
        self.state = simulator.extensions["wechat_platform"]

    def control(self, path: str, /, **body: Any) -> Any:
        reply = requests.post(f"{self.base}/__sim__{path}", json=body, timeout=10)
        assert reply.ok, reply.text
        return reply.json()

    def phone(self, name: str = "王敏") -> Phone:
        """A new person with a phone."""
        made = self.control("/people", name=name)
        return Phone(self, made["id"], made["openid"], made["unionid"], made["phone"])

    def fails(self, path: str, kind: str, **value: int) -> None:
        """The next call of that interface goes wrong."""
        self.control("/faults", path=path, kind=kind, **value)

    def advance(self, seconds: int) -> None:
        """Puts the platform's clock forward."""
        self.control("/clock", advance=seconds)

    def delivered(self) -> dict[str, Any]:
        """The newest push, once the application has taken it in."""
        deadline = time.monotonic() + 30
        while True:
            push = requests.get(f"{self.base}/__sim__/pushes", timeout=10).json()["pushes"][0]
            if push["state"] == "delivered":
                return dict(push)
            assert push["state"] == "waiting" and time.monotonic() < deadline, push
            time.sleep(0.02)
