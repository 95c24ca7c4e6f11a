"""Pages of the certificates that an enterprise holds: writing one down, correcting it, taking it out."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response

from app.access import SYSTEM, Actor
from app.console.enterprises import url_of
from app.console.forms import Form
from app.console.frame import done, page, require
from app.services import enterprises, held_certificates, reference
from models.held_certificates import HeldCertificateState
from schemas.held_certificates import HeldCertificateBody


@page("/enterprises/<uuid:enterprise_id>/held-certificates/new", methods=("GET", "POST"))
@require("held_certificates.write")
def held_certificate_new(actor: Actor, enterprise_id: UUID) -> Any:
    """Writes one down."""
    form = Form(HeldCertificateBody, {"state": HeldCertificateState.valid})
    if form.submitted:
        with form:
            made = held_certificates.add(actor, enterprise_id, form.values())
            return done(f"认证证书 {made.number} 已登记。", url_of(enterprise_id))
    return _page(actor, form, enterprise_id, "登记认证证书")


@page(
    "/enterprises/<uuid:enterprise_id>/held-certificates/<uuid:held_certificate_id>", methods=("GET", "POST")
)
@require("held_certificates.write")
def held_certificate(actor: Actor, enterprise_id: UUID, held_certificate_id: UUID) -> Any:
    """Corrects one."""
    form = Form(HeldCertificateBody, held_certificates.get(actor, enterprise_id, held_certificate_id))
    if form.submitted:
        with form:
            changed = held_certificates.change(actor, enterprise_id, held_certificate_id, form.values())
            return done(f"认证证书 {changed.number} 已保存。", url_of(enterprise_id))
    return _page(actor, form, enterprise_id, "修改认证证书")


@page(
    "/enterprises/<uuid:enterprise_id>/held-certificates/<uuid:held_certificate_id>/remove",
    methods=("POST",),
)
@require("held_certificates.write")
def held_certificate_remove(actor: Actor, enterprise_id: UUID, held_certificate_id: UUID) -> Any:
    """Takes one out."""
    held_certificates.remove(actor, enterprise_id, held_certificate_id)
    return done("认证证书已删除，办理经过中留有记录。", url_of(enterprise_id))


def _page(actor: Actor, form: Form, enterprise_id: UUID, title: str) -> Response:
    return form.page(
        "held_certificates/form.html",
        title=title,
        enterprise=enterprises.get(actor, enterprise_id),
        schemes=list(reference.scheme_names(SYSTEM).items()),
        states=[
            (one.value, one.label) for one in HeldCertificateState if one != HeldCertificateState.expired
        ],
    )
