"""Pages of visits: recorded by the agency, confirmed in person by the officer who took part."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response, request, url_for

from app.access import Actor
from app.console.case_work import case_url
from app.console.forms import Form
from app.console.frame import back, done, page, require
from app.console.lists import list_page
from app.services import case_acts, visits
from models.base import now
from models.cases import Case, Purpose, Visit
from schemas import case_work as shapes


@page("/visits", endpoint="visits")
@require("cases.route")
def index(actor: Actor) -> Response:
    """The visits that wait for the officer who looks."""
    return list_page(
        actor,
        visits.TO_CONFIRM,
        template="case_work/visits.html",
        links={"enterprise_name": lambda row: url_for("console.case", case_id=row["case_id"])},
        of={"officer": actor.user_id},
        now=now(),
    )


@page("/visits/<uuid:visit_id>/confirm", methods=("POST",), endpoint="visit_confirm")
@require("cases.route")
def confirm(actor: Actor, visit_id: UUID) -> Any:
    """Confirms that the officer took part."""
    case_id = visits.confirm(actor, visit_id)
    return done("已确认您参与了这次走访。", back(case_url(case_id, "visits")))


@page("/cases/<uuid:case_id>/visits/new", methods=("GET", "POST"), endpoint="case_visit_new")
@require("cases.work")
def record(actor: Actor, case_id: UUID) -> Any:
    """Records a visit; of a booking, its time and place are there already."""
    case = case_acts.open_for(actor, case_id, "visits")
    people = visits.participants(actor, case_id)
    booked = next((one for one in people.bookings if str(one.id) == request.args.get("booking")), None)
    given = {**booked._asdict(), "booking_id": booked.id} if booked else {"expert_id": case.expert_id}
    form = Form(shapes.VisitBody, given)
    if form.submitted:
        with form:
            visits.record(actor, case_id, form.values())
            return done("走访已登记，已请县局人员确认。", case_url(case_id, "visits"))
    return _form_page(form, case, people, title="登记走访")


@page("/visits/<uuid:visit_id>/edit", methods=("GET", "POST"), endpoint="case_visit_edit")
@require("cases.work")
def edit(actor: Actor, visit_id: UUID) -> Any:
    """Changes a visit that is not confirmed yet."""
    case, visit = case_acts.open_part(actor, Visit, visit_id, "visits")
    people = visits.participants(actor, case.id)
    form = Form(shapes.VisitBody, visit)
    if form.submitted:
        with form:
            visits.change(actor, visit_id, form.values())
            return done("修改已保存。", case_url(case.id, "visits"))
    return _form_page(form, case, people, title="修改走访")


def _form_page(form: Form, case: Case, people: visits.Participants, **values: Any) -> Response:
    return form.page(
        "case_work/visit.html",
        case=case,
        purposes=[(one.value, one.label) for one in Purpose],
        experts=[(str(one.id), f"{one.name}　{one.title}".rstrip()) for one in people.experts],
        officers=[(str(one.id), one.name) for one in people.officers],
        bookings=people.bookings,
        **values,
    )
