"""The `scene` of a mini-program code: at most 32 characters that come back through the user's scan."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote

SCENE = re.compile(r"[0-9A-Za-z!#$&'()*+,/:;=?@\-._~]{1,32}")
_PART = re.compile(r"[0-9A-Za-z!#$'()*+,/:;?@\-._~]+")


def is_scene(scene: str) -> bool:
    """Say whether WeChat accepts `scene` in a code (WeChat: 获取不限制的小程序码)."""
    return SCENE.fullmatch(scene) is not None


def build_scene(fields: Mapping[str, str]) -> str:
    """Join `fields` to `key=value&key=value`; raises ValueError when WeChat would refuse the result."""
    for part in (*fields.keys(), *fields.values()):
        if not _PART.fullmatch(part):
            raise ValueError("场景参数含有微信不允许的字符")
    scene = "&".join(f"{key}={value}" for key, value in fields.items())
    if not is_scene(scene):
        raise ValueError("场景参数应为 1 至 32 个字符")
    return scene


def parse_scene(raw: str) -> dict[str, str]:
    """Read the fields of a scene as built here or as handed over by the client; ValueError if it is neither.

    The client finds its `query.scene` URI-encoded. A scene never contains `%`, so a raw one and an encoded
    one cannot be confused, and `+` stays a plus sign.
    """
    scene = unquote(raw) if "%" in raw else raw
    if not is_scene(scene):
        raise ValueError("场景参数无效")
    fields: dict[str, str] = {}
    for pair in scene.split("&"):
        key, equals, value = pair.partition("=")
        if not equals or not _PART.fullmatch(key) or not _PART.fullmatch(value) or key in fields:
            raise ValueError("场景参数无效")
        fields[key] = value
    return fields
