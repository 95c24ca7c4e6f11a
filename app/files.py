"""The file store: contents that people uploaded, encrypted, on local disk or in an S3-compatible store.

A store knows objects by their names and nothing of what they are. A name is used for one object, once.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import urllib3
from flask import current_app
from minio import Minio
from minio.error import MinioException, S3Error

from app.transactions import outside_transaction
from config.settings import Settings
from models.crypto import keyring

PURPOSE = "files.content"
S3_TIMEOUT = urllib3.Timeout(connect=3, read=20)


class FileMissing(LookupError):
    """The store has no object of that name: a loss that an operator must look into."""


class StoreUnavailable(RuntimeError):
    """The store does not answer."""


class Backend(Protocol):
    """Where sealed objects lie."""

    def write(self, name: str, content: bytes) -> None: ...
    def read(self, name: str) -> bytes: ...
    def remove(self, name: str) -> None: ...
    def listed(self) -> Iterator[tuple[str, datetime]]: ...


class LocalDisk:
    """Objects as files below a directory, which only the service's own user reads."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def _path(self, name: str) -> Path:
        return self._root / name[:2] / name

    def write(self, name: str, content: bytes) -> None:
        path = self._path(name)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Whole or not at all, also after the power has failed.
        new = path.with_name(f"{name}.new")
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        new.rename(path)

    def read(self, name: str) -> bytes:
        try:
            return self._path(name).read_bytes()
        except FileNotFoundError:
            raise FileMissing(name) from None

    def remove(self, name: str) -> None:
        self._path(name).unlink(missing_ok=True)

    def listed(self) -> Iterator[tuple[str, datetime]]:
        for path in self._root.glob("*/*"):
            with suppress(FileNotFoundError):
                yield path.name, datetime.fromtimestamp(path.stat().st_mtime, UTC)


class S3:
    """Objects in a bucket of an S3-compatible store."""

    def __init__(self, endpoint: str, bucket: str, key: str, secret: str, region: str) -> None:
        parts = urlsplit(endpoint)
        pool = urllib3.PoolManager(timeout=S3_TIMEOUT, retries=urllib3.Retry(2, backoff_factor=0.2))
        self._client = Minio(
            parts.netloc,
            access_key=key,
            secret_key=secret,
            secure=parts.scheme == "https",
            region=region or None,
            http_client=pool,
        )
        self._bucket = bucket

    def write(self, name: str, content: bytes) -> None:
        self._client.put_object(self._bucket, name, BytesIO(content), len(content))

    def read(self, name: str) -> bytes:
        response = None
        try:
            response = self._client.get_object(self._bucket, name)
            return bytes(response.read())
        except S3Error as error:
            if error.code == "NoSuchKey":
                raise FileMissing(name) from None
            raise
        finally:
            if response is not None:
                response.close()
                response.release_conn()

    def remove(self, name: str) -> None:
        self._client.remove_object(self._bucket, name)

    def listed(self) -> Iterator[tuple[str, datetime]]:
        for one in self._client.list_objects(self._bucket, recursive=True):
            if one.object_name and one.last_modified:
                yield one.object_name, one.last_modified


class FileStore:
    """Contents by name; what lies at the backend is encrypted and bound to its name."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def write(self, name: str, content: bytes) -> None:
        """Stores a content; raises StoreUnavailable, or RuntimeError inside a transaction."""
        outside_transaction()
        sealed = keyring().encrypt(content, f"{PURPOSE}:{name}")
        with _answering():
            self._backend.write(name, sealed)

    def read(self, name: str) -> bytes:
        """Returns a content; raises FileMissing or StoreUnavailable."""
        outside_transaction()
        with _answering():
            sealed = self._backend.read(name)
        return keyring().decrypt(sealed, f"{PURPOSE}:{name}")

    def remove(self, name: str) -> None:
        """Deletes an object, if it is there; raises StoreUnavailable."""
        outside_transaction()
        with _answering():
            self._backend.remove(name)

    def older_than(self, moment: datetime) -> Iterator[str]:
        """Returns the names of all objects written before a moment."""
        outside_transaction()
        return (name for name, written in self._backend.listed() if written < moment)


class _answering:
    """Turns whatever a backend fails with into StoreUnavailable."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, OSError | MinioException | urllib3.exceptions.HTTPError):
            raise StoreUnavailable(str(error)) from error


def of(settings: Settings) -> FileStore:
    """Returns the store that the settings name."""
    if settings.s3_endpoint:
        return FileStore(
            S3(
                settings.s3_endpoint,
                settings.s3_bucket,
                settings.s3_access_key,
                settings.s3_secret_key,
                settings.s3_region,
            )
        )
    return FileStore(LocalDisk(settings.files_dir))


def store() -> FileStore:
    """Returns this process's store."""
    found: FileStore = current_app.extensions["files"]
    return found
