"""The state of the simulated platform: one object, one lock, one clock that can be put forward."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Any

from config.settings import Settings
from wechat.simulator.accounts import Accounts, App
from wechat.simulator.codes import CodeBook
from wechat.simulator.faults import FaultBook
from wechat.simulator.login import LoginBook
from wechat.simulator.people import People
from wechat.simulator.pushes import PushService
from wechat.simulator.quotas import QuotaBook
from wechat.simulator.results import ResultBook
from wechat.simulator.sent import SentLog
from wechat.simulator.store import Store
from wechat.simulator.templates import TemplateBook


class Platform:
    """Everything the platform remembers. Whoever reads or changes it holds `lock`."""

    def __init__(self, settings: Settings) -> None:
        self.lock = threading.RLock()
        self.public_url = settings.public_url.rstrip("/")
        self.accounts = Accounts(settings)
        self.store = Store(settings.instance_dir / "simulator.sqlite3")
        self.people = People(self.store, [app.appid for app in self.accounts.all])
        self.sent = SentLog(self.store)
        self.logins = LoginBook()
        self.templates = TemplateBook()
        self.codes = CodeBook()
        self.quotas = QuotaBook()
        self.faults = FaultBook()
        self.results = ResultBook()
        self.calls: deque[dict[str, Any]] = deque(maxlen=1000)
        self.latency = 0.0  # seconds that every call takes
        self.sending: set[tuple[str, str]] = set()  # (appid, openid) to whom a message is on its way
        self._offset = 0.0

    @property
    def app(self) -> App:
        """The mini-program."""
        return self.accounts.mini_program

    @property
    def pushes(self) -> PushService:
        """The mini-program's pushes."""
        return self.app.pushes

    def now(self) -> float:
        """Returns the platform's time, in epoch seconds; codes, tokens and quotas age by it."""
        return time.time() + self._offset

    def advance(self, seconds: float) -> float:
        """Puts the clock forward and returns the whole offset, in seconds."""
        self._offset += seconds
        return self._offset

    def close(self) -> None:
        """Stops pushing and closes the store."""
        for app in self.accounts.all:
            app.pushes.close()
        with self.lock:
            self.store.close()
