"""What an agency writes on a case as a whole: diagnosis, strategy and plan, summary, rectification."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from app import audit
from app.access import SYSTEM, Actor
from app.services import case_acts, questionnaires, reference
from app.services.case_work import ASPECTS, DIAGNOSIS
from app.transactions import transaction
from models.cases import Aspect, Case, Strategy


@transaction("cases.work")
def diagnose(actor: Actor, case_id: UUID, answers: Mapping[str, Any]) -> Case:
    """Records the diagnosis, answered in the form's current version; again replaces what was recorded.

    Raises DomainError `not_found`, `case_state`, `correction_open` or `survey_invalid`, with the fields
    "answers.question".
    """
    case = case_acts.hold_for(case_id, "diagnosis")
    form = reference.current_document(SYSTEM, DIAGNOSIS)
    case.diagnosis = questionnaires.check(form.content["questions"], answers, "answers")
    case.diagnosis_version = form.version
    audit.record(actor, "case.diagnosed", case, version=form.version)
    return case


@transaction("cases.work")
def plan(
    actor: Actor, case_id: UUID, strategy: Strategy, aspects: Sequence[Aspect], reason: str, measures: str
) -> Case:
    """Chooses one strategy of three and any of the six aspects, says why, and writes the plan (361 工作法).

    Raises DomainError `not_found`, `case_state` or `correction_open`.
    """
    case = case_acts.hold_for(case_id, "plan")
    case.strategy = strategy
    case.aspects = [one.value for one in Aspect if one in aspects]
    case.strategy_reason, case.plan = reason, measures
    audit.record(
        actor, "case.planned", case, strategy=strategy.label, aspects=[ASPECTS[one] for one in case.aspects]
    )
    return case


@transaction("cases.work")
def summarise(actor: Actor, case_id: UUID, summary: str) -> Case:
    """Records what came of the improvement.

    Raises DomainError `not_found`, `case_state` or `correction_open`.
    """
    case = case_acts.hold_for(case_id, "summary")
    case.summary = summary
    audit.record(actor, "case.summarised", case)
    return case


@transaction("cases.work")
def rectify(actor: Actor, case_id: UUID, rectification: str) -> Case:
    """Records what was put right after a dissatisfied answer (处理不满意绝不放过).

    Raises DomainError `not_found`, `case_state` or `correction_open`.
    """
    case = case_acts.hold_for(case_id, "rectification")
    case.rectification = rectification
    audit.record(actor, "case.rectified", case)
    return case
