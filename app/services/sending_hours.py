"""When a campaign's message may go out, and to whom no more of them this week: settings, in one place.

Automatic notices are what a person waits for; neither holds for them.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import aliased

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


def had_enough(user_id: Any, since: Any) -> ColumnElement[bool]:
    """Returns the condition that a person has had as many campaign messages as a week may bring.

    Counted are those under way or sent by campaigns whose notice was dispatched after `since`: a moment, or
    a bound parameter, WEEK before now. It is read by the index of the inbox, person by person.

    Args:
        user_id: the column with the person.
    """
    notice, delivery = aliased(Notice), aliased(Delivery)
    had = (
        select(func.count(notice.id.distinct()))
        .join(delivery, delivery.notice_id == notice.id)
        .where(
            notice.user_id == user_id,
            notice.campaign_id.is_not(None),
            notice.dispatched_at >= since,
            delivery.superseded.is_(False),
            *(delivery.state != state for state in NOT_HAD),
        )
        .scalar_subquery()
    )
    return had >= settings().messages_per_week
