"""Sign-ups that staff make for an enterprise that telephones (电话报名)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import select

from app import outbox
from app.access import SYSTEM, Actor
from app.services import memberships, signups
from app.services.signups import Attendee
from app.transactions import session, transaction
from models import credit_code
from models.enterprises import Enterprise, EnterpriseState
from models.people import RoleGrant
from models.signups import Signup
from models.trainings import Training


@transaction("signups.review")
def find_enterprise(_actor: Actor, code: str) -> Any:
    """Returns id, name and state of the enterprise with that credit code in reach, None if there is none."""
    found = select(Enterprise.id, Enterprise.name, Enterprise.state).where(
        Enterprise.credit_code == credit_code.normalise(code), Enterprise.state != EnterpriseState.merged
    )
    return session().execute(found).first()


@transaction("signups.review")
def sign_up_for(actor: Actor, training_id: UUID, enterprise_id: UUID, attendees: list[Attendee]) -> list[Any]:
    """Signs people up on behalf of an enterprise, by the rules of `signups.sign_up`.

    Training and enterprise are of the actor's divisions. The enterprise's members and the attendees are
    told. Raises what `signups.sign_up` raises.
    """
    rows = signups.enter(actor, training_id, enterprise_id, attendees, on_behalf=True)
    _tell_of_it(SYSTEM, enterprise_id, rows)
    return rows


@transaction(None)
def _tell_of_it(_actor: Actor, enterprise_id: UUID, rows: list[Any]) -> None:
    members = select(RoleGrant.user_id).where(*memberships.of(enterprise_id))
    told = set(session().execute(members).scalars()) | {row["attendee_user_id"] for row in rows}
    found = select(Signup, Training.title).join(Training, Training.id == Signup.training_id)
    first, title = session().execute(found.where(Signup.id == rows[0]["id"])).one()
    outbox.notify_many(
        told - {None},
        "signup.made_for",
        first,
        "主办单位已代为报名",
        f"“{title}”已由主办单位代为报名 {len(rows)} 人，当前{first.state.label}。",
    )
