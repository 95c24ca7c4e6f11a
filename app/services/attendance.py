"""Attendance: how many came, every scan that was made, and the roster of a training."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, func, select

from app.access import Actor
from app.errors import DomainError
from app.pagination import Listing, Page
from app.prepared import Prepared
from app.services import checkins
from app.transactions import session, transaction
from models.checkins import Outcome, Scan
from models.columns import as_text
from models.signups import Signup, SignupState
from models.trainings import Training

_SCANS = Listing(
    select(
        Scan.id, Scan.signup_id, Scan.method, Scan.outcome, Scan.reason, Scan.scanned_at, Scan.received_at
    ).where(Scan.session_id == bindparam("session")),
    [Scan.id],
    newest=True,
    outcome=Scan.outcome == bindparam("outcome"),
)

ATTENDED = (
    select(func.count())
    .where(Scan.signup_id == Signup.id, Scan.outcome == Outcome.accepted)
    .scalar_subquery()
    .label("attended")
)
_TRAINING = Prepared(select(Training.id).where(Training.id == bindparam("training")))
_ROSTER = Listing(
    select(
        Signup.id,
        Signup.attendee_name,
        Signup.attendee_phone,
        Signup.attendee_post,
        Signup.enterprise_name,
        as_text(Signup.state),
        Signup.waiting_no,
        ATTENDED,
    ).where(Signup.training_id == bindparam("training")),
    [Signup.id],
    state=Signup.state == bindparam("state"),
)


@transaction("checkins.write")
def counts(_actor: Actor, session_id: UUID) -> dict[str, Any]:
    """Returns the live counts of a session: expected, checked in by method, refused by outcome."""
    here = checkins.find_session(session_id)
    expected = (
        session()
        .execute(
            select(func.count())
            .select_from(Signup)
            .where(Signup.training_id == here.training_id, Signup.state == SignupState.confirmed)
        )
        .scalar_one()
    )
    grouped = (
        session()
        .execute(
            select(Scan.outcome, Scan.method, func.count())
            .where(Scan.session_id == session_id)
            .group_by(Scan.outcome, Scan.method)
        )
        .all()
    )
    return {
        "expected": expected,
        "checked_in": sum(n for outcome, _, n in grouped if outcome == Outcome.accepted),
        "by_method": {method.value: n for outcome, method, n in grouped if outcome == Outcome.accepted},
        "refused": _total((outcome, n) for outcome, _, n in grouped if outcome != Outcome.accepted),
    }


def _total(pairs: Any) -> dict[str, int]:
    totals: dict[str, int] = {}
    for outcome, n in pairs:
        totals[outcome.value] = totals.get(outcome.value, 0) + n
    return totals


@transaction("checkins.write")
def scans(_actor: Actor, session_id: UUID, cursor: str | None, limit: int, outcome: Outcome | None) -> Page:
    """Returns the scans of a session, newest first; raises DomainError `not_found`."""
    checkins.find_session(session_id)
    return _SCANS.page(cursor, limit, session=session_id, outcome=outcome)


@transaction("signups.roster")
def roster(
    _actor: Actor, training_id: UUID, cursor: str | None, limit: int, state: SignupState | None = None
) -> Page:
    """Returns the sign-ups of a training with the sessions attended; raises DomainError `not_found`."""
    page = _ROSTER.page(cursor, limit, training=training_id, state=state)
    if (
        not page.items
        and session().execute(select(Training.id).where(Training.id == training_id)).first() is None
    ):
        raise DomainError("not_found")
    return page
