"""What an uploaded file really is: its type by its content, and nothing in it that must not come in."""

from __future__ import annotations

import unicodedata
import warnings
from dataclasses import dataclass
from io import BytesIO
from pathlib import PurePosixPath
from typing import Any

import filetype
from PIL import Image, ImageOps

from app import packages
from app.errors import DomainError
from app.packages import Fault, PackageError

MAX_PIXELS = 60_000_000
"""About what the largest camera of a phone takes; beyond it a small file may be meant to fill the memory."""
THUMBNAIL = (320, 320)
ORIENTATION = 0x0112

_IMAGES = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WEBP"}
_PDF = "application/pdf"
_OFFICE = "application/vnd.openxmlformats-officedocument."
_MAIN_PARTS = {
    "word/document.xml": (f"{_OFFICE}wordprocessingml.document", "docx"),
    "xl/workbook.xml": (f"{_OFFICE}spreadsheetml.sheet", "xlsx"),
    "ppt/presentation.xml": (f"{_OFFICE}presentationml.presentation", "pptx"),
}
_EXTENSIONS = {
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "pdf": _PDF,
    **{extension: media_type for media_type, extension in _MAIN_PARTS.values()},
}
ACCEPTED = "图片（JPG、PNG、WebP）、PDF、Word（.docx）、Excel（.xlsx）、PowerPoint（.pptx）"
_FAULTS = {
    Fault.unreadable: "文件已损坏或不是所称的类型",
    Fault.encrypted: "文件已加密，请去除密码后重新上传",
    Fault.macro: "文件含有宏，不予接受",
    Fault.too_large: "文件解压后过大",
}


@dataclass(frozen=True)
class Upload:
    """A file that may come in; `thumbnail` is a JPEG for images."""

    name: str
    media_type: str
    content: bytes
    thumbnail: bytes | None


def inspect(name: str, content: bytes) -> Upload:
    """Returns a file as it may be stored: an image without what its camera wrote beside it (places!).

    Raises DomainError `file_refused`, with the reason at the field `file`.
    """
    name = _tidy(name)
    claimed = _EXTENSIONS.get(PurePosixPath(name).suffix.lower().lstrip("."))
    if claimed is None:
        old = PurePosixPath(name).suffix.lower() in (".doc", ".xls", ".ppt")
        raise _refused(
            "旧版 Office 文件请另存为 .docx、.xlsx 或 .pptx 后上传" if old else f"只接受{ACCEPTED}"
        )
    if not content:
        raise _refused("文件是空的")
    guessed = filetype.guess(content)
    found = guessed.mime if guessed else "text/plain"
    if claimed in _IMAGES or claimed == _PDF:
        if found != claimed:
            raise _refused("文件内容与扩展名不符")
        if claimed == _PDF:
            return Upload(name, claimed, content, None)
        return _image(name, claimed, content)
    _check_office(claimed, content)
    return Upload(name, claimed, content, None)


def _tidy(name: str) -> str:
    """Returns the file's own name, short and without what a file system or a header would choke on."""
    text = unicodedata.normalize("NFC", name).replace("\\", "/").rpartition("/")[2]
    text = "".join(c for c in text if c.isprintable() and c not in '<>:"|?*').strip(" .") or "未命名"
    path = PurePosixPath(text)
    return f"{path.stem[: 120 - len(path.suffix)]}{path.suffix}" if len(path.suffix) < 10 else text[:120]


def _check_office(claimed: str, content: bytes) -> None:
    try:
        names = packages.check(BytesIO(content))
    except PackageError as error:
        raise _refused(_FAULTS[error.fault]) from None
    if not any(part in names and media_type == claimed for part, (media_type, _) in _MAIN_PARTS.items()):
        raise _refused("文件内容与扩展名不符")


def _image(name: str, media_type: str, content: bytes) -> Upload:
    kind = _IMAGES[media_type]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a bomb warns before it is read
            with Image.open(BytesIO(content), formats=[kind]) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise _refused(f"图片过大，至多 {MAX_PIXELS // 10_000} 万像素")
                image.load()
                return Upload(name, media_type, _bare(image, kind), _thumbnail(image))
    except DomainError:
        raise
    except Exception:
        raise _refused("图片无法打开，可能已损坏") from None


def _bare(image: Image.Image, kind: str) -> bytes:
    """Returns an image without its metadata but for which way is up: no place, no camera, no name."""
    kept = Image.Exif()
    if orientation := image.getexif().get(ORIENTATION):
        kept[ORIENTATION] = orientation
    stream = BytesIO()
    # Saved as densely as it came: JPEG with its own tables.
    hows: dict[str, dict[str, Any]] = {"JPEG": {"quality": "keep"}, "WEBP": {"quality": 90}}
    image.save(stream, kind, exif=kept, icc_profile=image.info.get("icc_profile"), **hows.get(kind, {}))
    return stream.getvalue()


def _thumbnail(image: Image.Image) -> bytes:
    small = ImageOps.exif_transpose(image)
    small.thumbnail(THUMBNAIL)
    stream = BytesIO()
    small.convert("RGB").save(stream, "JPEG", quality=80)
    return stream.getvalue()


def _refused(reason: str) -> DomainError:
    return DomainError("file_refused", fields={"file": [reason]}, reason=reason)
