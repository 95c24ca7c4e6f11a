"""Files to upload: real ones, and such as should not come in."""

from __future__ import annotations

import zipfile
from io import BytesIO
from typing import Any

from docx import Document
from PIL import Image

from tests.builders import Person
from tests.console_client import Desk

PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
GPS = 0x8825


def photo(colour: str = "teal", size: tuple[int, int] = (800, 600), *, place: bool = False) -> bytes:
    """A JPEG; with a place, as a phone writes it beside the picture."""
    image, stream = Image.new("RGB", size, colour), BytesIO()
    exif = Image.Exif()
    if place:
        exif[0x0112] = 6
        exif[0x010F] = "Phone"
        exif.get_ifd(GPS)[2] = (34.0, 15.0, 0.0)
    image.save(stream, "JPEG", exif=exif)
    return stream.getvalue()


def word(text: str = "诊断报告") -> bytes:
    """A Word document."""
    document, stream = Document(), BytesIO()
    document.add_paragraph(text)
    document.save(stream)
    return stream.getvalue()


def bomb() -> bytes:
    """A Word document that unpacks to a hundred times what its size lets one think."""
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("[Content_Types].xml", "<Types/>")
        package.writestr("word/document.xml", b"\0" * 200_000_000)
    return stream.getvalue()


def with_macro() -> bytes:
    """A Word document that brings a program along."""
    stream = BytesIO(word())
    with zipfile.ZipFile(stream, "a") as package:
        package.writestr("word/vbaProject.bin", b"macro")
    return stream.getvalue()


def upload(client: Any, who: Person, case_id: Any, name: str, content: bytes, **fields: Any) -> Any:
    """Uploads a file as the mini-program does."""
    data = {**fields, "file": (BytesIO(content), name)}
    answer = client.post(f"/api/v1/cases/{case_id}/evidence", data=data, headers=who.headers)
    answer.request.environ["wsgi.input"].close()  # of a large body a file, which the test client leaves open
    return answer


def upload_at(desk: Desk, case_id: Any, *files: tuple[str, bytes], **fields: Any) -> Any:
    """Uploads files at a desk."""
    given = [(BytesIO(content), name) for name, content in files]
    return desk.post(f"/console/cases/{case_id}/evidence", file=given, **{"kind": "other", **fields})
