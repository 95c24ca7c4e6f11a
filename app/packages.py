"""Zip packages from outside (Office files): nothing is unpacked that a directory entry did not promise."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from enum import StrEnum
from io import BytesIO

MAX_UNPACKED_BYTES = 128 * 1024 * 1024
MAX_PART_BYTES = 32 * 1024 * 1024
# Repeated rows compress about 60:1; only a bomb comes near deflate's limit of 1032:1.
MAX_RATIO = 200
RATIO_FREE_BYTES = 1024 * 1024
MAX_PARTS = 2000

OLE_MAGIC = bytes.fromhex("d0cf11e0a1b11ae1")
ENCRYPTED_PACKAGE = "EncryptedPackage".encode("utf-16-le")


class Fault(StrEnum):
    """What is wrong with a package."""

    unreadable = "unreadable"
    encrypted = "encrypted"
    macro = "macro"
    too_large = "too_large"


class PackageError(Exception):
    """A package is refused; `fault` says why."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault)
        self.fault = fault


def check(content: BytesIO, may_be_large: Callable[[str], bool] = lambda _name: False) -> frozenset[str]:
    """Returns the lower-case names of the parts of a plain Office package (OOXML).

    Args:
        may_be_large: whether a part of that name is read as a stream, and may be larger than the others.

    Raises PackageError for one that is encrypted, has macros, unpacks to too much, or is none at all.
    """
    packed = content.getbuffer()
    if packed[:8] == OLE_MAGIC:
        encrypted = ENCRYPTED_PACKAGE in content.getvalue()
        raise PackageError(Fault.encrypted if encrypted else Fault.unreadable)
    try:
        with zipfile.ZipFile(content) as package:
            parts = package.infolist()
            _check_sizes(parts, len(packed), may_be_large)
            if any(part.flag_bits & 1 for part in parts):
                raise PackageError(Fault.encrypted)
            names = frozenset(part.filename.lower() for part in parts)
            if any(name.endswith("vbaproject.bin") or "/macrosheets/" in name for name in names):
                raise PackageError(Fault.macro)
            if b"macroEnabled" in package.read("[Content_Types].xml"):
                raise PackageError(Fault.macro)
    except PackageError:
        raise
    except Exception as error:
        raise PackageError(Fault.unreadable) from error
    content.seek(0)
    return names


def _check_sizes(parts: list[zipfile.ZipInfo], packed: int, may_be_large: Callable[[str], bool]) -> None:
    # Sizes come from the directory; zipfile never unpacks more of a part than its directory entry states.
    unpacked = sum(part.file_size for part in parts)
    bombed = unpacked > RATIO_FREE_BYTES and unpacked > MAX_RATIO * packed
    swollen = any(
        part.file_size > MAX_PART_BYTES for part in parts if not may_be_large(part.filename.lower())
    )
    if len(parts) > MAX_PARTS or unpacked > MAX_UNPACKED_BYTES or bombed or swollen:
        raise PackageError(Fault.too_large)
