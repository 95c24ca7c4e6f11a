"""Messages: the inbox of a person."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update

from app import notices
from app.access import SYSTEM, Actor
from app.errors import DomainError
from app.pagination import Listing, Page
from app.services import notice_truth
from app.transactions import session, transaction
from models.base import now
from models.messages import Notice

_INBOX = Listing(
    select(
        Notice.id,
        Notice.user_id,
        Notice.kind,
        Notice.title,
        Notice.body,
        Notice.subject_type,
        Notice.subject_id,
        Notice.facts,
        Notice.created_at,
        Notice.read_at,
    ),
    [Notice.id],
    newest=True,
)


@transaction("messages.read")
def inbox(_actor: Actor, cursor: str | None, limit: int) -> Page:
    """Returns the notices left for the person, newest first, each with why it is `outdated`, if it is."""
    page = _INBOX.page(cursor, limit)
    why = notice_truth.untrue(SYSTEM, page.items)
    return Page([_shown(notice, why.get(notice.id)) for notice in page.items], page.next)


def _shown(notice: Any, outdated: str | None) -> dict[str, Any]:
    told: dict[str, Any] = notice._asdict()
    del told["user_id"], told["facts"]
    return told | {"outdated": outdated}


@transaction("messages.read")
def unread(_actor: Actor) -> int:
    """Returns how many notices the person has not read."""
    return (
        session()
        .execute(select(func.count()).select_from(Notice).where(Notice.read_at.is_(None)))
        .scalar_one()
    )


@transaction("messages.read")
def read_all(_actor: Actor) -> int:
    """Marks every notice left so far as read, and returns how many were not."""
    unread = update(Notice).where(Notice.read_at.is_(None)).values(read_at=now())
    return len(session().execute(unread.returning(Notice.id)).all())


@transaction("messages.read")
def read(_actor: Actor, notice_id: UUID) -> None:
    """Marks a notice as read, once; raises DomainError `not_found`."""
    found = (
        session()
        .execute(
            update(Notice)
            .where(Notice.id == notice_id)
            .values(read_at=func.coalesce(Notice.read_at, now()))
            .returning(Notice.id)
        )
        .first()
    )
    if found is None:
        raise DomainError("not_found")


@transaction(None)
def name_another(_system: Actor, user_id: UUID, signup_id: UUID, former: str, name: str) -> None:
    """Puts another attendee's name where a person was told of the former one of a sign-up.

    What has not been sent then tells of who attends, and the former's name stands nowhere any more.
    """
    told = select(Notice).where(
        Notice.user_id == user_id, Notice.subject_id == signup_id, Notice.facts.is_not(None)
    )
    for notice in session().execute(told).scalars():
        facts = notices.from_json(notice.facts)
        if facts.get("attendee", "").startswith(former):
            party = facts["attendee"][len(former) :]
            notice.facts = notices.to_json(notice.kind, facts | {"attendee": f"{name}{party}"})
