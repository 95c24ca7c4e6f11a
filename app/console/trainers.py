"""The page of a training's trainers: who they are, assigning one by phone, taking one off."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import url_for

from app import masks
from app.access import Actor
from app.console.forms import Form
from app.console.frame import done, page, require
from app.services import trainers, training_catalogue
from schemas.trainings import TrainerBody


@page("/trainings/<uuid:training_id>/trainers", methods=("GET", "POST"), endpoint="trainers")
@require("trainings.manage")
def assign(actor: Actor, training_id: UUID) -> Any:
    """The trainers, and a form that assigns one."""
    assigned = trainers.trainers(actor, training_id)
    form = Form(TrainerBody)
    if form.submitted:
        with form:
            trainers.assign(actor, training_id, form.values()["phone"])
            return done("已指派，并已通知本人。", url_for(".trainers", training_id=training_id))
    return form.page(
        "trainings/trainers.html",
        training=training_catalogue.at_desk(actor, training_id),
        trainers=[masked(one) for one in assigned],
    )


def masked(trainer: Any) -> dict[str, Any]:
    """Returns a trainer as lists show one."""
    name, phone = masks.name(trainer.name), masks.phone(trainer.phone)
    return {"user_id": trainer.user_id, "name": name, "phone": phone, "assigned_at": trainer.assigned_at}


@page("/trainings/<uuid:training_id>/trainers/<uuid:user_id>/remove", methods=("POST",))
@require("trainings.manage")
def trainer_remove(actor: Actor, training_id: UUID, user_id: UUID) -> Any:
    """Takes an assignment back."""
    trainers.remove(actor, training_id, user_id)
    return done("已撤销，对方不能再扫码签到。", url_for(".trainers", training_id=training_id))
