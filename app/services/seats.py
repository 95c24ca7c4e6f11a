"""Seats and the waiting list of a training.

Two rules make this exact. Signing up takes seats by one conditional UPDATE of the training's row
(`take`). Everything else that moves a sign-up holds that row first (`hold`), so that what it reads of
seats and waiting list stays true until it commits. Between acts, a free seat and a waiting person
never exist together before the training starts.

Nobody waits in a ring, because all take their locks in one order: first the places of enterprises
(`take_of_enterprise`, `hold_places`), then the rows of trainings, each kind by the training's id.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from app import notices, outbox
from app.access import SYSTEM, Actor
from app.errors import DomainError
from app.prepared import Prepared
from app.transactions import session, transaction
from models.base import now
from models.lifecycle import move
from models.signups import ACTIVE, SEATED, Signup, SignupState
from models.trainings import EnterpriseSeats, Training, TrainingState

_n: Any = bindparam("n")
# A training that is cancelled while somebody signs up has no seats any more.
_open: Any = (Training.id == bindparam("training"), Training.state == TrainingState.published)
_TAKE = Prepared(
    update(Training)
    .where(*_open, Training.taken + _n <= Training.capacity, Training.waiting == 0)
    .values(taken=Training.taken + _n)
    .returning(Training.capacity)
)
_QUEUE = Prepared(
    update(Training)
    .where(*_open, or_(Training.taken == Training.capacity, Training.waiting > 0))
    .values(waiting=Training.waiting + _n, waiting_seq=Training.waiting_seq + _n)
    .returning(Training.waiting_seq)
)
_TAKE_AFTER_START = Prepared(
    update(Training)
    .where(*_open, Training.taken < Training.capacity)
    .values(taken=Training.taken + 1)
    .returning(Training.taken)
)
_new = insert(EnterpriseSeats).values(
    training_id=bindparam("training"),
    enterprise_id=bindparam("enterprise"),
    division_id=bindparam("division"),
    taken=_n,
)
_TAKE_OF_ENTERPRISE = Prepared(
    _new.on_conflict_do_update(
        index_elements=["training_id", "enterprise_id"],
        set_={"taken": EnterpriseSeats.taken + _n},
        where=EnterpriseSeats.taken + _n <= bindparam("limit"),
    ).returning(EnterpriseSeats.taken)
)


TOLD = (Training.title, Training.starts_at, Training.place)
"""What notices tell of a training, for those who select its columns."""


def take_of_enterprise(
    training_id: UUID, division_id: str, enterprise_id: UUID, seats: int, limit: int
) -> None:
    """Counts places of an enterprise in a training; raises DomainError `enterprise_seats_exceeded`."""
    values = {
        "training": training_id,
        "enterprise": enterprise_id,
        "division": division_id,
        "n": seats,
        "limit": limit,
    }
    if seats > limit or _TAKE_OF_ENTERPRISE.first(**values) is None:
        raise DomainError("enterprise_seats_exceeded", limit=limit)


def take(training_id: UUID, seats: int) -> int | None:
    """Takes all the seats, or as many places at the end of the waiting list.

    Returns None when seated, else the first waiting number. Raises DomainError `training_not_open`, or
    `seats_insufficient` when some seats are free but not enough: a party is not torn apart.
    """
    values = {"training": training_id, "n": seats}
    for _attempt in range(20):
        if _TAKE.first(**values):
            return None
        queued = _QUEUE.first(**values)
        if queued:
            return int(queued.waiting_seq) - seats + 1
        # Neither full nor roomy enough, or a seat came free between the two statements: look, and try again.
        found = select(Training.state, (Training.capacity - Training.taken).label("free"))
        here = session().execute(found.where(Training.id == training_id)).one()
        if here.state != TrainingState.published:
            raise DomainError("training_not_open")
        if 0 < here.free < seats:
            raise DomainError("seats_insufficient", remaining=here.free, requested=seats)
    raise DomainError("unavailable")


def take_free(training_id: UUID) -> None:
    """Takes one seat that is free; raises DomainError `training_full` where there is none."""
    if not _TAKE.first(training=training_id, n=1):
        raise DomainError("training_full")


def hold_places(training_id: UUID, *enterprise_ids: UUID) -> None:
    """Holds the places of enterprises in a training, as whoever may give them back does before `hold`."""
    places = select(EnterpriseSeats.taken).where(
        EnterpriseSeats.training_id == training_id, EnterpriseSeats.enterprise_id.in_(enterprise_ids)
    )
    session().execute(places.order_by(EnterpriseSeats.enterprise_id).with_for_update())


def take_after_start(training_id: UUID) -> None:
    """Takes a free seat when the waiting list is over; raises DomainError `training_full`."""
    if not _TAKE_AFTER_START.first(training=training_id):
        raise DomainError("training_full")


@transaction(None)
def hold(_actor: Actor, training_id: UUID) -> Training:
    """Returns the training in the actor's reach, its row held until the act commits.

    Sign-ups may refer to the row meanwhile (FOR NO KEY UPDATE). Raises DomainError `not_found`.
    """
    held = (
        select(Training)
        .where(Training.id == training_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    training = session().execute(held).scalar()
    if training is None:
        raise DomainError("not_found")
    return training


def move_signup(training: Training, signup: Signup, target: SignupState) -> None:
    """Moves a sign-up of a held training and sets the counts right; raises IllegalMove.

    A seat that comes free goes to the head of the waiting list at once.
    """
    was = signup.state
    move(signup, target)
    signup.offer_expires_at = None
    training.taken += (target in SEATED) - (was in SEATED)
    training.waiting -= was == SignupState.waiting
    if target not in ACTIVE:
        session().execute(
            update(EnterpriseSeats)
            .where(
                EnterpriseSeats.training_id == training.id,
                EnterpriseSeats.enterprise_id == signup.enterprise_id,
            )
            .values(taken=EnterpriseSeats.taken - 1)
        )
    session().flush()
    promote(SYSTEM, training)


@transaction(None)
def promote(_actor: Actor, training: Training) -> None:
    """Gives the free seats of a held training to the waiting list, in its order, never after the start."""
    while (
        training.state == TrainingState.published
        and training.waiting > 0
        and training.taken < training.capacity
        and now() < training.starts_at
    ):
        head = (
            session()
            .execute(
                select(Signup)
                .where(Signup.training_id == training.id, Signup.state == SignupState.waiting)
                .order_by(Signup.waiting_no)
                .limit(1)
            )
            .scalar_one()
        )
        training.taken += 1
        training.waiting -= 1
        if training.offer_minutes is None:
            seat(training, head, "候补成功")
        else:
            _offer(training, head, training.offer_minutes)
        session().flush()


def seat(training: Training, signup: Signup, title: str) -> None:
    """Confirms a seated sign-up, or puts it before the staff where the training needs approval."""
    move(signup, SignupState.pending if training.needs_approval else SignupState.confirmed)
    signup.offer_expires_at = None
    tell(training, signup, "signup.promoted", title, f"您报名的“{training.title}”{signup.state.label}。")


def _offer(training: Training, signup: Signup, minutes: int) -> None:
    move(signup, SignupState.offered)
    signup.offer_expires_at = min(now() + timedelta(minutes=minutes), training.starts_at)
    outbox.defer("signups.expire_offers", at=signup.offer_expires_at, training_id=str(training.id))
    deadline = notices.when(signup.offer_expires_at)
    tell(
        training,
        signup,
        "signup.offered",
        "候补名额待确认",
        f"“{training.title}”有名额了，请在 {deadline} 前确认，逾期名额将给下一位。",
        deadline=deadline,
    )


def tell(training: Training, signup: Signup, kind: str, title: str, body: str, **more: str) -> None:
    """Leaves a notice for who signed up and, where that is somebody else, for the attendee.

    Args:
        more: what the kind tells beside the training, the attendee and the state.
    """
    people = {user_id for user_id in (signup.created_by, signup.attendee_user_id) if user_id}
    facts = signup_facts(training, signup.attendee_name, signup.state) | more
    outbox.notify_many(people, kind, signup, title, body, facts, once=str(signup.state))


def signup_facts(training: Any, attendee: str, state: SignupState) -> dict[str, str]:
    """Returns what every notice about a sign-up tells of it.

    Args:
        training: has title, starts_at and place.
    """
    about = notices.training_facts(training.title, training.starts_at, training.place)
    return {**about, "attendee": attendee, "state": state.label}


@transaction(None)
def expire_offers(_actor: Actor, training_id: UUID) -> None:
    """Ends the offers of a training that ran out and passes their seats on."""
    overdue = select(Signup).where(
        Signup.training_id == training_id,
        Signup.state == SignupState.offered,
        Signup.offer_expires_at <= now(),
    )
    enterprises = set(session().execute(overdue.with_only_columns(Signup.enterprise_id)).scalars())
    hold_places(training_id, *enterprises)
    training = hold(SYSTEM, training_id)
    # Whoever has answered meanwhile is out of it; whose offer ran out meanwhile is left to the next time.
    still = overdue.where(Signup.enterprise_id.in_(enterprises)).order_by(Signup.id)
    for signup in session().execute(still).scalars().all():
        move_signup(training, signup, SignupState.expired)
        body = f"“{training.title}”的候补名额逾期未确认，已失效。"
        tell(training, signup, "signup.expired", "候补名额已失效", body)


@transaction(None)
def trainings_with_overdue_offers(_actor: Actor) -> list[UUID]:
    """Returns the trainings that have offers to end, in case their own job was lost."""
    overdue = select(Signup.training_id).where(
        Signup.state == SignupState.offered, Signup.offer_expires_at <= now()
    )
    return list(session().execute(overdue.distinct()).scalars())


@transaction(None)
def promote_waiting(_actor: Actor, training_id: UUID) -> None:
    """Gives seats that a larger capacity made to the waiting list."""
    promote(SYSTEM, hold(SYSTEM, training_id))


@transaction(None)
def cancel_all(_actor: Actor, training_id: UUID, reason: str) -> None:
    """Cancels every active sign-up of a cancelled training and tells those concerned, in two statements.

    What enterprises held of it is left as it stands: nobody asks for it again.
    """
    training = hold(SYSTEM, training_id)
    affected = (
        session()
        .execute(
            update(Signup)
            .where(Signup.training_id == training_id, Signup.state.in_(ACTIVE))
            .values(state=SignupState.cancelled, state_reason=reason, offer_expires_at=None)
            .returning(Signup.id, Signup.created_by, Signup.attendee_user_id)
            .execution_options(synchronize_session=False)
        )
        .all()
    )
    training.taken = training.waiting = 0
    outbox.notify_many(
        {user for row in affected for user in (row.created_by, row.attendee_user_id) if user},
        "training.cancelled",
        training,
        "培训取消",
        f"“{training.title}”已取消：{reason}",
        notices.training_facts(training.title, training.starts_at, training.place) | {"reason": reason},
    )
