"""问题清单 (一企一策): problems found, each with its measure, who sees to it, by when, and the result."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from app import audit
from app.access import Actor
from app.errors import DomainError
from app.services import case_acts
from app.transactions import session, transaction
from models.base import BEIJING, now
from models.cases import Finding, FindingState
from models.lifecycle import move

FIELDS = ("aspect", "problem", "measure", "owner", "due_on")


@transaction("cases.work")
def add(actor: Actor, case_id: UUID, given: dict[str, Any]) -> Finding:
    """Adds a problem with FIELDS.

    Raises DomainError `not_found`, `case_state`, `correction_open`, or `validation_failed` for a day that is
    past.
    """
    case = case_acts.hold_for(case_id, "findings")
    _not_past(given["due_on"])
    made = Finding(case_id=case_id, **given)
    session().add(made)
    session().flush()
    audit.record(actor, "case.finding_added", case, aspect=made.aspect.label)
    return made


@transaction("cases.work")
def change(actor: Actor, finding_id: UUID, changes: dict[str, Any]) -> Finding:
    """Changes some of FIELDS; raises what `add` raises, or `finding_verified` once it is settled."""
    case, finding = case_acts.hold_part(Finding, finding_id, "findings")
    if finding.state == FindingState.verified:
        raise DomainError("finding_verified")
    changed = sorted(name for name, value in changes.items() if getattr(finding, name) != value)
    if "due_on" in changed:
        _not_past(changes["due_on"])
    for name in changed:
        setattr(finding, name, changes[name])
    if changed:
        audit.record(actor, "case.finding_changed", case, aspect=finding.aspect.label, fields=changed)
    return finding


@transaction("cases.work")
def move_on(actor: Actor, finding_id: UUID, target: FindingState, result: str | None = None) -> Finding:
    """Moves a problem on; what is done says with which `result`.

    Raises DomainError `not_found`, `case_state`, `correction_open`, `validation_failed`; IllegalMove.
    """
    case, finding = case_acts.hold_part(Finding, finding_id, "findings")
    move(finding, target)
    if target == FindingState.done:
        if not result:
            raise DomainError("validation_failed", fields={"result": ["请填写完成情况"]})
        finding.result = result
    audit.record(actor, f"case.finding_{target}", case, aspect=finding.aspect.label)
    return finding


def _not_past(due_on: date) -> None:
    if due_on < now().astimezone(BEIJING).date():
        raise DomainError("validation_failed", fields={"due_on": ["完成期限不能早于今天"]})
