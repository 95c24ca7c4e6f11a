"""The simulated platform over real HTTP, with a stand-in for the application it pushes to."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl
from wsgiref.types import StartResponse, WSGIEnvironment

import pytest
import requests
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from werkzeug.serving import BaseWSGIServer, make_server

from config.settings import Settings
from wechat.simulator import create_simulator

APPID, SECRET, TOKEN = "wx5a3f0c91d27be846", "0d1e2f3a4b5c6d7e8f90a1b2c3d4e5f6", "simulator-push"
OFFICIAL_APPID, OFFICIAL_SECRET = "wxb7c04de2916fa358", "f0e1d2c3b4a5968778695a4b3c2d1e0f"
AES_KEY = base64.b64encode(bytes(range(32))).decode().rstrip("=")
ONE_TIME = "kTq7fGm0bXvYw3s1Hn8JdLz5RcUe9PoA2iVtB6xQ4Ms"
OTHER_ONE_TIME = "Zr2dVn8WqLk5TgYc0MbXh7JsPu4EoI9aF1wRx6CtD3Q"
LONG_TERM = "Hb6yQs9NxTf3KmVr1WzPd5LcGj8UeO0iAa4RtY7XnE2"
RESULT = {
    "thing1": {"value": "质量管理体系认证实务培训"},
    "phrase2": {"value": "已通过"},
    "time3": {"value": "2026年3月5日 14:00"},
    "thing4": {"value": "请提前十分钟到场签到"},
}


def settings_for(public_url: str, *, embedded: bool = True) -> Settings:
    return Settings(
        embedded=embedded,
        database_url="postgresql://unused",
        redis_url="redis://unused",
        wechat_mp_appid=APPID,
        wechat_mp_secret=SECRET,
        wechat_mp_push_token=TOKEN,
        wechat_mp_aes_key=AES_KEY,
        wechat_oa_appid=OFFICIAL_APPID,
        wechat_oa_secret=OFFICIAL_SECRET,
        wechat_oa_push_token=TOKEN,
        wechat_oa_aes_key=AES_KEY,
        secret_key="s" * 32,
        data_keys="k1:" + base64.b64encode(bytes(32)).decode(),
        public_url=public_url,
    )


class Application:
    """A stand-in for the application: keeps what it was sent and answers as it is told."""

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        self.answers: list[int] = []

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        query = dict(parse_qsl(environ["QUERY_STRING"]))
        self.received.append({"path": environ["PATH_INFO"], "query": query, "body": body, "environ": environ})
        status = self.answers.pop(0) if self.answers else 200
        start_response(f"{status} .", [("Content-Type", "text/plain"), ("ETag", '"7"')])
        return [query.get("echostr", "success").encode()]


def serve(app: Any) -> BaseWSGIServer:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    return server


class Simulator:
    """Calls the platform as the application does, and its control plane as a person does."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.token = self.stable()["access_token"]

    def get(self, path: str, **query: str) -> Any:
        return requests.get(self.base + path, params=query, timeout=10).json()

    def post(self, path: str, body: dict[str, Any], **query: str) -> Any:
        return self.post_raw(path, json.dumps(body, ensure_ascii=False).encode(), **query).json()

    def post_raw(self, path: str, body: bytes, **query: str) -> requests.Response:
        query = {"access_token": self.token} | query
        return requests.post(self.base + path, params=query, data=body, timeout=10)

    def stable(self, **extra: Any) -> Any:
        body = {"grant_type": "client_credential", "appid": APPID, "secret": SECRET} | extra
        return requests.post(self.base + "/cgi-bin/stable_token", json=body, timeout=10).json()

    def legacy(self) -> Any:
        return self.get("/cgi-bin/token", grant_type="client_credential", appid=APPID, secret=SECRET)

    def session(self, code: str, **extra: str) -> Any:
        query = {"appid": APPID, "secret": SECRET, "js_code": code, "grant_type": "authorization_code"}
        return self.get("/sns/jscode2session", **(query | extra))

    def control(self, path: str, /, **body: Any) -> Any:
        reply = requests.post(f"{self.base}/__sim__{path}", json=body, timeout=10)
        assert reply.ok, reply.text
        return reply.json()

    def ask(self, path: str) -> Any:
        return requests.get(f"{self.base}/__sim__{path}", timeout=10).json()

    def person(self, name: str = "王敏") -> Any:
        return self.control("/people", name=name)

    def login_code(self, person: Any, **extra: str) -> str:
        code: str = self.control("/login", person=person["id"], **extra)["code"]
        return code

    def send(self, person: Any, template: str = ONE_TIME, **extra: Any) -> Any:
        body = {"touser": person["openid"], "template_id": template, "data": RESULT} | extra
        return self.post("/cgi-bin/message/subscribe/send", body)

    def settled(self, count: int) -> list[Any]:
        """Waits until `count` pushes have been delivered or given up; newest first."""

        def done() -> list[Any]:
            pushes = self.ask("/pushes")["pushes"]
            return pushes if sum(p["state"] != "waiting" for p in pushes) >= count else []

        return wait_for(done)


def wait_for(condition: Callable[[], list[Any]]) -> list[Any]:
    deadline = time.monotonic() + 30
    while not (value := condition()):
        assert time.monotonic() < deadline, "等待超时"
        time.sleep(0.05)
    return value


@pytest.fixture
def application() -> Iterator[tuple[Application, str]]:
    app = Application()
    server = serve(app)
    yield app, f"http://127.0.0.1:{server.port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def sim(
    application: tuple[Application, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Simulator]:
    monkeypatch.setenv("INSTANCE_DIR", str(tmp_path))
    app = create_simulator(settings_for(application[1]))
    server = serve(app)
    yield Simulator(f"http://127.0.0.1:{server.port}")
    app.extensions["wechat_platform"].close()
    server.shutdown()
    server.server_close()


def refused(reply: Any, errcode: int) -> bool:
    return bool(reply["errcode"] == errcode and " rid: " in reply["errmsg"])


def sign(*parts: str) -> str:
    return hashlib.sha1("".join(sorted(parts)).encode()).hexdigest()


def unseal(encrypted: str) -> bytes:
    key = base64.b64decode(AES_KEY + "=")
    decryptor = Cipher(algorithms.AES(key), modes.CBC(key[:16])).decryptor()
    plain = decryptor.update(base64.b64decode(encrypted)) + decryptor.finalize()
    size = int.from_bytes(plain[16:20], "big")
    assert plain[20 + size :].rstrip(plain[-1:]) in (APPID.encode(), OFFICIAL_APPID.encode())
    return plain[20 : 20 + size]
