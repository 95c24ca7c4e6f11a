"""Sign-ups that staff make for an enterprise that telephones (电话报名)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import select

from app import notices, outbox
from app.access import SYSTEM, Actor
from app.outbox import Told
from app.services import memberships, signups
from app.services.signups import Attendee
from app.transactions import session, transaction
from models import credit_code
from models.enterprises import Enterprise, EnterpriseState
from models.people import RoleGrant
from models.signups import Signup


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
    grounds = signups.grounds_of(actor, training_id, enterprise_id)
    rows = signups.enter(actor, training_id, enterprise_id, attendees, grounds, on_behalf=True)
    _tell_of_it(SYSTEM, enterprise_id, grounds, rows)
    return rows


@transaction(None)
def _tell_of_it(_actor: Actor, enterprise_id: UUID, grounds: Any, rows: list[Any]) -> None:
    members = select(RoleGrant.user_id).where(*memberships.of(enterprise_id))
    told = set(session().execute(members).scalars()) | {row["attendee_user_id"] for row in rows}
    first, state = rows[0]["id"], rows[0]["state"].label
    body = f"“{grounds.title}”已由主办单位代为报名 {len(rows)} 人，当前{state}。"
    facts = notices.training_facts(grounds.title, grounds.starts_at, grounds.place)
    facts |= {"people": f"{len(rows)}人", "state": state}
    outbox.notify_each(
        [Told(user_id, first, body, facts) for user_id in told - {None}],
        "signup.made_for",
        Signup.__tablename__,
        "主办单位已代为报名",
    )
