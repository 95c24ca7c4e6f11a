"""Pages of trainings: the list, one training, and writing, publishing, copying and cancelling it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any
from uuid import UUID

from flask import Response, url_for

from app.access import SYSTEM, Actor
from app.console import rows
from app.console.forms import Form
from app.console.frame import done, page, render, require
from app.console.lists import list_page
from app.console.trainers import masked
from app.services import (
    reference,
    signup_desk,
    trainers,
    training_catalogue,
    training_desk,
    training_notices,
    training_rules,
    trainings,
)
from models.base import now
from models.signups import SignupState
from models.trainings import Audience, Mode, Provider, TrainingState
from schemas import trainings as shapes
from schemas.base import ReasonBody

_CHOICES = {"mode": Mode, "provider": Provider, "audience": Audience}
_LEADS = (10_080, 4_320, 1_440, 720, 120, 60, 30)
"""How long before a session a reminder may come, in minutes, as the form offers it."""


@page("/trainings", endpoint="trainings")
@require("trainings.desk")
def index(actor: Actor) -> Response:
    """The list of trainings."""
    links = {"title": lambda row: _url(row["id"])}
    return list_page(actor, training_desk.REGISTER, template="trainings/list.html", links=links)


@page("/trainings/<uuid:training_id>")
@require("trainings.desk")
def training(actor: Actor, training_id: UUID) -> Response:
    """One training: what it is, how it is filled, what may be done, and what happened."""
    found = training_catalogue.at_desk(actor, training_id)
    names = reference.division_names(SYSTEM)
    values: dict[str, Any] = {}
    if found["own"]:
        counts = signup_desk.counts(actor, training_id)
        signups = partial(url_for, ".signups", training_id=training_id)
        values = {
            "counts": counts,
            "by_state": [
                (state.label, counts.by_state[state], signups(state=state.value))
                for state in SignupState
                if state in counts.by_state
            ],
            "told": training_notices.count_signed_up(actor, training_id),
            "trainers": [masked(one) for one in trainers.trainers(actor, training_id)],
            "history": training_desk.history(actor, training_id),
        }
    return render(
        "trainings/training.html",
        training=found,
        divisions=names,
        invited=_invited(found, names),
        over=found["ends_at"] <= now(),
        reminders="、".join(training_rules.lead_text(one) for one in found["remind_before"]),
        **values,
    )


def _invited(training: Mapping[str, Any], names: Mapping[str, str]) -> str:
    return "、".join(names.get(one, one) for one in training["open_to"])


@page("/trainings/new", methods=("GET", "POST"), endpoint="training_new")
@require("trainings.manage")
def create(actor: Actor) -> Any:
    """Writes a draft."""
    home = next((one for one in reference.divisions(SYSTEM) if one.id == actor.home), None)
    suggestion = training_rules.suggestion(home.id if home else None, home.name if home else "")
    form = Form(shapes.TrainingBody, suggestion)
    if form.submitted and not rows.rearranged():
        with form:
            made = trainings.create(actor, form.values())
            return done("草稿已保存。核对无误后点“发布”，企业才能看到。", _url(made["id"]))
    return _form_page(actor, form, title="新建培训", back=url_for(".trainings"))


@page("/trainings/<uuid:training_id>/edit", methods=("GET", "POST"), endpoint="training_edit")
@require("trainings.manage")
def edit(actor: Actor, training_id: UUID) -> Any:
    """Changes a draft in anything, a published training in what may still change."""
    given = trainings.editable(actor, training_id)
    published = given["state"] == TrainingState.published
    shape = shapes.TrainingPatch if published else shapes.TrainingBody
    form = Form(shape, training_rules.as_typed(given), partial=published)
    if form.submitted and not rows.rearranged():
        with form:
            trainings.change(actor, training_id, form.values())
            return done("修改已保存。", _url(training_id))
    told = training_notices.count_signed_up(actor, training_id) if published else 0
    return _form_page(
        actor, form, title="修改培训", back=_url(training_id), given=given, published=published, told=told
    )


def _form_page(actor: Actor, form: Form, **values: Any) -> Response:
    divisions = reference.divisions(SYSTEM)
    names = {one.id: one.short_name for one in divisions}
    given = values.get("given")
    manage = actor.acting("trainings.manage")
    leads = {int(one) for one in form.chosen("remind_before") if one.isdecimal()} | set(_LEADS)
    return form.page(
        "trainings/form.html",
        leads=[(str(one), training_rules.lead_text(one)) for one in sorted(leads, reverse=True)],
        sessions=rows.shown(form, "sessions"),
        choices={name: [(one.value, one.label) for one in kind] for name, kind in _CHOICES.items()},
        own=[one for one in divisions if manage.reaches_division(one.id)],
        city=next(one for one in divisions if one.kind == "city"),
        counties=[one for one in divisions if one.kind == "county"],
        names=names,
        invited=_invited(given, names) if given else "",
        **values,
    )


@page("/trainings/<uuid:training_id>/publish", methods=("POST",), endpoint="training_publish")
@require("trainings.manage")
def publish(actor: Actor, training_id: UUID) -> Any:
    """Publishes a draft."""
    trainings.publish(actor, training_id)
    return done("已发布，企业可以在小程序中看到并按时报名。", _url(training_id))


@page("/trainings/<uuid:training_id>/copy", methods=("POST",), endpoint="training_copy")
@require("trainings.manage")
def copy(actor: Actor, training_id: UUID) -> Any:
    """Copies a training into a new draft."""
    made = trainings.copy(actor, training_id)
    return done("已复制为新的草稿，请核对时间后发布。", url_for(".training_edit", training_id=made["id"]))


@page("/trainings/<uuid:training_id>/cancel", methods=("POST",), endpoint="training_cancel")
@require("trainings.manage")
def cancel(actor: Actor, training_id: UUID) -> Any:
    """Cancels a published training, discards a draft."""
    trainings.editable(actor, training_id)
    cancelled = trainings.cancel(actor, training_id, Form(ReasonBody).values()["reason"])
    told = cancelled["state"] == TrainingState.cancelled
    return done("培训已取消，已通知报名人员。" if told else "草稿已作废。", _url(training_id))


def _url(training_id: UUID) -> str:
    return url_for("console.training", training_id=training_id)
