"""Pages of a training's sign-ups: the list, what staff decide about one or many, moves, and the telephone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from flask import Response, request, url_for
from marshmallow import fields

from app.access import Actor
from app.console import rows
from app.console.forms import Form
from app.console.frame import back, done, page, render, require
from app.console.lists import list_page
from app.errors import DomainError
from app.services import (
    signup_desk,
    signup_moves,
    signup_reviews,
    telephone_signups,
    training_catalogue,
)
from app.services.signups import Attendee
from schemas.base import In, ReasonBody
from schemas.signups import SignUpBody

ONE_PAGE = 200
"""As many as one page of the list shows may be decided about at once."""


class MoveBody(In):
    """Where sign-ups are moved."""

    to = fields.UUID(required=True)


@page("/trainings/<uuid:training_id>/signups", endpoint="signups")
@require("signups.review")
def index(actor: Actor, training_id: UUID) -> Response:
    """The sign-ups of a training and its waiting list."""
    training = training_catalogue.at_desk(actor, training_id)
    return list_page(
        actor,
        signup_desk.REGISTER,
        template="signups/list.html",
        of={"training": training_id},
        training=training,
        counts=signup_desk.counts(actor, training_id),
        queue=signup_desk.waiting_list(actor, training_id) if training["waiting"] else [],
    )


# --- what is decided about those that were ticked


@page("/trainings/<uuid:training_id>/signups/approve", methods=("POST",), endpoint="signups_approve")
@require("signups.review")
def approve(actor: Actor, training_id: UUID) -> Any:
    """Approves those that were ticked."""
    return _answered(actor, training_id, "审核通过", lambda one: signup_reviews.approve(actor, one))


@page("/trainings/<uuid:training_id>/signups/return", methods=("POST",), endpoint="signups_return")
@require("signups.review")
def return_for_completion(actor: Actor, training_id: UUID) -> Any:
    """Returns those that were ticked, for a reason."""
    says = "退回后名额保留，企业完善后重新提交。"
    return _with_reason(actor, training_id, "退回完善", says, signup_reviews.return_for_completion)


@page("/trainings/<uuid:training_id>/signups/refuse", methods=("POST",), endpoint="signups_refuse")
@require("signups.review")
def refuse(actor: Actor, training_id: UUID) -> Any:
    """Refuses those that were ticked, for a reason."""
    says = "不予通过后名额释放给候补，不能撤回。"
    return _with_reason(actor, training_id, "不予通过", says, signup_reviews.refuse)


@page("/trainings/<uuid:training_id>/signups/cancel", methods=("POST",), endpoint="signups_cancel")
@require("signups.review")
def cancel(actor: Actor, training_id: UUID) -> Any:
    """Cancels those that were ticked, for a reason."""
    says = "取消后名额释放给候补，签到码作废，不能撤回。"
    return _with_reason(actor, training_id, "取消报名", says, signup_reviews.cancel_for)


@page("/trainings/<uuid:training_id>/signups/move", methods=("POST",), endpoint="signups_move")
@require("signups.review")
def move(actor: Actor, training_id: UUID) -> Any:
    """Moves those that were ticked to another training."""
    form = Form(MoveBody)
    chosen = _chosen(actor, training_id)
    if "sure" in request.form:
        with form:
            to = form.values()["to"]
            return _answered(actor, training_id, "调整", lambda one: signup_moves.move(actor, one, to))
    return form.page(
        "signups/move.html",
        training=training_catalogue.at_desk(actor, training_id),
        chosen=chosen,
        destinations=signup_moves.destinations(actor, training_id),
        back=back(_list(training_id)),
    )


Decide = Callable[[Actor, UUID, str], Any]


def _with_reason(actor: Actor, training_id: UUID, what: str, says: str, decide: Decide) -> Any:
    """Asks for the reason, saying whom it is about, and then decides about each."""
    form = Form(ReasonBody)
    chosen = _chosen(actor, training_id)
    if "sure" in request.form:
        with form:
            reason = form.values()["reason"]
            return _answered(actor, training_id, what, lambda one: decide(actor, one, reason))
    return form.page(
        "signups/reason.html",
        training=training_catalogue.at_desk(actor, training_id),
        chosen=chosen,
        what=what,
        says=says,
        back=back(_list(training_id)),
    )


def _chosen(actor: Actor, training_id: UUID) -> list[Any]:
    """Returns the sign-ups that were ticked, or the one whose own button was pressed."""
    only = request.form.get("only")
    texts = [only] if only else request.form.getlist("signup")
    try:
        ids = [UUID(text) for text in texts[:ONE_PAGE]]
    except ValueError:
        raise DomainError("not_found") from None
    return signup_desk.some(actor, training_id, ids)


def _answered(actor: Actor, training_id: UUID, what: str, act: Callable[[UUID], object]) -> Any:
    """Does it to each, and says what became of them: on a page where some were left as they were."""
    chosen = _chosen(actor, training_id)
    answers = {answer.signup_id: answer for answer in signup_reviews.each([row.id for row in chosen], act)}
    refused = [(row, answers[row.id].refusal) for row in chosen if answers[row.id].refusal]
    if not refused:
        return done(f"已{what} {len(chosen)} 人，并已通知报名人。", back(_list(training_id)))
    return render(
        "signups/answers.html",
        training=training_catalogue.at_desk(actor, training_id),
        what=what,
        changed=len(chosen) - len(refused),
        refused=refused,
        back=back(_list(training_id)),
    )


# --- the waiting list


@page("/signups/<uuid:signup_id>/to-head", methods=("POST",))
@require("signups.review")
def signup_to_head(actor: Actor, signup_id: UUID) -> Any:
    """Puts a waiting person at the head."""
    training_id = signup_desk.training_of(actor, signup_id)
    signup_moves.to_head(actor, signup_id, Form(ReasonBody).values()["reason"])
    return done("已移到候补队首，并已通知报名人。", _list(training_id))


# --- the telephone


@page("/trainings/<uuid:training_id>/signups/new", methods=("GET", "POST"), endpoint="signup_new")
@require("signups.review")
def sign_up(actor: Actor, training_id: UUID) -> Any:
    """Signs people up for an enterprise that telephones: found by its credit code, then who comes."""
    signup_desk.counts(actor, training_id)  # somebody else's training is refused before anything is typed
    code = request.args.get("code", "").strip()
    enterprise = telephone_signups.find_enterprise(actor, code) if code else None
    form = Form(SignUpBody, {"attendees": [{}]})
    if form.submitted and not rows.rearranged():
        with form:
            given = form.values()
            attendees = [Attendee(**one) for one in given["attendees"]]
            made = telephone_signups.sign_up_for(actor, training_id, given["enterprise_id"], attendees)
            state = made[0]["state"].label
            return done(f"已代为报名 {len(made)} 人，当前{state}，并已通知企业。", _list(training_id))
    return form.page(
        "signups/new.html",
        training=training_catalogue.at_desk(actor, training_id),
        code=code,
        enterprise=enterprise,
        attendees=rows.shown(form, "attendees"),
    )


def _list(training_id: UUID) -> str:
    return url_for("console.signups", training_id=training_id)
