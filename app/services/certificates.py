"""Attendance certificates: issued once, kept as issued, and checked by anyone."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, timedelta
from decimal import Decimal
from math import ceil
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, exists, func, select
from sqlalchemy.dialects.postgresql import insert

from app import audit, masks, notices, outbox
from app.access import SYSTEM, Actor
from app.certificates import CertificateFacts, attendance_certificate
from app.errors import DomainError
from app.outbox import Told
from app.transactions import session, transaction
from config.settings import settings
from models.base import new_id, now
from models.checkins import AttendanceCertificate, Outcome, Scan
from models.columns import new_code_number
from models.signups import Signup, SignupState
from models.trainings import Training, TrainingSession, TrainingState

_ISSUE = (
    insert(AttendanceCertificate)
    .on_conflict_do_nothing(index_elements=["signup_id"])
    .returning(AttendanceCertificate.user_id, AttendanceCertificate.signup_id)
)

LATE = timedelta(days=30)
"""How long after its end the attendance of a training may still be written down and earn a certificate."""


@transaction("signups.read")
def issue(actor: Actor, signup_id: UUID) -> AttendanceCertificate:
    """Returns the certificate of a sign-up, issued now if it is earned and was not issued before.

    Raises DomainError `not_found` or `certificate_not_earned`.
    """
    if session().execute(select(Signup.id).where(Signup.id == signup_id)).first() is None:
        raise DomainError("not_found")
    return _issue(SYSTEM, actor, signup_id)


@transaction(None)
def _issue(_system: Actor, actor: Actor, signup_id: UUID) -> AttendanceCertificate:
    issued = _of(signup_id)
    if issued is not None:
        return issued
    signup = session().execute(select(Signup).where(Signup.id == signup_id)).scalar_one()
    training, held = _held(signup.training_id)
    attended = _attended(Scan.signup_id == signup_id)[signup_id]
    needed = _needed(training, held)
    if len(attended) < needed:
        raise DomainError("certificate_not_earned", attended=len(attended), needed=needed)
    # Two may ask at once: the sign-up's unique index lets one of them issue it.
    session().execute(_ISSUE, [_certificate(training, held, signup, attended)])
    audit.record(actor, "certificate.issued", signup)
    _tell_ready(training, [(signup.attendee_user_id, signup_id)])
    made = _of(signup_id)
    if made is None:
        raise DomainError("unavailable")
    return made


@transaction("signups.review")
def issue_earned(actor: Actor, training_id: UUID) -> int:
    """Issues the certificates of a training that are earned and not issued, and returns how many.

    Raises DomainError `not_found`.
    """
    if session().execute(select(Training.id).where(Training.id == training_id)).first() is None:
        raise DomainError("not_found")
    return _issue_earned(SYSTEM, actor, training_id)


@transaction(None)
def _issue_earned(_system: Actor, actor: Actor, training_id: UUID) -> int:
    training, held = _held(training_id)
    attended, needed = _attended(Scan.training_id == training_id), _needed(training, held)
    without = select(Signup).where(
        Signup.training_id == training_id,
        Signup.state == SignupState.confirmed,
        ~exists().where(AttendanceCertificate.signup_id == Signup.id),
    )
    rows = [
        _certificate(training, held, signup, attended[signup.id])
        for signup in session().execute(without.order_by(Signup.id)).scalars()
        if len(attended[signup.id]) >= needed
    ]
    made = session().execute(_ISSUE, rows).all() if rows else []
    if made:
        audit.record(actor, "training.certificates_issued", training, certificates=len(made))
        _tell_ready(training, [(row.user_id, row.signup_id) for row in made])
    return len(made)


@transaction(None)
def tell_earned(_actor: Actor, training_id: UUID) -> int:
    """Tells those who earned the certificate of a training that is over, once; returns how many were new.

    The certificate itself is issued when they ask for it, or when staff issue all of them.
    """
    training, held = _held(training_id)
    if training.state != TrainingState.published or training.ends_at > now():
        return 0
    attended = (
        select(func.count())
        .where(Scan.signup_id == Signup.id, Scan.outcome == Outcome.accepted)
        .scalar_subquery()
    )
    earned = select(Signup.attendee_user_id.label("user_id"), Signup.id.label("subject_id")).where(
        Signup.training_id == training_id,
        Signup.state == SignupState.confirmed,
        Signup.attendee_user_id.is_not(None),
        attended >= _needed(training, held),
    )
    return outbox.notify_found(earned, "certificate.ready", Signup.__tablename__, *_words(training))


@transaction(None)
def lately_ended(_actor: Actor) -> list[UUID]:
    """Returns the trainings that ended not longer than LATE ago."""
    ended = (Training.ends_at <= now(), Training.ends_at > now() - LATE)
    found = select(Training.id).where(Training.state == TrainingState.published, *ended)
    return list(session().execute(found).scalars())


def _held(training_id: UUID) -> tuple[Training, Sequence[Any]]:
    """Returns a training with its sessions, in their order."""
    training = session().execute(select(Training).where(Training.id == training_id)).scalar_one()
    sessions = select(TrainingSession.id, TrainingSession.starts_at, TrainingSession.ends_at)
    of_it = sessions.where(TrainingSession.training_id == training_id).order_by(TrainingSession.number)
    return training, session().execute(of_it).all()


def _attended(which: ColumnElement[bool]) -> dict[UUID, set[UUID]]:
    """Returns the sessions that each sign-up attended."""
    accepted = select(Scan.signup_id, Scan.session_id).where(which, Scan.outcome == Outcome.accepted)
    found: dict[UUID, set[UUID]] = defaultdict(set)
    for signup_id, session_id in session().execute(accepted):
        if signup_id is not None:
            found[signup_id].add(session_id)
    return found


def _needed(training: Training, held: Sequence[Any]) -> int:
    return ceil(len(held) * training.certificate_percent / 100)


def _certificate(
    training: Training, held: Sequence[Any], signup: Signup, attended_ids: set[UUID]
) -> dict[str, Any]:
    attended = [row for row in held if row.id in attended_ids]
    code = new_code_number()
    seconds = sum((row.ends_at - row.starts_at).total_seconds() for row in attended)
    facts = CertificateFacts(
        number=f"{training.starts_at:%Y%m%d}-{new_code_number()}",
        verification_code=code,
        verify_url=f"{settings().public_url}/verify/{code}",
        holder=signup.attendee_name,
        enterprise=signup.enterprise_name,
        training=training.title,
        first_day=training.starts_at.date(),
        last_day=training.ends_at.date(),
        sessions_attended=len(attended),
        sessions_total=len(held),
        organiser=training.organiser,
        issued_on=now().date(),
        hours=(Decimal(seconds) / 3600).quantize(Decimal("0.1")),
    )
    return {
        "id": new_id(),
        "signup_id": signup.id,
        "training_id": training.id,
        "division_id": training.division_id,
        "enterprise_id": signup.enterprise_id,
        "user_id": signup.attendee_user_id,
        "number": facts.number,
        "verification_code": code,
        "facts": json.dumps(asdict(facts), default=str, ensure_ascii=False),
    }


def _tell_ready(training: Training, whose: Sequence[tuple[UUID | None, UUID]]) -> None:
    title, body, facts = _words(training)
    told = [Told(user_id, signup_id, body, facts) for user_id, signup_id in whose if user_id]
    outbox.notify_each(told, "certificate.ready", Signup.__tablename__, title)


def _words(training: Training) -> tuple[str, str, dict[str, str]]:
    body = f"“{training.title}”的培训证明可以下载了。"
    facts = notices.training_facts(training.title, training.starts_at, training.place)
    return "培训证明可领取", body, facts


def _of(signup_id: UUID) -> AttendanceCertificate | None:
    return (
        session()
        .execute(select(AttendanceCertificate).where(AttendanceCertificate.signup_id == signup_id))
        .scalar()
    )


def render(actor: Actor, signup_id: UUID) -> bytes:
    """Returns the certificate as a PDF; raises what `issue` raises."""
    return attendance_certificate(_facts(issue(actor, signup_id)))


def _facts(certificate: AttendanceCertificate) -> CertificateFacts:
    kept: dict[str, Any] = json.loads(certificate.facts)
    for day in ("first_day", "last_day", "issued_on"):
        kept[day] = date.fromisoformat(kept[day])
    kept["hours"] = Decimal(kept["hours"])
    return CertificateFacts(**kept)


@transaction(None)
def verify(_actor: Actor, code: str) -> dict[str, Any]:
    """Returns what a certificate says, its holder's name masked, for anyone who has its code.

    Raises DomainError `certificate_unknown`.
    """
    return _verify(SYSTEM, code)


@transaction(None)
def _verify(_actor: Actor, code: str) -> dict[str, Any]:
    found = (
        session()
        .execute(
            select(AttendanceCertificate).where(
                AttendanceCertificate.verification_code == func.upper(code.strip())
            )
        )
        .scalar()
    )
    if found is None:
        raise DomainError("certificate_unknown")
    facts = _facts(found)
    return {
        "number": facts.number,
        "holder": masks.name(facts.holder),
        "enterprise": facts.enterprise,
        "training": facts.training,
        "organiser": facts.organiser,
        "first_day": facts.first_day,
        "last_day": facts.last_day,
        "sessions_attended": facts.sessions_attended,
        "sessions_total": facts.sessions_total,
        "issued_on": facts.issued_on,
    }
