"""Sign-ups: what enterprises do with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from app import audit, outbox
from app.access import SYSTEM, Actor
from app.errors import DomainError
from app.outbox import Told
from app.pagination import Listing, Page
from app.prepared import Prepared
from app.services import enterprises, messages, people, seats
from app.transactions import session, transaction
from models.base import new_id, now
from models.columns import new_code_number
from models.crypto import keyring
from models.enterprises import Enterprise
from models.signups import ACTIVE, Signup, SignupState
from models.trainings import Training, TrainingState

_GROUNDS = Prepared(
    select(
        Training.division_id,
        Training.state,
        Training.opens_at,
        Training.closes_at,
        Training.open_to,
        Training.seats_per_enterprise,
        Training.needs_approval,
        *seats.TOLD,
        Enterprise.state.label("enterprise_state"),
        Enterprise.division_id.label("enterprise_division"),
        Enterprise.name.label("enterprise_name"),
    )
    .join(Enterprise, Enterprise.id == bindparam("enterprise"))
    .where(Training.id == bindparam("training"))
)

# The one conflict that can happen is the attendee's: the other unique column is fifty random bits.
_SIGN_UP = Prepared(insert(Signup).on_conflict_do_nothing().returning(Signup.id))


@dataclass(frozen=True)
class Attendee:
    """Who is to attend; the phone is eleven digits."""

    name: str
    phone: str
    post: str | None = None


@transaction("signups.write")
def sign_up(actor: Actor, training_id: UUID, enterprise_id: UUID, attendees: list[Attendee]) -> list[Any]:
    """Signs people of one enterprise up for a training: all of them or none (notice 二（一）).

    Returns the sign-ups: seated, or all of them on the waiting list when the training is full. The actor
    and the attendees are told that they were received, and what comes next.
    Raises DomainError `training_not_open`, `signup_window_not_open`, `signup_window_closed`,
    `training_started`, `division_not_invited`, `enterprise_not_eligible`, `enterprise_seats_exceeded`,
    `seats_insufficient` or `attendee_duplicate`.
    """
    grounds = grounds_of(actor, training_id, enterprise_id)
    rows = enter(actor, training_id, enterprise_id, attendees, grounds)
    _tell_received(grounds, rows)
    return rows


def enter(
    actor: Actor,
    training_id: UUID,
    enterprise_id: UUID,
    attendees: list[Attendee],
    grounds: Any,
    *,
    on_behalf: bool = False,
) -> list[Any]:
    """Does what `sign_up` says, in the act that is under way; whom to tell is left to it."""
    check_open(grounds)
    indexes = [keyring().blind_index(attendee.phone) for attendee in attendees]
    if len(set(indexes)) < len(indexes):
        raise DomainError("attendee_duplicate")
    known = people.find_by_phones(SYSTEM, indexes)
    audit.record(
        actor,
        "signup.made_for" if on_behalf else "signup.made",
        ("trainings", training_id),
        division=grounds.division_id,
        enterprise=str(enterprise_id),
        people=len(attendees),
    )
    # From here on others wait for the training's row: nothing comes after it that could come before.
    seats.take_of_enterprise(
        training_id, grounds.division_id, enterprise_id, len(attendees), grounds.seats_per_enterprise
    )
    first_waiting_no = seats.take(training_id, len(attendees))
    if first_waiting_no is not None:
        state = SignupState.waiting
    else:
        state = SignupState.pending if grounds.needs_approval else SignupState.confirmed
    made = [
        {
            "training_id": training_id,
            "division_id": grounds.division_id,
            "enterprise_id": enterprise_id,
            "enterprise_name": grounds.enterprise_name,
            "created_by": actor.user_id,
            "attendee_name": attendee.name,
            "attendee_phone": attendee.phone,
            "attendee_phone_index": index,
            "attendee_post": attendee.post,
            "attendee_user_id": known.get(index),
            "state": state,
            "waiting_no": None if first_waiting_no is None else first_waiting_no + place,
        }
        for place, (attendee, index) in enumerate(zip(attendees, indexes, strict=True))
    ]
    return [insert_signup(row) for row in made]


_RECEIVED = {
    SignupState.confirmed: ("报名成功", "已通过，请准时参加。"),
    SignupState.pending: ("报名已收到", "已收到，待主办单位审核，结果会另行通知。"),
    SignupState.waiting: ("已进入候补", "已收到。名额已满，现为候补，有名额时会另行通知。"),
}


def _tell_received(grounds: Any, rows: list[dict[str, Any]]) -> None:
    """Tells who signed up of the whole party, and each attendee of their own place."""
    first = rows[0]
    title, what = _RECEIVED[first["state"]]
    party = f"{first['attendee_name']}等{len(rows)}人" if len(rows) > 1 else first["attendee_name"]
    body = f"“{grounds.title}”的报名{what}"

    def told(user_id: UUID, row: dict[str, Any], attendee: str) -> Told:
        return Told(user_id, row["id"], body, seats.signup_facts(grounds, attendee, row["state"]))

    made_by = first["created_by"]
    others = [row for row in rows if row["attendee_user_id"] not in (None, made_by)]
    outbox.notify_each(
        [
            told(made_by, first, party),
            *(told(row["attendee_user_id"], row, row["attendee_name"]) for row in others),
        ],
        "signup.received",
        Signup.__tablename__,
        title,
        once=str(first["state"]),
    )


def insert_signup(values: dict[str, Any]) -> dict[str, Any]:
    """Writes a sign-up whose seat or waiting number is taken; raises DomainError `attendee_duplicate`."""
    row = {"id": new_id(), "ticket_no": new_code_number(), **values}
    if not _SIGN_UP(**row):
        raise DomainError("attendee_duplicate")
    return row


@transaction(None)
def grounds_of(_actor: Actor, training_id: UUID, enterprise_id: UUID) -> Any:
    """Returns what decides about a sign-up of the enterprise; raises DomainError `not_found`."""
    grounds = _GROUNDS.first(training=training_id, enterprise=enterprise_id)
    if grounds is None:
        raise DomainError("not_found")
    return grounds


def check_open(grounds: Any) -> None:
    """Checks that the training takes sign-ups of the enterprise now; raises what `sign_up` raises."""
    moment = now()
    if grounds.state != TrainingState.published:
        raise DomainError("training_not_open")
    if moment >= grounds.starts_at:
        raise DomainError("training_started")
    if moment < grounds.opens_at:
        raise DomainError("signup_window_not_open", opens_at=f"{grounds.opens_at:%Y年%m月%d日 %H:%M}")
    if moment >= grounds.closes_at:
        raise DomainError("signup_window_closed")
    division: str = grounds.enterprise_division
    if not any(division == open_to or division.startswith(f"{open_to}.") for open_to in grounds.open_to):
        raise DomainError("division_not_invited")
    enterprises.require_eligible(grounds.enterprise_state)


def hold(signup_id: UUID) -> tuple[Training, Signup]:
    """Returns a sign-up in the actor's reach and its training, held; raises DomainError `not_found`."""
    whose = select(Signup.training_id, Signup.enterprise_id).where(Signup.id == signup_id)
    found = session().execute(whose).first()
    if found is None:
        raise DomainError("not_found")
    seats.hold_places(found.training_id, found.enterprise_id)
    training = seats.hold(SYSTEM, found.training_id)
    current = select(Signup).where(Signup.id == signup_id).execution_options(populate_existing=True)
    signup = session().execute(current).scalar()
    if signup is None:  # it went over to another enterprise meanwhile: two that are one were merged
        raise DomainError("not_found")
    return training, signup


@transaction("signups.write")
def cancel(actor: Actor, signup_id: UUID) -> Signup:
    """Cancels a sign-up of the enterprise; its seat goes to the head of the waiting list.

    Raises DomainError `training_started` or, for a seat, `cancellation_deadline_passed`; IllegalMove.
    """
    training, signup = hold(signup_id)
    if now() >= training.starts_at:
        raise DomainError("training_started")
    if signup.state != SignupState.waiting and now() >= training.cancel_deadline:
        raise DomainError("cancellation_deadline_passed")
    seats.move_signup(training, signup, SignupState.cancelled)
    audit.record(actor, "signup.cancelled", signup)
    return signup


@transaction("signups.write")
def change_attendee(actor: Actor, signup_id: UUID, attendee: Attendee) -> Signup:
    """Puts another person in the place; the old ticket is void.

    Raises DomainError `change_deadline_passed`, `attendee_duplicate` or `illegal_move`.
    """
    training, signup = hold(signup_id)
    if now() >= training.change_deadline:
        raise DomainError("change_deadline_passed")
    if signup.state not in ACTIVE:
        raise DomainError("illegal_move", current=signup.state.label, target="更换参训人")
    _put(signup, attendee)
    signup.ticket_no = new_code_number()
    audit.record(actor, "signup.attendee_changed", signup)
    return signup


def _put(signup: Signup, attendee: Attendee) -> None:
    index = keyring().blind_index(attendee.phone)
    messages.name_another(SYSTEM, signup.created_by, signup.id, signup.attendee_name, attendee.name)
    signup.attendee_user_id = people.find_by_phone(SYSTEM, index)
    signup.attendee_name, signup.attendee_phone = attendee.name, attendee.phone
    signup.attendee_post, signup.attendee_phone_index = attendee.post, index
    try:
        session().flush()
    except IntegrityError:
        raise DomainError("attendee_duplicate") from None


@transaction("signups.write")
def resubmit(actor: Actor, signup_id: UUID, attendee: Attendee) -> Signup:
    """Puts a returned sign-up before the staff again; raises IllegalMove, `attendee_duplicate`."""
    training, signup = hold(signup_id)
    seats.move_signup(training, signup, SignupState.pending)
    _put(signup, attendee)
    audit.record(actor, "signup.resubmitted", signup)
    return signup


@transaction("signups.write")
def accept_offer(actor: Actor, signup_id: UUID) -> Signup:
    """Takes the seat that the waiting list offered; raises DomainError `offer_expired`, IllegalMove."""
    training, signup = hold(signup_id)
    if signup.offer_expires_at is not None and signup.offer_expires_at <= now():
        raise DomainError("offer_expired")
    if signup.state != SignupState.offered:
        raise DomainError("illegal_move", current=signup.state.label, target="确认候补名额")
    seats.seat(training, signup, "候补名额已确认")
    audit.record(actor, "signup.offer_accepted", signup)
    return signup


_OWN = select(
    Signup.id,
    Signup.training_id,
    Signup.enterprise_id,
    Signup.enterprise_name,
    Signup.attendee_name,
    Signup.attendee_phone,
    Signup.attendee_post,
    Signup.state,
    Signup.state_reason,
    Signup.waiting_no,
    Signup.offer_expires_at,
    Signup.created_at,
    Training.title.label("training_title"),
    Training.starts_at,
    Training.place,
    Training.state.label("training_state"),
    Training.change_deadline,
    Training.cancel_deadline,
).join(Training, Training.id == Signup.training_id)
_OWN_LIST = Listing(
    _OWN,
    [Signup.id],
    newest=True,
    training=Signup.training_id == bindparam("training"),
    state=Signup.state == bindparam("state"),
)


@transaction("signups.read")
def list_own(
    _actor: Actor,
    cursor: str | None,
    limit: int,
    training_id: UUID | None = None,
    state: SignupState | None = None,
) -> Page:
    """Returns the sign-ups in reach, newest first."""
    return _OWN_LIST.page(cursor, limit, training=training_id, state=state)


@transaction("signups.read")
def get(_actor: Actor, signup_id: UUID) -> Any:
    """Returns one sign-up in reach; raises DomainError `not_found`."""
    found = session().execute(_OWN.where(Signup.id == signup_id)).first()
    if found is None:
        raise DomainError("not_found")
    return found
