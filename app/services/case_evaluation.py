"""How a case ends: the enterprise rates it, what dissatisfies is put right and visited, the county closes it.

Whoever is dissatisfied is not let go by (处理不满意绝不放过): the rating itself sends the case to 整改.
"""

from __future__ import annotations

from uuid import UUID

from app import audit
from app.access import SYSTEM, Actor
from app.errors import DomainError
from app.services import case_moves, case_steps
from app.transactions import session, transaction
from models.base import now
from models.cases import DISSATISFIED, Case, CaseState, Rating


@transaction("cases.write")
def evaluate(actor: Actor, case_id: UUID, rating: Rating, comment: str | None) -> Case:
    """Rates a case, once; a dissatisfied rating sends it to be put right.

    Raises DomainError `not_found`, `case_state` or `case_rated`.
    """
    case = case_moves.hold_in(case_id, CaseState.evaluation)
    if case.rating is not None:
        raise DomainError("case_rated")
    case.rating, case.rating_comment, case.rated_at = rating, comment, now()
    audit.record(actor, "case.rated", case, outcome=rating.value)
    if rating in DISSATISFIED:
        case_moves.advance(actor, case, CaseState.rectification, _because(rating, comment))
        return case
    session().flush()
    body = f"“{case.enterprise_name}”对帮扶项目 {case.number} 的评价：{rating.label}。请县局办结。"
    people = case_moves.concerned(SYSTEM, case) - {actor.user_id}
    case_moves.tell(case, people, "case.rated", "企业已评价", body, rating=rating.label)
    return case


def _because(rating: Rating, comment: str | None) -> str:
    return f"企业评价“{rating.label}”{'：' + comment if comment else ''}"[:500]


@transaction("cases.route")
def close(actor: Actor, case_id: UUID) -> Case:
    """Closes a case that was rated, or visited again.

    Raises DomainError `not_found`, `case_state`, `correction_open` or `case_incomplete`.
    """
    case = case_moves.hold_in(case_id, CaseState.evaluation, CaseState.revisit)
    case_steps.require_complete(case)
    case_moves.advance(actor, case, CaseState.closed)
    return case


@transaction("cases.route")
def send_back(actor: Actor, case_id: UUID, reason: str) -> Case:
    """Sends a case that was visited again to be put right once more, and told of anew.

    Raises DomainError `not_found`, `case_state` or `correction_open`.
    """
    case = case_moves.hold_in(case_id, CaseState.revisit)
    case.rectification = None
    case_moves.advance(actor, case, CaseState.rectification, reason)
    return case
