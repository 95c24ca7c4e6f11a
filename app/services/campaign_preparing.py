"""Preparing a campaign: its recipients become notices, in chunks that the database copies by itself.

Each chunk is a transaction that holds the campaign in its state: a pause or a cancellation comes before it
or after it. A run that was cut off is run again, and writes nobody twice.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Text, Uuid, cast, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert

from app import audit
from app.access import SYSTEM, Actor
from app.services import campaign_audiences, campaigns
from app.services.campaign_audiences import Audience
from app.transactions import session, transaction
from models.base import NEW_ID, now
from models.campaigns import Campaign, CampaignState
from models.messages import Notice
from models.trainings import Training

CHUNK = 5_000
_BEFORE_ALL = UUID(int=0)


def prepare(campaign_id: UUID, chunk: int = CHUNK) -> None:
    """Writes the recipients of a campaign that is being prepared, and lets it run."""
    after: UUID | None = _BEFORE_ALL
    while after is not None:
        after = _write(SYSTEM, campaign_id, after, chunk)
    _run(SYSTEM, campaign_id)


@transaction(None)
def _write(_system: Actor, campaign_id: UUID, after: UUID, chunk: int) -> UUID | None:
    """Writes the next people in the order of their ids; returns the last, None when there are no more."""
    held = select(Campaign).where(Campaign.id == campaign_id, Campaign.state == CampaignState.preparing)
    campaign = session().execute(held.with_for_update(read=True)).scalar()
    if campaign is None:
        return None
    return session().execute(_statement(campaign, after, chunk)).scalar()


def _statement(campaign: Campaign, after: UUID, chunk: int) -> Any:
    picked = campaign_audiences.people(
        campaign.division_id, Audience.load(campaign.audience), campaign.credit_codes
    ).subquery()
    some = (
        select(picked.c.user_id)
        .where(picked.c.user_id > after)
        .distinct()
        .order_by(picked.c.user_id)
        .limit(chunk)
        .cte("some")
    )
    training = campaigns.training_of(campaign)
    of_training = (Training.__tablename__, training) if training else (Campaign.__tablename__, campaign.id)
    values = {
        "id": NEW_ID,
        "user_id": some.c.user_id,
        "kind": literal(campaigns.NOTICE.name),
        "title": literal(campaign.title),
        "body": literal(campaign.body),
        "subject_type": literal(of_training[0]),
        "subject_id": literal(of_training[1], Uuid()),
        "dedupe_key": func.concat(literal(f"campaign:{campaign.id}:"), cast(some.c.user_id, Text)),
        "campaign_id": literal(campaign.id, Uuid()),
    }
    rows = select(*(value.label(name) for name, value in values.items())).select_from(some)
    made = (
        insert(Notice)
        .from_select(list(values), rows, include_defaults=False)
        .on_conflict_do_nothing(index_elements=["dedupe_key"])
        .returning(Notice.id)
        .cte("made")
    )
    return select(some.c.user_id).order_by(some.c.user_id.desc()).limit(1).add_cte(made)


@transaction(None)
def _run(_system: Actor, campaign_id: UUID) -> None:
    written = select(func.count()).where(Notice.campaign_id == campaign_id).scalar_subquery()
    running = (
        update(Campaign)
        .where(Campaign.id == campaign_id, Campaign.state == CampaignState.preparing)
        .values(state=CampaignState.running, started_at=now(), recipients=written)
        .returning(Campaign.division_id, Campaign.recipients)
    )
    found = session().execute(running, execution_options={"synchronize_session": False}).first()
    if found is not None:
        audit.record(
            SYSTEM,
            "campaign.prepared",
            (Campaign.__tablename__, campaign_id),
            division=found.division_id,
            people=found.recipients,
        )
