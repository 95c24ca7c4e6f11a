"""How far a campaign is: outcomes, who had which, when it is done, and what is tried again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import String, bindparam, case, exists, func, select, type_coerce, update

from app import audit, masks
from app import registers as find
from app.access import SYSTEM, Actor
from app.errors import DomainError
from app.registers import Register
from app.services import campaign_audiences, campaigns, sending_hours
from app.services.deliveries import failed_in_passing
from app.transactions import session, transaction
from app.workbooks import Column
from app.workbooks.columns import Kind
from models.base import now
from models.campaigns import Campaign, CampaignState
from models.deliveries import TERMINAL, Delivery, DeliveryState
from models.enterprises import Enterprise
from models.labels import Labelled
from models.lifecycle import IllegalMove
from models.message_templates import Channel
from models.messages import Notice
from models.people import RoleGrant, User

_UNDER_WAY = tuple(state for state in DeliveryState if state not in TERMINAL)


@dataclass(frozen=True)
class Progress:
    """Where a campaign stands. `outcomes` counts the latest delivery of each recipient.

    Args:
        written: recipients whose notice is in their inbox.
        read: how many of those have read it there.
        pending: written, and not given to a channel yet.
        passing: how many failed for a passing reason.
    """

    written: int
    read: int
    pending: int
    outcomes: dict[DeliveryState, int]
    passing: int

    @property
    def settled(self) -> int:
        """How many need nothing more done for them."""
        return self.written - self.pending - sum(self.outcomes.get(state, 0) for state in _UNDER_WAY)


@transaction("messages.send")
def progress(_actor: Actor, campaign_id: UUID) -> Progress:
    """Returns how far a campaign is; raises DomainError `not_found`."""
    campaigns.require(campaign_id)
    return _progress(SYSTEM, campaign_id)


@transaction(None)
def _progress(_system: Actor, campaign_id: UUID) -> Progress:
    notices = session().execute(
        select(func.count(), func.count(Notice.read_at), func.count(Notice.dispatched_at)).where(
            Notice.campaign_id == campaign_id
        )
    )
    written, read, dispatched = notices.one()
    passing = func.count().filter(failed_in_passing())
    counted = (
        select(Delivery.state, func.count(), passing)
        .where(Delivery.campaign_id == campaign_id, Delivery.superseded.is_(False))
        .group_by(Delivery.state)
    )
    rows = session().execute(counted).all()
    outcomes = {state: number for state, number, _ in rows}
    return Progress(written, read, written - dispatched, outcomes, sum(some for *_, some in rows))


# --- who had which outcome


@transaction(None)
def _people(_system: Actor, user_ids: Sequence[UUID], division_id: str) -> dict[UUID, tuple[str, str]]:
    """Returns of each person the masked name and the enterprises in the division."""
    named = select(User.id, User.name).where(User.id.in_(user_ids))
    names = {row.id: masks.name(row.name) or "未填姓名" for row in session().execute(named)}
    memberships = (
        select(RoleGrant.user_id, func.string_agg(Enterprise.name.distinct(), "、").label("enterprises"))
        .join(Enterprise, Enterprise.id == campaign_audiences.GRANTED)
        .where(
            RoleGrant.user_id.in_(user_ids), campaign_audiences.inside(Enterprise.division_id, division_id)
        )
        .group_by(RoleGrant.user_id)
    )
    of = {row.user_id: row.enterprises for row in session().execute(memberships)}
    return {user_id: (name, of.get(user_id, "")) for user_id, name in names.items()}


def _show(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    people = _people(SYSTEM, [row["user_id"] for row in rows], rows[0]["division_id"]) if rows else {}
    for row in rows:
        row["name"], row["enterprise"] = people.get(row["user_id"], ("", ""))
        row["channel"] = row["channel"].label if row["channel"] else None
        row["state"] = row["state"] or (Unsent.inbox if row["dispatched_at"] else Unsent.pending)
    return rows


class Unsent(Labelled):
    """What a message is that has no delivery."""

    pending = "pending", "等待分派渠道"
    inbox = "inbox", "仅站内"


_OUTCOME: Any = case(
    (Delivery.state.is_not(None), type_coerce(Delivery.state, String)),
    (Notice.dispatched_at.is_(None), Unsent.pending.value),
    else_=Unsent.inbox.value,
)
_READ: Any = case((Notice.read_at.is_(None), "unread"), else_="read")


RECIPIENTS = Register(
    "campaigns.recipients",
    "群发结果",
    "messages.send",
    select(
        Notice.id,
        Notice.user_id,
        Notice.dispatched_at,
        Notice.read_at,
        Campaign.division_id,
        Delivery.id.label("delivery_id"),
        Delivery.channel,
        Delivery.state,
        Delivery.reason,
        Delivery.errcode,
        Delivery.attempts,
        Delivery.due_at,
        Delivery.settled_at,
    )
    .join(Campaign, Campaign.id == Notice.campaign_id)
    .outerjoin(Delivery, (Delivery.notice_id == Notice.id) & Delivery.superseded.is_(False))
    .where(Notice.campaign_id == bindparam("campaign")),
    [
        Column("收件人", "name", width=12),
        Column("企业", "enterprise", width=32),
        Column("结果", "state", width=14),
        Column("说明", "reason", width=32),
        Column("渠道", "channel", width=16),
        Column("错误码", "errcode", width=8),
        Column("尝试次数", "attempts", kind=Kind.INTEGER, width=8),
        Column("不早于", "due_at", kind=Kind.DATETIME, width=18),
        Column("有结果的时间", "settled_at", kind=Kind.DATETIME, width=18),
        Column("站内阅读时间", "read_at", kind=Kind.DATETIME, width=18),
    ],
    key=Notice.id,
    sorts={"state": _OUTCOME, "settled_at": Delivery.settled_at, "read_at": Notice.read_at},
    default="-settled_at",
    filters=(
        find.named("state", "结果", _OUTCOME, {one.value: one.label for one in (*DeliveryState, *Unsent)}),
        find.named("read", "站内", _READ, {"read": "已读", "unread": "未读"}),
        find.choice("channel", "渠道", Delivery.channel, Channel),
        find.contains("reason", "说明", Delivery.reason),
    ),
    show=_show,
    of={"campaign": UUID},
    within=lambda campaign: campaigns.require(campaign),
)


# --- the end, and beyond it


@transaction(None)
def finish(_system: Actor) -> list[UUID]:
    """Ends the running campaigns of which every recipient has an outcome; returns them.

    Each is held before anything is looked at, so that one that is being retried ends before or after it.
    One that somebody else holds is left to the next time.
    """
    running = select(Campaign.id).where(Campaign.state == CampaignState.running)
    held = session().execute(running.with_for_update(key_share=True, skip_locked=True)).scalars().all()
    if not held:
        return []
    pending = exists().where(Notice.campaign_id == Campaign.id, Notice.dispatched_at.is_(None))
    open_ = exists().where(Delivery.campaign_id == Campaign.id, Delivery.state.in_(_UNDER_WAY))
    finished = (
        update(Campaign)
        .where(Campaign.id.in_(held), ~pending, ~open_)
        .values(state=CampaignState.done, finished_at=now())
        .returning(Campaign.id, Campaign.division_id, Campaign.recipients)
    )
    found = session().execute(finished, execution_options={"synchronize_session": False}).all()
    for row in found:
        audit.record(
            SYSTEM,
            "campaign.finished",
            (Campaign.__tablename__, row.id),
            division=row.division_id,
            people=row.recipients,
        )
    return [row.id for row in found]


@transaction("messages.send")
def retry(actor: Actor, campaign_id: UUID) -> int:
    """Lets everything be sent again that failed for a passing reason; returns how many.

    Raises DomainError `not_found`, `campaign_nothing_to_retry`, or IllegalMove.
    """
    again = (
        update(Campaign)
        .where(Campaign.id == campaign_id, Campaign.state.in_((CampaignState.running, CampaignState.done)))
        .values(state=CampaignState.running, finished_at=None)
        .returning(Campaign.id)
    )
    if session().execute(again, execution_options={"synchronize_session": False}).scalar() is None:
        raise IllegalMove(campaigns.require(campaign_id).state, CampaignState.running)
    campaign = campaigns.require(campaign_id)
    waiting = (
        update(Delivery)
        .where(Delivery.campaign_id == campaign_id, Delivery.superseded.is_(False), failed_in_passing())
        .values(
            state=DeliveryState.waiting,
            due_at=sending_hours.due_at(now()),
            attempts=0,
            anew=Delivery.anew + 1,
            first_tried_at=None,
            message_id=None,
            errcode=None,
            reason=None,
            settled_at=None,
        )
        .returning(Delivery.id)
    )
    tried = session().execute(waiting, execution_options={"synchronize_session": False}).scalars().all()
    if not tried:
        raise DomainError("campaign_nothing_to_retry")
    audit.record(actor, "campaign.retried", campaign, people=len(tried))
    return len(tried)
