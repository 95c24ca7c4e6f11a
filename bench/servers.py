"""The two web servers under the same gunicorn settings, and what their workers use of the machine."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from signal import SIGTERM

from app.engines import stop_process, tethered
from config.settings import ROOT, Settings


@dataclass(frozen=True)
class Server:
    """A running gunicorn and its log."""

    port: int
    log: Path

    @property
    def workers(self) -> list[int]:
        """Process ids, as gunicorn logged them."""
        return [int(pid) for pid in re.findall(r"Booting worker with pid: (\d+)", self.log.read_text())]

    def cpu_seconds(self) -> float | None:
        """Processor time of the workers so far; None where the system does not tell (no /proc)."""
        try:
            stats = [Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split() for pid in self.workers]
        except OSError:
            return None
        return sum(int(stat[11]) + int(stat[12]) for stat in stats) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> dict[str, float]:
        """The mean of the workers' resident memory, MiB, and proportional where the system tells it."""
        sums: dict[str, float] = {}
        for pid in self.workers:
            for name, kib in _memory(pid).items():
                sums[name] = sums.get(name, 0) + kib / 1024
        return {name: round(mib / len(self.workers), 1) for name, mib in sums.items()}


def _memory(pid: int) -> dict[str, int]:
    rollup = Path(f"/proc/{pid}/smaps_rollup")
    if rollup.exists():
        found = re.findall(r"^(Rss|Pss): +(\d+) kB", rollup.read_text(), re.MULTILINE)
        return {name.lower(): int(kib) for name, kib in found}
    ps = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=True)
    return {"rss": int(ps.stdout)}


def free_port() -> int:
    """Returns a port on 127.0.0.1 that nobody listened on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def gunicorn(application: str, settings: Settings, log: Path) -> Iterator[Server]:
    """Runs the application with config/gunicorn.py while the block runs; raises RuntimeError with its log."""
    port = free_port()
    told = [f for f in fields(settings) if "env" in f.metadata]
    environment = {f.metadata["env"]: str(getattr(settings, f.name)) for f in told}
    command = [*tethered(), sys.executable, "-m", "gunicorn", "--config", "config/gunicorn.py"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--bind", f"127.0.0.1:{port}", application],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    server = Server(port, log)
    try:
        deadline = time.monotonic() + 60
        while len(server.workers) < settings.web_processes or not _answers(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{application} 未能启动：\n{log.read_text()[-3000:]}")
            time.sleep(0.1)
        yield server
    finally:
        stop_process(process, SIGTERM, 40)


def _answers(port: int) -> bool:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5)
    except urllib.error.HTTPError:
        return True  # 404 is an answer
    except OSError:
        return False
    return True
