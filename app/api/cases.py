"""Assistance cases: an enterprise's requests, and what an agency's people do with offers and cases."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from app.access import Actor
from app.api.frame import Blueprint, require
from app.services import (
    case_contacts,
    case_corrections,
    case_evaluation,
    case_offers,
    case_steps,
    case_story,
    cases,
)
from app.services.cases import Wish
from schemas import cases as shapes
from schemas.base import ReasonBody, page_of

blp = Blueprint("cases", __name__, description="帮扶项目")


@blp.route("/cases", methods=["POST"])
@require("cases.write")
@blp.arguments(shapes.CaseBody)
@blp.response(201, shapes.CaseMade)
def request_case(actor: Actor, body: dict[str, Any]) -> Any:
    """申请帮扶；同时只能有一个在办项目"""
    return cases.request(actor, body.pop("enterprise_id"), Wish(**body))


@blp.route("/cases")
@require("cases.read")
@blp.arguments(shapes.CaseQuery, location="query")
@blp.response(200, page_of(shapes.CaseItem))
def list_cases(actor: Actor, query: dict[str, Any]) -> Any:
    """本企业的帮扶项目，或本机构承接的"""
    return cases.list_own(actor, **query)


@blp.route("/cases/<uuid:case_id>")
@require("cases.read")
@blp.response(200, shapes.CaseOut)
def get(actor: Actor, case_id: UUID) -> Any:
    """一个帮扶项目：环节、补正、六方面评分"""
    return case_story.story(actor, case_id)


@blp.route("/cases/<uuid:case_id>/withdraw", methods=["POST"])
@require("cases.write")
@blp.arguments(ReasonBody)
@blp.response(200, shapes.CaseMade)
def withdraw(actor: Actor, body: dict[str, Any], case_id: UUID) -> Any:
    """撤回，评价前可以"""
    return cases.withdraw(actor, case_id, body["reason"])


@blp.route("/cases/<uuid:case_id>/answer-correction", methods=["POST"])
@require("cases.write")
@blp.arguments(shapes.CorrectionAnswerBody)
@blp.response(200, shapes.CaseMade)
def answer_correction(actor: Actor, body: dict[str, Any], case_id: UUID) -> Any:
    """答复补正要求，时限接着计算"""
    return case_corrections.answer(actor, case_id, body["answer"])


@blp.route("/cases/<uuid:case_id>/evaluate", methods=["POST"])
@require("cases.write")
@blp.arguments(shapes.RatingBody)
@blp.response(200, shapes.CaseMade)
def evaluate(actor: Actor, body: dict[str, Any], case_id: UUID) -> Any:
    """评价，一个项目一次；不满意的进入整改和回访"""
    return case_evaluation.evaluate(actor, case_id, body["rating"], body["comment"] or None)


# --- an agency's people


@blp.route("/case-offers")
@require("cases.work")
@blp.response(200, shapes.OffersOut)
def list_offers(actor: Actor) -> Any:
    """派给本机构、待答复的项目，先到期的在前"""
    return {"items": case_offers.to_answer(actor)}


@blp.route("/case-offers/<uuid:offer_id>/accept", methods=["POST"])
@require("cases.work")
@blp.response(200, shapes.CaseMade)
def accept(actor: Actor, offer_id: UUID) -> Any:
    """接单；派给多家的，先接单的承接"""
    return case_offers.accept(actor, offer_id)


@blp.route("/case-offers/<uuid:offer_id>/decline", methods=["POST"])
@require("cases.work")
@blp.arguments(ReasonBody)
@blp.response(204)
def decline(actor: Actor, body: dict[str, Any], offer_id: UUID) -> None:
    """拒单并说明原因"""
    case_offers.decline(actor, offer_id, body["reason"])


@blp.route("/cases/<uuid:case_id>/advance", methods=["POST"])
@require("cases.work")
@blp.response(200, shapes.CaseMade)
def advance(actor: Actor, case_id: UUID) -> Any:
    """进入下一环节；须先完成的见 requirements"""
    return case_steps.advance(actor, case_id)


@blp.route("/cases/<uuid:case_id>/expert", methods=["POST"])
@require("cases.work")
@blp.arguments(shapes.LeadBody)
@blp.response(200, shapes.CaseMade)
def appoint(actor: Actor, body: dict[str, Any], case_id: UUID) -> Any:
    """指定负责专家"""
    return case_steps.appoint(actor, case_id, body["expert_id"])


@blp.route("/cases/<uuid:case_id>/ask-correction", methods=["POST"])
@require("cases.correct")
@blp.arguments(shapes.AskedBody)
@blp.response(200, shapes.CaseMade)
def ask_correction(actor: Actor, body: dict[str, Any], case_id: UUID) -> Any:
    """要求企业补正，答复前停止计时"""
    return case_corrections.ask(actor, case_id, body["asked"])


@blp.route("/cases/<uuid:case_id>/take-back-correction", methods=["POST"])
@require("cases.correct")
@blp.response(200, shapes.CaseMade)
def take_back_correction(actor: Actor, case_id: UUID) -> Any:
    """收回补正要求，时限接着计算"""
    return case_corrections.take_back(actor, case_id)


@blp.route("/cases/<uuid:case_id>/contact", methods=["POST"])
@require("cases.correct")
@blp.response(200, shapes.CaseContactOut)
def contact(actor: Actor, case_id: UUID) -> Any:
    """企业联系人，查看留有记录"""
    return case_contacts.reveal(actor, case_id)
