"""The moves of a campaign: each is one conditional statement, so that of two at once only one happens."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, case, or_, select, update

from app import audit, outbox
from app.access import SYSTEM, Actor
from app.errors import DomainError
from app.services import campaigns
from app.transactions import session, transaction
from models.base import now
from models.campaigns import Campaign, CampaignState
from models.deliveries import Delivery, DeliveryState
from models.lifecycle import IllegalMove

LATEST = timedelta(days=60)
"""How far ahead a campaign may be scheduled."""
CALLED_OFF = "群发已取消"
GREW = "到开始时收件人增多，超过了不需复核的人数"


def _move(
    campaign_id: UUID,
    since: tuple[CampaignState, ...],
    target: CampaignState,
    *conditions: ColumnElement[bool],
    **values: Any,
) -> Any:
    """Moves a campaign in one statement, within the act under way; returns what others need of it.

    Raises DomainError `not_found`, or IllegalMove when it is in none of the states `since`.
    """
    moved = (
        update(Campaign)
        .where(Campaign.id == campaign_id, Campaign.state.in_(since), *conditions)
        .values(**{"state": target, **values})
        .returning(Campaign.id, Campaign.division_id, Campaign.state, Campaign.recipients)
    )
    found = session().execute(moved, execution_options={"synchronize_session": False}).first()
    if found is None:
        raise IllegalMove(campaigns.require(campaign_id).state, target)
    return found


def _subject(campaign_id: UUID) -> tuple[str, UUID]:
    return Campaign.__tablename__, campaign_id


# --- up to the start


@transaction("messages.send")
def submit(actor: Actor, campaign_id: UUID, scheduled_at: datetime | None = None) -> CampaignState:
    """Submits one's own draft: to a second person when it is for many, else to be sent at its time.

    Args:
        scheduled_at: not before this time; None: as soon as it may.

    Raises DomainError `not_found`, `campaign_not_yours`, `campaign_not_draft`, `campaign_incomplete`,
    `campaign_empty` or `validation_failed` (the time).
    """
    # Held, so that the people who are counted are the people who get it.
    campaign = campaigns.hold_draft(actor, campaign_id)
    if problems := campaigns.problems(actor, campaign):
        raise DomainError("campaign_incomplete", fields=problems)
    if scheduled_at and not now() < scheduled_at <= now() + LATEST:
        reason = f"应晚于现在，且在 {LATEST.days} 天之内"
        raise DomainError("validation_failed", fields={"scheduled_at": [reason]})
    people = campaigns.preview(actor, campaign_id).people
    if not people:
        raise DomainError("campaign_empty")
    target = CampaignState.approving if campaigns.must_be_approved(people) else CampaignState.scheduled
    values = {"recipients": people, "scheduled_at": scheduled_at, "state_reason": None, "approved_by": None}
    moved = _move(campaign_id, (CampaignState.draft,), target, **values)
    if target is CampaignState.scheduled:
        _start_later(campaign_id, scheduled_at)
    audit.record(
        actor, "campaign.submitted", _subject(campaign_id), division=moved.division_id, people=people
    )
    return target


def _start_later(campaign_id: UUID, scheduled_at: datetime | None) -> None:
    outbox.defer("campaigns.start", at=scheduled_at, campaign_id=str(campaign_id))


@transaction("messages.send")
def approve(actor: Actor, campaign_id: UUID) -> None:
    """Approves what somebody else submitted.

    Raises DomainError `not_found`, `campaign_own`, or IllegalMove.
    """
    _require_other(actor, campaign_id)
    moved = _move(
        campaign_id,
        (CampaignState.approving,),
        CampaignState.scheduled,
        Campaign.created_by != actor.user_id,
        approved_by=actor.user_id,
        state_reason=None,
    )
    _start_later(campaign_id, campaigns.require(campaign_id).scheduled_at)
    audit.record(
        actor,
        "campaign.approved",
        _subject(campaign_id),
        division=moved.division_id,
        people=moved.recipients,
    )


@transaction("messages.send")
def return_(actor: Actor, campaign_id: UUID, reason: str) -> None:
    """Gives what somebody else submitted back to them, for a reason; raises as `approve` does."""
    _require_other(actor, campaign_id)
    draft = CampaignState.draft
    moved = _move(
        campaign_id,
        (CampaignState.approving,),
        draft,
        Campaign.created_by != actor.user_id,
        state_reason=reason,
    )
    audit.record(actor, "campaign.returned", _subject(campaign_id), division=moved.division_id, reason=reason)


def _require_other(actor: Actor, campaign_id: UUID) -> None:
    if campaigns.require(campaign_id).created_by == actor.user_id:
        raise DomainError("campaign_own")


@transaction("messages.send")
def withdraw(actor: Actor, campaign_id: UUID) -> None:
    """Makes what one submitted, and has not started, a draft again.

    Raises DomainError `not_found`, `campaign_not_yours`, or IllegalMove.
    """
    if campaigns.require(campaign_id).created_by != actor.user_id:
        raise DomainError("campaign_not_yours")
    since = (CampaignState.approving, CampaignState.scheduled)
    moved = _move(campaign_id, since, CampaignState.draft, approved_by=None)
    audit.record(actor, "campaign.withdrawn", _subject(campaign_id), division=moved.division_id)


@transaction("messages.send")
def start_now(actor: Actor, campaign_id: UUID) -> None:
    """Lets a campaign start that waits for its time; raises DomainError `not_found` or IllegalMove."""
    scheduled = CampaignState.scheduled
    moved = _move(campaign_id, (scheduled,), scheduled, scheduled_at=None)
    _start_later(campaign_id, None)
    audit.record(actor, "campaign.advanced", _subject(campaign_id), division=moved.division_id)


@transaction(None)
def start(_system: Actor, campaign_id: UUID) -> bool:
    """Lets the preparation of a campaign begin whose time has come; returns whether it did.

    One that nobody approved, and that is for many by now, waits for a second person instead.
    """
    due = or_(Campaign.scheduled_at.is_(None), Campaign.scheduled_at <= now())
    since = (CampaignState.scheduled,)
    wanted = select(Campaign).where(Campaign.id == campaign_id, Campaign.state.in_(since), due)
    campaign = session().execute(wanted.with_for_update()).scalar()
    if campaign is None:
        return False  # withdrawn, cancelled, put off, or begun by the other job
    people = 0 if campaign.approved_by else campaigns.count(SYSTEM, campaign)
    held = campaigns.must_be_approved(people)
    if held:
        _move(campaign_id, since, CampaignState.approving, recipients=people, state_reason=GREW)
    else:
        _move(campaign_id, since, CampaignState.preparing)
    subject, division = _subject(campaign_id), campaign.division_id
    audit.record(SYSTEM, "campaign.held" if held else "campaign.started", subject, division=division)
    return not held


# --- under way


@transaction("messages.send")
def pause(actor: Actor, campaign_id: UUID) -> None:
    """Holds everything that has not been sent; raises DomainError `not_found` or IllegalMove."""
    since = (CampaignState.preparing, CampaignState.running)
    moved = _move(campaign_id, since, CampaignState.paused)
    _settle(campaign_id, (DeliveryState.claimed,), state=DeliveryState.waiting)
    audit.record(actor, "campaign.paused", _subject(campaign_id), division=moved.division_id)


@transaction("messages.send")
def resume(actor: Actor, campaign_id: UUID) -> None:
    """Goes on where it was held; raises DomainError `not_found` or IllegalMove."""
    prepared = Campaign.started_at.is_not(None)
    target: Any = case((prepared, CampaignState.running.value), else_=CampaignState.preparing.value)
    moved = _move(campaign_id, (CampaignState.paused,), target)
    if moved.state == CampaignState.preparing:
        outbox.defer("campaigns.prepare", campaign_id=str(campaign_id))
    audit.record(actor, "campaign.resumed", _subject(campaign_id), division=moved.division_id)


@transaction("messages.send")
def cancel(actor: Actor, campaign_id: UUID, reason: str) -> None:
    """Ends a campaign: what has not been sent is cancelled, what is being sent completes.

    Raises DomainError `not_found` or IllegalMove.
    """
    since = tuple(CampaignState.before(CampaignState.cancelled))
    moved = _move(campaign_id, since, CampaignState.cancelled, state_reason=reason, finished_at=now())
    _call_off(campaign_id)
    outbox.defer("campaigns.wind_up", campaign_id=str(campaign_id))
    audit.record(
        actor, "campaign.cancelled", _subject(campaign_id), division=moved.division_id, reason=reason
    )


def _call_off(campaign_id: UUID) -> None:
    ended = {"state": DeliveryState.cancelled, "reason": CALLED_OFF, "settled_at": now()}
    _settle(campaign_id, (DeliveryState.waiting, DeliveryState.claimed), **ended)


def _settle(campaign_id: UUID, since: tuple[DeliveryState, ...], **values: Any) -> None:
    # Of a claimed one nothing has been sent: its worker asks once more whether it is still its own.
    changed = update(Delivery).where(Delivery.campaign_id == campaign_id, Delivery.state.in_(since))
    session().execute(
        changed.values(**values, worker=None, lease_until=None),
        execution_options={"synchronize_session": False},
    )


@transaction(None)
def wind_up(_system: Actor, campaign_id: UUID) -> None:
    """Cancels what was being dispatched at the moment when a campaign was cancelled."""
    if campaigns.require(campaign_id).state == CampaignState.cancelled:
        _call_off(campaign_id)


@transaction(None)
def overdue(_system: Actor) -> list[tuple[UUID, CampaignState]]:
    """Returns the campaigns that a lost job may have left behind, with their states."""
    left = select(Delivery.campaign_id).where(Delivery.state == DeliveryState.waiting)
    due = (Campaign.state == CampaignState.scheduled) & or_(
        Campaign.scheduled_at.is_(None), Campaign.scheduled_at <= now()
    )
    wanted = select(Campaign.id, Campaign.state).where(
        or_(
            due,
            Campaign.state == CampaignState.preparing,
            (Campaign.state == CampaignState.cancelled) & Campaign.id.in_(left),
        )
    )
    return [(row.id, row.state) for row in session().execute(wanted)]
