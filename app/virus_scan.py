"""The seam to a virus scanner: clamd's INSTREAM over TCP, where CLAMD_ADDRESS names one."""

from __future__ import annotations

import socket
import struct

from config.settings import settings

CHUNK = 64 * 1024
SECONDS = 30


class ScannerUnavailable(RuntimeError):
    """The scanner did not answer as it should: nothing is let in unscanned."""


def threat_in(content: bytes) -> str | None:
    """Returns the name of what was found, if anything; raises ScannerUnavailable.

    None where no scanner is configured: whether one is needed is the operator's to say.
    """
    if not settings().clamd_address:
        return None
    host, _, port = settings().clamd_address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=SECONDS) as connection:
            connection.sendall(b"zINSTREAM\0")
            for start in range(0, len(content), CHUNK):
                chunk = content[start : start + CHUNK]
                connection.sendall(struct.pack("!L", len(chunk)) + chunk)
            connection.sendall(struct.pack("!L", 0))
            answer = _answer(connection)
    except OSError as error:
        raise ScannerUnavailable(str(error)) from error
    if answer == "stream: OK":
        return None
    if answer.endswith(" FOUND"):
        return answer.removeprefix("stream: ").removesuffix(" FOUND")
    raise ScannerUnavailable(answer)


def _answer(connection: socket.socket) -> str:
    received = b""
    while not received.endswith(b"\0") and len(received) < 4096:
        part = connection.recv(4096)
        if not part:
            break
        received += part
    return received.rstrip(b"\0").decode(errors="replace").strip()
