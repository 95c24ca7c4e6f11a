"""Pages of an agency's own staff: what it says of itself, its experts, and how it stands."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response, url_for

from app import masks
from app.access import Actor
from app.console.agencies import form_page, shown
from app.console.forms import Form
from app.console.frame import done, page, render, require
from app.services import agencies, agency_assessments, agency_catalogue, experts
from app.services.agency_catalogue import labels
from models.cases import Aspect
from schemas import agencies as shapes

ASPECTS = [(one.value, one.label) for one in Aspect]


@page("/agency")
@require("agencies.own")
def agency_own(actor: Actor) -> Response:
    """One's own agency."""
    agency_id = agencies.mine(actor).id
    values = shown(agency_catalogue.at_desk(actor, agency_id))
    values["experts"] = [
        {**one, "fields": labels(Aspect, one["fields"]), "phone": masks.phone(one["phone"])}
        for one in experts.listed(actor, agency_id)
    ]
    standings = agency_assessments.standings(actor, agency_id)
    return render("agencies/own.html", standings=standings, **values)


@page("/agency/edit", methods=("GET", "POST"))
@require("agencies.own")
def agency_own_edit(actor: Actor) -> Any:
    """What the agency says of itself."""
    agency = agencies.mine(actor)
    form = Form(shapes.OwnAgencyBody, agency)
    if form.submitted:
        with form:
            agencies.change_own(actor, agency.id, form.values())
            return _done("修改已保存。")
    return form_page(form, "agencies/own_form.html", agency=agency)


@page("/agency/experts/new", methods=("GET", "POST"))
@require("agencies.own")
def agency_own_expert_new(actor: Actor) -> Any:
    """A new expert."""
    form = Form(shapes.ExpertBody)
    if form.submitted:
        with form:
            experts.add(actor, agencies.mine(actor).id, form.values())
            return _done("专家已添加。要在小程序中办理的，请再绑定手机号。")
    return form.page("agencies/expert.html", title="添加专家", aspects=ASPECTS)


@page("/agency/experts/<uuid:expert_id>/edit", methods=("GET", "POST"))
@require("agencies.own")
def agency_own_expert_edit(actor: Actor, expert_id: UUID) -> Any:
    """What is kept of an expert."""
    form = Form(shapes.ExpertBody, experts.get(actor, expert_id))
    if form.submitted:
        with form:
            experts.change(actor, expert_id, form.values())
            return _done("修改已保存。")
    return form.page("agencies/expert.html", title="修改专家", aspects=ASPECTS)


@page("/agency/experts/<uuid:expert_id>/bind", methods=("GET", "POST"))
@require("agencies.own")
def agency_own_expert_bind(actor: Actor, expert_id: UUID) -> Any:
    """Lets the expert work with the mini-program."""
    expert = experts.get(actor, expert_id)
    form = Form(shapes.ExpertPhoneBody)
    if form.submitted:
        with form:
            experts.bind(actor, expert_id, form.values()["phone"])
            return _done(f"已绑定，{expert.name}可在小程序中办理本机构的预约和帮扶项目。")
    return form.page("agencies/bind.html", expert=expert)


@page("/agency/experts/<uuid:expert_id>/unbind", methods=("POST",))
@require("agencies.own")
def agency_own_expert_unbind(actor: Actor, expert_id: UUID) -> Any:
    """Takes the work with the mini-program away."""
    experts.unbind(actor, expert_id)
    return _done("已解除绑定，对方在小程序中不能再办理本机构事项。")


@page("/agency/experts/<uuid:expert_id>/deactivate", methods=("POST",))
@require("agencies.own")
def agency_own_expert_deactivate(actor: Actor, expert_id: UUID) -> Any:
    """Takes an expert out of post."""
    experts.deactivate(actor, expert_id)
    return _done("已停用。不再接受预约和派单，以往记录保留。")


@page("/agency/experts/<uuid:expert_id>/activate", methods=("POST",))
@require("agencies.own")
def agency_own_expert_activate(actor: Actor, expert_id: UUID) -> Any:
    """Puts an expert in post again."""
    experts.activate(actor, expert_id)
    return _done("已恢复在岗。")


def _done(message: str) -> Any:
    return done(message, url_for("console.agency_own"))
