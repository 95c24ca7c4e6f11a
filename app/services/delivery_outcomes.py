"""What becomes of a delivery by the platform's answer: the one table of it (WeChat: 全局返回码)."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from models.base import BEIJING, midnight
from models.deliveries import DeliveryState
from models.message_templates import Channel
from wechat.errors import Outcome, WeChatError

MOST_ATTEMPTS = 5
FIRST_PAUSE_SECONDS = 1.0
NOT_SUBSCRIBED, NOT_FOLLOWING = 43101, 43004
SAME_PERSON = 43108  # another message to this person was under way
OF_TEMPLATE = frozenset({40036, 40037, 43106, 43107, 43116})
"""Errors of configuration that concern one template; every other one concerns the whole account."""
PASSING = (-1, 40001, 40014, 42001, SAME_PERSON, 44990, 44991, 45011, 61081, 87020)
"""Errors with which a delivery may have failed for a passing reason."""


@dataclass(frozen=True, slots=True)
class Stop:
    """A reason to send nothing more by a template, or on the channel, until a time or until staff say so."""

    of_template: bool
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a delivery becomes.

    Args:
        due_at: when it may be tried again, for one that waits.
        certain: whether it is known that the person got nothing (or got it); an uncertain one may only be
            sent again where the platform recognises it.
        answered: whether the platform answered as it should; what rests it when it does not.
    """

    state: DeliveryState
    reason: str | None = None
    errcode: int | None = None
    message_id: int | None = None
    due_at: datetime | None = None
    certain: bool = True
    answered: bool = True
    stop: Stop | None = None


def accepted(message_id: str) -> Verdict:
    """Returns the verdict on a message that the platform took."""
    number = int(message_id) if message_id.isascii() and message_id.isdigit() else None
    return Verdict(DeliveryState.sent, message_id=number if number and number < 2**63 else None)


def lost(channel: Channel, attempt: int, moment: datetime, reason: str) -> Verdict:
    """Returns the verdict on a message of which nobody knows whether it went out.

    The Official Account recognises a message that comes again; the mini-program does not.
    """
    if channel == Channel.template and attempt < MOST_ATTEMPTS:
        due_at = moment + _pause(attempt)
        return Verdict(DeliveryState.waiting, reason, due_at=due_at, certain=False, answered=False)
    return Verdict(DeliveryState.unknown, reason, certain=False, answered=False)


def refused(error: WeChatError, channel: Channel, attempt: int, moment: datetime) -> Verdict:
    """Returns the verdict on a call that failed.

    Args:
        attempt: the number of this call, from 1 on.
    """
    reason, code = str(error)[:200], error.errcode
    match error.outcome:
        case Outcome.UNKNOWN if code is None:
            return lost(channel, attempt, moment, reason)
        case Outcome.USER_STATE:
            return Verdict(DeliveryState.refused, reason, code)
        case Outcome.RETRY_TRANSIENT | Outcome.REFRESH_ONCE:
            if attempt >= MOST_ATTEMPTS:
                return Verdict(DeliveryState.failed, reason, code, answered=False)
            due_at = moment + _pause(attempt)
            return Verdict(DeliveryState.waiting, reason, code, due_at=due_at, answered=False)
        case Outcome.THROTTLED:
            seconds = 3 if code == SAME_PERSON else 60
            due_at = moment + timedelta(seconds=seconds * random.uniform(1, 1.2))
            alone = code == SAME_PERSON
            return Verdict(DeliveryState.waiting, reason, code, due_at=due_at, answered=alone)
        case Outcome.QUOTA_DAY:
            stop = Stop(of_template=False, until=_tomorrow(moment))
            return Verdict(DeliveryState.waiting, reason, code, due_at=moment, stop=stop)
        case Outcome.CONFIGURATION:
            stop = Stop(of_template=code in OF_TEMPLATE, until=None)
            return Verdict(DeliveryState.waiting, reason, code, due_at=moment, stop=stop)
    return Verdict(DeliveryState.failed, reason, code)


def _pause(attempt: int) -> timedelta:
    return timedelta(seconds=FIRST_PAUSE_SECONDS * 2 ** (attempt - 1) * random.uniform(1, 1.5))


def _tomorrow(moment: datetime) -> datetime:
    return midnight(moment.astimezone(BEIJING).date() + timedelta(days=1))
