"""Evidence: uploaded from the phone, listed, and shown by short-lived links."""

from __future__ import annotations

from contextlib import closing
from typing import Any
from urllib.parse import quote
from uuid import UUID

from flask import Response, request, url_for

from app.access import Actor
from app.api.frame import Blueprint, public, require
from app.services import evidence
from app.services.evidence import File
from config.settings import settings
from schemas import evidence as shapes

blp = Blueprint("evidence", __name__, description="帮扶项目的佐证材料")
FORM_BYTES = 64 * 1024
"""What a form adds to the file that it carries."""


def _admit() -> None:
    """Lets a file in where one is uploaded; a larger one is refused before it is read."""
    if request.endpoint == "evidence.upload":
        request.max_content_length = settings().file_megabytes * 1024 * 1024 + FORM_BYTES


blp.before_request(_admit)


@blp.route("/cases/<uuid:case_id>/evidence")
@require("evidence.read")
@blp.response(200, shapes.EvidenceList)
def listed(actor: Actor, case_id: UUID) -> Any:
    """项目的佐证材料，按上传先后"""
    return {"items": evidence.of_case(actor, case_id)}


@blp.route("/cases/<uuid:case_id>/evidence", methods=["POST"])
@require("evidence.write", keyed=False)
@blp.arguments(shapes.EvidenceForm, location="form")
@blp.arguments(shapes.EvidenceFile, location="files")
@blp.response(201, shapes.EvidenceAdded)
def upload(actor: Actor, form: dict[str, Any], uploaded: dict[str, Any], case_id: UUID) -> Any:
    """上传一份佐证材料；同一项目中内容相同的只存一份"""
    with closing(uploaded["file"]) as file:
        return evidence.add(actor, case_id, form.pop("kind"), file.filename or "", file.read(), **form)


@blp.route("/evidence/<uuid:evidence_id>/link")
@require("evidence.read")
@blp.arguments(shapes.LinkQuery, location="query")
@blp.response(200, shapes.LinkOut)
def link(actor: Actor, query: dict[str, Any], evidence_id: UUID) -> Any:
    """取得下载链接，五分钟内有效"""
    made = evidence.link(actor, evidence_id, **query)
    return {"url": address(made.token), "expires_at": made.expires_at}


@blp.route("/evidence/<uuid:evidence_id>", methods=["DELETE"])
@require("evidence.write")
@blp.response(204)
def remove(actor: Actor, evidence_id: UUID) -> None:
    """删除一份佐证材料"""
    evidence.remove(actor, evidence_id)


@blp.route("/files/<string:token>")
@public
@blp.response(200, content_type="application/octet-stream")
def opened(_nobody: Actor, token: str) -> Response:
    """按下载链接取文件"""
    return served(evidence.opened(token))


def address(token: str) -> str:
    """Returns the whole address of a link."""
    return settings().public_url.rstrip("/") + url_for("evidence.opened", token=token)


def served(file: File) -> Response:
    """Returns a file: an image to be looked at, anything else to be saved; nothing in it may run."""
    how = "inline" if file.media_type.startswith("image/") else "attachment"
    response = Response(file.content, mimetype=file.media_type)
    # A header is Latin-1: RFC 8187 carries the Chinese name.
    response.headers["Content-Disposition"] = f"{how}; filename*=UTF-8''{quote(file.name)}"
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response.headers["Cache-Control"] = "private, max-age=300"
    return response
