"""What came of calls: recorded for the very attempt, with what follows; and what a crash left unrecorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    DateTime,
    Integer,
    Text,
    Uuid,
    any_,
    bindparam,
    case,
    delete,
    func,
    null,
    or_,
    select,
    update,
)

from app.access import Actor
from app.prepared import Prepared, rows_given
from app.services import dispatching, sending_pauses
from app.services.delivery_outcomes import NOT_FOLLOWING, NOT_SUBSCRIBED, Verdict
from app.transactions import transaction
from models.base import now
from models.deliveries import Delivery, DeliveryState
from models.message_templates import Channel, TemplateUse
from models.people import User
from models.subscriptions import Follower, Subscription

RECOGNISED = timedelta(minutes=9)
"""So long after the first attempt an uncertain template message may come again: the platform recognises it
for ten minutes, and it must arrive within them."""

INTERRUPTED = "发送中断，未得到微信的答复，结果不明"
TOO_LATE = "首次尝试已超过平台识别重复的时限，不再自动重发，结果不明"


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one call: the delivery, the number of the attempt (from 1 on) and the verdict."""

    id: UUID
    attempt: int
    verdict: Verdict


_at: Any = bindparam("at", type_=DateTime(timezone=True))
_oldest: Any = bindparam("oldest", type_=DateTime(timezone=True))
_worker: Any = bindparam("worker", type_=Text)
_users: Any = any_(bindparam("users", type_=ARRAY(Uuid)))

_came = rows_given(
    "came",
    id=Uuid,
    attempt=Integer,
    state=Text,
    reason=Text,
    errcode=Integer,
    message_id=BigInteger,
    due_at=DateTime(timezone=True),
    certain=Boolean,
)
_waits: Any = _came.c.state == DeliveryState.waiting.value
_RECORD = Prepared(
    update(Delivery)
    .where(
        Delivery.id == _came.c.id,
        Delivery.worker == _worker,
        Delivery.attempts == _came.c.attempt,
        # Unknown: our lease ran out before we could tell.
        or_(Delivery.state == DeliveryState.sending, Delivery.state == DeliveryState.unknown),
    )
    .values(
        state=_came.c.state,
        reason=_came.c.reason,
        errcode=_came.c.errcode,
        message_id=_came.c.message_id,
        due_at=func.coalesce(_came.c.due_at, Delivery.due_at),
        first_tried_at=case((_waits & _came.c.certain, null()), else_=Delivery.first_tried_at),
        settled_at=case((_waits, null()), else_=_at),
        lease_until=None,
    )
    .returning(
        Delivery.id,
        Delivery.user_id,
        Delivery.channel,
        Delivery.template_id,
        Delivery.state,
        Delivery.errcode,
    )
)
_answered = rows_given("answered", user_id=Uuid, template_id=Uuid, spent=Boolean)
_SPEND = Prepared(
    update(Subscription)
    .where(Subscription.user_id == _answered.c.user_id, Subscription.template_id == _answered.c.template_id)
    .values(
        credits=case(
            (_answered.c.spent, 0),
            (Subscription.lasting, Subscription.credits),
            else_=func.greatest(Subscription.credits - 1, 0),
        ),
        lasting=Subscription.lasting & ~_answered.c.spent,
        updated_at=_at,
    )
)
_UNFOLLOW = Prepared(
    delete(Follower).where(
        Follower.unionid.in_(
            select(User.unionid).where(User.id == any_(bindparam("users", type_=ARRAY(Uuid))))
        )
    )
)


@transaction(None)
def record(_system: Actor, worker: str, results: Sequence[Result]) -> None:
    """Records what came of calls, and what follows: credits, followers, the next channel, pauses.

    A result counts for the very attempt that it is of, once.
    """
    moment = now()
    verdicts = [one.verdict for one in results]
    rows = _RECORD(
        ids=[one.id for one in results],
        attempts=[one.attempt for one in results],
        states=[one.state for one in verdicts],
        reasons=[one.reason for one in verdicts],
        errcodes=[one.errcode for one in verdicts],
        message_ids=[one.message_id for one in verdicts],
        due_ats=[one.due_at for one in verdicts],
        certains=[one.certain for one in verdicts],
        worker=worker,
        at=moment,
    )
    _follow_up(rows, moment)
    stops = {one.id: one for one in results if one.verdict.stop}
    for row in rows:
        if row.id in stops:
            verdict = stops[row.id].verdict
            assert verdict.stop
            template_id = row.template_id if verdict.stop.of_template else None
            sending_pauses.open_pause(
                row.channel, template_id, verdict.errcode, verdict.reason or "", verdict.stop.until
            )


def _follow_up(rows: Sequence[Any], moment: datetime) -> None:
    told = [
        (row, row.errcode == NOT_SUBSCRIBED)
        for row in rows
        if row.channel == Channel.subscribe
        and (row.state == DeliveryState.sent or row.errcode == NOT_SUBSCRIBED)
    ]
    if told:
        _SPEND(
            user_ids=[row.user_id for row, _ in told],
            template_ids=[row.template_id for row, _ in told],
            spents=[spent for _, spent in told],
            at=moment,
        )
    gone = [row.user_id for row in rows if row.channel == Channel.template and row.errcode == NOT_FOLLOWING]
    if gone:
        _UNFOLLOW(users=gone)
    refused = [row.id for row in rows if row.state == DeliveryState.refused]
    if refused:
        dispatching.by_next_channel(refused, moment)


_may_repeat: Any = (Delivery.channel == Channel.template) & (Delivery.first_tried_at > _oldest)
_unsent: Any = Delivery.state == DeliveryState.claimed
_RECOVER = Prepared(
    update(Delivery)
    .where(
        or_(_unsent, Delivery.state == DeliveryState.sending),
        Delivery.lease_until <= _at,
    )
    .values(
        state=case((_unsent | _may_repeat, DeliveryState.waiting.value), else_=DeliveryState.unknown.value),
        reason=case((_unsent | _may_repeat, Delivery.reason), else_=INTERRUPTED),
        settled_at=case((_unsent | _may_repeat, null()), else_=_at),
        lease_until=None,
    )
    .returning(Delivery.id)
)
_ADOPT = Prepared(
    update(Delivery)
    .where(
        Delivery.state == DeliveryState.waiting,
        Delivery.campaign_id.is_(None),
        TemplateUse.kind == Delivery.kind,
        TemplateUse.channel == Delivery.channel,
        TemplateUse.template_id != Delivery.template_id,
    )
    .values(template_id=TemplateUse.template_id)
)


@transaction(None)
def recover(_system: Actor) -> int:
    """Takes up what a worker left behind whose lease ran out; returns how many deliveries that were.

    What was claimed waits again. What was being sent waits again where the platform recognises it, else
    its outcome is unknown until an event or staff say. Ends what is over besides: pauses whose time has
    come, and templates that staff have put another one in the place of.
    """
    moment = now()
    found = _RECOVER(at=moment, oldest=moment - RECOGNISED)
    _ADOPT()
    sending_pauses.end_due(moment)
    return len(found)
