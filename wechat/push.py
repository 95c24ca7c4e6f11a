"""Message push: what WeChat calls us with, taken in safe mode only, as XML or JSON."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NoReturn
from xml.etree.ElementTree import Element, ParseError

import xmltodict
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from wechat.envelope import EnvelopeError, decode_key, decrypt, encrypt, is_signed, sign

BODY_BYTES = 64 * 1024
FRESH_SECONDS = 600
_DEPTH = 16
_SUBSCRIBE_WRAPPERS = ("SubscribeMsgPopupEvent", "SubscribeMsgChangeEvent", "SubscribeMsgSentEvent")
# Events about the person's account and consents name the person in OpenID, not in FromUserName.
_CONSENT_EVENTS = ("user_info_modified", "user_authorization_revoke", "user_authorization_cancellation")
# What tells apart two events of one kind that one person causes in the same second.
_DISTINCTIONS = (
    "TemplateId",
    "SubscribeStatusString",
    "MsgID",
    "MsgId",
    "trace_id",
    "RevokeInfo",
    "EventKey",
)

Code = Literal["bad_signature", "stale", "malformed", "wrong_app", "too_large"]
Format = Literal["json", "xml"]

_SAYS: dict[Code, str] = {
    "bad_signature": "消息推送签名无效",
    "stale": "消息推送已过期",
    "malformed": "消息推送格式有误",
    "wrong_app": "消息推送不属于本账号",
    "too_large": "消息推送过大",
}


class PushRejected(Exception):
    """A push that is not to be believed or cannot be read; `code` is stable."""

    def __init__(self, code: Code) -> None:
        self.code: Code = code
        super().__init__(_SAYS[code])


@dataclass(frozen=True, slots=True)
class Event:
    """What happened.

    `name` is WeChat's Event, or `message.` and the MsgType for a message of a user. `user_openid` may be
    empty for events about the account itself. `created_at` is in Unix seconds. In `payload` the subscribe
    message events have their items in `List`, always a list of objects of strings. `dedupe_key` is the same
    for every repetition of a push and tells nothing about the user.
    """

    name: str
    user_openid: str = field(repr=False)
    created_at: int
    payload: dict[str, Any] = field(repr=False)
    dedupe_key: str


class PushReceiver:
    """The push address of one account (WeChat: 消息推送), with its Token and EncodingAESKey.

    Raises ValueError if the EncodingAESKey is not one.
    """

    def __init__(
        self, appid: str, token: str, aes_key: str, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._appid = appid
        self._token = token
        self._key = decode_key(aes_key)
        self._clock = clock

    def verify(self, signature: str, timestamp: str, nonce: str, echostr: str) -> str:
        """Return `echostr`, to be repeated as plain text, if WeChat asked; raises PushRejected."""
        self._check(signature, timestamp, (timestamp, nonce))
        return echostr

    def receive(self, args: Mapping[str, str], body: bytes) -> Event:
        """Open a push from its query and body; raises PushRejected and no other.

        Only the signature over the ciphertext counts: the plain fields beside it, which nobody signed, are
        not looked at.
        """
        if len(body) > BODY_BYTES:
            _reject("too_large")
        signature, timestamp = args.get("msg_signature", ""), args.get("timestamp", "")
        if not signature:
            _reject("bad_signature")
        encrypted = _parse(_text(body)).get("Encrypt")
        if not isinstance(encrypted, str):
            _reject("malformed")
        self._check(signature, timestamp, (timestamp, args.get("nonce", ""), encrypted))
        try:
            message = decrypt(self._key, self._appid, encrypted)
        except EnvelopeError as error:
            raise PushRejected(error.code) from None
        return _event(_parse(message))

    def _check(self, signature: str, timestamp: str, parts: tuple[str, ...]) -> None:
        if not is_signed(self._token, parts, signature):
            _reject("bad_signature")
        if not re.fullmatch(r"[0-9]{1,12}", timestamp):
            _reject("malformed")
        if abs(self._clock() - int(timestamp)) > FRESH_SECONDS:
            _reject("stale")


def seal(
    payload: Mapping[str, Any] | str,
    *,
    appid: str,
    token: str,
    aes_key: str,
    timestamp: int,
    to_user: str = "",
    openid: str = "",
    nonce: str | None = None,
    fmt: Format = "json",
) -> tuple[dict[str, str], bytes]:
    """Build a push in safe mode as WeChat does: its query and its body; a text is sent as it is.

    `timestamp` is in Unix seconds, `to_user` the original id of the account.
    """
    message = payload if isinstance(payload, str) else _render(payload, fmt)
    encrypted = encrypt(decode_key(aes_key), appid, message.encode())
    at, nonce = str(timestamp), nonce or str(secrets.randbelow(10**10))
    query = {
        "signature": sign(token, (at, nonce)),
        "timestamp": at,
        "nonce": nonce,
        "openid": openid,
        "encrypt_type": "aes",
        "msg_signature": sign(token, (at, nonce, encrypted)),
    }
    return query, _render({"ToUserName": to_user, "Encrypt": encrypted}, fmt).encode()


def _render(fields: Mapping[str, Any], fmt: Format) -> str:
    if fmt == "json":
        return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
    return str(xmltodict.unparse({"xml": dict(fields)}, full_document=False))


def _reject(code: Code) -> NoReturn:
    raise PushRejected(code)


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise PushRejected("malformed") from None


def _parse(text: str) -> dict[str, Any]:
    try:
        if text.lstrip()[:1] == "{":
            fields = json.loads(text, parse_constant=_reject_constant)
        else:
            fields = _fields(fromstring(text, forbid_dtd=True))
        _check(fields)
    except (ValueError, RecursionError, ParseError, DefusedXmlException):
        raise PushRejected("malformed") from None
    if not isinstance(fields, dict):
        _reject("malformed")
    return fields


def _reject_constant(_name: str) -> NoReturn:
    raise ValueError("NaN and infinities are not JSON")


def _check(value: object, depth: int = 0) -> None:
    """Refuse what a database would: half a surrogate pair, NUL (both legal in JSON), and deep nesting."""
    if depth > _DEPTH:
        raise ValueError("nested too deeply")
    if isinstance(value, str) and b"\0" in value.encode():
        raise ValueError("NUL in a text")
    if isinstance(value, dict):
        for name, item in value.items():
            _check(name)
            _check(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _check(item, depth + 1)


def _fields(element: Element) -> str | dict[str, Any]:
    if not len(element):
        return element.text or ""
    fields: dict[str, Any] = {}
    for child in element:
        value = _fields(child)
        if child.tag not in fields:
            fields[child.tag] = value
        elif isinstance(fields[child.tag], list):
            fields[child.tag].append(value)
        else:
            fields[child.tag] = [fields[child.tag], value]
    return fields


def _event(fields: dict[str, Any]) -> Event:
    payload = _with_list(fields)
    kind, created = payload.get("MsgType"), payload.get("CreateTime")
    if not isinstance(kind, str) or not kind:
        _reject("malformed")
    if isinstance(created, bool) or not re.fullmatch(r"[0-9]{1,12}", str(created).strip()):
        _reject("malformed")
    name = payload.get("Event") if kind == "event" else f"message.{kind}"
    user = payload.get("OpenID" if name in _CONSENT_EVENTS else "FromUserName", "")
    if not isinstance(name, str) or not name or not isinstance(user, str):
        _reject("malformed")
    if name in _CONSENT_EVENTS and not user:
        _reject("malformed")
    created_at = int(str(created).strip())
    message_id = payload.get("MsgId") if kind != "event" else None
    identity = [str(message_id)] if message_id else [user, str(created_at), name, *_distinctions(payload)]
    return Event(name, user, created_at, payload, _digest(identity))


def _with_list(fields: dict[str, Any]) -> dict[str, Any]:
    """Bring the items of a subscribe message event to `List`, where JSON has them, alone or in an array."""
    wrapper = next((name for name in _SUBSCRIBE_WRAPPERS if name in fields), None)
    is_subscribe = str(fields.get("Event", "")).startswith("subscribe_msg_")
    if wrapper is None and not is_subscribe:
        return fields
    holder = fields[wrapper] if wrapper else fields
    items = holder.get("List", []) if isinstance(holder, dict) else []
    if isinstance(items, dict):
        items = [items]
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        _reject("malformed")
    rest = {name: value for name, value in fields.items() if name not in _SUBSCRIBE_WRAPPERS}
    return {**rest, "List": [{name: str(value) for name, value in item.items()} for item in items]}


def _distinctions(payload: dict[str, Any]) -> Iterator[str]:
    items = payload.get("List")
    for holder in (payload, *(items if isinstance(items, list) else ())):
        for name in _DISTINCTIONS:
            if isinstance(holder, dict) and name in holder:
                yield f"{name}={holder[name]}"


def _digest(identity: list[str]) -> str:
    return hashlib.sha256(json.dumps(identity).encode()).hexdigest()
