"""The workbench: what waits for a member of staff, what comes next, and how the division stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from app.access import Actor
from app.services import case_offers, visits
from app.transactions import begin, session
from models.base import now
from models.cases import Case, CaseState
from models.checkins import Outcome, Scan
from models.enterprises import Enterprise, EnterpriseState, MembershipRequest, MembershipState
from models.signups import Signup, SignupState
from models.size_class import SizeClass
from models.trainings import Training, TrainingState

COMING = 6


@dataclass
class Overview:
    """Counts of the actor's own divisions; a part that the actor may not see is None or empty.

    Args:
        to_review: enterprises waiting for their review, and the day of the oldest.
        to_join: people who ask to join an enterprise.
        to_decide: sign-ups that wait for approval.
        to_confirm: visits that wait for this officer's word.
        to_route: cases that wait for the county's review or to be routed.
        to_answer: offers that wait for the agency's answer.
        late: cases whose step is overdue.
        coming: the next published trainings, with seats and sign-ups to decide.
        by_state, by_size: enterprises counted; the label first.
        trained: enterprises with an attendance this year (培训企业数), and attendances (培训人次).
    """

    to_review: int | None = None
    oldest: datetime | None = None
    to_join: int | None = None
    to_decide: int | None = None
    to_confirm: int | None = None
    to_route: int | None = None
    to_answer: int | None = None
    late: int | None = None
    coming: list[Any] = field(default_factory=list)
    by_state: list[tuple[Any, int]] = field(default_factory=list)
    by_size: list[tuple[Any, int]] = field(default_factory=list)
    trained: tuple[int, int] | None = None


def overview(actor: Actor) -> Overview:
    """Returns what the actor's workbench shows."""
    seen = Overview()
    if actor.may("enterprises.desk"):
        with begin(actor.acting("enterprises.desk")):
            _enterprises(seen)
    if actor.may("enterprises.review"):
        with begin(actor.acting("enterprises.review")):
            _reviews(seen)
    if actor.may("signups.review"):
        with begin(actor.acting("signups.review")):
            _signups(seen)
    for permission in ("cases.route", "cases.work"):
        if actor.may(permission):
            with begin(actor.acting(permission)):
                _cases(seen)
    if actor.may("cases.work"):
        seen.to_answer = len(case_offers.to_answer(actor))
    if actor.may("cases.route"):
        seen.to_confirm = visits.count_to_confirm(actor)
    return seen


def _enterprises(seen: Overview) -> None:
    def counted(column: Any) -> dict[Any, int]:
        grouped = select(column, func.count()).where(Enterprise.state != EnterpriseState.merged)
        return dict(session().execute(grouped.group_by(column)).all())

    by_state, by_size = counted(Enterprise.state), counted(Enterprise.size_class)
    seen.by_state = [(state, by_state[state]) for state in EnterpriseState if state in by_state]
    seen.by_size = [(size, by_size[size]) for size in SizeClass if size in by_size]


def _cases(seen: Overview) -> None:
    waits = Case.state.in_((CaseState.requested, CaseState.routing))
    late = (Case.due_at <= now(), Case.paused_at.is_(None))
    counted = select(func.count().filter(waits), func.count().filter(*late)).select_from(Case)
    seen.to_route, seen.late = session().execute(counted).one()


def _reviews(seen: Overview) -> None:
    waiting = Enterprise.state == EnterpriseState.registered
    seen.to_review, seen.oldest = (
        session().execute(select(func.count(), func.min(Enterprise.created_at)).where(waiting)).one()
    )
    asked = select(func.count()).select_from(MembershipRequest)
    seen.to_join = session().execute(asked.where(MembershipRequest.state == MembershipState.pending)).scalar()


def _signups(seen: Overview) -> None:
    moment = now()
    pending = (
        select(func.count())
        .where(Signup.training_id == Training.id, Signup.state == SignupState.pending)
        .scalar_subquery()
    )
    seen.coming = list(
        session().execute(
            select(
                Training.id,
                Training.title,
                Training.starts_at,
                Training.place,
                Training.taken,
                Training.capacity,
                Training.waiting,
                pending.label("pending"),
            )
            .where(Training.state == TrainingState.published, Training.ends_at > moment)
            .order_by(Training.starts_at, Training.id)
            .limit(COMING)
        )
    )
    decide = (
        select(func.count())
        .select_from(Signup)
        .join(Training, Training.id == Signup.training_id)
        .where(
            Signup.state == SignupState.pending,
            Training.state == TrainingState.published,
            Training.ends_at > moment,
        )
    )
    seen.to_decide = session().execute(decide).scalar()
    year = moment.replace(month=1, day=1, hour=0, minute=0, second=0, microsecond=0)
    attended = (
        select(func.count(func.distinct(Signup.enterprise_id)), func.count())
        .select_from(Scan)
        .join(Signup, Signup.id == Scan.signup_id)
        .where(Scan.outcome == Outcome.accepted, Scan.scanned_at >= year)
    )
    enterprises, attendances = session().execute(attended).one()
    seen.trained = enterprises, attendances
