"""Alerts: what keeps messages from going out is told to who can mend it, and stands on every page."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, DateTime, Text, any_, bindparam, cast, func, literal, or_, select, true
from sqlalchemy.dialects.postgresql import array

from app import outbox
from app.access import PERMISSIONS, SYSTEM, Actor
from app.prepared import Prepared
from app.transactions import session, transaction
from config.settings import settings
from models.base import Base, now
from models.campaigns import Campaign, CampaignState
from models.deliveries import SendingPause
from models.message_templates import MessageTemplate, TemplateState, TemplateUse
from models.people import AccountState, RoleGrant, StaffAccount

_TO_BE_SENT = [
    CampaignState.approving,
    CampaignState.scheduled,
    CampaignState.preparing,
    CampaignState.running,
    CampaignState.paused,
]


@dataclass(frozen=True)
class Standing:
    """How many pauses hold, and how many templates in use wait for staff or are gone."""

    pauses: int
    held: int


def in_use() -> ColumnElement[bool]:
    """Returns the condition that a kind of notice, or a campaign that is not over, goes out by a template."""
    by_kind = select(true()).where(TemplateUse.template_id == MessageTemplate.id)
    chosen = Campaign.templates.op("->")(cast(MessageTemplate.channel, Text)).op("->>")("template_id")
    by_campaign = select(true()).where(
        cast(Campaign.state, Text) == any_(array([literal(one.value) for one in _TO_BE_SENT])),
        chosen == cast(MessageTemplate.id, Text),
    )
    return or_(by_kind.exists(), by_campaign.exists())


def paused_now(moment: Any) -> ColumnElement[bool]:
    """Returns the condition that a pause holds at the moment."""
    return SendingPause.lifted_at.is_(None) & or_(SendingPause.until.is_(None), SendingPause.until > moment)


_STANDING = Prepared(
    select(
        select(func.count())
        .select_from(SendingPause)
        .where(paused_now(bindparam("at", type_=DateTime(timezone=True))))
        .scalar_subquery()
        .label("pauses"),
        select(func.count())
        .select_from(MessageTemplate)
        .where(MessageTemplate.state != TemplateState.active, in_use())
        .scalar_subquery()
        .label("held"),
    )
)


@transaction("messages.desk")
def standing(_actor: Actor) -> Standing:
    """Returns what keeps messages from going out; it concerns everybody who sends."""
    return _standing(SYSTEM)


@transaction(None)
def _standing(_system: Actor) -> Standing:
    found = _STANDING.first(at=now())
    return Standing(found.pauses, found.held)


@transaction(None)
def used(_system: Actor, template_ids: Collection[UUID]) -> set[UUID]:
    """Returns which of these templates are in use."""
    found = select(MessageTemplate.id).where(MessageTemplate.id.in_(template_ids), in_use())
    return set(session().execute(found).scalars()) if template_ids else set()


def tell(
    kind: str, subject: Base, title: str, body: str, facts: Mapping[str, str], *, once: str = ""
) -> None:
    """Tells who looks after templates, in the act under way: at the WeChat bound to the account, if any."""
    outbox.notify_many(_keepers(SYSTEM), kind, subject, title, body, facts, once=once)


@transaction(None)
def _keepers(_system: Actor) -> list[Any]:
    reader = func.coalesce(StaffAccount.wechat_user_id, RoleGrant.user_id)
    found = (
        select(reader)
        .select_from(RoleGrant)
        .outerjoin(StaffAccount, StaffAccount.user_id == RoleGrant.user_id)
        .where(
            RoleGrant.role.in_(PERMISSIONS["messages.templates"].roles),
            RoleGrant.scope_id == settings().home_division,
            or_(StaffAccount.state.is_(None), StaffAccount.state == AccountState.active),
        )
        .distinct()
    )
    return list(session().execute(found).scalars())
