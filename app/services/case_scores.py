"""六方面评分: points for each of the six aspects, before and after (notice 二（二）1)."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert

from app import audit
from app.access import Actor
from app.services import case_acts
from app.transactions import session, transaction
from models.cases import Aspect, Case, CaseScore, Phase


@transaction("cases.work")
def score(actor: Actor, case_id: UUID, phase: Phase, scores: Mapping[Aspect, int]) -> Case:
    """Scores all six aspects, 0–100 points; again replaces what was scored.

    Raises DomainError `not_found`, `case_state` or `correction_open`.
    """
    case = case_acts.hold_for(case_id, f"scores_{phase}")
    given = [
        {"case_id": case_id, "phase": phase, "aspect": aspect, "score": scores[aspect]} for aspect in Aspect
    ]
    made = insert(CaseScore).values(given)
    session().execute(
        made.on_conflict_do_update(
            index_elements=["case_id", "phase", "aspect"], set_={"score": made.excluded.score}
        )
    )
    audit.record(actor, "case.scored", case, phase=phase.label)
    return case
