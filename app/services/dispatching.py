"""Dispatch: from a notice to a delivery by the first channel on which the person can be reached.

A notice without a way, by the route of its kind or the channels of its campaign, stays in the inbox alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    DateTime,
    Integer,
    Text,
    Uuid,
    and_,
    any_,
    bindparam,
    case,
    cast,
    column,
    false,
    func,
    literal,
    null,
    or_,
    select,
    true,
    union_all,
    update,
    values,
)
from sqlalchemy.dialects.postgresql import distinct_on, insert

from app.access import Actor
from app.prepared import Prepared
from app.services import sending_hours
from app.transactions import session, transaction
from config.settings import settings
from models.base import NEW_ID, now
from models.campaigns import Campaign, CampaignState
from models.deliveries import Delivery, DeliveryState
from models.message_templates import Channel, NoticeRoute, TemplateUse
from models.messages import Notice
from models.people import User
from models.subscriptions import Follower, Subscription

UNREACHABLE = "未订阅且未关注公众号"
CALLED_OFF = "群发已取消"
ANSWERED_WITHIN = timedelta(minutes=10)
"""How long after a notice the person may still allow it to be sent: the popup may stand on the next page."""

_ids: Any = any_(bindparam("ids", type_=ARRAY(Uuid)))
_channels = values(column("channel", Text), name="channels").data([(one.value,) for one in Channel])

_TAKE = Prepared(
    select(Notice.id, Notice.user_id, Notice.campaign_id)
    .outerjoin(Campaign, Campaign.id == Notice.campaign_id)
    .where(
        Notice.dispatched_at.is_(None),
        or_(Notice.campaign_id.is_(None), Campaign.state != CampaignState.paused),
    )
    .order_by(Notice.id)
    .limit(bindparam("limit", type_=Integer))
    .with_for_update(of=Notice, skip_locked=True)
)
_TAKEN = Prepared(
    update(Notice)
    .where(Notice.id == _ids)
    .values(dispatched_at=bindparam("at", type_=DateTime(timezone=True)))
)
_SUPERSEDE = Prepared(
    update(Delivery)
    .where(
        Delivery.id == _ids,
        Delivery.notice_id == any_(bindparam("notices", type_=ARRAY(Uuid))),
    )
    .values(superseded=True)
)


@transaction(None)
def dispatch(_system: Actor, limit: int) -> int:
    """Makes the deliveries of the oldest undispatched notices; returns how many notices it took.

    Notices of a paused campaign wait. Those of a cancelled one, of people who had enough this week and of
    people who cannot be reached get their outcome at once. What other campaigns have for the same person
    is left to the next time, when this one counts.
    """
    taken = _TAKE(limit=limit)
    if taken:
        moment = now()
        of_campaigns = {row.user_id: row.id for row in reversed(taken) if row.campaign_id}
        ids = [row.id for row in taken if not row.campaign_id or of_campaigns[row.user_id] == row.id]
        enough: Iterable[UUID] = ()
        if of_campaigns:
            enough = sending_hours.had_enough(list(of_campaigns), moment - sending_hours.WEEK)
        session().execute(_deliveries(ids, list(enough), moment))
        _TAKEN(ids=ids, at=moment)
    return len(taken)


def by_next_channel(refused: Iterable[UUID], moment: datetime) -> None:
    """Makes a delivery by the next channel for each that was refused, where the route wants that.

    Only a person who can be reached there gets one. Runs in the act that is under way.
    """
    ids = list(refused)
    made = session().execute(_deliveries_by_next(ids, moment)).scalars().all()
    if made:
        _SUPERSEDE(ids=ids, notices=list(made))


_REACHED = Prepared(
    update(Delivery)
    .where(
        Delivery.id
        == select(Delivery.id)
        .join(Notice, Notice.id == Delivery.notice_id)
        .where(
            Notice.user_id == bindparam("user", type_=Uuid),
            Notice.created_at > bindparam("since", type_=DateTime(timezone=True)),
            Notice.campaign_id.is_(None),
            Delivery.template_id == bindparam("template", type_=Uuid),
        )
        .order_by(Notice.id.desc())
        .limit(1)
        .scalar_subquery(),
        Delivery.state == DeliveryState.refused,
        Delivery.attempts == 0,
        Delivery.superseded.is_(False),
    )
    .values(
        state=DeliveryState.waiting,
        reason=null(),
        settled_at=null(),
        due_at=bindparam("at", type_=DateTime(timezone=True)),
    )
)


def reached(user_id: UUID, template_id: UUID, moment: datetime) -> None:
    """Lets the latest automatic notice go out if it was just refused for want of what was given now.

    Runs in the act that is under way.
    """
    _REACHED(user=user_id, template=template_id, since=moment - ANSWERED_WITHIN, at=moment)


def _ways(*condition: ColumnElement[bool]) -> Any:
    """Every channel by which some notices may go out; `place` is its place in the order."""
    channel: Any = _channels.c.channel
    by_route = (
        select(
            Notice.id.label("notice_id"),
            Notice.user_id,
            Notice.kind,
            cast(null(), Uuid).label("campaign_id"),
            literal(settings().home_division).label("division_id"),
            cast(TemplateUse.channel, Text).label("channel"),
            TemplateUse.template_id,
            NoticeRoute.channels,
            NoticeRoute.next_when_refused,
            false().label("called_off"),
        )
        .join(NoticeRoute, NoticeRoute.kind == Notice.kind)
        .join(TemplateUse, TemplateUse.kind == NoticeRoute.kind)
        .where(Notice.campaign_id.is_(None), cast(TemplateUse.channel, Text) == any_(NoticeRoute.channels))
    )
    by_campaign = (
        select(
            Notice.id,
            Notice.user_id,
            Notice.kind,
            Campaign.id,
            Campaign.division_id,
            channel,
            cast(Campaign.templates.op("->")(channel).op("->>")("template_id"), Uuid),
            Campaign.channels,
            Campaign.next_when_refused,
            Campaign.state == CampaignState.cancelled,
        )
        .join(Campaign, Campaign.id == Notice.campaign_id)
        .join(_channels, channel == any_(Campaign.channels))
    )
    return union_all(by_route.where(*condition), by_campaign.where(*condition)).subquery("ways")


def _any(ids: list[UUID]) -> Any:
    return any_(literal(ids, ARRAY(Uuid)))


def _time(moment: datetime) -> Any:
    return literal(moment, DateTime(timezone=True))


def _place(way: Any, channel: Any) -> Any:
    return func.array_position(way.c.channels, cast(channel, Text))


def _reachable(way: Any) -> ColumnElement[bool]:
    subscribed = (
        select(true())
        .where(
            Subscription.user_id == way.c.user_id,
            Subscription.template_id == way.c.template_id,
            or_(Subscription.credits > 0, Subscription.lasting),
        )
        .exists()
    )
    follows = select(true()).where(Follower.unionid == User.unionid).exists()
    return or_(
        and_(way.c.channel == Channel.subscribe.value, User.mp_openid.is_not(None), subscribed),
        and_(way.c.channel == Channel.template.value, follows),
    )


def _row(way: Any, state: Any, reason: Any, due_at: Any, at: Any) -> dict[str, Any]:
    return {
        "id": NEW_ID,
        "notice_id": way.c.notice_id,
        "user_id": way.c.user_id,
        "kind": way.c.kind,
        "channel": way.c.channel,
        "template_id": way.c.template_id,
        "campaign_id": way.c.campaign_id,
        "division_id": way.c.division_id,
        "state": state,
        "superseded": false(),
        "due_at": due_at,
        "attempts": literal(0, Integer),
        "anew": literal(0, Integer),
        "reason": reason,
        "settled_at": case((state == DeliveryState.waiting.value, null()), else_=at),
    }


def _insert(row: dict[str, Any], found: Any) -> Any:
    made = insert(Delivery).from_select(list(row), found, include_defaults=False)
    return made.on_conflict_do_nothing(index_elements=["notice_id", "channel"])


def _deliveries(ids: list[UUID], had_enough: list[UUID], moment: datetime) -> Any:
    way, at = _ways(Notice.id == _any(ids)), _time(moment)
    reachable = _reachable(way)
    enough = and_(way.c.campaign_id.is_not(None), way.c.user_id == _any(had_enough))
    state = case(
        (way.c.called_off, DeliveryState.cancelled.value),
        (~reachable, DeliveryState.refused.value),
        (enough, DeliveryState.skipped.value),
        else_=DeliveryState.waiting.value,
    )
    reason = case(
        (way.c.called_off, CALLED_OFF),
        (~reachable, UNREACHABLE),
        (enough, sending_hours.enough()),
        else_=null(),
    )
    due_at = case((way.c.campaign_id.is_(None), at), else_=_time(sending_hours.due_at(moment)))
    row = _row(way, state, reason, due_at, at)
    found = (
        select(*(value.label(name) for name, value in row.items()))
        .ext(distinct_on(way.c.notice_id))
        .select_from(way)
        .join(User, User.id == way.c.user_id)
        .order_by(way.c.notice_id, reachable.desc(), _place(way, way.c.channel))
    )
    return _insert(row, found)


def _deliveries_by_next(ids: list[UUID], moment: datetime) -> Any:
    refused = select(Delivery.notice_id, Delivery.channel).where(Delivery.id == _any(ids)).subquery("refused")
    way = _ways(Notice.id.in_(select(refused.c.notice_id)))
    at = _time(moment)
    row = _row(way, literal(DeliveryState.waiting.value), null(), at, at)
    found = (
        select(*(value.label(name) for name, value in row.items()))
        .ext(distinct_on(way.c.notice_id))
        .select_from(way)
        .join(User, User.id == way.c.user_id)
        .join(refused, refused.c.notice_id == way.c.notice_id)
        .where(
            way.c.next_when_refused,
            ~way.c.called_off,
            _place(way, way.c.channel) > _place(way, refused.c.channel),
            _reachable(way),
        )
        .order_by(way.c.notice_id, _place(way, way.c.channel))
    )
    return _insert(row, found).returning(Delivery.notice_id)
