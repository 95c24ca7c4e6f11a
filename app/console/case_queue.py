"""Pages of the queue 派单: what waits for the county's review, and to which agency it goes."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response, url_for

from app.access import Actor
from app.console.forms import Form
from app.console.frame import done, page, require
from app.console.lists import list_page
from app.errors import DomainError
from app.services import case_corrections, case_offers, case_register, case_routing, case_story
from models.cases import LIMITS, CaseState
from schemas import cases as shapes
from schemas.base import ReasonBody


@page("/queue", endpoint="queue")
@require("cases.route")
def index(actor: Actor) -> Response:
    """The queue."""
    links = {"enterprise_name": lambda row: _url(row["id"]), "number": lambda row: _url(row["id"])}
    return list_page(actor, case_register.QUEUE, template="cases/queue.html", links=links)


@page("/queue/<uuid:case_id>", methods=("GET", "POST"), endpoint="queue_review")
@require("cases.route")
def review(actor: Actor, case_id: UUID) -> Any:
    """A request and what is decided about it; then the agencies for it, best first."""
    form = Form(shapes.ReviewBody)
    if form.submitted:
        with form:
            return _decide(actor, case_id, **form.values())
    return _page(actor, case_id, form)


def _decide(actor: Actor, case_id: UUID, decision: str, reason: str) -> Any:
    if decision == "admit":
        case_routing.admit(actor, case_id)
        return done("已受理，请选择机构派单。", _url(case_id))
    if len(reason) < 2:
        raise DomainError("reason_required", fields={"reason": ["必填"]})
    if decision == "ask":
        case_corrections.ask(actor, case_id, reason)
        return done("已要求企业补正，答复前停止计时。", _url(case_id))
    refused = case_routing.refuse(actor, case_id, reason)
    return done(f"“{refused.enterprise_name}”的申请不予受理，企业会收到原因。", url_for(".queue"))


@page("/queue/<uuid:case_id>/offer", methods=("POST",), endpoint="queue_offer")
@require("cases.route")
def offer(actor: Actor, case_id: UUID) -> Any:
    """Offers a case to the agencies that were ticked."""
    form = Form(shapes.OffersBody)
    with form:
        chosen = form.values()["agency_ids"]
        case_offers.offer(actor, case_id, chosen)
        return done(f"已派给 {len(chosen)} 家机构，等待答复。", url_for(".queue"))
    return _page(actor, case_id, form)


@page("/queue/<uuid:case_id>/recall", methods=("POST",), endpoint="queue_recall")
@require("cases.route")
def recall(actor: Actor, case_id: UUID) -> Any:
    """Takes all offers back."""
    case_offers.recall(actor, case_id, **Form(ReasonBody).values())
    return done("派单已收回，可以重新派单。", _url(case_id))


def _page(actor: Actor, case_id: UUID, form: Form) -> Response:
    seen = case_story.look(actor, case_id)
    routing = seen.case.state in (CaseState.requested, CaseState.routing)
    return form.page(
        "cases/route.html",
        seen=seen,
        case=seen.case,
        candidates=case_routing.ranking(actor, seen.case) if routing else [],
        offers=case_offers.of_case(actor, case_id),
        most=LIMITS["offers"][1],
    )


def _url(case_id: UUID) -> str:
    return url_for("console.queue_review", case_id=case_id)
