"""Pages of evidence: the files of a case, uploading and removing them."""

from __future__ import annotations

from contextlib import closing
from typing import Any
from uuid import UUID

from flask import Response, redirect, request, send_file, url_for

from app.access import Actor
from app.console.forms import Form
from app.console.frame import attachment, back, done, page, require
from app.errors import DomainError
from app.services import case_dossiers, evidence
from app.uploads import ACCEPTED
from config.settings import settings
from models.evidence import EvidenceKind
from schemas import evidence as shapes


def gallery(actor: Actor, case_id: UUID) -> dict[EvidenceKind, list[dict[str, Any]]]:
    """Returns the files of a case in reach by kind, each with the address of its thumbnail, if it has one."""
    groups: dict[EvidenceKind, list[dict[str, Any]]] = {}
    for row in evidence.of_case(actor, case_id):
        thumbnail = evidence.token_of(actor, row.id, thumbnail=True).token if row.has_thumbnail else None
        shown = {**row._asdict(), "thumbnail": thumbnail and url_for("evidence.opened", token=thumbnail)}
        groups.setdefault(row.kind, []).append(shown)
    return groups


@page("/cases/<uuid:case_id>/evidence", methods=("GET", "POST"), endpoint="case_evidence", upload=True)
@require("evidence.write")
def uploading(actor: Actor, case_id: UUID) -> Any:
    """Files to be added to a case."""
    case = evidence.open_for(actor, case_id)
    form = Form(shapes.EvidenceForm, {"kind": EvidenceKind.other, **request.args})
    if form.submitted:
        with form:
            given = form.values()
            added, refused = _add_each(actor, case_id, given.pop("kind"), given)
            if not refused:
                return done(f"已上传 {added} 份材料。", _case_url(case_id))
            said = f"已上传 {added} 份；" if added else ""
            raise DomainError("file_refused", reason=said + "；".join(refused), fields={"file": refused})
    return form.page(
        "evidence/upload.html",
        case=case,
        kinds=[(one.value, one.label) for one in EvidenceKind],
        accepted=ACCEPTED,
        megabytes=settings().file_megabytes,
    )


def _add_each(
    actor: Actor, case_id: UUID, kind: EvidenceKind, belongs: dict[str, Any]
) -> tuple[int, list[str]]:
    """Adds each file by itself; returns how many went in and why the others did not."""
    chosen = [one for one in request.files.getlist("file") if one.filename]
    if not chosen:
        raise DomainError("validation_failed", fields={"file": ["请选择文件"]})
    added, refused = 0, []
    for file in chosen:
        try:
            with closing(file):
                evidence.add(actor, case_id, kind, file.filename or "", file.read(), **belongs)
            added += 1
        except DomainError as error:
            if error.status not in (413, 422):
                raise
            refused.append(f"“{file.filename}”：{error.details.get('reason', error.message)}")
    return added, refused


@page("/evidence/<uuid:evidence_id>", endpoint="case_evidence_file")
@require("evidence.read")
def opened(actor: Actor, evidence_id: UUID) -> Any:
    """Leads to a file, by a link that is good for a short time."""
    return redirect(url_for("evidence.opened", token=evidence.link(actor, evidence_id).token), 303)


@page("/evidence/<uuid:evidence_id>/remove", methods=("POST",), endpoint="case_evidence_remove")
@require("evidence.write")
def remove(actor: Actor, evidence_id: UUID) -> Any:
    """Removes a file."""
    case = evidence.remove(actor, evidence_id)
    return done("已删除。", back(_case_url(case.id)))


def _case_url(case_id: UUID) -> str:
    return url_for("console.case", case_id=case_id)


@page("/cases/<uuid:case_id>/dossier.docx", endpoint="case_dossier")
@require("cases.desk")
def dossier(actor: Actor, case_id: UUID) -> Response:
    """The dossier of a case as a document."""
    name, content = case_dossiers.document(actor, case_id)
    return attachment(name, content, case_dossiers.DOCX)


@page("/cases/<uuid:case_id>/dossier.zip", endpoint="case_dossier_package")
@require("cases.desk")
def dossier_package(actor: Actor, case_id: UUID) -> Response:
    """The dossier with all evidence."""
    name, packed = case_dossiers.package(actor, case_id)
    return send_file(packed, "application/zip", as_attachment=True, download_name=name)
