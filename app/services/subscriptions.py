"""The ledger of subscriptions: what people said in WeChat's popup, and what may be sent for it.

The client and the platform both tell of an answer, in any order, late or not at all; it counts once. The
platform alone knows what is left, so this is a hint for choosing a way, never a promise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import and_, func, select, update
from sqlalchemy.dialects.postgresql import insert

from app.access import SYSTEM, Actor
from app.services import dispatching
from app.transactions import session, transaction
from models.base import new_id, now
from models.message_templates import (
    Channel,
    MessageTemplate,
    NoticeRoute,
    TemplateState,
    TemplateType,
    TemplateUse,
)
from models.people import User
from models.subscriptions import AnswerSource, Subscription, SubscriptionAnswer, Tap

ACCEPT = "accept"
REVOKE = "revoke"
"""How a person is entered who switched a message off in the mini-program's settings."""
PAIRING = timedelta(minutes=2)
"""How far apart the moments may be that the client and the platform tell of one answer."""
LATEST = timedelta(days=1)
"""How long after the answer the client may still tell of it."""
MOST = 5
"""Templates that WeChat's popup takes at a time (WeChat: wx.requestSubscribeMessage)."""

TAPS: dict[Tap, tuple[str, ...]] = {
    Tap.signup: (
        "signup.confirmed",
        "signup.returned",
        "signup.refused",
        "training.reminder",
        "training.changed",
        "training.cancelled",
        "signup.received",
        "signup.cancelled",
    ),
    Tap.waiting: ("signup.offered", "signup.promoted", "signup.expired", "training.reminder"),
    Tap.enterprise: ("enterprise.approved", "enterprise.returned", "enterprise.refused"),
    Tap.home: ("training.reminder", "certificate.ready", "training.changed", "training.cancelled"),
}
"""Where the client asks, and for which kinds of notice, the most important first."""


@dataclass(frozen=True)
class Ask:
    """What the client hands to wx.requestSubscribeMessage: the platform's ids of templates of one type."""

    template_ids: list[str]
    type: TemplateType | None


@transaction("messages.read")
def to_ask(_actor: Actor, at: Tap) -> Ask:
    """Returns what the client asks for at a tap; nothing where nothing would come of it.

    A long-term consent is asked for once, before one-time credits, which every accept adds to; the
    popup takes only one type at a time.
    """
    found = _askable(SYSTEM, TAPS[at])
    lasting = [one for one in found if one.type == TemplateType.lasting]
    answered = select(SubscriptionAnswer.template_id).distinct()
    known = set(session().execute(answered).scalars()) if lasting else set()
    asked = [one for one in lasting if one.id not in known] or [
        one for one in found if one.type == TemplateType.one_time
    ]
    return Ask([one.platform_id for one in asked[:MOST]], asked[0].type if asked else None)


@transaction(None)
def _askable(_system: Actor, kinds: Sequence[str]) -> list[Any]:
    """Returns the templates by which these kinds go out as subscribe messages, in that order."""
    columns = (MessageTemplate.id, MessageTemplate.platform_id, MessageTemplate.type, TemplateUse.kind)
    found = session().execute(
        select(*columns)
        .join(TemplateUse, TemplateUse.template_id == MessageTemplate.id)
        .join(NoticeRoute, NoticeRoute.kind == TemplateUse.kind)
        .where(
            TemplateUse.channel == Channel.subscribe,
            TemplateUse.kind.in_(kinds),
            MessageTemplate.state != TemplateState.gone,
        )
    )
    by_kind = {row.kind: row for row in found}
    templates: dict[UUID, Any] = {}
    for kind in kinds:
        if kind in by_kind:
            templates.setdefault(by_kind[kind].id, by_kind[kind])
    return list(templates.values())


# --- what was answered


@transaction("messages.read")
def report(actor: Actor, answers: Mapping[str, str], nonce: str, ago: timedelta = timedelta()) -> None:
    """Enters what the client heard from wx.requestSubscribeMessage.

    Args:
        answers: the platform's template id → accept, reject, ban or filter; unknown ids are passed over.
        nonce: the client's number for this popup; the same one again changes nothing.
        ago: how long before the report that was, by the client's own clock; at most LATEST. It is a span,
            for a phone's clock may be wrong, and makes a report that was held up meet the platform's event.
    """
    assert actor.user_id is not None
    at = now() - min(max(ago, timedelta()), LATEST)
    for template in _known(answers):
        answer = answers[template.platform_id]
        _enter(SYSTEM, actor.user_id, template, answer, AnswerSource.client, at, nonce)


@transaction(None)
def on_answers(system: Actor, openid: str, at: datetime, answers: Iterable[tuple[str, str]]) -> None:
    """Enters what the platform tells of a popup (WeChat: subscribe_msg_popup_event).

    Args:
        at: when it was answered.
        answers: (the platform's template id, answer).
    """
    _on_event(system, openid, at, dict(answers))


@transaction(None)
def on_switched_off(system: Actor, openid: str, at: datetime, templates: Iterable[str]) -> None:
    """Enters what a person switched off in the settings (WeChat: subscribe_msg_change_event).

    What was allowed after `at` stays: the platform's events come in any order.
    """
    _on_event(system, openid, at, dict.fromkeys(templates, REVOKE))


def _on_event(system: Actor, openid: str, at: datetime, answers: Mapping[str, str]) -> None:
    user_id = session().execute(select(User.id).where(User.mp_openid == openid)).scalar()
    if user_id is None:
        return
    for template in _known(answers):
        answer = answers[template.platform_id]
        _enter(system, user_id, template, answer, AnswerSource.event, at, str(int(at.timestamp())))


def _known(platform_ids: Iterable[str]) -> list[Any]:
    """Returns the templates of those ids, always in the same order: their rows are locked one by one."""
    columns = (MessageTemplate.id, MessageTemplate.platform_id, MessageTemplate.type)
    named = MessageTemplate.platform_id.in_(list(platform_ids))
    found = select(*columns).where(MessageTemplate.channel == Channel.subscribe, named)
    return list(session().execute(found.order_by(MessageTemplate.id)))


@transaction(None)
def _enter(
    _system: Actor,
    user_id: UUID,
    template: Any,
    answer: str,
    source: AnswerSource,
    at: datetime,
    once: str,
) -> None:
    key = {"user_id": user_id, "template_id": template.id}
    _hold(key)
    entered = insert(SubscriptionAnswer).values(
        id=new_id(),
        **key,
        source=source,
        answer=answer,
        answered_at=at,
        dedupe_key=f"{source}:{user_id}:{template.id}:{answer}:{once}",
    )
    made = session().execute(entered.on_conflict_do_nothing().returning(SubscriptionAnswer.id)).scalar()
    if made is None:
        return
    if answer == REVOKE:
        _revoke(key, at)
    elif not _pair(key, made, answer, source, at) and answer == ACCEPT:
        _allow(key, template.type, at)


def _hold(key: Mapping[str, UUID]) -> None:
    """Takes the row, which is the lock: of two tellers the second sees what the first entered."""
    touched = {"updated_at": func.clock_timestamp()}
    session().execute(
        insert(Subscription)
        .values(**key, **touched)
        .on_conflict_do_update(index_elements=["user_id", "template_id"], set_=touched)
    )


def _of(model: Any, key: Mapping[str, UUID]) -> tuple[Any, Any]:
    return model.user_id == key["user_id"], model.template_id == key["template_id"]


def _pair(key: Mapping[str, UUID], made: UUID, answer: str, source: AnswerSource, at: datetime) -> bool:
    """Returns whether the other teller had told of the same answer."""
    other = (
        select(SubscriptionAnswer.id)
        .where(
            *_of(SubscriptionAnswer, key),
            SubscriptionAnswer.source != source,
            SubscriptionAnswer.answer == answer,
            SubscriptionAnswer.paired.is_(False),
            SubscriptionAnswer.answered_at.between(at - PAIRING, at + PAIRING),
        )
        .order_by(SubscriptionAnswer.answered_at, SubscriptionAnswer.id)
        .limit(1)
    )
    first = session().execute(other).scalar()
    if first is None:
        return False
    both = SubscriptionAnswer.id.in_([made, first])
    session().execute(update(SubscriptionAnswer).where(both).values(paired=True))
    return True


def _allow(key: Mapping[str, UUID], kind: TemplateType, at: datetime) -> None:
    """Adds what an accept is worth, unless the person took it back since."""
    revoked = select(SubscriptionAnswer.id).where(
        *_of(SubscriptionAnswer, key),
        SubscriptionAnswer.answer == REVOKE,
        SubscriptionAnswer.answered_at >= at,
    )
    if session().execute(revoked.limit(1)).first() is None:
        worth = {"lasting": True} if kind == TemplateType.lasting else {"credits": Subscription.credits + 1}
        session().execute(update(Subscription).where(*_of(Subscription, key)).values(**worth))
        dispatching.reached(key["user_id"], key["template_id"], now())


def _revoke(key: Mapping[str, UUID], at: datetime) -> None:
    """Takes back what was allowed up to `at`."""
    told_twice = and_(SubscriptionAnswer.paired, SubscriptionAnswer.source == AnswerSource.event)
    later = select(func.count()).where(
        *_of(SubscriptionAnswer, key),
        SubscriptionAnswer.answer == ACCEPT,
        SubscriptionAnswer.answered_at > at,
        ~told_twice,
    )
    left = session().execute(later).scalar_one()
    values: dict[str, Any] = {"credits": func.least(Subscription.credits, left)}
    if not left:
        values["lasting"] = False
    session().execute(update(Subscription).where(*_of(Subscription, key)).values(**values))
