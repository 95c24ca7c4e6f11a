"""Trainings: the list of coming ones, and what staff do with them."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from flask import Response, current_app

from app import calendars, masks
from app.access import Actor
from app.api.frame import Blueprint, require
from app.services import trainers, training_catalogue, trainings
from models.base import now
from models.trainings import TrainingState
from schemas import trainings as shapes
from schemas.base import ReasonBody, page_of

blp = Blueprint("trainings", __name__, description="培训：目录、发布、讲师")


@blp.route("/trainings")
@require("trainings.read")
@blp.arguments(shapes.TrainingQuery, location="query")
@blp.response(200, page_of(shapes.TrainingItem))
def list_trainings(actor: Actor, query: dict[str, Any]) -> Any:
    """培训目录：已发布且未结束的，按开始时间排列"""
    return training_catalogue.catalogue(actor, **query)


@blp.route("/trainings", methods=["POST"])
@require("trainings.manage")
@blp.arguments(shapes.TrainingBody)
@blp.response(201, shapes.TrainingOut)
def create(actor: Actor, body: dict[str, Any]) -> Any:
    """新建培训草稿"""
    return trainings.create(actor, body)


@blp.route("/trainings/<uuid:training_id>")
@require("trainings.read")
@blp.response(200, shapes.TrainingOut)
def details(actor: Actor, training_id: UUID) -> Any:
    """培训详情与场次"""
    return training_catalogue.details(actor, training_id)


@blp.route("/trainings/<uuid:training_id>", methods=["PATCH"])
@require("trainings.manage")
@blp.arguments(shapes.TrainingPatch)
@blp.response(200, shapes.TrainingOut)
def change(actor: Actor, body: dict[str, Any], training_id: UUID) -> Any:
    """修改培训；发布后只能改名称、说明、时间、地点和名额"""
    return trainings.change(actor, training_id, body)


@blp.route("/trainings/<uuid:training_id>/publish", methods=["POST"])
@require("trainings.manage")
@blp.response(200, shapes.TrainingOut)
def publish(actor: Actor, training_id: UUID) -> Any:
    """发布"""
    return trainings.publish(actor, training_id)


@blp.route("/trainings/<uuid:training_id>/cancel", methods=["POST"])
@require("trainings.manage")
@blp.arguments(ReasonBody)
@blp.response(200, shapes.TrainingOut)
def cancel(actor: Actor, body: dict[str, Any], training_id: UUID) -> Any:
    """取消培训，同时取消全部报名并通知"""
    return trainings.cancel(actor, training_id, body["reason"])


@blp.route("/trainings/<uuid:training_id>/copy", methods=["POST"])
@require("trainings.manage")
@blp.response(201, shapes.TrainingOut)
def copy(actor: Actor, training_id: UUID) -> Any:
    """复制为新的草稿"""
    return trainings.copy(actor, training_id)


@blp.route("/trainings/<uuid:training_id>/calendar.ics")
@require("trainings.read")
@blp.response(200, content_type="text/calendar", description="各场次的日历文件（iCalendar）")
def calendar(actor: Actor, training_id: UUID) -> Response:
    """加入日历"""
    training = training_catalogue.details(actor, training_id)
    public_url = current_app.config["SETTINGS"].public_url
    sessions = [
        calendars.CalendarSession(
            str(one.id), one.starts_at, one.ends_at, one.title if len(training["sessions"]) > 1 else ""
        )
        for one in training["sessions"]
    ]
    content = calendars.calendar_file(
        training["title"],
        sessions,
        urlsplit(public_url).hostname or "localhost",
        training["organiser"],
        training["place"] or "线上",
        training["online_url"] or public_url,
        training["revision"],
        training["state"] == TrainingState.cancelled,
        stamp=now(),
    )
    headers = {"Content-Disposition": f'attachment; filename="training-{training_id}.ics"'}
    return Response(content, mimetype="text/calendar", headers=headers)


def _masked(trainer: Any) -> dict[str, Any]:
    return {
        "user_id": trainer.user_id,
        "name": masks.name(trainer.name),
        "phone": masks.phone(trainer.phone),
        "assigned_at": trainer.assigned_at,
    }


@blp.route("/trainings/<uuid:training_id>/trainers")
@require("trainings.manage")
@blp.response(200, shapes.TrainerOut(many=True))
def list_trainers(actor: Actor, training_id: UUID) -> Any:
    """讲师和签到员"""
    return [_masked(trainer) for trainer in trainers.trainers(actor, training_id)]


@blp.route("/trainings/<uuid:training_id>/trainers", methods=["POST"])
@require("trainings.manage")
@blp.arguments(shapes.TrainerBody)
@blp.response(201, shapes.TrainerOut)
def assign_trainer(actor: Actor, body: dict[str, Any], training_id: UUID) -> Any:
    """按手机号指定讲师或签到员"""
    return _masked(trainers.assign(actor, training_id, body["phone"]))


@blp.route("/trainings/<uuid:training_id>/trainers/<uuid:user_id>", methods=["DELETE"])
@require("trainings.manage")
@blp.response(204)
def remove_trainer(actor: Actor, training_id: UUID, user_id: UUID) -> None:
    """撤销讲师或签到员"""
    trainers.remove(actor, training_id, user_id)
