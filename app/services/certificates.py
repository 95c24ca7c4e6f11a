"""Attendance certificates: issued once, kept as issued, and checked by anyone."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from decimal import Decimal
from math import ceil
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, exists, func, select
from sqlalchemy.dialects.postgresql import insert

from app import audit, masks, outbox
from app.access import SYSTEM, Actor
from app.certificates import CertificateFacts, attendance_certificate
from app.errors import DomainError
from app.transactions import session, transaction
from config.settings import settings
from models.base import Base, new_id, now
from models.checkins import AttendanceCertificate, Outcome, Scan
from models.columns import new_code_number
from models.signups import Signup, SignupState
from models.trainings import Training, TrainingSession

_ISSUE = (
    insert(AttendanceCertificate)
    .on_conflict_do_nothing(index_elements=["signup_id"])
    .returning(AttendanceCertificate.user_id)
)


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
    outbox.notify(signup.attendee_user_id, *_ready(signup, training))
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
        outbox.notify_many({row.user_id for row in made if row.user_id}, *_ready(training, training))
    return len(made)


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


def _ready(subject: Base, training: Training) -> tuple[str, Base, str, str]:
    body = f"“{training.title}”的培训证明可以下载了。"
    return "certificate.ready", subject, "培训证明已生成", body


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
