"""Jobs of campaigns."""

from __future__ import annotations

from uuid import UUID

from app.access import SYSTEM
from app.jobs import task
from app.services import campaign_moves, campaign_preparing, campaign_progress
from models.campaigns import CampaignState


@task("campaigns.start")
def start(campaign_id: str) -> None:
    """Starts a campaign at its time and prepares its recipients."""
    if campaign_moves.start(SYSTEM, UUID(campaign_id)):
        campaign_preparing.prepare(UUID(campaign_id))


@task("campaigns.prepare")
def prepare(campaign_id: str) -> None:
    """Goes on preparing a campaign that was paused."""
    campaign_preparing.prepare(UUID(campaign_id))


@task("campaigns.wind_up")
def wind_up(campaign_id: str) -> None:
    """Cancels what was being dispatched while a campaign was cancelled."""
    campaign_moves.wind_up(SYSTEM, UUID(campaign_id))


@task("campaigns.catch_up", cron="* * * * *")
def catch_up() -> None:
    """Every minute: what a lost job left behind, and the campaigns that are done, if no sender ended them."""
    for campaign_id, state in campaign_moves.overdue(SYSTEM):
        if state == CampaignState.scheduled:
            campaign_moves.start(SYSTEM, campaign_id)
        if state == CampaignState.cancelled:
            campaign_moves.wind_up(SYSTEM, campaign_id)
        else:
            campaign_preparing.prepare(campaign_id)
    campaign_progress.finish(SYSTEM)
