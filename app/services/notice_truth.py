"""Whether what a notice says still holds when its turn comes: what it told is held against what is so."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select

from app import notices as kinds
from app.access import Actor
from app.notices import KINDS
from app.transactions import session, transaction
from models.base import now
from models.bookings import Booking, BookingState
from models.signups import Signup, SignupState
from models.trainings import Training, TrainingSession, TrainingState

_TRAINING = (
    Training.id.label("training_id"),
    Training.state.label("training_state"),
    Training.starts_at,
    Training.ends_at,
    Training.place,
)
_SIGNUP = (Signup.id, Signup.state, Signup.created_by, Signup.attendee_user_id, Signup.offer_expires_at)

_BOOKING = (Booking.id, Booking.state, Booking.starts_at)


@transaction(None)
def untrue(_actor: Actor, notices: Collection[Any]) -> dict[UUID, str]:
    """Returns, of those notices that are no longer true, why not, in at most five queries for all of them.

    Where a training, a sign-up or a booking is moved at this moment, what was true before is.

    Args:
        notices: have id, kind, subject_type, subject_id, user_id and facts.
    """
    of: dict[str, list[Any]] = defaultdict(list)
    for notice in notices:
        if notice.kind in KINDS and KINDS[notice.kind].truth:
            of[notice.subject_type].append(notice)
    signups = _by_id(select(*_SIGNUP, *_TRAINING).join(Training), Signup.id, of[Signup.__tablename__])
    trainings = _by_id(select(*_TRAINING), Training.id, of[Training.__tablename__])
    reminders = [one for one in of[Training.__tablename__] if KINDS[one.kind].truth == "reminder"]
    sessions, confirmed = _sessions(reminders), _confirmed(reminders)
    why = {one.id: _of_signup(one, signups.get(one.subject_id)) for one in of[Signup.__tablename__]}
    for one in of[Training.__tablename__]:
        training = trainings.get(one.subject_id)
        if KINDS[one.kind].truth == "reminder":
            why[one.id] = _of_reminder(one, training, sessions[one.subject_id], confirmed)
        else:
            why[one.id] = _of_training(one, training)
    bookings = _by_id(select(*_BOOKING), Booking.id, of[Booking.__tablename__])
    why |= {one.id: _of_booking(one, bookings.get(one.subject_id)) for one in of[Booking.__tablename__]}
    return {id_: reason for id_, reason in why.items() if reason}


def _by_id(statement: Any, id_: Any, notices: Iterable[Any]) -> dict[UUID, Any]:
    wanted = {one.subject_id for one in notices}
    rows = session().execute(statement.where(id_.in_(wanted))).all() if wanted else []
    return {row[0]: row for row in rows}


def _sessions(reminders: Collection[Any]) -> Mapping[UUID, dict[str, datetime]]:
    """Returns when the sessions of the trainings begin, by training, and by the time as notices tell it."""
    begins: dict[UUID, dict[str, datetime]] = defaultdict(dict)
    if reminders:
        wanted = TrainingSession.training_id.in_({one.subject_id for one in reminders})
        found = select(TrainingSession.training_id, TrainingSession.starts_at).where(wanted)
        for training_id, starts_at in session().execute(found):
            begins[training_id][kinds.when(starts_at)] = starts_at
    return begins


def _confirmed(reminders: Collection[Any]) -> set[tuple[UUID, UUID | None]]:
    """Returns the people who have to do with a confirmed sign-up of the trainings: (training, person)."""
    if not reminders:
        return set()
    told = {one.user_id for one in reminders}
    found = select(Signup.training_id, Signup.created_by, Signup.attendee_user_id).where(
        Signup.training_id.in_({one.subject_id for one in reminders}),
        Signup.state == SignupState.confirmed,
        or_(Signup.created_by.in_(told), Signup.attendee_user_id.in_(told)),
    )
    rows = session().execute(found).all()
    return {(row.training_id, person) for row in rows for person in row[1:]}


def _of_training(notice: Any, training: Any) -> str | None:
    if training is None:
        return "培训已不存在"
    if training.training_state != TrainingState.published:
        return "培训已取消"
    if training.ends_at <= now():
        return "培训已结束"
    told = kinds.from_json(notice.facts)
    return _moved(told, {kinds.when(training.starts_at)}, training.place)


def _moved(told: Mapping[str, str], begins: Collection[str], place: str | None) -> str | None:
    """Returns whether what was told of time and place is not so any more; what was not told is as it is."""
    if "time" in told and told["time"] not in begins:
        return "培训时间已调整"
    if "place" in told and told["place"] != kinds.where(place):
        return "培训地点已调整"
    return None


def _of_signup(notice: Any, signup: Any) -> str | None:
    if signup is None:
        return "报名已不存在"
    truth, told = KINDS[notice.kind].truth, kinds.from_json(notice.facts)
    if (reason := _of_training(notice, signup)) or truth == "training":
        return reason
    if notice.user_id not in (signup.created_by, signup.attendee_user_id):
        return "参训人已更换"
    if told.get("state", signup.state.label) != signup.state.label:
        return f"报名现为“{signup.state.label}”"
    if truth == "offer" and (signup.offer_expires_at is None or signup.offer_expires_at <= now()):
        return "候补名额的确认时限已过"
    return None


def _of_reminder(
    notice: Any, training: Any, begins: Mapping[str, datetime], confirmed: Collection[Any]
) -> str | None:
    if training is None or training.training_state != TrainingState.published:
        return "培训已取消"
    told = kinds.from_json(notice.facts)
    if reason := _moved(told, begins, training.place):
        return reason
    if "time" in told and begins[told["time"]] <= now():
        return "该场次已开始"
    return None if (notice.subject_id, notice.user_id) in confirmed else "报名已不是“已通过”"


def _of_booking(notice: Any, booking: Any) -> str | None:
    if booking is None:
        return "预约已不存在"
    if booking.state != BookingState.booked:
        return f"预约现为“{booking.state.label}”"
    told = kinds.from_json(notice.facts)
    if "time" in told and told["time"] != kinds.when(booking.starts_at):
        return "预约时间已调整"
    return "预约时间已过" if booking.starts_at <= now() else None
