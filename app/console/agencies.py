"""Pages of agencies: the catalogue and one agency, what the city keeps of them, and a county's choice."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response, request, url_for

from app.access import SYSTEM, Actor
from app.console import transfers as transfer_pages
from app.console.forms import Form
from app.console.frame import done, may, page, render, require
from app.console.lists import list_page
from app.services import (
    agencies,
    agency_assessments,
    agency_catalogue,
    agency_selections,
    reference,
)
from app.services.agency_catalogue import labels, scheme_labels
from models.agencies import SelectionReason
from models.base import now
from models.cases import Aspect
from schemas import agencies as shapes
from schemas.base import ReasonBody

REASONS = [(one.value, one.label) for one in SelectionReason]


@page("/agencies", endpoint="agencies")
@require("agencies.desk")
def index(actor: Actor) -> Response:
    """The agencies."""
    links = {"name": lambda row: _url(row["id"])}
    return list_page(actor, agency_catalogue.REGISTER, template="agencies/list.html", links=links)


@page("/agencies/<uuid:agency_id>", endpoint="agencies_one")
@require("agencies.desk")
def one(actor: Actor, agency_id: UUID) -> Response:
    """One agency: what it says of itself, how it stood, and who chose it."""
    found = agency_catalogue.at_desk(actor, agency_id)
    choosing = may("agencies.select") and found["active"]
    own = [one.id for one in agency_selections.counties(actor)] if choosing else []
    return render(
        "agencies/agency.html",
        choosing=bool({*own} & {*found["counties"]}),
        standings=agency_assessments.standings(actor, agency_id),
        **shown(found),
    )


def shown(found: dict[str, Any]) -> dict[str, Any]:
    """Returns an agency as its pages show it: labels for values, names for divisions."""
    names = reference.division_names(SYSTEM)
    return {
        "agency": found,
        "schemes": scheme_labels(found["schemes"], reference.scheme_names(SYSTEM)),
        "counties": "、".join(names.get(one, one) for one in found["counties"]),
        "experts": [{**one, "fields": labels(Aspect, one["fields"])} for one in found["experts"]],
        "selections": [
            {
                "county": names.get(one.division_id, one.division_id),
                "year": one.year,
                "reasons": labels(SelectionReason, one.reasons),
            }
            for one in found["selections"]
        ],
    }


def _url(agency_id: UUID) -> str:
    return url_for("console.agencies_one", agency_id=agency_id)


# --- what the city keeps


@page("/agencies/new", methods=("GET", "POST"))
@require("agencies.manage")
def agencies_new(actor: Actor) -> Any:
    """A new agency."""
    form = Form(shapes.AgencyBody, {"capacity": 10, "active": True})
    if form.submitted:
        with form:
            made = agencies.create(actor, form.values())
            return done(f"已添加帮扶机构“{made.name}”。账号由系统管理员建立。", _url(made.id))
    return form_page(form, "agencies/form.html", title="添加帮扶机构", back=url_for(".agencies"))


@page("/agencies/<uuid:agency_id>/edit", methods=("GET", "POST"))
@require("agencies.manage")
def agencies_edit(actor: Actor, agency_id: UUID) -> Any:
    """What is kept of an agency."""
    form = Form(shapes.AgencyBody, agency_catalogue.at_desk(actor, agency_id))
    if form.submitted:
        with form:
            agencies.change(actor, agency_id, form.values())
            return done("修改已保存。", _url(agency_id))
    return form_page(form, "agencies/form.html", title="修改帮扶机构", back=_url(agency_id))


def form_page(form: Form, template: str, **values: Any) -> Response:
    """Returns the page of a form about an agency."""
    counties = [one for one in reference.divisions(SYSTEM) if one.kind == agencies.COUNTY]
    offered = [(one.id, one.short_name) for one in counties]
    schemes = list(reference.scheme_names(SYSTEM).items())
    return form.page(template, schemes=schemes, counties=offered, **values)


# --- yearly assessments


@page("/agencies/assessments")
@require("agencies.desk")
def agencies_assessments(actor: Actor) -> Response:
    """The assessments, by year and rank."""
    links = {"name": lambda row: _url(row["agency_id"])}
    return list_page(actor, agency_assessments.ASSESSMENTS, template="agencies/assessments.html", links=links)


@page("/agencies/assessments/import", methods=("GET", "POST"), upload=True)
@require("agencies.manage")
def agencies_import(actor: Actor) -> Any:
    """Takes the assessments of a year over from a workbook, or only says what would become of its rows."""
    form = Form(shapes.AssessmentImportForm, {"year": now().year - 1})
    if form.submitted:
        with form:
            asked = form.values()
            kind = agency_assessments.CHECK if asked["only_check"] else agency_assessments.IMPORT
            return transfer_pages.start(actor, kind, year=asked["year"])
    return form.page("agencies/import.html", columns=agency_assessments.COLUMNS)


@page("/agencies/assessments/template.xlsx")
@require("agencies.manage")
def agencies_template(_actor: Actor) -> Response:
    """The workbook to fill in."""
    return transfer_pages.template_of(agency_assessments.IMPORT)


# --- experts, and a county's choice


@page("/agencies/experts")
@require("agencies.desk")
def agencies_experts(actor: Actor) -> Response:
    """The experts of all agencies."""
    links = {"agency": lambda row: _url(row["agency_id"])}
    return list_page(actor, agency_catalogue.EXPERTS, template="agencies/experts.html", links=links)


@page("/agencies/selections")
@require("agencies.select")
def agencies_selections(actor: Actor) -> Response:
    """Which agencies were selected by which county, for which year and why."""
    links = {"name": lambda row: _url(row["agency_id"])}
    own = {one.id for one in agency_selections.counties(actor)}
    register = agency_selections.SELECTIONS
    return list_page(actor, register, template="agencies/selections.html", links=links, own=own)


@page("/agencies/selections/new", methods=("GET", "POST"))
@require("agencies.select")
def agencies_select(actor: Actor) -> Any:
    """Selects an agency for a county and a year."""
    given = {"division_id": actor.home, "year": now().year, "agency_id": request.args.get("agency")}
    form = Form(shapes.SelectionBody, given)
    if form.submitted:
        with form:
            agency_selections.choose(actor, **form.values())
            return done("已选定，并已通知该机构。", url_for(".agencies_selections"))
    counties = agency_selections.counties(actor)
    offered = [
        (str(one.id), f"{one.name}（{one.year} 年度第 {one.rank} 位）" if one.rank else one.name)
        for one in agency_catalogue.choosable(actor, [one.id for one in counties])
    ]
    return form.page("agencies/select.html", counties=counties, agencies=offered, reasons=REASONS)


@page("/agencies/selections/<uuid:selection_id>/withdraw", methods=("POST",))
@require("agencies.select")
def agencies_withdraw(actor: Actor, selection_id: UUID) -> Any:
    """Takes a selection back."""
    agency_selections.get(actor, selection_id)
    agency_selections.withdraw(actor, selection_id, Form(ReasonBody).values()["reason"])
    return done("已撤销选定，并已通知该机构。", url_for(".agencies_selections"))
