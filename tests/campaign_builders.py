"""Campaigns and what they need, made by the back door."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select

from app.access import SYSTEM, Actor, Grant
from app.services import campaign_moves, campaign_preparing, dispatching
from models.base import new_id, now
from models.campaigns import Campaign, CampaignState
from models.deliveries import Delivery, DeliveryState
from models.enterprises import Enterprise
from models.held_certificates import HeldCertificate
from models.message_templates import Channel, MessageTemplate, TemplateType
from models.messages import Notice
from models.subscriptions import Subscription
from tests.builders import Person, World

FIELDS = [
    {"key": "thing1", "label": "培训名称", "type": "thing", "choices": []},
    {"key": "time2", "label": "时间", "type": "time", "choices": []},
]
TEXTS = {"thing1": "内审员培训", "time2": "2026年12月1日 09:00"}


def actor_of(person: Person, role: str = "county_staff", division: str = "js.xz.fengxian") -> Actor:
    """A member of staff as services know one."""
    return Actor(person.id, (Grant(role, "division", division),))


def template(world: World, channel: Channel = Channel.subscribe, **changes: Any) -> MessageTemplate:
    """A template that can be chosen."""
    kinds = {Channel.subscribe: TemplateType.lasting, Channel.template: TemplateType.official_account}
    values: dict[str, Any] = {
        "channel": channel,
        "platform_id": f"t-{new_id().hex}",
        "title": "培训通知",
        "type": kinds[channel],
        "content": "培训名称:{{thing1.DATA}}\n时间:{{time2.DATA}}",
        "fields": FIELDS,
        "synced_at": now(),
    }
    with world.session() as session:
        made = MessageTemplate(**{**values, **changes})
        session.add(made)
        session.flush()
    return made


def by_template(made: MessageTemplate, **texts: str) -> dict[str, Any]:
    """What a campaign says by a template."""
    return {made.channel.value: {"template_id": str(made.id), "fields": {**TEXTS, **texts}}}


def campaign(world: World, by: Person, **changes: Any) -> Campaign:
    """A campaign, complete, for the owners of one division."""
    values: dict[str, Any] = {
        "division_id": "js.xz.fengxian",
        "name": "11月补报名提醒",
        "title": "培训补报名",
        "body": "内审员培训还有名额，请尽快报名。",
        "channels": [],
        "audience": {},
        "created_by": by.id,
    }
    values |= changes
    values["channels"] = values["channels"] or list(values.get("templates", {}))
    with world.session() as session:
        made = Campaign(**values)
        session.add(made)
        session.flush()
    return made


def subscribed(world: World, person: Person, made: MessageTemplate) -> None:
    """The person takes messages by the template for good."""
    with world.session() as session:
        session.add(Subscription(user_id=person.id, template_id=made.id, lasting=True))


def held(enterprise: Enterprise, **changes: Any) -> HeldCertificate:
    """A certificate that the enterprise holds, in force for another year; not yet in the database."""
    until = changes.get("valid_until", now().date() + timedelta(days=365))
    values: dict[str, Any] = {
        "enterprise_id": enterprise.id,
        "division_id": enterprise.division_id,
        "scheme": "qms",
        "agency_name": "某某认证有限公司",
        "number": new_id().hex.upper(),
        "issued_on": until - timedelta(days=3 * 365),
        "valid_until": until,
    }
    return HeldCertificate(**{**values, **changes})


def owners(world: World, many: int, **changes: Any) -> tuple[list[Person], list[Enterprise]]:
    """As many people, each the owner of an enterprise."""
    people = [world.person() for _ in range(many)]
    return people, [world.enterprise(owner=one, **changes) for one in people]


def listed(enterprises: list[Enterprise]) -> dict[str, Any]:
    """What makes a campaign one for these enterprises alone, whatever other tests made."""
    return {"audience": {"by": "listed"}, "credit_codes": [one.credit_code for one in enterprises]}


def run(world: World, campaign_id: UUID, *, chunk: int = 1000) -> None:
    """Starts and prepares a campaign that was submitted, as its job does."""
    with world.app.app_context():
        if campaign_moves.start(SYSTEM, campaign_id):
            campaign_preparing.prepare(campaign_id, chunk)


def dispatched(world: World) -> None:
    """Gives every notice its channel, as the sender does."""
    with world.app.app_context():
        while dispatching.dispatch(SYSTEM, 500):
            pass


def told(world: World, campaign_id: UUID) -> list[UUID]:
    """Who has a notice of the campaign, once for each."""
    with world.session() as session:
        return list(
            session.execute(select(Notice.user_id).where(Notice.campaign_id == campaign_id)).scalars()
        )


def state_of(world: World, campaign_id: UUID) -> CampaignState:
    """The state it is in."""
    with world.session() as session:
        state: CampaignState = session.execute(
            select(Campaign.state).where(Campaign.id == campaign_id)
        ).scalar_one()
        return state


def states_of(world: World, campaign_id: UUID) -> dict[UUID, DeliveryState]:
    """The state of everybody's latest delivery."""
    found = select(Delivery.user_id, Delivery.state).where(
        Delivery.campaign_id == campaign_id, Delivery.superseded.is_(False)
    )
    with world.session() as session:
        return dict(session.execute(found).all())


def settle(world: World, campaign_id: UUID, state: DeliveryState, *people: Person, **values: Any) -> None:
    """The platform's answers, without a platform: what waits for these people gets an outcome."""
    ids = [one.id for one in people]
    with world.session() as session:
        wanted = select(Delivery).where(
            Delivery.campaign_id == campaign_id, Delivery.user_id.in_(ids), Delivery.superseded.is_(False)
        )
        for delivery in session.execute(wanted).scalars():
            delivery.state, delivery.settled_at = state, now()
            for name, value in values.items():
                setattr(delivery, name, value)
