"""Sender processes and the platform they call, each a process of its own that may be killed."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from signal import SIGKILL, SIGTERM
from typing import Any

from sqlalchemy import delete, func, update

from app.engines import stop_process, tethered
from config.settings import ROOT, Settings, settings
from models.deliveries import Delivery, SendingPause
from models.messages import Notice
from tests.builders import World
from tests.engines import free_port

Process = subprocess.Popen[bytes]


@dataclass(frozen=True)
class Accepted:
    """A message that the platform accepted."""

    interface: str
    openid: str
    template: str
    client_id: str


@dataclass(frozen=True)
class FakePlatform:
    """`tests.sending_platform`, and what it accepted."""

    base: str
    file: Path

    def fails(self, kind: str, times: int, value: float = 0, interface: str = "subscribe") -> None:
        """Lets the next calls of the interface go wrong; 0 times: none any more."""
        path = f"/cgi-bin/message/{interface}/send"
        faults = [{"path": path, "kind": kind, "times": times, "value": value}]
        data = json.dumps(faults).encode()
        with urllib.request.urlopen(f"{self.base}/__faults__", data=data, timeout=10):
            pass

    def log(self) -> list[Accepted]:
        """What it accepted, the oldest first."""
        return [Accepted(*line.split()[:4]) for line in self.file.read_text().splitlines()]

    def count(self) -> int:
        """How many it accepted."""
        return len(self.log())

    def twice(self) -> dict[str, int]:
        """Who got more than one message."""
        return {openid: n for openid, n in Counter(one.openid for one in self.log()).items() if n > 1}


@contextmanager
def fake_platform(directory: Path, milliseconds: float = 0) -> Iterator[FakePlatform]:
    """Runs the platform."""
    port, log = free_port(), directory / "accepted.log"
    command = [*tethered(), sys.executable, "-m", "tests.sending_platform", str(port)]
    command += [str(log), str(milliseconds)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, start_new_session=True)
    platform = FakePlatform(f"http://127.0.0.1:{port}", log)
    try:
        until(lambda: _answers(platform))
        yield platform
    finally:
        stop_process(process, SIGTERM, 10)


def _answers(platform: FakePlatform | Simulator) -> bool:
    try:
        if isinstance(platform, Simulator):
            platform.count()
        else:
            platform.fails("none", 0)
    except OSError:
        return False
    return True


def until(true: Callable[[], bool], seconds: float = 120, every: float = 0.05) -> None:
    """Returns when it is true; raises AssertionError when it does not become so."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(every)


def environment_of(settings: Settings, place: Path) -> dict[str, str]:
    """Writes the settings down for a process of an embedded copy; returns its environment."""
    told = {f.metadata["env"]: str(getattr(settings, f.name)) for f in fields(settings) if f.metadata}
    (place / str(settings.port)).mkdir(parents=True)
    (place / str(settings.port) / "environment.json").write_text(json.dumps(told))
    known = {name: value for name, value in os.environ.items() if name not in told}
    return {**known, "INSTANCE_DIR": str(place), "PORT": str(settings.port)}


@dataclass(frozen=True)
class Simulator:
    """The simulator of the platform as the process that it is, and its own log of what it accepted."""

    base: str
    store: Path

    def control(self, path: str, **body: object) -> dict[str, Any]:
        """Tells it something, or asks it when there is nothing to tell."""
        data = json.dumps(body).encode() if body else None
        asked = urllib.request.Request(
            f"{self.base}/__sim__{path}", data, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(asked, timeout=120) as answer:
            return dict(json.loads(answer.read()))

    def crowd(self, count: int, accept: dict[str, int], *, follows: bool = False) -> list[dict[str, Any]]:
        """People who accepted these templates so many times, or who follow the Official Account."""
        made = self.control("/people/batch", count=count, accept=accept, follows=follows)
        return list(made["people"])

    def count(self) -> int:
        """How many messages it accepted."""
        return int(self.control("/sent?limit=1")["last"])

    def twice(self) -> list[dict[str, Any]]:
        """Who got more than one message."""
        return list(self.control("/sent/check?same=template")["duplicates"])

    def openids(self) -> set[str]:
        """Who got a message."""
        with closing(sqlite3.connect(self.store)) as store:
            return {row[0] for row in store.execute("SELECT openid FROM sent")}


@contextmanager
def simulator(directory: Path, milliseconds: int = 0) -> Iterator[Simulator]:
    """Runs the simulator as `make run` does; its results are not pushed, for nobody is there to take them."""
    port = free_port()
    configuration = replace(settings(), port=port)
    place = directory / "simulator"
    command = [*tethered(), sys.executable, "-m", "gunicorn", "--config", "config/gunicorn.py"]
    command += ["--bind", f"127.0.0.1:{port}", "--workers", "1", "--threads", "64"]
    environment = environment_of(configuration, place)
    with (directory / "simulator.log").open("wb") as output:
        process = subprocess.Popen(
            [*command, "wechat.simulator.wsgi:app"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    running = Simulator(f"http://127.0.0.1:{port}", place / str(port) / "simulator.sqlite3")
    try:
        until(lambda: _answers(running))
        running.control("/results", pushed="none")
        running.control("/latency", ms=milliseconds)
        yield running
    finally:
        stop_process(process, SIGTERM, 30)


class SenderProcess:
    """`flask sender` with a configuration of its own."""

    def __init__(self, settings: Settings, directory: Path, *, module: str = "flask") -> None:
        self.log = directory / f"sender-{free_port()}.log"
        environment = environment_of(settings, directory / f"instance-{self.log.stem}")
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [*tethered(), sys.executable, "-m", module, "sender"],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def kill(self) -> None:
        """Kills it, as a power failure would."""
        os.killpg(self.process.pid, SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """Tells it to stop and returns its exit status."""
        self.process.send_signal(SIGTERM)
        return self.process.wait(60)


@contextmanager
def sender(settings: Settings, directory: Path, *, module: str = "flask") -> Iterator[SenderProcess]:
    """Runs a sender while the block runs."""
    running = SenderProcess(settings, directory, module=module)
    try:
        yield running
    finally:
        stop_process(running.process, SIGTERM, 60)


def configured(platform: FakePlatform | Simulator, **changes: object) -> Settings:
    """The settings of a sender that calls this platform, as fast as it may, and is missed soon."""
    values = {
        "wechat_api_base": platform.base,
        "sender_lease_seconds": 3,
        "send_rate": 5000,
        "quiet_from": "00:00",  # never quiet
        "quiet_until": "00:00",
    }
    return replace(settings(), **{**values, **changes})


def nothing_else(world: World) -> None:
    """Nothing of other tests is due, and nothing is paused."""
    with world.session() as session:
        session.execute(update(Notice).where(Notice.dispatched_at.is_(None)).values(dispatched_at=func.now()))
        session.execute(delete(Delivery))
        session.execute(delete(SendingPause))
