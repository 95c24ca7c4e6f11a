"""When a campaign's message may go out, and to whom no more of them this week: settings, in one place.

Automatic notices are what a person waits for; neither holds for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ARRAY, DateTime, Integer, Uuid, any_, bindparam, func, select, text

from app.prepared import Prepared
from app.transactions import session
from config.settings import settings
from models.base import BEIJING
from models.deliveries import Delivery, DeliveryState
from models.messages import Notice

WEEK = timedelta(days=7)
NOT_HAD = (
    DeliveryState.refused,
    DeliveryState.failed,
    DeliveryState.skipped,
    DeliveryState.cancelled,
)
"""The states of what never reached a person's WeChat: it does not count against them."""


def due_at(moment: datetime) -> datetime:
    """Returns when a campaign's message that is ready at `moment` is due: then, or after the quiet hours."""
    begin, end = settings().quiet_hours()
    local = moment.astimezone(BEIJING)
    at = local.time()
    quiet = begin <= at < end if begin <= end else at >= begin or at < end
    if not quiet:
        return moment
    due = local.replace(hour=end.hour, minute=end.minute, second=0, microsecond=0)
    return due if due > local else due + timedelta(days=1)


def rules() -> list[str]:
    """Returns both settings in words."""
    begin, end = settings().quiet_hours()
    most = f"每人七天内最多收到 {settings().messages_per_week} 条群发，超出的不再发送，结果中会写明。"
    if begin == end:
        return [most]
    return [f"{begin:%H:%M}–{end:%H:%M} 不打扰，其间轮到的等到 {end:%H:%M} 再发。", most]


def enough() -> str:
    """Returns what stands at a message that the cap holds back."""
    return f"本周已收到 {settings().messages_per_week} 条群发，不再发送"


def had_enough(user_ids: Sequence[UUID], since: datetime) -> set[UUID]:
    """Returns who of these people have had as many campaign messages as a week may bring.

    Counted are those under way or sent by campaigns whose notice was dispatched after `since`, WEEK before
    now. Runs in the act that is under way, once for all of them: asked person by person within a larger
    statement, it would hang on a good plan. Until that act has ended nobody else counts, so that two who
    dispatch do not both give the last message of a week.
    """
    session().execute(_ONE_AT_A_TIME)
    rows = _HAD_ENOUGH(users=list(user_ids), since=since, most=settings().messages_per_week)
    return {row.user_id for row in rows}


_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtext('campaigns.enough'))")
_HAD_ENOUGH = Prepared(
    select(Notice.user_id)
    .join(Delivery, Delivery.notice_id == Notice.id)
    .where(
        Notice.user_id == any_(bindparam("users", type_=ARRAY(Uuid))),
        Notice.campaign_id.is_not(None),
        Notice.dispatched_at >= bindparam("since", type_=DateTime(timezone=True)),
        Delivery.superseded.is_(False),
        *(Delivery.state != state for state in NOT_HAD),
    )
    .group_by(Notice.user_id)
    .having(func.count(Notice.id.distinct()) >= bindparam("most", type_=Integer))
)
