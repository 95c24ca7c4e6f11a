"""Pages of the layered trainings inside a case: each with its list and who came."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

from flask import url_for
from marshmallow import ValidationError

from app.access import Actor
from app.console.case_work import case_url
from app.console.forms import Form
from app.console.frame import done, page, require
from app.errors import DomainError, by_field
from app.services import case_acts, case_trainings, case_work
from models.cases import LIMITS, CaseTraining
from models.trainings import Audience
from schemas import case_work as shapes
from schemas.base import In, Text

_AUDIENCES = [(one.value, one.label) for one in Audience]
_LINE = 70
"""Room for a name, a post and what stands between them."""


class LinesBody(In):
    """People, one a line: the name, then the post."""

    lines = Text(_LINE * LIMITS["attendees"][1], multiline=True, required=True)


@page("/cases/<uuid:case_id>/trainings/new", methods=("GET", "POST"), endpoint="case_training_new")
@require("cases.work")
def add(actor: Actor, case_id: UUID) -> Any:
    """Adds a training."""
    case = case_acts.open_for(actor, case_id, "trainings")
    form = Form(shapes.CaseTrainingBody)
    if form.submitted:
        with form:
            made = case_trainings.add(actor, case_id, form.values())
            return done("培训已安排，请添加参训人。", _url(made.id))
    return form.page("case_work/training_form.html", case=case, title="安排分层培训", audiences=_AUDIENCES)


@page("/case-trainings/<uuid:case_training_id>/edit", methods=("GET", "POST"), endpoint="case_training_edit")
@require("cases.work")
def edit(actor: Actor, case_training_id: UUID) -> Any:
    """Changes a training."""
    case, training = case_acts.open_part(actor, CaseTraining, case_training_id, "trainings")
    form = Form(shapes.CaseTrainingBody, training)
    if form.submitted:
        with form:
            case_trainings.change(actor, case_training_id, form.values())
            return done("修改已保存。", _url(case_training_id))
    return form.page("case_work/training_form.html", case=case, title="修改分层培训", audiences=_AUDIENCES)


@page("/case-trainings/<uuid:case_training_id>", methods=("GET", "POST"), endpoint="case_training")
@require("cases.work")
def training(actor: Actor, case_training_id: UUID) -> Any:
    """A training's list; people are added many at once."""
    form = Form(LinesBody)
    if form.submitted:
        with form:
            made = case_trainings.add_attendees(actor, case_training_id, _people(form.values()["lines"]))
            return done(f"已添加 {len(made)} 人。", _url(case_training_id))
    case, held = case_work.training(actor, case_training_id)
    return form.page("case_work/training.html", case=case, held=held)


@page(
    "/case-trainings/<uuid:case_training_id>/attendance",
    methods=("POST",),
    endpoint="case_training_attendance",
)
@require("cases.work")
def record_attendance(actor: Actor, case_training_id: UUID) -> Any:
    """Records who came."""
    case_work.training(actor, case_training_id)  # somebody else's is refused before what was ticked is read
    came = Form(shapes.CaseAttendanceBody).values()["attended"]
    held = case_trainings.record_attendance(actor, case_training_id, came)
    return done(f"到场已登记：{len(set(came))} 人。", case_url(held.case_id, "trainings"))


@page("/case-attendees/<uuid:attendee_id>/remove", methods=("POST",), endpoint="case_attendee_remove")
@require("cases.work")
def remove_attendee(actor: Actor, attendee_id: UUID) -> Any:
    """Takes somebody off the list."""
    training_id = case_trainings.remove_attendee(actor, attendee_id)
    return done("已从名单中删除。", _url(training_id))


def _people(lines: str) -> list[tuple[str, str]]:
    """Returns name and post of each line; raises DomainError `validation_failed` at "lines"."""
    rows = [(number, line.strip()) for number, line in enumerate(lines.splitlines(), 1) if line.strip()]
    parts = [[*re.split(r"[\s,，、;；]+", line, maxsplit=1), ""][:2] for _, line in rows]
    given = {"attendees": [{"name": name, "post": post.strip()} for name, post in parts]}
    try:
        loaded: dict[str, Any] = shapes.CaseAttendeesBody().load(given)
    except ValidationError as error:
        wrong = []
        for name, texts in by_field(error.messages).items():
            place = re.match(r"attendees\.(\d+)", name)
            wrong.append(f"第 {rows[int(place[1])][0]} 行{'、'.join(texts)}" if place else "、".join(texts))
        raise DomainError("validation_failed", fields={"lines": wrong}) from None
    return [(one["name"], one["post"]) for one in loaded["attendees"]]


def _url(training_id: UUID) -> str:
    return url_for("console.case_training", case_training_id=training_id)
