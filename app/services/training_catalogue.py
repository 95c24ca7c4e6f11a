"""What trainings there are: the list of coming ones, and one with its sessions."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    DateTime,
    Text,
    bindparam,
    case,
    func,
    or_,
    select,
)

from app.access import Actor
from app.errors import DomainError
from app.pagination import Listing, Page, holds, like
from app.services.training_rules import SPAN
from app.transactions import session, transaction
from models.base import now
from models.columns import as_text
from models.trainings import Audience, Mode, Provider, SignupWindow, Training, TrainingSession, TrainingState

# Read when the statement runs, so that one statement serves for good.
_NOW: Any = bindparam("now", callable_=now, type_=DateTime(timezone=True))
_EARLIEST: Any = bindparam("earliest", callable_=lambda: now() - SPAN, type_=DateTime(timezone=True))

SIGNUP_WINDOW = case(
    (Training.state == TrainingState.draft, SignupWindow.not_open.value),
    (
        or_(
            Training.state == TrainingState.cancelled,
            Training.state == TrainingState.discarded,
            Training.closes_at <= _NOW,
        ),
        SignupWindow.closed.value,
    ),
    (Training.opens_at > _NOW, SignupWindow.not_open.value),
    (Training.taken >= Training.capacity, SignupWindow.full.value),
    else_=SignupWindow.open.value,
)


_ITEM: tuple[Any, ...] = (
    Training.id,
    Training.division_id,
    Training.title,
    as_text(Training.mode),
    as_text(Training.provider),
    as_text(Training.audience),
    Training.organiser,
    Training.place,
    Training.open_to,
    Training.opens_at,
    Training.closes_at,
    Training.needs_approval,
    Training.starts_at,
    Training.ends_at,
    as_text(Training.state),
    Training.capacity,
    Training.seats_per_enterprise,
    Training.taken,
    Training.waiting,
    (Training.capacity - Training.taken).label("remaining"),
    SIGNUP_WINDOW.label("signup_state"),
)
_COUNT = (
    select(func.count())
    .select_from(TrainingSession)
    .where(TrainingSession.training_id == Training.id)
    .scalar_subquery()
    .label("session_count")
)
_LIST = select(*_ITEM, _COUNT)
# The earliest start is implied by SPAN; said here, the index skips the years that are over.
_COMING = _LIST.where(
    Training.state == TrainingState.published, Training.ends_at > _NOW, Training.starts_at > _EARLIEST
)
_FILTERS: dict[str, Any] = {
    "mode": Training.mode == bindparam("mode"),
    "audience": Training.audience == bindparam("audience"),
    "division": Training.open_to.op("&&", is_comparison=True)(bindparam("division", type_=ARRAY(Text))),
    "q": holds(Training.title, "q"),
    "since": Training.starts_at >= bindparam("since"),
    "until": Training.starts_at < bindparam("until"),
}
_ORDER = [Training.starts_at, Training.id]
_COMING_LIST = Listing(_COMING, _ORDER, **_FILTERS)
_STATE_LIST = Listing(_LIST, _ORDER, state=Training.state == bindparam("state"), **_FILTERS)
_DETAIL = select(
    *_ITEM,
    Training.description,
    Training.online_url,
    Training.change_deadline,
    Training.cancel_deadline,
    Training.offer_minutes,
    Training.certificate_percent,
    Training.remind_before,
    Training.state_reason,
    Training.revision,
    Training.created_at,
).where(Training.id == bindparam("id"))
_SESSIONS = (
    select(
        TrainingSession.id,
        TrainingSession.number,
        TrainingSession.title,
        TrainingSession.starts_at,
        TrainingSession.ends_at,
        TrainingSession.checkin_from,
        TrainingSession.checkin_until,
    )
    .where(TrainingSession.training_id == bindparam("id"))
    .order_by(TrainingSession.number)
)


@transaction("trainings.read")
def catalogue(
    _actor: Actor,
    *,
    limit: int,
    cursor: str | None = None,
    state: TrainingState | None = None,
    mode: Mode | None = None,
    audience: Audience | None = None,
    division: str | None = None,
    q: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Page:
    """Returns a page of trainings in the order of their start: one query, whatever the page holds.

    Without `state` these are the published ones that are not over; with it, those in that state
    (drafts are in reach of the division's staff only).

    Args:
        division: those open to enterprises of this division.
        q: part of the title.
        since, until: start within [since, until).

    Raises DomainError `invalid_cursor`.
    """
    listing = _COMING_LIST if state is None else _STATE_LIST
    return listing.page(
        cursor,
        limit,
        state=state,
        mode=mode,
        audience=audience,
        division=[division[:end] for end in ends(division)] if division else None,
        q=like(q),
        since=since,
        until=until,
    )


def ends(path: str) -> list[int]:
    """Returns where the path of each division above ends, and of the division itself."""
    return [place for place, character in enumerate(path) if character == "."] + [len(path)]


@transaction("trainings.read")
def details(_actor: Actor, training_id: UUID) -> dict[str, Any]:
    """Returns a training with its sessions; raises DomainError `not_found`."""
    return _details(training_id)


@transaction("trainings.desk")
def at_desk(actor: Actor, training_id: UUID) -> dict[str, Any]:
    """Returns what `details` does, with labels, and as `own` whether it is of the actor's divisions to run.

    Raises DomainError `not_found`.
    """
    found = _details(training_id)
    runs = actor.may("trainings.manage")
    own = runs and actor.acting("trainings.manage").reaches_division(found["division_id"])
    labels = {name: kinds[found[name]] for name, kinds in _LABELS.items()}
    return {**found, **labels, "own": own}


_LABELS = {
    name: {one.value: one for one in kind}
    for name, kind in {
        "state": TrainingState,
        "mode": Mode,
        "provider": Provider,
        "audience": Audience,
        "signup_state": SignupWindow,
    }.items()
}


def _details(training_id: UUID) -> dict[str, Any]:
    found = session().execute(_DETAIL, {"id": training_id}).mappings().first()
    if found is None:
        raise DomainError("not_found")
    return {**found, "sessions": session().execute(_SESSIONS, {"id": training_id}).all()}
