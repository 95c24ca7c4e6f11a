"""Mini-program codes: the picture on the wall that opens a page with a `scene`."""

from __future__ import annotations

import io
import re
from collections import deque
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import segno

from wechat.simulator.errors import Refusal
from wechat.simulator.gateway import Answer, Call, Endpoint

if TYPE_CHECKING:
    from wechat.simulator.platform import Platform

_SCENE = re.compile(r"[0-9A-Za-z!#$&'()*+,/:;=?@\-._~]+")
_PAGE = re.compile(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)+")


class CodeBook:
    """The codes drawn lately, which any phone may scan, and the codes phones show each other."""

    def __init__(self) -> None:
        self.drawn: deque[dict[str, Any]] = deque(maxlen=50)
        self.shown: dict[str, dict[str, Any]] = {}


def page_exists(platform: Platform, page: str) -> bool:
    """Tells whether a page (no leading slash, no query) is in the published mini-program.

    Until a list of pages is published, any well-formed page is taken to exist.
    """
    if not _PAGE.fullmatch(page):
        return False
    return not platform.people.pages or page in platform.people.pages


def get_unlimited_code(platform: Platform, call: Call) -> Answer:
    """POST /wxa/getwxacodeunlimit: a picture that carries `scene` (1 to 32 characters).

    https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/qrcode-link/qr-code/getUnlimitedQRCode.html
    """
    scene, page = call.body.get("scene"), call.body.get("page")
    if not isinstance(scene, str) or not scene:
        raise Refusal(40129)
    if len(scene) > 32:
        raise Refusal(40169)
    if not _SCENE.fullmatch(scene):
        raise Refusal(40129)
    if call.body.get("env_version", "release") not in ("release", "trial", "develop"):
        raise Refusal(40097)
    width = call.body.get("width", 430)
    if not isinstance(width, int):
        raise Refusal(40097)
    if page is not None:
        if not isinstance(page, str) or page.startswith("/") or "?" in page:
            raise Refusal(41030)
        if call.body.get("check_path", True) is not False and not page_exists(platform, page):
            raise Refusal(41030)
    path = f"{page or 'pages/index/index'}?scene={quote(scene, safe='')}"
    platform.codes.drawn.appendleft({"scene": scene, "page": page, "path": path, "at": int(platform.now())})
    return Answer(draw_png(scene, min(max(width, 280), 1280)), "image/png")


def draw_png(text: str, width: int) -> bytes:
    """Returns a QR code as PNG, about `width` pixels wide."""
    qr = segno.make(text, error="m", micro=False)
    out = io.BytesIO()
    qr.save(out, kind="png", scale=max(1, width // qr.symbol_size(border=2)[0]), border=2)
    return out.getvalue()


def draw_svg(text: str) -> bytes:
    """Returns a QR code as an SVG document that takes the size of its frame."""
    out = io.BytesIO()
    segno.make(text, error="m", micro=False).save(out, kind="svg", border=2, omitsize=True, light="#fff")
    return out.getvalue()


ENDPOINTS = [Endpoint("/wxa/getwxacodeunlimit", "POST", get_unlimited_code)]
