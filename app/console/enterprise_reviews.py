"""Pages of the review: the queue, one registration after the other, and several at once."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response, request, url_for

from app.access import Actor
from app.console.enterprises import url_of
from app.console.forms import Form
from app.console.frame import back, done, page, render, require
from app.console.lists import list_page
from app.errors import DomainError
from app.services import enterprise_dossiers, enterprise_duplicates, enterprise_register, enterprise_reviews
from models.enterprises import Enterprise, EnterpriseState
from schemas import enterprises as shapes

ONE_PAGE = 200
"""As many as one page of the queue shows may be approved at once."""

DECISIONS = {
    "approve": (EnterpriseState.reviewed, "通过", "企业可以报名培训，并收到通知。"),
    "return": (EnterpriseState.returned, "退回完善", "企业按原因修改后重新提交。"),
    "refuse": (EnterpriseState.refused, "不予通过", "企业不能再办理任何事项，不能撤回。"),
}
"""What may be decided: the state that follows, its button, and what it means for the enterprise."""


@page("/reviews", endpoint="reviews")
@require("enterprises.review")
def index(actor: Actor) -> Response:
    """The queue."""
    links = {"name": lambda row: _url(row["id"])}
    return list_page(actor, enterprise_register.REVIEWS, template="enterprises/reviews.html", links=links)


@page("/reviews/<uuid:enterprise_id>", methods=("GET", "POST"))
@require("enterprises.review")
def review(actor: Actor, enterprise_id: UUID) -> Any:
    """One registration and what is decided about it; then comes the next."""
    found = enterprise_dossiers.dossier(actor, enterprise_id)
    queued = found.enterprise.state == EnterpriseState.registered
    form = Form(shapes.DecisionBody)
    if form.submitted:
        with form:
            body = form.values()
            decided = _decide(actor, enterprise_id, **body)
            said = f"“{decided.name}”{decided.state.label}。"
            return _go_on(actor, decided, said) if queued else done(said, url_of(enterprise_id))
        found = enterprise_dossiers.dossier(actor, enterprise_id)  # it was refused: as things are now
    legal = EnterpriseState.moves().get(found.enterprise.state, ())
    return form.page(
        "enterprises/review.html",
        found=found,
        decisions={key: one for key, one in DECISIONS.items() if one[0] in legal},
        alike=enterprise_duplicates.candidates(actor, enterprise_id),
        waiting=enterprise_register.REVIEWS.page(actor, {"size": "20"}).total,
    )


@page("/reviews/<uuid:enterprise_id>/next")
@require("enterprises.review")
def review_next(actor: Actor, enterprise_id: UUID) -> Any:
    """Leaves one for later and goes on to the next."""
    found = enterprise_dossiers.dossier(actor, enterprise_id)
    return _go_on(actor, found.enterprise, f"“{found.enterprise.name}”暂未处理，仍在待审核中。")


def _decide(actor: Actor, enterprise_id: UUID, decision: str, reason: str) -> Enterprise:
    if decision == "approve":
        return enterprise_reviews.approve(actor, enterprise_id)
    decide = enterprise_reviews.send_back if decision == "return" else enterprise_reviews.refuse
    return decide(actor, enterprise_id, reason)


def _go_on(actor: Actor, behind: Enterprise, said: str) -> Any:
    following = enterprise_register.next_to_review(actor, behind)
    if following is None:
        return done(f"{said}待审核的企业已全部处理完毕。", url_for(".reviews"))
    return done(f"{said}已转到下一家。", _url(following))


@page("/reviews/approve", methods=("POST",), endpoint="reviews_approve")
@require("enterprises.review")
def approve_ticked(actor: Actor) -> Any:
    """Approves those that were ticked, and answers each."""
    try:
        chosen = [UUID(text) for text in request.form.getlist("chosen")][:ONE_PAGE]
    except ValueError:
        raise DomainError("not_found") from None
    if not chosen:
        raise DomainError("validation_failed", fields={"chosen": ["请先勾选要通过的企业"]})
    answered = enterprise_reviews.approve_each(actor, chosen)
    refused = [one for one in answered if one.refusal]
    if not refused:
        return done(f"已通过 {len(answered)} 家企业的登记，并已通知其负责人。", back(url_for(".reviews")))
    return render("enterprises/answered.html", answered=answered, refused=refused)


def _url(enterprise_id: UUID) -> str:
    return url_for("console.review", enterprise_id=enterprise_id)
