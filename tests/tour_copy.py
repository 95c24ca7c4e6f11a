"""A copy of the program for the tour and the screenshots, as `make run` starts it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from config.settings import ROOT
from tests.tour_walk import Surprise

# Campaigns go out at any hour, and one for two people has to be approved by a second person.
SETTINGS = {"QUIET_FROM": "00:00", "QUIET_UNTIL": "00:00", "CAMPAIGN_APPROVAL_ABOVE": "1"}


@contextmanager
def own_copy() -> Iterator[tuple[int, str]]:
    """Starts a fresh copy as `make run` does; yields its port and the administrator's password."""
    port = _free_ports()
    with tempfile.TemporaryDirectory(prefix="tizhitong-tour-") as directory:
        environment = {**os.environ, **SETTINGS, "PORT": str(port), "INSTANCE_DIR": directory}
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "app.embedded"],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            yield port, _password(process)
        finally:
            family = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
            process.send_signal(signal.SIGINT)
            status = process.wait(timeout=60)
            left = [
                child for child in family if child.is_running() and child.status() != psutil.STATUS_ZOMBIE
            ]
            print(f"已停止（返回码 {status}），遗留进程 {len(left)} 个")
            if status or left:
                raise Surprise(f"停止不干净：{status} {left}")


def _free_ports() -> int:
    for port in range(18400, 28400, 10):
        with socket.socket() as a, socket.socket() as b, socket.socket() as c:
            try:
                for place, probe in enumerate((a, b, c)):
                    probe.bind(("127.0.0.1", port + place))
            except OSError:
                continue
            return port
    raise Surprise("没有空闲端口")


def _password(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    password = ""
    for line in process.stdout:
        print("    " + line, end="")
        found = re.search(r"初始密码 (\S+?)（", line)
        password = found.group(1) if found else password
        if "Ctrl-C" in line:
            return password
    raise Surprise("服务没有启动")
