"""Pages of the work on a case: what its agency fills in."""

from __future__ import annotations

import re
import unicodedata
from typing import Any
from uuid import UUID

from flask import request, url_for
from marshmallow import Schema, ValidationError, fields

from app.access import SYSTEM, Actor
from app.console.forms import Form
from app.console.frame import blp, done, page, require
from app.errors import DomainError
from app.services import case_acts, case_effects, case_plans, case_scores, case_work, findings, reference
from app.services.case_work import DIAGNOSIS, EFFECTS
from models.cases import LIMITS, Aspect, Finding, FindingState, Phase, Strategy
from schemas import case_work as shapes
from schemas.base import In

ASPECTS = [(one.value, one.label) for one in Aspect]


class Percent(fields.String):
    """A percentage with at most two decimals, as people type it; gives hundredths of a percent."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        text = unicodedata.normalize("NFKC", super()._deserialize(value, attr, data, **kwargs))
        found = re.fullmatch(r"([+-]?)(\d{1,5})(?:\.(\d{1,2}))?%?", text.replace(" ", ""), re.ASCII)
        if found is None:
            raise ValidationError("应为百分数，最多两位小数，如 8.25")
        hundredths = int(found[2]) * 100 + int((found[3] or "").ljust(2, "0"))
        hundredths = -hundredths if found[1] == "-" else hundredths
        least, most = LIMITS["profit_margin"]
        if not least <= hundredths <= most:
            raise ValidationError(f"应在 {least // 100}–{most // 100} 之间")
        return hundredths


EffectsForm = shapes.EffectsBody.from_dict(
    {"profit_margin": Percent(load_default=None, allow_none=True)}, name="EffectsForm"
)
"""The figures as they are typed."""


@blp.app_template_filter()
def percent(hundredths: int | None) -> str:
    """Returns 8.25 for 825."""
    if hundredths is None:
        return ""
    whole, part = divmod(abs(hundredths), 100)
    return f"{'-' if hundredths < 0 else ''}{whole:,}.{part:02}"


def case_url(case_id: UUID, part: str) -> str:
    """Returns the address of a part of a case's page."""
    return url_for("console.case", case_id=case_id, _anchor=part)


@page("/cases/<uuid:case_id>/diagnosis", methods=("GET", "POST"), endpoint="case_diagnosis")
@require("cases.work")
def diagnose(actor: Actor, case_id: UUID) -> Any:
    """Fills in the diagnosis form."""
    case = case_acts.open_for(actor, case_id, "diagnosis")
    asked = reference.current_document(SYSTEM, DIAGNOSIS).content
    questions = asked["questions"]
    form = Form(_answers(questions), {"answers": case.diagnosis or {}})
    if form.submitted:
        with form:
            case_plans.diagnose(actor, case_id, form.values().get("answers", {}))
            return done("诊断表已保存。", case_url(case_id, "diagnosis"))
    return form.page(
        "case_work/diagnosis.html", case=case, asked=asked, groups=case_work.by_aspect(questions)
    )


def _answers(questions: list[dict[str, Any]]) -> Schema:
    """Returns the shape of the form: which answers fit is for the service to say."""
    shape: dict[str, fields.Field[Any]] = {
        f"answers.{one['id']}": fields.List(fields.String()) if one["type"] == "multi" else fields.String()
        for one in questions
    }
    return In.from_dict(shape)()


@page("/cases/<uuid:case_id>/scores", methods=("GET", "POST"), endpoint="case_scores")
@require("cases.work")
def score(actor: Actor, case_id: UUID) -> Any:
    """Scores the six aspects, before or after."""
    phase = _phase()
    case = case_acts.open_for(actor, case_id, f"scores_{phase}")
    known = {one.name: getattr(one, phase.value) for one in case_work.sections(actor, case).scores}
    form = Form(shapes.ScoresBody, {**known, "phase": phase})
    if form.submitted:
        with form:
            given = form.values()
            scores = {aspect: given[aspect.value] for aspect in Aspect}
            case_scores.score(actor, case_id, given["phase"], scores)
            return done(f"{phase.label}评分已保存。", case_url(case_id, "scores"))
    return form.page("case_work/scores.html", case=case, phase=phase, aspects=ASPECTS)


@page("/cases/<uuid:case_id>/plan", methods=("GET", "POST"), endpoint="case_plan")
@require("cases.work")
def plan(actor: Actor, case_id: UUID) -> Any:
    """Chooses strategy and aspects, and writes the plan."""
    case = case_acts.open_for(actor, case_id, "plan")
    form = Form(shapes.PlanBody, case)
    if form.submitted:
        with form:
            given = form.values()
            chosen = (given["strategy"], given["aspects"], given["strategy_reason"], given["plan"])
            case_plans.plan(actor, case_id, *chosen)
            return done("策略和方案已保存。", case_url(case_id, "plan"))
    return form.page(
        "case_work/plan.html",
        case=case,
        aspects=ASPECTS,
        strategies=[(one.value, one.label) for one in Strategy],
        wanted=[case_work.ASPECTS.get(one, one) for one in case.wanted],
    )


@page("/cases/<uuid:case_id>/effects", methods=("GET", "POST"), endpoint="case_effects")
@require("cases.work")
def record_effects(actor: Actor, case_id: UUID) -> Any:
    """Records the effect figures, before or after."""
    phase = _phase()
    case = case_acts.open_for(actor, case_id, f"effects_{phase}")
    known = {one.name: getattr(one, phase.value) for one in case_work.sections(actor, case).effects}
    margin = percent(known["profit_margin"])
    form = Form(EffectsForm, {**known, "profit_margin": margin, "phase": phase})
    if form.submitted:
        with form:
            given = form.values()
            case_effects.record(actor, case_id, given["phase"], given)
            return done(f"{phase.label}效果数据已保存。", case_url(case_id, "effects"))
    return form.page("case_work/effects.html", case=case, phase=phase, labels=EFFECTS)


def _phase() -> Phase:
    """Returns whether it is about before or after; raises DomainError `not_found` for anything else."""
    asked = request.values.get("phase", Phase.before.value)
    found = next((one for one in Phase if one.value == asked), None)
    if found is None:
        raise DomainError("not_found")
    return found


@page("/cases/<uuid:case_id>/summary", methods=("GET", "POST"), endpoint="case_summary")
@require("cases.work")
def summarise(actor: Actor, case_id: UUID) -> Any:
    """Writes what came of the improvement."""
    case = case_acts.open_for(actor, case_id, "summary")
    form = Form(shapes.SummaryBody, case)
    if form.submitted:
        with form:
            case_plans.summarise(actor, case_id, form.values()["summary"])
            return done("提升小结已保存。", case_url(case_id, "summary"))
    hint = "做了什么、解决了哪些问题、企业有哪些变化；不超过 4000 字。"
    return form.page("case_work/text.html", case=case, name="summary", label="提升小结", hint=hint)


@page("/cases/<uuid:case_id>/rectification", methods=("GET", "POST"), endpoint="case_rectification")
@require("cases.work")
def rectify(actor: Actor, case_id: UUID) -> Any:
    """Writes what was put right."""
    case = case_acts.open_for(actor, case_id, "rectification")
    form = Form(shapes.RectificationBody, case)
    if form.submitted:
        with form:
            case_plans.rectify(actor, case_id, form.values()["rectification"])
            return done("整改情况已保存。", case_url(case_id, "summary"))
    hint = "针对企业不满意之处做了哪些整改；不超过 2000 字。"
    return form.page("case_work/text.html", case=case, name="rectification", label="整改情况", hint=hint)


# --- findings


@page("/cases/<uuid:case_id>/findings/new", methods=("GET", "POST"), endpoint="case_finding_new")
@require("cases.work")
def add_finding(actor: Actor, case_id: UUID) -> Any:
    """Adds a problem to the list."""
    case = case_acts.open_for(actor, case_id, "findings")
    form = Form(shapes.FindingBody)
    if form.submitted:
        with form:
            findings.add(actor, case_id, form.values())
            return done("问题已登记。", case_url(case_id, "findings"))
    return form.page("case_work/finding.html", case=case, title="登记问题", aspects=ASPECTS)


@page("/findings/<uuid:finding_id>/edit", methods=("GET", "POST"), endpoint="case_finding_edit")
@require("cases.work")
def change_finding(actor: Actor, finding_id: UUID) -> Any:
    """Changes a problem."""
    case, finding = case_acts.open_part(actor, Finding, finding_id, "findings")
    form = Form(shapes.FindingBody, finding)
    if form.submitted:
        with form:
            findings.change(actor, finding_id, form.values())
            return done("修改已保存。", case_url(case.id, "findings"))
    return form.page("case_work/finding.html", case=case, title="修改问题", aspects=ASPECTS)


@page("/findings/<uuid:finding_id>/move", methods=("GET", "POST"), endpoint="case_finding_move")
@require("cases.work")
def move_finding(actor: Actor, finding_id: UUID) -> Any:
    """Moves a problem on; what is done is told on a form of its own."""
    case, finding = case_acts.open_part(actor, Finding, finding_id, "findings")
    form = Form(shapes.FindingMoveBody, {"state": FindingState.done, "result": finding.result})
    if form.submitted:
        with form:
            given = form.values()
            moved = findings.move_on(actor, finding_id, given["state"], given["result"])
            return done(f"问题{moved.state.label}。", case_url(case.id, "findings"))
    return form.page("case_work/finding_done.html", case=case, finding=finding)
