"""What the hall's screens show while people arrive: cheap enough to be asked for every two seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, exists, func, select

from app.access import Actor
from app.errors import DomainError
from app.prepared import Prepared
from app.services import attendance
from app.transactions import transaction
from models.checkins import Outcome, Scan
from models.signups import Signup, SignupState
from models.trainings import Training, TrainingSession

LAST = 20
MISSING = 100

_SESSION = Prepared(
    select(
        TrainingSession.id,
        TrainingSession.number,
        TrainingSession.title,
        TrainingSession.starts_at,
        TrainingSession.ends_at,
        TrainingSession.checkin_from,
        TrainingSession.checkin_until,
        TrainingSession.training_id,
        Training.title.label("training"),
        Training.place,
        Training.state,
    )
    .join(Training, Training.id == TrainingSession.training_id)
    .where(TrainingSession.id == bindparam("session"))
)
_SESSIONS = Prepared(
    select(
        TrainingSession.id,
        TrainingSession.number,
        TrainingSession.title,
        TrainingSession.starts_at,
        TrainingSession.ends_at,
        select(func.count())
        .where(Scan.session_id == TrainingSession.id, Scan.outcome == Outcome.accepted)
        .scalar_subquery()
        .label("checked_in"),
    )
    .where(TrainingSession.training_id == bindparam("training"))
    .order_by(TrainingSession.number)
)
_LAST = Prepared(
    select(
        Scan.id,
        Scan.method,
        Scan.outcome,
        Scan.scanned_at,
        Scan.reason,
        Signup.attendee_name,
        Signup.enterprise_name,
    )
    .outerjoin(Signup, Signup.id == Scan.signup_id)
    .where(Scan.session_id == bindparam("session"))
    .order_by(Scan.id.desc())
    .limit(LAST)
)
_ARRIVALS = Prepared(
    select(func.date_trunc("minute", Scan.scanned_at).label("minute"), func.count().label("people"))
    .where(Scan.session_id == bindparam("session"), Scan.outcome == Outcome.accepted)
    .group_by("minute")
    .order_by("minute")
)
_MISSING = Prepared(
    select(
        Signup.id,
        Signup.attendee_name,
        Signup.attendee_phone,
        Signup.attendee_post,
        Signup.enterprise_name,
        func.count().over().label("total"),
    )
    .where(
        Signup.training_id == bindparam("training"),
        Signup.state == SignupState.confirmed,
        ~exists().where(
            Scan.signup_id == Signup.id,
            Scan.session_id == bindparam("session"),
            Scan.outcome == Outcome.accepted,
        ),
    )
    .order_by(Signup.enterprise_name, Signup.id)
    .limit(MISSING)
)


@dataclass(frozen=True)
class Live:
    """A session as it stands: counts, the latest scans, who is missing, and arrivals by the minute.

    `missing` holds at most MISSING people, `missing_total` counts all; names and phones are whole.
    """

    session: Any
    expected: int
    checked_in: int
    by_method: dict[str, int]
    refused: dict[str, int]
    scans: Sequence[Any]
    missing: Sequence[Any]
    missing_total: int
    arrivals: Sequence[tuple[datetime, int]]


@transaction("checkins.write")
def find(_actor: Actor, session_id: UUID) -> Any:
    """Returns a session with its training's title, place and state; raises DomainError `not_found`."""
    found = _SESSION.first(session=session_id)
    if found is None:
        raise DomainError("not_found")
    return found


@transaction("checkins.write")
def sessions(_actor: Actor, training_id: UUID) -> Sequence[Any]:
    """Returns the sessions of a training with how many are checked in; raises DomainError `not_found`."""
    found = _SESSIONS(training=training_id)
    if not found:
        raise DomainError("not_found")
    return found


@transaction("checkins.write")
def live(actor: Actor, session_id: UUID) -> Live:
    """Returns a session as it stands, by a fixed number of queries; raises DomainError `not_found`."""
    here = find(actor, session_id)
    missing = _MISSING(training=here.training_id, session=session_id)
    return Live(
        session=here,
        scans=_LAST(session=session_id),
        missing=missing,
        missing_total=missing[0].total if missing else 0,
        arrivals=_ARRIVALS(session=session_id),
        **attendance.counts(actor, session_id),
    )
