"""The work on a case: what the agency writes in the field, and what the enterprise sees of it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from app.access import Actor
from app.api.frame import Blueprint, require
from app.services import case_effects, case_plans, case_scores, case_trainings, case_work, findings, visits
from app.services.case_work import Work
from models.base import Base
from models.cases import Aspect, Case
from schemas import case_work as shapes

blp = Blueprint("case_work", __name__, description="帮扶项目：诊断、方案、问题清单、分层培训、走访、效果")


def _columns(row: Base) -> dict[str, Any]:
    return {column.key: getattr(row, column.key) for column in row.__table__.columns}


def _shown(work: Work) -> dict[str, Any]:
    """Returns the work on a case as the API tells it."""
    case = work.case
    trainings = [
        _columns(held.row)
        | {"attendees": [_columns(one) | {"name": work.attendee(one.name)} for one in held.attendees]}
        for held in work.trainings
    ]
    return {
        **_columns(case),
        "acts": sorted(work.acts),
        "answers": case.diagnosis,
        "diagnosis": work.diagnosis,
        "scores": work.scores,
        "effects": work.effects,
        "findings": work.findings,
        "trainings": trainings,
        "visits": [_columns(one.row) | {"expert": one.expert, "officer": one.officer} for one in work.visits],
    }


def _of(actor: Actor, case: Case) -> dict[str, Any]:
    return _shown(case_work.sections(actor, case))


@blp.route("/cases/<uuid:case_id>/work")
@require("cases.read")
@blp.response(200, shapes.CaseWorkOut)
def work(actor: Actor, case_id: UUID) -> Any:
    """诊断、评分、方案、问题清单、培训、走访和效果，企业和承接机构都可查看"""
    return _shown(case_work.read(actor, case_id))


@blp.route("/cases/<uuid:case_id>/diagnosis", methods=["POST"])
@require("cases.work")
@blp.arguments(shapes.DiagnosisBody)
@blp.response(200, shapes.CaseWorkOut)
def diagnose(actor: Actor, body: dict[str, Any], case_id: UUID) -> Any:
    """填写诊断表；再次提交替换原来的"""
    return _of(actor, case_plans.diagnose(actor, case_id, body["answers"]))


@blp.route("/cases/<uuid:case_id>/scores", methods=["POST"])
@require("cases.work")
@blp.arguments(shapes.ScoresBody)
@blp.response(200, shapes.CaseWorkOut)
def score(actor: Actor, body: dict[str, Any], case_id: UUID) -> Any:
    """六方面评分，帮扶前或帮扶后；再次提交替换原来的"""
    scores = {aspect: body[aspect.value] for aspect in Aspect}
    return _of(actor, case_scores.score(actor, case_id, body["phase"], scores))


@blp.route("/cases/<uuid:case_id>/plan", methods=["POST"])
@require("cases.work")
@blp.arguments(shapes.PlanBody)
@blp.response(200, shapes.CaseWorkOut)
def plan(actor: Actor, body: dict[str, Any], case_id: UUID) -> Any:
    """选定策略和提升方面，写明理由和方案"""
    given = (body["strategy"], body["aspects"], body["strategy_reason"], body["plan"])
    return _of(actor, case_plans.plan(actor, case_id, *given))


@blp.route("/cases/<uuid:case_id>/effects", methods=["POST"])
@require("cases.work")
@blp.arguments(shapes.EffectsBody)
@blp.response(200, shapes.CaseWorkOut)
def record_effects(actor: Actor, body: dict[str, Any], case_id: UUID) -> Any:
    """填写效果数据，帮扶前或帮扶后；再次提交替换原来的"""
    return _of(actor, case_effects.record(actor, case_id, body["phase"], body))


@blp.route("/cases/<uuid:case_id>/summary", methods=["POST"])
@require("cases.work")
@blp.arguments(shapes.SummaryBody)
@blp.response(200, shapes.CaseWorkOut)
def summarise(actor: Actor, body: dict[str, Any], case_id: UUID) -> Any:
    """填写提升小结"""
    return _of(actor, case_plans.summarise(actor, case_id, body["summary"]))


@blp.route("/cases/<uuid:case_id>/rectification", methods=["POST"])
@require("cases.work")
@blp.arguments(shapes.RectificationBody)
@blp.response(200, shapes.CaseWorkOut)
def rectify(actor: Actor, body: dict[str, Any], case_id: UUID) -> Any:
    """填写整改情况"""
    return _of(actor, case_plans.rectify(actor, case_id, body["rectification"]))


@blp.route("/cases/<uuid:case_id>/findings", methods=["POST"])
@require("cases.work")
@blp.arguments(shapes.FindingBody)
@blp.response(201, shapes.FindingOut)
def add_finding(actor: Actor, body: dict[str, Any], case_id: UUID) -> Any:
    """登记问题和措施"""
    return findings.add(actor, case_id, body)


@blp.route("/findings/<uuid:finding_id>", methods=["PATCH"])
@require("cases.work")
@blp.arguments(shapes.FindingPatch)
@blp.response(200, shapes.FindingOut)
def change_finding(actor: Actor, body: dict[str, Any], finding_id: UUID) -> Any:
    """修改问题；已验证的不能再改"""
    return findings.change(actor, finding_id, body)


@blp.route("/findings/<uuid:finding_id>/move", methods=["POST"])
@require("cases.work")
@blp.arguments(shapes.FindingMoveBody)
@blp.response(200, shapes.FindingOut)
def move_finding(actor: Actor, body: dict[str, Any], finding_id: UUID) -> Any:
    """推进问题：整改中、已完成、已验证"""
    return findings.move_on(actor, finding_id, body["state"], body["result"])


@blp.route("/cases/<uuid:case_id>/trainings", methods=["POST"])
@require("cases.work")
@blp.arguments(shapes.CaseTrainingBody)
@blp.response(201, shapes.CaseTrainingOut)
def add_training(actor: Actor, body: dict[str, Any], case_id: UUID) -> Any:
    """安排分层培训"""
    return case_trainings.add(actor, case_id, body)


@blp.route("/case-trainings/<uuid:case_training_id>", methods=["PATCH"])
@require("cases.work")
@blp.arguments(shapes.CaseTrainingPatch)
@blp.response(200, shapes.CaseTrainingOut)
def change_training(actor: Actor, body: dict[str, Any], case_training_id: UUID) -> Any:
    """修改分层培训"""
    return case_trainings.change(actor, case_training_id, body)


@blp.route("/case-trainings/<uuid:case_training_id>/attendees", methods=["POST"])
@require("cases.work")
@blp.arguments(shapes.CaseAttendeesBody)
@blp.response(201, shapes.AddedAttendeesOut)
def add_attendees(actor: Actor, body: dict[str, Any], case_training_id: UUID) -> Any:
    """添加参训人，一次可添加多人"""
    people = [(one["name"], one["post"]) for one in body["attendees"]]
    return {"items": case_trainings.add_attendees(actor, case_training_id, people)}


@blp.route("/case-attendees/<uuid:attendee_id>", methods=["DELETE"])
@require("cases.work")
@blp.response(204)
def remove_attendee(actor: Actor, attendee_id: UUID) -> None:
    """删除参训人；已到场的不能删除"""
    case_trainings.remove_attendee(actor, attendee_id)


@blp.route("/case-trainings/<uuid:case_training_id>/attendance", methods=["POST"])
@require("cases.work")
@blp.arguments(shapes.CaseAttendanceBody)
@blp.response(200, shapes.CaseTrainingOut)
def record_attendance(actor: Actor, body: dict[str, Any], case_training_id: UUID) -> Any:
    """登记到场：给出到场的人，其余记为未到"""
    return case_trainings.record_attendance(actor, case_training_id, body["attended"])


@blp.route("/cases/<uuid:case_id>/participants")
@require("cases.work")
@blp.response(200, shapes.ParticipantsOut)
def participants(actor: Actor, case_id: UUID) -> Any:
    """可以参加走访的专家和县局人员，以及本项目的预约"""
    return visits.participants(actor, case_id)


@blp.route("/cases/<uuid:case_id>/visits", methods=["POST"])
@require("cases.work")
@blp.arguments(shapes.VisitBody)
@blp.response(201, shapes.VisitOut)
def record_visit(actor: Actor, body: dict[str, Any], case_id: UUID) -> Any:
    """登记走访，并请县局人员确认"""
    return visits.record(actor, case_id, body)


@blp.route("/visits/<uuid:visit_id>", methods=["PATCH"])
@require("cases.work")
@blp.arguments(shapes.VisitPatch)
@blp.response(200, shapes.VisitOut)
def change_visit(actor: Actor, body: dict[str, Any], visit_id: UUID) -> Any:
    """修改走访；县局人员确认后不能再改"""
    return visits.change(actor, visit_id, body)


@blp.route("/visits/<uuid:visit_id>/confirm", methods=["POST"])
@require("cases.route")
@blp.response(200, shapes.ConfirmedOut)
def confirm_visit(actor: Actor, visit_id: UUID) -> Any:
    """县局人员本人确认参与了走访"""
    return {"case_id": visits.confirm(actor, visit_id)}
