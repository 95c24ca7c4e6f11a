"""The transactions before a call: claim, give up what must not be sent, and mark as being sent.

A call of the platform stands between two of them and belongs to neither. A delivery is `sending` in the
database before it may be called for, so that whoever finds it there knows that it may have gone out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    DateTime,
    Integer,
    Text,
    Uuid,
    any_,
    bindparam,
    func,
    or_,
    select,
    text,
    true,
    update,
)

from app.access import Actor
from app.prepared import Prepared, rows_given
from app.services import dispatching, sending_hours
from app.services.sending_pauses import paused
from app.services.sending_results import RECOGNISED, Result, record
from app.transactions import session, transaction
from models.base import now
from models.campaigns import Campaign, CampaignState
from models.deliveries import Delivery, DeliveryState
from models.message_templates import Channel, MessageTemplate, TemplateState, TemplateUse
from models.messages import Notice
from models.people import User
from models.subscriptions import Follower


@dataclass(frozen=True, slots=True)
class Claim:
    """A delivery that this worker may send, by its id and the number of attempts before."""

    id: UUID
    attempts: int


def _array(name: str, kind: Any) -> Any:
    return bindparam(name, type_=ARRAY(kind))


_at: Any = bindparam("at", type_=DateTime(timezone=True))
_oldest: Any = bindparam("oldest", type_=DateTime(timezone=True))
_lease: Any = bindparam("lease_until", type_=DateTime(timezone=True))
_worker: Any = bindparam("worker", type_=Text)
_ids: Any = any_(_array("ids", Uuid))


def _campaign_goes(delivery: Any) -> ColumnElement[bool]:
    halted = (
        select(true())
        .where(
            Campaign.id == delivery.campaign_id,
            or_(Campaign.state == CampaignState.paused, Campaign.state == CampaignState.cancelled),
        )
        .exists()
    )
    return or_(delivery.campaign_id.is_(None), ~halted)


def _claim(of_campaigns: bool) -> Any:
    """Claims what is due, one for each person who has nothing under way; automatic notices apart."""
    busy = Delivery.__table__.alias("busy")
    template_in_use = (
        select(true())
        .where(MessageTemplate.id == Delivery.template_id, MessageTemplate.state == TemplateState.active)
        .exists()
    )
    under_way = (
        select(true())
        .select_from(busy)
        .where(
            busy.c.user_id == Delivery.user_id,
            or_(busy.c.state == DeliveryState.claimed, busy.c.state == DeliveryState.sending),
        )
        .exists()
    )
    due = (
        select(Delivery.id, Delivery.user_id, Delivery.due_at)
        .where(
            Delivery.state == DeliveryState.waiting,
            Delivery.due_at <= _at,
            Delivery.campaign_id.is_not(None) if of_campaigns else Delivery.campaign_id.is_(None),
            Delivery.channel == any_(_array("channels", Text)),
            ~paused(Delivery, _at),
            template_in_use,
            ~under_way,
            _campaign_goes(Delivery),
        )
        .order_by(Delivery.due_at, Delivery.id)
        .limit(bindparam("limit", type_=Integer))
        .with_for_update(of=Delivery, skip_locked=True)
        .subquery("due")
    )
    turn = func.row_number().over(partition_by=due.c.user_id, order_by=(due.c.due_at, due.c.id))
    first = select(due.c.id, turn.label("turn")).subquery("first")
    return (
        update(Delivery)
        .where(Delivery.id.in_(select(first.c.id).where(first.c.turn == 1)))
        .values(state=DeliveryState.claimed, worker=_worker, lease_until=_lease)
        .returning(Delivery.id)
    )


_CLAIM = [Prepared(_claim(False)), Prepared(_claim(True))]
_CLAIMED = Prepared(
    select(
        Delivery.id.label("delivery_id"),
        Delivery.attempts,
        Delivery.anew,
        Delivery.channel,
        Delivery.first_tried_at,
        Notice.id,
        Notice.user_id,
        Notice.kind,
        Notice.subject_type,
        Notice.subject_id,
        Notice.campaign_id,
        Notice.facts,
        MessageTemplate.platform_id,
        MessageTemplate.fields.label("template_fields"),
        TemplateUse.fields.label("use_fields"),
        Campaign.templates,
        Campaign.page,
        User.mp_openid,
        select(func.min(Follower.openid))
        .where(Follower.unionid == User.unionid)
        .scalar_subquery()
        .label("oa_openid"),
    )
    .join(Notice, Notice.id == Delivery.notice_id)
    .join(User, User.id == Delivery.user_id)
    .join(MessageTemplate, MessageTemplate.id == Delivery.template_id)
    .outerjoin(TemplateUse, (TemplateUse.kind == Notice.kind) & (TemplateUse.channel == Delivery.channel))
    .outerjoin(Campaign, Campaign.id == Delivery.campaign_id)
    .where(Delivery.id == _ids)
    .order_by(Delivery.due_at, Delivery.id)
)
# One claims at a time, so that no two claim something for the same person.
_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtext('deliveries.claim'))")


@transaction(None)
def claim(
    _system: Actor, worker: str, channels: Sequence[Channel], limit: int, lease: timedelta
) -> Sequence[Any]:
    """Claims deliveries that are due until the lease ends; returns them with all that is needed to send them.

    Left alone are those of people who have one under way, of a channel or template that is paused, of a
    template that changed or vanished on the platform, of a campaign that does not run, and of all campaigns
    in the quiet hours, whatever kept them until then.
    """
    session().execute(_ONE_AT_A_TIME)
    moment, ids = now(), list[UUID]()
    given = {"worker": worker, "channels": list(channels), "at": moment, "lease_until": moment + lease}
    quiet = sending_hours.due_at(moment) > moment
    for claiming in _CLAIM[:1] if quiet else _CLAIM:
        if len(ids) < limit:
            ids += [row.id for row in claiming(**given, limit=limit - len(ids))]
    return _CLAIMED(ids=ids) if ids else []


_SETTLE = rows_given("settled", id=Uuid, state=Text, reason=Text)
_SETTLE_CLAIMED = Prepared(
    update(Delivery)
    .where(Delivery.id == _SETTLE.c.id, Delivery.worker == _worker, Delivery.state == DeliveryState.claimed)
    .values(state=_SETTLE.c.state, reason=_SETTLE.c.reason, lease_until=None, settled_at=_at)
    .returning(Delivery.id, Delivery.state)
)


@transaction(None)
def settle(_system: Actor, worker: str, unsent: Sequence[tuple[UUID, DeliveryState, str]]) -> None:
    """Gives claimed deliveries the outcome that they have without being sent, each with its reason."""
    moment = now()
    ids, states, reasons = zip(*unsent, strict=True)
    rows = _SETTLE_CLAIMED(
        ids=list(ids),
        states=list(states),
        reasons=[reason[:200] for reason in reasons],
        worker=worker,
        at=moment,
    )
    refused = [row.id for row in rows if row.state == DeliveryState.refused]
    if refused:
        dispatching.by_next_channel(refused, moment)


_RELEASE = Prepared(
    update(Delivery)
    .where(Delivery.id == _ids, Delivery.worker == _worker, Delivery.state == DeliveryState.claimed)
    .values(state=DeliveryState.waiting, lease_until=None)
)


@transaction(None)
def release(_system: Actor, worker: str, ids: Sequence[UUID]) -> None:
    """Gives back claimed deliveries of which nothing was sent."""
    _RELEASE(ids=list(ids), worker=worker)


_given = rows_given("given", id=Uuid, attempt=Integer)
_MARK = Prepared(
    update(Delivery)
    .where(
        Delivery.id == _given.c.id,
        Delivery.worker == _worker,
        Delivery.lease_until > _at,
        # The second: marked already, by a commit whose confirmation was lost, and never called for.
        or_(
            (Delivery.state == DeliveryState.claimed) & (Delivery.attempts == _given.c.attempt),
            (Delivery.state == DeliveryState.sending) & (Delivery.attempts == _given.c.attempt + 1),
        ),
        or_(Delivery.first_tried_at.is_(None), Delivery.first_tried_at > _oldest),
        ~paused(Delivery, _at),
        _campaign_goes(Delivery),
    )
    .values(
        state=DeliveryState.sending,
        attempts=_given.c.attempt + 1,
        first_tried_at=func.coalesce(Delivery.first_tried_at, _at),
        lease_until=_lease,
    )
    .returning(Delivery.id)
)


@transaction(None)
def turn(
    system: Actor, worker: str, results: Sequence[Result], claims: Sequence[Claim], lease: timedelta
) -> set[UUID]:
    """Records results and marks claims as being sent, in one transaction; returns what may be called for now.

    Both may be repeated when it is not known whether they were committed. What may not be sent any more,
    for its lease ran out or it was paused, is given back.
    """
    if results:
        record(system, worker, results)
    if not claims:
        return set()
    moment = now()
    ids = [one.id for one in claims]
    marked = {
        row.id
        for row in _MARK(
            ids=ids,
            attempts=[one.attempts for one in claims],
            worker=worker,
            at=moment,
            oldest=moment - RECOGNISED,
            lease_until=moment + lease,
        )
    }
    if len(marked) < len(ids):
        _RELEASE(ids=[id_ for id_ in ids if id_ not in marked], worker=worker)
    return marked
