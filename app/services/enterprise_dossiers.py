"""All that the bureau knows of one enterprise, as its page in the console shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from app.access import SYSTEM, Actor
from app.services import clusters, enterprises, memberships, questionnaires, reference, sizing
from app.services.enterprise_register import industry_name
from app.services.enterprises import NEEDS_SURVEY
from app.services.memberships import Member
from app.transactions import session, transaction
from models.checkins import AttendanceCertificate, Outcome, Scan
from models.enterprises import Enterprise
from models.signups import ACTIVE, Signup
from models.size_class import FIGURES
from models.trainings import Training


@dataclass(frozen=True)
class Dossier:
    """One enterprise.

    Args:
        clusters: their names.
        size: why it has its size class; None where no class was worked out.
        survey: questions and answers in words, of the version that was answered.
        members: masked, the owner first.
        trainings: the latest first; signed_up, attended and certificates count people.
        kept: the enterprise that it was merged into.
        merged: those that were merged into it.
    """

    enterprise: Enterprise
    division: str
    industry: str
    clusters: str
    size: sizing.Explanation | None
    survey: list[tuple[str, str]]
    members: list[Member]
    trainings: list[Any]
    kept: Enterprise | None
    merged: list[Enterprise]


@transaction("enterprises.desk")
def dossier(actor: Actor, enterprise_id: UUID) -> Dossier:
    """Returns what is known of an enterprise in reach; raises DomainError `not_found`."""
    enterprise = enterprises.find(enterprise_id)
    names = reference.division_names(SYSTEM)
    return Dossier(
        enterprise,
        names.get(enterprise.division_id, enterprise.division_id),
        industry_name(enterprise.industry_code, reference.industry_names(SYSTEM)),
        clusters.said(enterprise.clusters, clusters.names()),
        _size(enterprise),
        _survey(enterprise),
        memberships.members(actor, enterprise_id),
        _trainings(SYSTEM, enterprise_id),
        enterprises.kept(SYSTEM, enterprise) if enterprise.merged_into else None,
        _merged(SYSTEM, enterprise_id),
    )


def _size(enterprise: Enterprise) -> sizing.Explanation | None:
    if enterprise.size_class is None or enterprise.size_rule_version is None:
        return None
    figures = {name: getattr(enterprise, name) for name in FIGURES}
    return sizing.explain(SYSTEM, enterprise.size_rule_version, enterprise.industry_code, figures)


def _survey(enterprise: Enterprise) -> list[tuple[str, str]]:
    if not enterprise.needs_survey:
        return []
    asked = reference.document(SYSTEM, NEEDS_SURVEY, enterprise.needs_survey_version or "")
    return questionnaires.readable(asked.content["questions"], enterprise.needs_survey) if asked else []


@transaction(None)
def _trainings(_actor: Actor, enterprise_id: UUID) -> list[Any]:
    # Trainings of other divisions too: what an enterprise took part in is its own story.
    attended = select(Scan.id).where(Scan.signup_id == Signup.id, Scan.outcome == Outcome.accepted).exists()
    certified = select(AttendanceCertificate.id).where(AttendanceCertificate.signup_id == Signup.id).exists()
    counted = (
        select(
            Training.id,
            Training.title,
            Training.starts_at,
            Training.organiser,
            Training.state,
            func.count().filter(Signup.state.in_(ACTIVE)).label("signed_up"),
            func.count().filter(attended).label("attended"),
            func.count().filter(certified).label("certificates"),
        )
        .join(Training, Training.id == Signup.training_id)
        .where(Signup.enterprise_id == enterprise_id)
        .group_by(Training.id)
        .order_by(Training.starts_at.desc(), Training.id)
    )
    return list(session().execute(counted))


@transaction(None)
def _merged(_actor: Actor, enterprise_id: UUID) -> list[Enterprise]:
    into = select(Enterprise).where(Enterprise.merged_into == enterprise_id).order_by(Enterprise.id)
    return list(session().execute(into).scalars())
