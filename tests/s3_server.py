"""A store on loopback that speaks as much S3 as a client needs to keep objects; it takes any signature."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

LISTED = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>{bucket}</Name>'
    "<IsTruncated>false</IsTruncated>{objects}</ListBucketResult>"
)
OBJECT = "<Contents><Key>{name}</Key><LastModified>{at}</LastModified><ETag>x</ETag><Size>1</Size></Contents>"
MISSING = '<?xml version="1.0" encoding="UTF-8"?><Error><Code>NoSuchKey</Code><Message>-</Message></Error>'


@dataclass
class Bucket:
    """What lies in the store, and where it is reached; with `down` it answers nothing but 503."""

    endpoint: str = ""
    name: str = "evidence"
    objects: dict[str, bytes] = field(default_factory=dict)
    written: dict[str, datetime] = field(default_factory=dict)
    signed: list[str] = field(default_factory=list)
    down: bool = False


@contextmanager
def bucket() -> Iterator[Bucket]:
    """Runs a store with an empty bucket."""
    store = Bucket()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self, status: int, content: bytes = b"") -> None:
            self.send_response(status)
            for name, value in (
                ("Content-Length", str(len(content))),
                ("Content-Type", "application/xml"),
                ("ETag", '"x"'),
                ("Last-Modified", "Wed, 25 Nov 2026 00:00:00 GMT"),
            ):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def key(self) -> str:
            store.signed.append(self.headers.get("Authorization", ""))
            return unquote(urlsplit(self.path).path).removeprefix(f"/{store.name}").lstrip("/")

        def do_PUT(self) -> None:
            key, content = self.key(), self.rfile.read(int(self.headers["Content-Length"]))
            if store.down:
                return self.answer(503)
            store.objects[key], store.written[key] = content, datetime.now(UTC)
            return self.answer(200)

        def do_GET(self) -> None:
            key = self.key()
            if store.down:
                return self.answer(503)
            if not key:
                rows = (
                    OBJECT.format(name=n, at=f"{w:%Y-%m-%dT%H:%M:%S.000Z}") for n, w in store.written.items()
                )
                return self.answer(200, LISTED.format(bucket=store.name, objects="".join(rows)).encode())
            if key not in store.objects:
                return self.answer(404, MISSING.encode())
            return self.answer(200, store.objects[key])

        def do_DELETE(self) -> None:
            key = self.key()
            store.objects.pop(key, None)
            store.written.pop(key, None)
            self.answer(204)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        store.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield store
        server.shutdown()
        thread.join(5)
