"""Check-ins: scans of tickets, online and offline, the hall's code, and marks by hand.

Every scan is a row, refused ones too, so a refusal is an answer here and not an error. A check-in is
an accepted scan; a unique index makes it happen once, another makes a repeated nonce harmless.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from flask import current_app
from sqlalchemy import any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.types import Text

from app import audit
from app.access import SYSTEM, Actor
from app.errors import DomainError
from app.prepared import Prepared
from app.tickets import HALL, TICKET
from app.transactions import outside_transaction, session, transaction
from models.base import new_id, now
from models.checkins import Method, Outcome, Scan
from models.signups import Signup, SignupState
from models.trainings import TrainingSession
from wechat.client import MiniProgram
from wechat.errors import WeChatError

CLOCK_TOLERANCE = timedelta(minutes=10)
"""A device's clock may be off by this much and its scans are still placed in time by the difference."""

HALL_PAGE = "pages/checkin/index"

_HERE = select(
    TrainingSession.id,
    TrainingSession.training_id,
    TrainingSession.division_id,
    TrainingSession.checkin_from,
    TrainingSession.checkin_until,
)
_SESSION = Prepared(_HERE.where(TrainingSession.id == bindparam("session")))
_SESSION_OF_HALL = Prepared(_HERE.where(TrainingSession.hall_no == bindparam("hall")))

_TICKET = select(
    Signup.ticket_no,
    Signup.id,
    Signup.training_id,
    Signup.state,
    Signup.attendee_name,
    Signup.enterprise_name,
)
_TICKET_OF_SIGNUP = Prepared(_TICKET.where(Signup.id == bindparam("signup")))
_TICKET_OF_ATTENDEE = Prepared(
    _TICKET.where(Signup.training_id == bindparam("training"), Signup.attendee_user_id == bindparam("by"))
    .order_by((Signup.state == SignupState.confirmed).desc(), Signup.id.desc())
    .limit(1)
)
_TICKETS = Prepared(_TICKET.where(Signup.ticket_no == any_(bindparam("tickets", type_=ARRAY(Text)))))

_RECORD = Prepared(insert(Scan).on_conflict_do_nothing().returning(Scan.id))

_BY_NONCE = Prepared(
    select(Scan.id, Scan.outcome, Scan.scanned_at, Signup.attendee_name, Signup.enterprise_name)
    .outerjoin(Signup, Signup.id == Scan.signup_id)
    .where(Scan.by_user_id == bindparam("by"), Scan.nonce == bindparam("nonce"))
)


@dataclass(frozen=True)
class Scanned:
    """What became of a scan, and whose ticket it was."""

    nonce: str
    outcome: Outcome
    scanned_at: datetime
    attendee_name: str | None = None
    enterprise_name: str | None = None
    id: UUID | None = None
    message: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", self.outcome.label)


@dataclass(frozen=True)
class OfflineScan:
    """A scan that a device made without a network, at the time by its own clock."""

    nonce: str
    content: str
    scanned_at: datetime


@transaction("checkins.write")
def scan(actor: Actor, session_id: UUID, content: str, nonce: str) -> Scanned:
    """Records the scan of a ticket and checks its holder in where that is right.

    Raises DomainError `not_found` for a session that the actor is not assigned to.
    """
    here = find_session(session_id)
    moment = now()
    ticket = _tickets(SYSTEM, [content]).get(TICKET.number_of(content) or "")
    outcome = _judge(here, ticket, moment, shown=TICKET.was_shown(content, moment))
    scanned = _record(actor, here, ticket, Method.ticket, outcome, nonce, moment)
    audit.record(
        actor,
        "scan.made",
        ("training_sessions", session_id),
        division=here.division_id,
        outcome=scanned.outcome,
    )
    return scanned


@transaction("checkins.write")
def upload(
    actor: Actor, session_id: UUID, device_time: datetime, scans: Sequence[OfflineScan]
) -> list[Scanned]:
    """Records scans made offline, each placed in time by the difference between the device's clock and ours.

    Args:
        device_time: what the device's clock says at the moment of the upload.

    Nothing is dropped: late, repeated, unknown, cancelled and clock-skewed scans are kept with their
    outcome. Raises DomainError `not_found`.
    """
    here = find_session(session_id)
    moment = now()
    skew = moment - device_time
    tickets = _tickets(SYSTEM, [made.content for made in scans])
    results = []
    for made in scans:
        at = made.scanned_at + skew
        ticket = tickets.get(TICKET.number_of(made.content) or "")
        if abs(skew) > CLOCK_TOLERANCE or at > moment + timedelta(seconds=5):
            outcome = Outcome.clock_skewed
        else:
            outcome = _judge(here, ticket, at, shown=TICKET.was_shown(made.content, at))
        results.append(
            _record(actor, here, ticket, Method.ticket, outcome, made.nonce, at, device_time=made.scanned_at)
        )
    accepted = sum(result.outcome == Outcome.accepted for result in results)
    audit.record(
        actor,
        "scan.uploaded",
        ("training_sessions", session_id),
        division=here.division_id,
        scans=len(results),
        accepted=accepted,
    )
    return results


@transaction("checkins.write")
def mark(actor: Actor, session_id: UUID, signup_id: UUID, reason: str, nonce: str) -> Scanned:
    """Checks somebody in by hand (补签), with the reason; the time window does not bind.

    Raises DomainError `not_found`; a sign-up that is not confirmed is an outcome.
    """
    here = find_session(session_id)
    ticket = _ticket_of(SYSTEM, signup_id)
    if ticket is None or ticket.training_id != here.training_id:
        raise DomainError("not_found")
    moment = now()
    outcome = _standing(ticket) or Outcome.accepted
    scanned = _record(actor, here, ticket, Method.manual, outcome, nonce, moment, reason=reason)
    audit.record(
        actor,
        "scan.marked",
        ("training_sessions", session_id),
        division=here.division_id,
        outcome=scanned.outcome,
        reason=reason,
    )
    return scanned


@transaction("checkins.self")
def check_in_by_hall_code(actor: Actor, content: str, nonce: str) -> Scanned:
    """Checks the actor in by the code on the hall's screen.

    Raises DomainError `hall_code_invalid` for a code that belongs to no session.
    """
    return _check_in_by_hall_code(SYSTEM, actor, content, nonce)


@transaction(None)
def _check_in_by_hall_code(_system: Actor, actor: Actor, content: str, nonce: str) -> Scanned:
    here = _SESSION_OF_HALL.first(hall=HALL.number_of(content) or "")
    if here is None:
        raise DomainError("hall_code_invalid")
    ticket = _TICKET_OF_ATTENDEE.first(training=here.training_id, by=actor.user_id)
    moment = now()
    if ticket is None:
        outcome = Outcome.not_confirmed
    else:
        outcome = _judge(here, ticket, moment, shown=HALL.was_shown(content, moment))
    scanned = _record(actor, here, ticket, Method.hall, outcome, nonce, moment)
    audit.record(
        actor,
        "scan.self",
        ("training_sessions", here.id),
        division=here.division_id,
        outcome=scanned.outcome,
    )
    return scanned


def find_session(session_id: UUID) -> Any:
    """Returns a session in the reach of the running act; raises DomainError `not_found`."""
    found = _SESSION.first(session=session_id)
    if found is None:
        raise DomainError("not_found")
    return found


@transaction(None)
def _tickets(_actor: Actor, contents: list[str]) -> dict[str, Any]:
    # Beyond the trainer's reach on purpose: a ticket that is shown may say that it is for elsewhere.
    numbers = [number for content in contents if (number := TICKET.number_of(content))]
    return {row.ticket_no: row for row in _TICKETS(tickets=numbers)} if numbers else {}


@transaction(None)
def _ticket_of(_actor: Actor, signup_id: UUID) -> Any:
    return _TICKET_OF_SIGNUP.first(signup=signup_id)


def _standing(ticket: Any) -> Outcome | None:
    if ticket.state == SignupState.confirmed:
        return None
    return Outcome.cancelled if ticket.state == SignupState.cancelled else Outcome.not_confirmed


def _judge(here: Any, ticket: Any, at: datetime, *, shown: bool) -> Outcome:
    """Returns what a scan at that time deserves, before the database says whether it is the first."""
    if ticket is None:
        return Outcome.unknown_ticket
    if not shown:
        return Outcome.code_expired
    if ticket.training_id != here.training_id:
        return Outcome.wrong_training
    standing = _standing(ticket)
    if standing is not None:
        return standing
    if at < here.checkin_from:
        return Outcome.too_early
    if at > here.checkin_until:
        return Outcome.late
    return Outcome.accepted


def _record(
    actor: Actor,
    here: Any,
    ticket: Any,
    method: Method,
    outcome: Outcome,
    nonce: str,
    at: datetime,
    *,
    reason: str | None = None,
    device_time: datetime | None = None,
) -> Scanned:
    values = {
        "id": new_id(),
        "session_id": here.id,
        "training_id": here.training_id,
        "division_id": here.division_id,
        "signup_id": ticket.id if ticket else None,
        "by_user_id": actor.user_id,
        "nonce": nonce,
        "method": method,
        "outcome": outcome,
        "reason": reason,
        "scanned_at": at,
        "device_time": device_time,
    }
    if _RECORD.first(**values) is None:
        before = _by_nonce(SYSTEM, actor.user_id, nonce)
        if before is not None:
            return Scanned(
                nonce,
                before.outcome,
                before.scanned_at,
                before.attendee_name,
                before.enterprise_name,
                before.id,
            )
        # Not the nonce, so the other index: this sign-up has been checked in.
        outcome = values["outcome"] = Outcome.duplicate
        _RECORD(**values)
    name = ticket.attendee_name if ticket else None
    return Scanned(nonce, outcome, at, name, ticket.enterprise_name if ticket else None, values["id"])


@transaction(None)
def _by_nonce(_actor: Actor, by: UUID | None, nonce: str) -> Any:
    return _BY_NONCE.first(by=by, nonce=nonce)


@transaction("signups.read")
def ticket(_actor: Actor, signup_id: UUID) -> dict[str, Any]:
    """Returns the codes to show for the next ten minutes, so that the phone needs no network at the door.

    Raises DomainError `not_found` or `ticket_unavailable` (the sign-up is not confirmed).
    """
    signup = session().execute(select(Signup.ticket_no, Signup.state).where(Signup.id == signup_id)).first()
    if signup is None:
        raise DomainError("not_found")
    if signup.state != SignupState.confirmed:
        raise DomainError("ticket_unavailable", state=signup.state.label)
    codes = TICKET.codes(signup.ticket_no, now(), 20)
    return {
        "signup_id": signup_id,
        "codes": [
            {"content": content, "valid_from": start, "valid_until": end} for content, start, end in codes
        ],
    }


@transaction("checkins.write")
def hall_code(_actor: Actor, session_id: UUID) -> dict[str, Any]:
    """Returns the code for the hall's screen and until when to show it; raises DomainError `not_found`."""
    number = (
        session().execute(select(TrainingSession.hall_no).where(TrainingSession.id == session_id)).scalar()
    )
    if number is None:
        raise DomainError("not_found")
    content, start, end = HALL.codes(number, now(), 1)[0]
    return {"content": content, "valid_from": start, "valid_until": end}


def hall_code_image(actor: Actor, session_id: UUID) -> bytes:
    """Returns the hall's code as a mini-program code (WeChat: getwxacodeunlimit).

    Raises DomainError `not_found` or `wechat_unavailable`.
    """
    code = hall_code(actor, session_id)
    cache, name = current_app.extensions["redis"], f"hall:{code['content']}"
    image: bytes | None = cache.get(name)
    if image is None:
        outside_transaction()
        mini_program: MiniProgram = current_app.extensions["mini_program"]
        version = current_app.config["SETTINGS"].wechat_mp_env_version
        try:
            image = mini_program.mini_program_code(
                code["content"], HALL_PAGE, check_path=version == "release", env_version=version
            )
        except WeChatError:
            raise DomainError("wechat_unavailable") from None
        cache.set(name, image, ex=HALL.step)
    return image
