"""Pages of cases: the board, the register, what is overdue, one case, and what is decided about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from flask import Response, request, url_for

from app import working_days
from app.access import SYSTEM, Actor
from app.console import evidence as evidence_pages
from app.console.forms import Form
from app.console.frame import back, blp, done, may, page, render, require
from app.console.lists import list_page
from app.services import (
    case_board,
    case_contacts,
    case_corrections,
    case_evaluation,
    case_offers,
    case_register,
    case_routing,
    case_steps,
    case_story,
    cases,
    reference,
)
from models.cases import OPEN, Aspect
from schemas.base import ReasonBody
from schemas.cases import AskedBody, LeadBody

ASPECTS = {one.value: one.label for one in Aspect}


def url_of(case_id: UUID) -> str:
    """Returns the address of a case's page."""
    return url_for("console.case", case_id=case_id)


def _to_case(row: Mapping[str, Any]) -> str:
    return url_of(row["id"])


LINKS = {"enterprise_name": _to_case, "number": _to_case}


@blp.app_template_global()
def years_unannounced(moments: Iterable[datetime | None]) -> str:
    """Returns the years of those deadlines for which no holidays are announced yet: "2027"; else nothing."""
    years = {moment.year for moment in moments if moment and moment.year > working_days.LAST_KNOWN}
    return "、".join(str(year) for year in sorted(years))


@blp.app_template_filter()
def aspects(values: Iterable[str]) -> str:
    """Returns the names of aspects."""
    return "、".join(ASPECTS.get(one, one) for one in values)


# --- all of them


@page("/cases", endpoint="cases")
@require("cases.desk")
def index(actor: Actor) -> Response:
    """The board: a column for each state."""
    board = case_board.board(actor, request.args)
    return render(
        "cases/board.html", board=board, filters=case_board.FILTERS, divisions=reference.divisions(SYSTEM)
    )


@page("/cases/list", endpoint="cases_list")
@require("cases.desk")
def register(actor: Actor) -> Response:
    """The register."""
    return list_page(actor, case_register.CASES, template="cases/list.html", links=LINKS)


@page("/cases/overdue", endpoint="cases_overdue")
@require("cases.desk")
def overdue(actor: Actor) -> Response:
    """What should have been done."""
    return list_page(actor, case_register.OVERDUE, template="cases/overdue.html", links=LINKS)


@page("/own-cases", endpoint="own_cases")
@require("cases.work")
def own(actor: Actor) -> Response:
    """What an agency has, and what it has to answer."""
    return list_page(
        actor,
        case_register.OWN,
        template="cases/own.html",
        links=LINKS,
        offers=case_offers.to_answer(actor),
        names=reference.division_names(SYSTEM),
        schemes=reference.scheme_names(SYSTEM),
    )


@page("/case-offers/<uuid:offer_id>/accept", methods=("POST",), endpoint="own_case_accept")
@require("cases.work")
def accept(actor: Actor, offer_id: UUID) -> Any:
    """Takes what was offered."""
    case = case_offers.accept(actor, offer_id)
    return done(f"已接单，“{case.enterprise_name}”进入诊断。", url_of(case.id))


@page("/case-offers/<uuid:offer_id>/decline", methods=("POST",), endpoint="own_case_decline")
@require("cases.work")
def decline(actor: Actor, offer_id: UUID) -> Any:
    """Declines what was offered."""
    case_offers.decline(actor, offer_id, **Form(ReasonBody).values())
    return done("已拒单，县局会收到原因。", url_for(".own_cases"))


# --- one of them


@page("/cases/<uuid:case_id>", endpoint="case")
@require("cases.desk")
def case(actor: Actor, case_id: UUID) -> Response:
    """One case: how it stands, what was done, and everything that happened on one time line."""
    return _page(actor, case_id)


def _page(actor: Actor, case_id: UUID, **values: Any) -> Response:
    seen = case_story.look(actor, case_id)
    return render(
        "cases/case.html",
        seen=seen,
        case=seen.case,
        work=seen.work,
        gallery=evidence_pages.gallery(actor, case_id),
        may_add=may("evidence.write") and seen.case.state in OPEN,
        **values,
    )


@page("/cases/<uuid:case_id>/contact", methods=("POST",), endpoint="case_contact")
@require("cases.correct")
def contact(actor: Actor, case_id: UUID) -> Response:
    """Whom to call, shown once and noted."""
    told = case_contacts.reveal(actor, case_id)
    if request.headers.get("HX-Request"):
        return render("cases/_contact.html", contact=told)
    return _page(actor, case_id, contact=told)


@page("/cases/<uuid:case_id>/advance", methods=("POST",), endpoint="case_advance")
@require("cases.work")
def advance(actor: Actor, case_id: UUID) -> Any:
    """Takes a step forward."""
    moved = case_steps.advance(actor, case_id)
    return done(f"已进入“{moved.state.label}”，并通知有关人员。", url_of(case_id))


@page("/cases/<uuid:case_id>/expert", methods=("POST",), endpoint="case_expert")
@require("cases.work")
def appoint(actor: Actor, case_id: UUID) -> Any:
    """Names who leads it."""
    cases.require_reach(actor, case_id)
    case_steps.appoint(actor, case_id, **Form(LeadBody).values())
    return done("已指定负责专家。", url_of(case_id))


@page("/cases/<uuid:case_id>/ask-correction", methods=("POST",), endpoint="case_ask")
@require("cases.correct")
def ask(actor: Actor, case_id: UUID) -> Any:
    """Asks the enterprise for something."""
    cases.require_reach(actor, case_id)
    case_corrections.ask(actor, case_id, **Form(AskedBody).values())
    return done("已要求企业补正，答复前停止计时。", back(url_of(case_id)))


@page("/cases/<uuid:case_id>/take-back-correction", methods=("POST",), endpoint="case_take_back")
@require("cases.correct")
def take_back(actor: Actor, case_id: UUID) -> Any:
    """Asks no longer."""
    case_corrections.take_back(actor, case_id)
    return done("补正要求已收回，接着计时。", back(url_of(case_id)))


@page("/cases/<uuid:case_id>/close", methods=("POST",), endpoint="case_close")
@require("cases.route")
def close(actor: Actor, case_id: UUID) -> Any:
    """Closes what was rated or visited again."""
    case_evaluation.close(actor, case_id)
    return done("已办结。", url_of(case_id))


@page("/cases/<uuid:case_id>/send-back", methods=("POST",), endpoint="case_send_back")
@require("cases.route")
def send_back(actor: Actor, case_id: UUID) -> Any:
    """Has it put right once more."""
    case_evaluation.send_back(actor, case_id, **Form(ReasonBody).values())
    return done("已退回整改。", url_of(case_id))


@page("/cases/<uuid:case_id>/terminate", methods=("POST",), endpoint="case_terminate")
@require("cases.route")
def terminate(actor: Actor, case_id: UUID) -> Any:
    """Ends what an agency works on."""
    case_routing.terminate(actor, case_id, **Form(ReasonBody).values())
    return done("已终止，并通知企业和机构。", url_of(case_id))
