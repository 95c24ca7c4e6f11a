"""Pages of imports and exports: starting one, following it, and taking its files."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response, request, url_for

from app.access import Actor
from app.console.frame import attachment, done, page, render, require
from app.errors import DomainError
from app.services import transfers
from app.services.transfers import Import
from models.transfers import FileRole


@page("/transfers", endpoint="transfers")
@require("people.staff")
def index(actor: Actor) -> Response:
    """One's own imports and exports."""
    return render("transfers/index.html", transfers=transfers.mine(actor))


@page("/transfers/<uuid:transfer_id>")
@require("people.staff")
def transfer(actor: Actor, transfer_id: UUID) -> Response:
    """How far one is, what became of its rows, and its files; as a part of the page while it runs."""
    part = request.headers.get("HX-Request") == "true"
    template = "transfers/_progress.html" if part else "transfers/transfer.html"
    return render(template, transfer=transfers.get(actor, transfer_id))


@page("/transfers/<uuid:transfer_id>/files/<role>")
@require("people.staff")
def transfer_file(actor: Actor, transfer_id: UUID, role: str) -> Response:
    """A file of one."""
    if role not in FileRole.__members__:
        raise DomainError("not_found")
    return attachment(*transfers.download(actor, transfer_id, FileRole[role]))


def uploaded() -> tuple[str, bytes]:
    """Returns the name and content of the posted file.

    Raises DomainError `validation_failed` without one, `workbook_too_large` beyond what is read.
    """
    file = request.files.get("file")
    if file is None or not file.filename:
        raise DomainError("validation_failed", fields={"file": ["请选择 .xlsx 文件"]})
    return file.filename, file.read()


def start(actor: Actor, kind: Import, **parameters: Any) -> Any:
    """Starts an import of the posted file and leads to its page; raises what `uploaded` and it raise."""
    made = transfers.start_import(actor, kind, *uploaded(), **parameters)
    return done(
        "文件已收到，正在导入。可以离开此页，稍后在“导入导出”中查看。",
        url_for(".transfer", transfer_id=made.id),
    )


def template_of(kind: Import) -> Response:
    """Returns the template of an import, to be filled in."""
    return attachment(f"{kind.title}模板.xlsx", transfers.template(kind))
