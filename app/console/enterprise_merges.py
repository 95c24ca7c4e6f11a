"""Pages of merging an enterprise that was registered twice: choosing the other, and seeing before doing."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import redirect, url_for

from app.access import SYSTEM, Actor
from app.console.enterprises import url_of
from app.console.forms import Form
from app.console.frame import done, page, require
from app.services import clusters, enterprise_dossiers, enterprise_duplicates, enterprise_merges, reference
from app.services.enterprise_register import industry_name
from schemas import enterprises as shapes


@page("/enterprises/<uuid:enterprise_id>/merge", methods=("GET", "POST"))
@require("enterprises.review")
def enterprise_merge(actor: Actor, enterprise_id: UUID) -> Any:
    """Chooses the enterprise that is the same: among those alike, or by its credit code."""
    found = enterprise_dossiers.dossier(actor, enterprise_id)
    form = Form(shapes.PartnerBody)
    if form.submitted:
        with form:
            other = enterprise_duplicates.partner(actor, form.values()["credit_code"])
            enterprise_duplicates.preview(actor, enterprise_id, other.id)  # refused here, at the field
            url = url_for(".enterprise_merge_preview", keep_id=enterprise_id, drop_id=other.id)
            return redirect(url, 303)
        found = enterprise_dossiers.dossier(actor, enterprise_id)
    alike = enterprise_duplicates.candidates(actor, enterprise_id)
    return form.page("enterprises/merge.html", found=found, alike=alike)


@page("/enterprises/<uuid:keep_id>/merge/<uuid:drop_id>", methods=("GET", "POST"))
@require("enterprises.review")
def enterprise_merge_preview(actor: Actor, keep_id: UUID, drop_id: UUID) -> Any:
    """Shows what a merge would do, side by side, and does it."""
    seen = enterprise_duplicates.preview(actor, keep_id, drop_id)
    form = Form(
        shapes.MergeBody,
        {"taken": [one.name for one in seen.facts if one.takeable and one.kept in (None, "", [])]},
    )
    if form.submitted:
        with form:
            body = form.values()
            kept = enterprise_merges.merge(actor, keep_id, drop_id, body["taken"], body["reason"])
            said = f"“{seen.drop.name}”（{seen.drop.credit_code}）已并入“{kept.name}”，双方负责人已收到通知。"
            return done(said, url_of(keep_id))
        seen = enterprise_duplicates.preview(actor, keep_id, drop_id)  # it was refused: as things are now
    industries, called = reference.industry_names(SYSTEM), clusters.names()
    return form.page(
        "enterprises/preview.html",
        seen=seen,
        divisions=reference.division_names(SYSTEM),
        industry=lambda code: industry_name(code, industries),
        clusters=lambda codes: clusters.said(codes, called),
    )
