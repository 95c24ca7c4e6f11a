"""The load: HTTP/1.1 over kept connections, in a process of its own, the same for both sides.

`python -m bench.load` reads a pickled Load from stdin and writes a pickled Outcome to stdout.
"""

from __future__ import annotations

import asyncio
import gc
import pickle
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Load:
    """Requests to send, so many at once; those to warm up come first and are not counted.

    An answer is right when it begins with `status` and contains `mark`.
    """

    port: int
    at_once: int
    status: int
    mark: bytes
    warm_up: list[bytes]
    requests: list[bytes]


@dataclass
class Outcome:
    """How long it took (seconds), each answer's delay (milliseconds), and the answers that were not right."""

    seconds: float = 0
    delays: list[float] = field(default_factory=list)
    wrong: Counter[str] = field(default_factory=Counter)

    @property
    def rate(self) -> float:
        """Right answers a second."""
        return (len(self.delays) - self.wrong.total()) / self.seconds


class Client(asyncio.Protocol):
    """One connection: sends the next request when the answer to the last one is there."""

    def __init__(self, load: Load, waiting: Iterator[bytes], outcome: Outcome) -> None:
        self._load, self._waiting, self._outcome = load, waiting, outcome
        self._buffer = b""
        self._sent = 0.0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def _send(self) -> None:
        request = next(self._waiting, None)
        if request is None:
            self.done.set_result(None)
            self._transport.close()
            return
        self._sent = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        length = _LENGTH.search(self._buffer, 0, end)
        if length is None or len(self._buffer) < end + 4 + int(length[1]):
            return
        self._outcome.delays.append((time.perf_counter() - self._sent) * 1000)
        if int(self._buffer[9:12]) != self._load.status or self._load.mark not in self._buffer:
            self._outcome.wrong[self._buffer[9:12].decode() + self._buffer[end + 4 :][:200].decode()] += 1
        self._buffer = b""
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the server closed a connection that was in use"))


async def _send_all(load: Load, requests: list[bytes]) -> Outcome:
    outcome, waiting = Outcome(), iter(requests)
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    made = [
        await loop.create_connection(lambda: Client(load, waiting, outcome), "127.0.0.1", load.port)
        for _ in range(load.at_once)
    ]
    await asyncio.gather(*(client.done for _, client in made))
    outcome.seconds = time.perf_counter() - began
    return outcome


async def _run(load: Load) -> Outcome:
    await _send_all(load, load.warm_up)
    return await _send_all(load, load.requests)


def run(load: Load) -> Outcome:
    """Runs the load in a process of its own; raises CalledProcessError when a connection broke."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.load"], input=pickle.dumps(load), stdout=subprocess.PIPE, check=True
    )
    outcome: Outcome = pickle.loads(done.stdout)
    return outcome


if __name__ == "__main__":
    # Under its full name, so that what is read and written is the same class on both ends.
    from bench import load as this

    gc.disable()
    sys.stdout.buffer.write(pickle.dumps(asyncio.run(this._run(pickle.load(sys.stdin.buffer)))))
