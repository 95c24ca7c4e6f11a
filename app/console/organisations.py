"""Pages of an administrator: the agencies and banks whose people may hold accounts."""

from __future__ import annotations

from typing import Any

from flask import Response, url_for

from app.access import Actor
from app.console.forms import Form
from app.console.frame import done, page, require
from app.console.lists import list_page
from app.services import agencies, financing
from app.services.agencies import AGENCIES
from app.services.financing import BANKS
from schemas import people as shapes


@page("/organisations")
@require("people.manage")
def organisations(actor: Actor) -> Response:
    """The agencies."""
    return list_page(actor, AGENCIES, template="organisations/list.html", kind="agency")


@page("/organisations/banks")
@require("people.manage")
def organisation_banks(actor: Actor) -> Response:
    """The banks."""
    return list_page(actor, BANKS, template="organisations/list.html", kind="bank")


@page("/organisations/new", methods=("GET", "POST"))
@require("people.manage")
def organisation_new_agency(actor: Actor) -> Any:
    """A new agency."""
    form = Form(shapes.AgencyBody)
    if form.submitted:
        with form:
            made = agencies.add(actor, **form.values())
            return done(f"已添加帮扶机构“{made.name}”。", url_for("console.organisations"))
    return form.page("organisations/new.html", kind="agency")


@page("/organisations/banks/new", methods=("GET", "POST"))
@require("people.manage")
def organisation_new_bank(actor: Actor) -> Any:
    """A new bank."""
    form = Form(shapes.BankBody)
    if form.submitted:
        with form:
            made = financing.add(actor, **form.values())
            return done(f"已添加合作银行“{made.name}”。", url_for("console.organisation_banks"))
    return form.page("organisations/new.html", kind="bank")
