"""效果数据: a year's revenue, profit margin and quality cost, before and after, as the enterprise states."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert

from app import audit
from app.access import Actor
from app.services import case_acts
from app.services.case_work import EFFECTS
from app.transactions import session, transaction
from models.cases import Case, CaseEffect, Phase


@transaction("cases.work")
def record(actor: Actor, case_id: UUID, phase: Phase, figures: dict[str, Any]) -> Case:
    """Records the figures of EFFECTS; None where one is not known. Again replaces what was recorded.

    Revenue and quality cost in whole yuan, the profit margin in hundredths of a percent. Raises DomainError
    `not_found`, `case_state` or `correction_open`.
    """
    case = case_acts.hold_for(case_id, f"effects_{phase}")
    values = {name: figures[name] for name in EFFECTS}
    made = insert(CaseEffect).values(case_id=case_id, phase=phase, **values)
    session().execute(made.on_conflict_do_update(index_elements=["case_id", "phase"], set_=values))
    audit.record(actor, "case.effects_recorded", case, phase=phase.label)
    return case
