"""How a case moves: one transition at a time, each a row, each told to those concerned.

Whoever moves a case holds its row first, so that of two people who decide at once the second sees what
the first has done. Lock order: case, then agency.
"""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import ColumnElement, and_, literal, or_, select, update

from app import audit, notices, outbox, working_days
from app.access import SYSTEM, Actor
from app.errors import DomainError
from app.services import memberships
from app.transactions import session, transaction
from models.agencies import Agency
from models.base import now
from models.cases import WORKED, Case, CaseState, CaseTransition, StepDeadline
from models.lifecycle import move
from models.people import RoleGrant

EARLY = (CaseState.refused, CaseState.withdrawn, CaseState.terminated)
"""How a case ends without having been finished: also while it waits for a correction."""


def hold(case_id: UUID) -> Case:
    """Returns a case in reach as it is now, held until the act is over; raises DomainError `not_found`."""
    wanted = select(Case).where(Case.id == case_id).with_for_update()
    found = session().execute(wanted, execution_options={"populate_existing": True}).scalar()
    if found is None:
        raise DomainError("not_found")
    return found


def hold_in(case_id: UUID, *states: CaseState) -> Case:
    """Returns a case as `hold` does, which must be in one of the states and not wait for a correction.

    Raises DomainError `not_found`, `case_state` or `correction_open`.
    """
    case = hold(case_id)
    if case.state not in states:
        raise DomainError("case_state", state=case.state.label)
    if case.paused_at is not None:
        raise DomainError("correction_open")
    return case


def advance(actor: Actor, case: Case, target: CaseState, reason: str | None = None) -> None:
    """Moves a held case on, within the act under way; tells those concerned.

    Raises IllegalMove, or DomainError `correction_open` while the enterprise has a correction to make.
    """
    if case.paused_at is not None and target not in EARLY:
        raise DomainError("correction_open")
    was, moment = case.state, now()
    move(case, target)
    paused = case.paused_seconds
    if case.paused_at is not None:
        paused += int((moment - case.paused_at).total_seconds())
    session().add(
        CaseTransition(
            case_id=case.id,
            from_state=was.value,
            to_state=target,
            by_user_id=actor.user_id,
            reason=reason,
            paused_seconds=paused,
            at=moment,
        )
    )
    case.state_since, case.state_reason = moment, reason if target in EARLY else None
    case.paused_at, case.paused_seconds, case.escalated = None, 0, 0
    deadline = session().get(StepDeadline, target.value)
    case.due_at = working_days.after(moment, deadline.working_days) if deadline else None
    if target == CaseState.closed:
        case.closed_at = moment
    if was in WORKED and target not in WORKED and case.agency_id:
        leave = update(Agency).where(Agency.id == case.agency_id).values(under_way=Agency.under_way - 1)
        session().execute(leave, execution_options={"synchronize_session": False})
    audit.record(actor, f"case.{target}", case, **({"reason": reason} if reason else {}))
    session().flush()
    _tell_moved(actor, case, reason)


def _tell_moved(actor: Actor, case: Case, reason: str | None) -> None:
    people = concerned(SYSTEM, case) - {actor.user_id}
    because = f"原因：{reason}" if reason else ""
    tell(
        case,
        people,
        "case.moved",
        f"帮扶项目{case.state.label}",
        f"“{case.enterprise_name}”的帮扶项目 {case.number} 进入“{case.state.label}”。{because}",
        once=str(case.state_since.timestamp()),
    )


def tell(
    case: Case,
    people: Collection[UUID | None],
    kind: str,
    title: str,
    body: str,
    *,
    once: str = "",
    **more: str,
) -> None:
    """Leaves a notice about a case for people, within the act under way."""
    facts = {"enterprise": case.enterprise_name, "case": case.number, "state": case.state.label, **more}
    outbox.notify_many([one for one in people if one], kind, case, title, body, facts, once=once)


@transaction(None)
def concerned(_system: Actor, case: Case) -> set[UUID | None]:
    """Returns whom a case concerns: who asked for it and the owner, its agency's staff, the county's."""
    agency = and_(RoleGrant.role == "agency_staff", RoleGrant.scope_id == str(case.agency_id))
    found = select(RoleGrant.user_id).where(or_(agency, _of_county(case.division_id)))
    owner = memberships.owner(SYSTEM, case.enterprise_id)
    return {case.created_by, owner, *session().execute(found).scalars()}


@transaction(None)
def county_staff(_system: Actor, division_id: str) -> set[UUID]:
    """Returns the staff of the county bureau to which a division belongs."""
    return set(session().execute(select(RoleGrant.user_id).where(_of_county(division_id))).scalars())


def _of_county(division_id: str) -> ColumnElement[bool]:
    # Whoever holds the division or one above it; a city's staff hold another role.
    here = literal(division_id)
    above = or_(here == RoleGrant.scope_id, here.startswith(RoleGrant.scope_id.concat("."), autoescape=False))
    return and_(RoleGrant.role == "county_staff", above)


def when_due(case: Case) -> str:
    """Returns a case's deadline as notices tell it."""
    return notices.when(case.due_at) if case.due_at else "不限"
