"""Attendance certificates: issued once, kept as issued, and checked by anyone."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import date
from decimal import Decimal
from math import ceil
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from app import audit, masks, outbox
from app.access import SYSTEM, Actor
from app.certificates import CertificateFacts, attendance_certificate
from app.errors import DomainError
from app.transactions import session, transaction
from config.settings import settings
from models.base import new_id, now
from models.checkins import AttendanceCertificate, Outcome, Scan
from models.columns import new_code_number
from models.signups import Signup
from models.trainings import Training, TrainingSession


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
    training = session().execute(select(Training).where(Training.id == signup.training_id)).scalar_one()
    held = (
        session()
        .execute(
            select(TrainingSession.id, TrainingSession.starts_at, TrainingSession.ends_at)
            .where(TrainingSession.training_id == training.id)
            .order_by(TrainingSession.number)
        )
        .all()
    )
    attended_ids = set(
        session()
        .execute(select(Scan.session_id).where(Scan.signup_id == signup_id, Scan.outcome == Outcome.accepted))
        .scalars()
    )
    attended = [row for row in held if row.id in attended_ids]
    needed = ceil(len(held) * training.certificate_percent / 100)
    if len(attended) < needed:
        raise DomainError("certificate_not_earned", attended=len(attended), needed=needed)
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
    # Two may ask at once: the sign-up's unique index lets one of them issue it.
    session().execute(
        insert(AttendanceCertificate)
        .values(
            id=new_id(),
            signup_id=signup.id,
            training_id=training.id,
            division_id=training.division_id,
            enterprise_id=signup.enterprise_id,
            user_id=signup.attendee_user_id,
            number=facts.number,
            verification_code=code,
            facts=json.dumps(asdict(facts), default=str, ensure_ascii=False),
        )
        .on_conflict_do_nothing(index_elements=["signup_id"])
    )
    audit.record(actor, "certificate.issued", signup)
    outbox.notify(
        signup.attendee_user_id,
        "certificate.ready",
        signup,
        "培训证明已生成",
        f"“{training.title}”的培训证明可以下载了。",
    )
    made = _of(signup_id)
    if made is None:
        raise DomainError("unavailable")
    return made


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
