"""`make run`: the whole system on this machine, with nothing configured and nothing left behind.

Everything of one copy is under instance/<PORT>/, and its ports are PORT (web), PORT+1 (the simulated
WeChat platform) and PORT+2 (Redis). Ctrl-C, SIGTERM and the end of the terminal stop it.
"""

from __future__ import annotations

import base64
import fcntl
import io
import json
import os
import secrets
import signal
import socket
import string
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import FrameType

from flask.cli import FlaskGroup

from app import create_app
from app.engines import EngineError, Engines, Process, engines, stop_process, tethered
from app.transactions import db
from config.settings import ROOT, instance_dir

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STOP_SECONDS = 10
COMMANDS = (["db", "upgrade"], ["reference", "load"], ["demo", "load"], ["admin", "create", "--if-missing"])


def main() -> int:
    """Runs the copy of this PORT until it is told to stop; returns the exit status."""
    for number in SIGNALS:
        signal.signal(number, _stop)
    try:
        _run(_port())
    except KeyboardInterrupt:
        print("已停止，数据保留。")
        return 0
    except EngineError as error:
        print(error, file=sys.stderr)
    except PermissionError as error:
        print(f"没有权限：{error.filename}。请用第一次运行它的用户。", file=sys.stderr)
    return 1


def _stop(_number: int, _frame: FrameType | None) -> None:
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)  # things are stopped in order, which ends by itself
    raise KeyboardInterrupt


def _run(port: int) -> None:
    _check_ports(port)
    directory = instance_dir(port).resolve()
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with ExitStack() as stack:
        stack.enter_context(_only_one(directory, port))
        print("正在启动……" if (directory / "postgres").exists() else "首次运行，正在建立数据库……", flush=True)
        environment = _environment(directory, port)
        started = stack.enter_context(engines(directory, port + 2))
        _configure(directory, port, environment, started)
        said = _prepare(directory / "setup.log")
        processes = stack.enter_context(_processes(directory))
        try:
            _await_ready(port, directory, {**processes, **started.processes})
        except BaseException:
            if said:
                print(said)  # a password is in it, which is shown only once
            raise
        print(_banner(port, directory, said), flush=True)
        while True:
            _check_alive(directory, {**processes, **started.processes})
            time.sleep(0.5)


def _port() -> int:
    text = os.environ.get("PORT") or "8000"
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65533):
        raise EngineError(f"PORT={text}：应为 1 到 65533 的整数。")
    return int(text)


def _check_ports(port: int) -> None:
    roles = {port: "网站", port + 1: "微信模拟平台", port + 2: "Redis"}
    taken = [f"{number}（{role}）" for number, role in roles.items() if not _is_free(number)]
    if taken:
        free = next(n for n in range(port % 50000 + 10, 65533, 10) if all(map(_is_free, range(n, n + 3))))
        raise EngineError(f"端口 {'、'.join(taken)}已被占用或不可用。请换一组端口：make run PORT={free}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what just closed does not count
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


@contextmanager
def _only_one(directory: Path, port: int) -> Iterator[None]:
    with (directory / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise EngineError(
                f"{directory} 已有一份正在运行。要再开一份：make run PORT={port + 10}"
            ) from None
        yield


def _environment(directory: Path, port: int) -> dict[str, str]:
    """Returns the copy's own settings, with keys that are made once; what an older copy lacks is added."""
    path = directory / "environment.json"
    known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    if not known and (directory / "postgres").exists():
        raise EngineError(
            f"{path} 不见了，其中的密钥无法重造，数据库已不能解密。请删除 {directory} 后重新开始。"
        )
    made = {
        "SECRET_KEY": secrets.token_urlsafe(48),
        "DATA_KEYS": "k1:" + base64.b64encode(secrets.token_bytes(32)).decode(),
        **_account("WECHAT_MP"),
        **_account("WECHAT_OA"),
        "WECHAT_API_BASE": f"http://127.0.0.1:{port + 1}",
        "PUBLIC_URL": f"http://127.0.0.1:{port}",
    }
    return {**made, **known}


def _account(prefix: str) -> dict[str, str]:
    letters = string.ascii_letters + string.digits
    return {
        f"{prefix}_APPID": "wx" + secrets.token_hex(8),
        f"{prefix}_SECRET": secrets.token_hex(16),
        f"{prefix}_PUSH_TOKEN": secrets.token_hex(16),
        # 43 characters that are, with "=", the base64 of 32 bytes: of the last one only four bits count.
        f"{prefix}_AES_KEY": "".join(secrets.choice(letters) for _ in range(42))
        + secrets.choice("AEIMQUYcgkosw048"),
    }


def _configure(directory: Path, port: int, environment: dict[str, str], started: Engines) -> None:
    """Writes environment.json, and clears our environment of what would contradict it."""
    current = {**environment, "DATABASE_URL": started.database_url, "REDIS_URL": started.redis_url}
    path, new = directory / "environment.json", directory / "environment.json.new"
    if not path.exists() or json.loads(path.read_text()) != current:
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(current, file, indent=1)
        new.rename(path)
    ignored = [name for name in current if os.environ.pop(name, None)]
    if ignored:
        print(f"已忽略环境变量 {'、'.join(ignored)}：试用环境只用自己的设置。")
    os.environ["PORT"] = str(port)
    os.environ["PATH"] = os.pathsep.join(
        [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
    )


def _prepare(log: Path) -> str:
    """Brings database and data up to date; returns what `flask admin create` said."""
    with _fresh(log).open("w") as file, redirect_stdout(file), redirect_stderr(file):
        try:
            app = create_app()
            flask = FlaskGroup(create_app=lambda: app)
            for command in COMMANDS:
                with redirect_stdout(io.StringIO()) as said:
                    flask.main(command, prog_name="flask", standalone_mode=False)
                print(said.getvalue() if command != COMMANDS[-1] else "")
            with app.app_context():
                db.engine.dispose()
        except (Exception, SystemExit) as error:
            traceback.print_exc(file=file)
            raise EngineError(f"数据未能准备好（{type(error).__name__}），详见 {log}") from None
    return said.getvalue().strip()


def _fresh(log: Path) -> Path:
    log.unlink(missing_ok=True)  # it may be another user's, if root ran this copy once
    return log


@contextmanager
def _processes(directory: Path) -> Iterator[dict[str, Process]]:
    """Runs the processes of the Procfile, each writing to its own log, and stops them together."""
    running: dict[str, Process] = {}
    try:
        for line in (ROOT / "Procfile").read_text().splitlines():
            name, _, command = line.partition(":")
            with _fresh(directory / f"{name}.log").open("wb") as log:
                running[name] = subprocess.Popen(
                    [*tethered(), "sh", "-c", f"exec {command}"],
                    cwd=ROOT,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        yield running
    finally:
        for process in running.values():
            if process.poll() is None:
                process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for process in running.values():
            stop_process(process, signal.SIGTERM, max(0, deadline - time.monotonic()))


def _check_alive(directory: Path, processes: dict[str, Process]) -> None:
    for name, process in processes.items():
        if process.poll() is not None:
            log = directory / f"{name}.log"
            tail = log.read_text(errors="replace").splitlines()[-15:]
            heading = f"{name} 意外退出（返回码 {process.returncode}），其余已停止。日志 {log}："
            raise EngineError("\n  ".join([heading, *tail]))


def _await_ready(port: int, directory: Path, processes: dict[str, Process]) -> None:
    addresses, patience = [(port, "/readyz"), (port + 1, "/")], time.monotonic() + 60
    while addresses:
        _check_alive(directory, processes)
        if _answers(*addresses[0]):
            addresses.pop(0)
            continue
        if time.monotonic() > patience:
            print(f"仍在等待端口 {addresses[0][0]} 就绪，可查看 {directory} 中的日志。", flush=True)
            patience = float("inf")
        time.sleep(0.1)


def _answers(port: int, path: str) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)  # urllib would ask a proxy
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _banner(port: int, directory: Path, said: str) -> str:
    lines = [
        "",
        "提质通 试用环境（演示数据，微信为本机模拟）",
        f"  网站        http://127.0.0.1:{port}",
        f"  管理后台    http://127.0.0.1:{port}/console/",
        f"  接口文档    http://127.0.0.1:{port}/api/docs",
        f"  模拟手机    http://127.0.0.1:{port + 1}/",
        f"  数据和日志  {directory}",
        *([f"  {said}"] if said else []),
        "按 Ctrl-C 停止。",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
