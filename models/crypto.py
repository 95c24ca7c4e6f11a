"""Personal data at rest: encrypted columns and the blind indexes by which they are found.

A value is stored as ``key id : nonce+ciphertext`` and bound to its column by the additional data
``table.column``, so that a value copied into another column does not decrypt. The hash and the
cipher are chosen here and nowhere else: AES-GCM with SHA-256, or SM4-GCM with SM3 (国密).
"""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Any

from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import LargeBinary
from sqlalchemy.types import TypeDecorator

NONCE = 12


class AesGcm:
    """AES-256-GCM with SHA-256."""

    digest: hashes.HashAlgorithm = hashes.SHA256()

    def __init__(self, key: bytes) -> None:
        self._aead = AESGCM(key)

    def encrypt(self, nonce: bytes, text: bytes, aad: bytes) -> bytes:
        return self._aead.encrypt(nonce, text, aad)

    def decrypt(self, nonce: bytes, data: bytes, aad: bytes) -> bytes:
        return self._aead.decrypt(nonce, data, aad)


class Sm4Gcm:
    """SM4-GCM (GB/T 32907) with SM3 (GB/T 32905)."""

    digest: hashes.HashAlgorithm = hashes.SM3()

    def __init__(self, key: bytes) -> None:
        self._key = key[:16]

    def encrypt(self, nonce: bytes, text: bytes, aad: bytes) -> bytes:
        encryptor = Cipher(algorithms.SM4(self._key), modes.GCM(nonce)).encryptor()
        encryptor.authenticate_additional_data(aad)
        return encryptor.update(text) + encryptor.finalize() + encryptor.tag

    def decrypt(self, nonce: bytes, data: bytes, aad: bytes) -> bytes:
        decryptor = Cipher(algorithms.SM4(self._key), modes.GCM(nonce, data[-16:])).decryptor()
        decryptor.authenticate_additional_data(aad)
        return decryptor.update(data[:-16]) + decryptor.finalize()


SUITES: dict[str, Any] = {"aes-gcm": AesGcm, "sm4-gcm": Sm4Gcm}


class Keyring:
    """The data keys by id; the last one encrypts, all of them decrypt."""

    def __init__(self, keys: dict[str, bytes], secret: str, suite: str) -> None:
        self._suite = SUITES[suite]
        self._ciphers = {
            key_id.encode(): self._suite(self._derive(key, b"data")) for key_id, key in keys.items()
        }
        self._active = list(self._ciphers)[-1]
        # The blind index does not rotate with the data keys: it must keep finding what was written.
        self._index_key = self._derive(secret.encode(), b"blind index")
        self._secret = secret.encode()

    def _derive(self, key: bytes, purpose: bytes) -> bytes:
        return HKDF(self._suite.digest, 32, salt=None, info=purpose).derive(key)

    def encrypt(self, content: bytes, column: str) -> bytes:
        """Returns the stored form of `content` for `column` ("table.column")."""
        nonce = os.urandom(NONCE)
        sealed = self._ciphers[self._active].encrypt(nonce, content, column.encode())
        stored: bytes = self._active + b":" + nonce + sealed
        return stored

    def decrypt(self, stored: bytes, column: str) -> bytes:
        """Returns the content; raises KeyError (unknown key) or InvalidTag (foreign or altered value)."""
        key_id, _, data = stored.partition(b":")
        content: bytes = self._ciphers[key_id].decrypt(data[:NONCE], data[NONCE:], column.encode())
        return content

    @property
    def key_id(self) -> str:
        """The id of the key that encrypts now."""
        return self._active.decode()

    @property
    def prefix(self) -> bytes:
        """What a value begins with that was encrypted with the key that encrypts now."""
        return self._active + b":"

    def blind_index(self, text: str) -> bytes:
        """Returns the keyed hash (32 bytes) by which an encrypted value is found."""
        mac = hmac.HMAC(self._index_key, self._suite.digest)
        mac.update(text.encode())
        return mac.finalize()

    @lru_cache(maxsize=16)  # noqa: B019 - one keyring lives as long as its process
    def purpose_key(self, purpose: str) -> bytes:
        """Returns a key derived from the secret for one purpose, such as tickets."""
        return self._derive(self._secret, purpose.encode())


_keyring: Keyring | None = None


def configure(keyring: Keyring) -> None:
    """Sets this process's keyring; called once by `create_app`."""
    global _keyring
    _keyring = keyring


def keyring() -> Keyring:
    """Returns this process's keyring; raises RuntimeError before `configure`."""
    if _keyring is None:
        raise RuntimeError("crypto.configure was not called")
    return _keyring


class EncryptedBytes(TypeDecorator[Any]):
    """Content encrypted at rest; `column` is its own "table.column"."""

    impl = LargeBinary
    cache_ok = True

    def __init__(self, column: str) -> None:
        super().__init__()
        self.column = column

    def process_bind_param(self, value: Any, dialect: Any) -> bytes | None:
        return None if value is None else keyring().encrypt(value, self.column)

    def process_result_value(self, value: bytes | None, dialect: Any) -> Any:
        return None if value is None else keyring().decrypt(value, self.column)


class Encrypted(EncryptedBytes):
    """A text column encrypted at rest; `column` is its own "table.column"."""

    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Any) -> bytes | None:
        return None if value is None else keyring().encrypt(value.encode(), self.column)

    def process_result_value(self, value: bytes | None, dialect: Any) -> str | None:
        return None if value is None else keyring().decrypt(value, self.column).decode()
