"""Pages of enterprises: the register, one enterprise with its story, and registering and importing them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response, request, url_for

from app.access import SYSTEM, Actor
from app.console import transfers as transfer_pages
from app.console.forms import Form
from app.console.frame import done, may, page, render, require
from app.console.lists import list_page
from app.pagination import Page
from app.services import (
    clusters,
    enterprise_contacts,
    enterprise_dossiers,
    enterprise_duplicates,
    enterprise_history,
    enterprise_imports,
    enterprise_register,
    enterprise_reviews,
    enterprises,
    held_certificates,
    reference,
)
from app.services.enterprises import CHOOSABLE, Profile
from models.enterprises import EnterpriseState
from models.reference import Division
from schemas import enterprises as shapes


@page("/enterprises", endpoint="enterprises")
@require("enterprises.desk")
def index(actor: Actor) -> Response:
    """The register of enterprises."""
    links = {"name": lambda row: url_of(row["id"])}
    return list_page(actor, enterprise_register.ENTERPRISES, template="enterprises/list.html", links=links)


@page("/enterprises/<uuid:enterprise_id>")
@require("enterprises.desk")
def enterprise(actor: Actor, enterprise_id: UUID) -> Response:
    """One enterprise: what it says of itself, who belongs to it, where it took part, and what happened."""
    return _page(actor, enterprise_id)


@page("/enterprises/<uuid:enterprise_id>/history")
@require("enterprises.desk")
def enterprise_history_part(actor: Actor, enterprise_id: UUID) -> Response:
    """What happened before: the next part of the time line."""
    happened = _history(actor, enterprise_id)
    return render("enterprises/_history.html", enterprise_id=enterprise_id, happened=happened)


@page("/enterprises/<uuid:enterprise_id>/contacts/<uuid:user_id>", methods=("POST",))
@require("enterprises.review")
def enterprise_contact(actor: Actor, enterprise_id: UUID, user_id: UUID) -> Response:
    """The telephone number of one person, shown once and noted."""
    phone = enterprise_contacts.reveal_contact(actor, enterprise_id, user_id)
    if request.headers.get("HX-Request"):
        return render("enterprises/_contact.html", phone=phone)
    return _page(actor, enterprise_id, revealed={user_id: phone})


@page("/enterprises/<uuid:enterprise_id>/clusters", methods=("GET", "POST"))
@require("enterprises.review")
def enterprise_clusters(actor: Actor, enterprise_id: UUID) -> Any:
    """The clusters and chains that an enterprise belongs to."""
    found = enterprises.get(actor, enterprise_id)
    form = Form(shapes.ClustersBody, found)
    if form.submitted:
        with form:
            enterprise_reviews.tag(actor, enterprise_id, form.values()["clusters"])
            return done("产业集群（链）已保存。", url_of(enterprise_id))
        found = enterprises.get(actor, enterprise_id)
    return form.page("enterprises/clusters.html", enterprise=found, clusters=clusters.choices())


def _page(actor: Actor, enterprise_id: UUID, **values: Any) -> Response:
    found = enterprise_dossiers.dossier(actor, enterprise_id)
    compares = may("enterprises.review") and found.enterprise.state != EnterpriseState.merged
    return render(
        "enterprises/enterprise.html",
        found=found,
        alike=enterprise_duplicates.candidates(actor, enterprise_id) if compares else [],
        held=held_certificates.at_desk(actor, enterprise_id),
        happened=_history(actor, enterprise_id),
        **values,
    )


def _history(actor: Actor, enterprise_id: UUID) -> Page:
    """Returns a page of the time line, with the addresses of what its entries are about."""
    story = enterprise_history.history(actor, enterprise_id, request.args.get("cursor"))
    items = [
        {
            "at": entry.at,
            "who": entry.who,
            "what": entry.what,
            "detail": entry.detail,
            "url": _target(*entry.target) if entry.target else "",
        }
        for entry in story.items
    ]
    return Page(items, story.next)


def _target(kind: str, id_: str) -> str:
    values: dict[str, Any] = {f"{kind}_id": id_}
    return url_for(f"console.{kind}", **values)


def url_of(enterprise_id: UUID) -> str:
    """Returns the address of an enterprise's page."""
    return url_for("console.enterprise", enterprise_id=enterprise_id)


# --- new ones


@page("/enterprises/new", methods=("GET", "POST"), endpoint="enterprise_new")
@require("enterprises.review")
def override(actor: Actor) -> Any:
    """Registers an enterprise whose genuine credit code fails the check digit (特批)."""
    divisions = _own(actor)
    form = Form(shapes.OverrideBody, {"division_id": divisions[0].id if len(divisions) == 1 else None})
    if form.submitted:
        with form:
            body = form.values()
            code, division_id, reason = (body.pop(name) for name in ("credit_code", "division_id", "reason"))
            made = enterprise_reviews.override(actor, code, division_id, Profile(**body), reason)
            return done("已特批登记，进入待审核。", url_of(made.id))
    return form.page("enterprises/new.html", divisions=divisions, clusters=clusters.choices())


@page("/enterprises/import", methods=("GET", "POST"), upload=True, endpoint="enterprises_import")
@require("enterprises.review")
def import_(actor: Actor) -> Any:
    """Takes a list of enterprises over from a workbook."""
    form = Form(shapes.ImportForm)
    if form.submitted:
        with form:
            division = form.values()["division_id"]
            return transfer_pages.start(actor, enterprise_imports.IMPORT, division_id=division)
    columns = enterprise_imports.COLUMNS
    return form.page(
        "enterprises/import.html", divisions=_own(actor), columns=columns, clusters=clusters.choices()
    )


@page("/enterprises/import/template.xlsx")
@require("enterprises.review")
def enterprises_template(_actor: Actor) -> Response:
    """The workbook to fill in."""
    return transfer_pages.template_of(enterprise_imports.IMPORT)


def _own(actor: Actor) -> list[Division]:
    every = reference.divisions(SYSTEM)
    return [one for one in every if one.kind in CHOOSABLE and actor.reaches_division(one.id)]
