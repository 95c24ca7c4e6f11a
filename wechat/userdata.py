"""What a session key opens and signs: user data that the client passes on encrypted."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from wechat.errors import Outcome, WeChatError

FRESH_SECONDS = 600


def session_signature(session_key: str, data: str = "") -> str:
    """Return the hexadecimal HMAC-SHA256 of `data` (WeChat: 用户登录态签名).

    The key is the text of the session key as given, not the bytes it encodes.
    """
    return hmac.new(session_key.encode(), data.encode(), hashlib.sha256).hexdigest()


def open_user_data(encrypted: str, iv: str, session_key: str, appid: str, *, now: float) -> dict[str, Any]:
    """Return the data in `encrypted` (WeChat: 开放数据校验与解密); `now` is in Unix seconds.

    Raises WeChatError (USER_INPUT) when it cannot be opened, is not for `appid`, or is over 10 minutes old:
    sign in again and ask the client once more.
    """
    try:
        key, vector, sealed = (base64.b64decode(text, validate=True) for text in (session_key, iv, encrypted))
        decryptor = Cipher(algorithms.AES128(key), modes.CBC(vector)).decryptor()
        unpadder = padding.PKCS7(128).unpadder()
        content = unpadder.update(decryptor.update(sealed) + decryptor.finalize()) + unpadder.finalize()
        data = json.loads(content)
        watermark = data["watermark"]
        genuine = watermark["appid"] == appid and abs(now - int(watermark["timestamp"])) <= FRESH_SECONDS
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        genuine = False
    if not genuine or not isinstance(data, dict):
        raise WeChatError(Outcome.USER_INPUT)
    return data
