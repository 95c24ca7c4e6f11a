"""The envelope of message push in safe mode: AES-256-CBC around the message, SHA-1 over the envelope."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from typing import Literal

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

_BLOCK = 32


class EnvelopeError(Exception):
    """A ciphertext that cannot be opened; `code` is `malformed` or `wrong_app`."""

    def __init__(self, code: Literal["malformed", "wrong_app"]) -> None:
        self.code: Literal["malformed", "wrong_app"] = code
        super().__init__(code)


def sign(token: str, parts: Sequence[str]) -> str:
    """Return the hexadecimal signature of `parts` under `token` (WeChat: 消息推送, 验证消息的确来自微信)."""
    words = sorted(part.encode("utf-8", "backslashreplace") for part in (token, *parts))
    return hashlib.sha1(b"".join(words), usedforsecurity=False).hexdigest()


def is_signed(token: str, parts: Sequence[str], signature: str) -> bool:
    """Compare in constant time whether `signature` is that of `parts`."""
    given = signature.encode("utf-8", "backslashreplace")
    return hmac.compare_digest(sign(token, parts).encode(), given)


def decode_key(aes_key: str) -> bytes:
    """Return the 32 bytes of an EncodingAESKey of 43 characters; raises ValueError without repeating it."""
    try:
        key = base64.b64decode(aes_key + "=", validate=True)
    except ValueError:
        key = b""
    if len(key) != _BLOCK:
        raise ValueError("EncodingAESKey 应为 43 个字母或数字") from None
    return key


def encrypt(key: bytes, appid: str, message: bytes, *, salt: bytes | None = None) -> str:
    """Return `message` for `appid`, encrypted; `salt` is the 16 random bytes in front of it."""
    content = (salt or secrets.token_bytes(16)) + len(message).to_bytes(4, "big") + message + appid.encode()
    fill = _BLOCK - len(content) % _BLOCK
    encryptor = Cipher(algorithms.AES(key), modes.CBC(key[:16])).encryptor()
    sealed = encryptor.update(content + bytes([fill]) * fill) + encryptor.finalize()
    return base64.b64encode(sealed).decode()


def decrypt(key: bytes, appid: str, encrypted: str) -> str:
    """Return the message in `encrypted`; raises EnvelopeError."""
    try:
        sealed = base64.b64decode(encrypted.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise EnvelopeError("malformed") from None
    if not sealed or len(sealed) % 16:
        raise EnvelopeError("malformed")
    decryptor = Cipher(algorithms.AES(key), modes.CBC(key[:16])).decryptor()
    content = decryptor.update(sealed) + decryptor.finalize()
    fill = content[-1]
    if not 1 <= fill <= _BLOCK or content[-fill:] != bytes([fill]) * fill:
        raise EnvelopeError("malformed")
    content = content[16:-fill]
    length = int.from_bytes(content[:4], "big")
    message, owner = content[4 : 4 + length], content[4 + length :]
    if len(content) < 4 or len(message) != length:
        raise EnvelopeError("malformed")
    if not hmac.compare_digest(owner, appid.encode()):
        raise EnvelopeError("wrong_app")
    try:
        return message.decode()
    except UnicodeDecodeError:
        raise EnvelopeError("malformed") from None
