"""The state of the simulated platform: one object, one lock, one clock that can be put forward."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Any

from config.settings import Settings
from wechat.simulator.codes import CodeBook
from wechat.simulator.faults import FaultBook
from wechat.simulator.login import LoginBook
from wechat.simulator.messages import MessageBook
from wechat.simulator.people import People
from wechat.simulator.pushes import PushService
from wechat.simulator.quotas import QuotaBook
from wechat.simulator.tokens import TokenBook


@dataclass(frozen=True)
class App:
    """The mini-program's account as its owner registered it; `original_id` is the gh_ name in pushes."""

    appid: str
    secret: str
    original_id: str


class Platform:
    """Everything the platform remembers. Whoever reads or changes it holds `lock`."""

    def __init__(self, settings: Settings) -> None:
        self.lock = threading.RLock()
        self.app = App(
            appid=settings.wechat_mp_appid,
            secret=settings.wechat_mp_secret,
            original_id="gh_" + hashlib.sha256(settings.wechat_mp_appid.encode()).hexdigest()[:12],
        )
        self.public_url = settings.public_url.rstrip("/")
        self.people = People(settings.instance_dir / "simulator.json", self.app.appid)
        self.tokens = TokenBook()
        self.logins = LoginBook()
        self.messages = MessageBook()
        self.codes = CodeBook()
        self.quotas = QuotaBook()
        self.faults = FaultBook()
        self.pushes = PushService(
            appid=self.app.appid,
            original_id=self.app.original_id,
            token=settings.wechat_mp_push_token,
            aes_key=settings.wechat_mp_aes_key,
            callback_url=self.public_url + "/wechat/push",
        )
        self.calls: deque[dict[str, Any]] = deque(maxlen=1000)
        self._offset = 0.0

    def now(self) -> float:
        """Returns the platform's time, in epoch seconds; codes, tokens and quotas age by it."""
        return time.time() + self._offset

    def advance(self, seconds: float) -> float:
        """Puts the clock forward and returns the whole offset, in seconds."""
        self._offset += seconds
        return self._offset
