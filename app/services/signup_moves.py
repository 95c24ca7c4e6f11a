"""Sign-ups that staff move: to another training, and up the waiting list."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update

from app import audit
from app.access import SYSTEM, Actor
from app.errors import DomainError
from app.services import seats, signups
from app.transactions import session, transaction
from models.base import now
from models.signups import ACTIVE, Signup, SignupState
from models.trainings import Training, TrainingState


@transaction("signups.review")
def move(actor: Actor, signup_id: UUID, to: UUID) -> Signup:
    """Moves a sign-up to a free seat of another training that takes sign-ups; returns the new one.

    The old one ends with its ticket, and its seat goes to the waiting list. A sign-up that was approved
    stays so. Raises DomainError `not_found`, `training_started` (the training that is left),
    `illegal_move`, `training_full`, `signup_already_there` or what `signups.sign_up` raises.
    """
    whose = select(Signup.training_id, Signup.enterprise_id).where(Signup.id == signup_id)
    found = session().execute(whose).first()
    if found is None:
        raise DomainError("not_found")
    if found.training_id == to:
        raise DomainError("signup_already_there")
    grounds = signups.grounds_of(SYSTEM, to, found.enterprise_id)
    # Two moves in opposite directions ask for the same things in the same order.
    for training_id in sorted((found.training_id, to)):
        if training_id == to:
            limit = grounds.seats_per_enterprise
            seats.take_of_enterprise(to, grounds.division_id, found.enterprise_id, 1, limit)
        else:
            seats.hold_places(training_id, found.enterprise_id)
    held = {training_id: seats.hold(actor, training_id) for training_id in sorted((found.training_id, to))}
    left, target = held[found.training_id], held[to]
    signups.check_open(signups.grounds_of(SYSTEM, to, found.enterprise_id))
    current = select(Signup).where(Signup.id == signup_id).execution_options(populate_existing=True)
    signup = session().execute(current).scalar_one()
    if signup.state not in ACTIVE:
        raise DomainError("illegal_move", current=signup.state.label, target="调整到其他培训")
    if left.starts_at <= now():
        raise DomainError("training_started")
    seats.take_free(to)
    approved = signup.state == SignupState.confirmed or not target.needs_approval
    seats.move_signup(left, signup, SignupState.cancelled)
    signup.state_reason = f"已调整到“{target.title}”"
    made = signups.insert_signup(
        {
            "training_id": to,
            "division_id": target.division_id,
            "state": SignupState.confirmed if approved else SignupState.pending,
            "waiting_no": None,
            **{name: getattr(signup, name) for name in _KEPT},
        }
    )
    moved = session().execute(select(Signup).where(Signup.id == made["id"])).scalar_one()
    audit.record(actor, "signup.moved", signup, to=str(moved.id))
    audit.record(actor, "signup.moved_here", moved, was=str(signup.id))
    seats.tell(
        target,
        moved,
        "signup.moved",
        "培训已调整",
        f"您报名的“{left.title}”调整为“{target.title}”（{target.starts_at:%m月%d日 %H:%M}，"
        f"{target.place or '线上'}），{moved.state.label}。原签到码作废。",
    )
    return moved


_KEPT = (
    "enterprise_id",
    "enterprise_name",
    "created_by",
    "attendee_name",
    "attendee_phone",
    "attendee_phone_index",
    "attendee_post",
    "attendee_user_id",
)


@transaction("signups.review")
def to_head(actor: Actor, signup_id: UUID, reason: str) -> Signup:
    """Puts a waiting person at the head of the list: the others each take the next one's number.

    Raises DomainError `not_found` or `illegal_move`.
    """
    training, signup = signups.hold(signup_id)
    if signup.state != SignupState.waiting:
        raise DomainError("illegal_move", current=signup.state.label, target="移到候补队首")
    before = (
        select(
            Signup.id,
            func.lead(Signup.waiting_no).over(order_by=Signup.waiting_no).label("next"),
            func.min(Signup.waiting_no).over().label("first"),
        )
        .where(
            Signup.training_id == training.id,
            Signup.state == SignupState.waiting,
            Signup.waiting_no <= signup.waiting_no,
        )
        .subquery()
    )
    session().execute(
        update(Signup)
        .where(Signup.id == before.c.id)
        .values(waiting_no=func.coalesce(before.c.next, before.c.first))
        .execution_options(synchronize_session=False)
    )
    session().refresh(signup)
    audit.record(actor, "signup.moved_to_head", signup, reason=reason)
    body = f"您在“{training.title}”的候补已排到第一位。"
    seats.tell(training, signup, "signup.moved_to_head", "候补次序提前", body)
    return signup


@transaction("signups.review")
def destinations(_actor: Actor, training_id: UUID) -> list[Any]:
    """Returns the trainings that sign-ups of this one may be moved to: in reach, open, with free seats."""
    moment = now()
    columns = (Training.id, Training.title, Training.starts_at, Training.place, Training.division_id)
    free = (Training.capacity - Training.taken).label("free")
    open_now = (
        Training.state == TrainingState.published,
        Training.opens_at <= moment,
        Training.closes_at > moment,
        Training.starts_at > moment,
        Training.taken < Training.capacity,
        Training.id != training_id,
    )
    found = select(*columns, free).where(*open_now).order_by(Training.starts_at, Training.id).limit(100)
    return list(session().execute(found))
