"""Builders of what messages are made of: templates, routes, campaigns, and people who can be reached."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, select

from app import outbox
from models.base import new_id, now
from models.campaigns import Campaign, CampaignState
from models.deliveries import TERMINAL, Delivery, DeliveryState
from models.message_templates import Channel, MessageTemplate, NoticeRoute, TemplateType, TemplateUse
from models.messages import Notice
from models.people import User
from models.subscriptions import Follower, Subscription
from tests.builders import World
from wechat.fields import parse_template

KIND = "membership.requested"  # of what nothing must still hold when its turn comes
TEXTS = {"thing": "质量提升培训", "time": "2026年12月3日 14:00"}
FIELDS = [{"key": "thing1", "label": "事项", "type": "thing", "choices": []}]


def template(world: World, channel: Channel = Channel.subscribe, **changes: Any) -> MessageTemplate:
    """A template of one field."""
    types = {Channel.subscribe: TemplateType.one_time, Channel.template: TemplateType.official_account}
    values = {
        "channel": channel,
        "platform_id": f"TPL-{new_id().hex}",
        "title": "事项提醒",
        "type": types[channel],
        "content": "事项:{{thing1.DATA}}\n",
        "fields": FIELDS,
        "synced_at": now(),
    }
    made = MessageTemplate(**{**values, **changes})
    with world.session() as session:
        session.add(made)
    return made


def route(
    world: World, *templates: MessageTemplate, kind: str = KIND, next_when_refused: bool = True
) -> None:
    """The route of a kind, by these templates in their order; it takes the place of the one before."""
    with world.session() as session:
        session.query(TemplateUse).filter_by(kind=kind).delete()
        session.query(NoticeRoute).filter_by(kind=kind).delete()
        session.flush()
        session.add(
            NoticeRoute(
                kind=kind,
                channels=[one.channel.value for one in templates],
                next_when_refused=next_when_refused,
            )
        )
        session.flush()
        for one in templates:
            session.add(
                TemplateUse(
                    kind=kind, channel=one.channel, template_id=one.id, fields={"thing1": "{enterprise}"}
                )
            )


def people(world: World, number: int, *templates: MessageTemplate, credits: int = 1) -> list[UUID]:
    """People who can be reached by each of the templates."""
    ids = [new_id() for _ in range(number)]
    known = [
        {"openid": f"o{id_.hex}", "unionid": f"u{id_.hex}", "official_openid": f"f{id_.hex}"} for id_ in ids
    ]
    return known_people(world, known, *templates, ids=ids, credits=credits)


def known_people(
    world: World,
    known: Sequence[Mapping[str, Any]],
    *templates: MessageTemplate,
    ids: Sequence[UUID] = (),
    credits: int = 1,
) -> list[UUID]:
    """People whom the platform knows by these openids, written in bulk; returns their ids."""
    ids = ids or [new_id() for _ in known]
    pairs = list(zip(ids, known, strict=True))
    with world.session() as session:
        session.execute(
            insert(User),
            [{"id": id_, "mp_openid": one["openid"], "unionid": one["unionid"]} for id_, one in pairs],
        )
        for one in templates:
            if one.channel == Channel.template:
                followers = [
                    {"openid": each["official_openid"], "unionid": each["unionid"]} for _, each in pairs
                ]
                session.execute(insert(Follower), followers)
            else:
                rows = [{"user_id": id_, "template_id": one.id, "credits": credits} for id_ in ids]
                session.execute(insert(Subscription), rows)
    return list(ids)


def template_of_platform(world: World, channel: Channel, platform_id: str, content: str) -> MessageTemplate:
    """A template that the platform has, too."""
    found = select(MessageTemplate).where(MessageTemplate.platform_id == platform_id)
    with world.session() as session:
        known: MessageTemplate | None = session.execute(found).scalar()
    fields = [
        {"key": key, "label": label, "type": kind, "choices": []}
        for label, key, kind in parse_template(content)
    ]
    return known or template(world, channel, platform_id=platform_id, content=content, fields=fields)


def notices(world: World, users: Iterable[UUID], kind: str = KIND, **facts: str) -> list[UUID]:
    """A notice of the kind for each of the people; returns their ids in the order of the people."""
    given = list(users)
    told = [outbox.Told(one, new_id(), "正文", {"enterprise": "丰县小微厂", **facts}) for one in given]
    with world.session() as session:
        outbox.notify_each(told, kind, "enterprises", "标题")
        found = select(Notice.subject_id, Notice.id).where(
            Notice.subject_id.in_([one.subject_id for one in told])
        )
        ids = {row.subject_id: row.id for row in session.execute(found)}
    return [ids[one.subject_id] for one in told]


def campaign(world: World, users: Iterable[UUID], *templates: MessageTemplate, **changes: Any) -> Campaign:
    """A running campaign whose recipients are notices already."""
    given = list(users)
    values = {
        "division_id": "js.xz.fengxian",
        "name": "测试群发",
        "title": "通知",
        "body": "正文",
        "channels": [one.channel.value for one in templates],
        "templates": {
            one.channel.value: {
                "template_id": str(one.id),
                "fields": {field["key"]: TEXTS.get(field["type"], "1") for field in one.fields},
            }
            for one in templates
        },
        "state": CampaignState.running,
        "recipients": len(given),
        "started_at": now(),
    }
    with world.session() as session:
        made = Campaign(**{**values, **changes, "created_by": changes.get("created_by") or given[0]})
        session.add(made)
        session.flush()
        rows = [
            {
                "id": new_id(),
                "user_id": one,
                "kind": "campaign",
                "title": made.title,
                "body": made.body,
                "subject_type": "campaigns",
                "subject_id": made.id,
                "campaign_id": made.id,
                "dedupe_key": f"campaign:{made.id}:{one}",
            }
            for one in given
        ]
        if rows:
            session.execute(insert(Notice), rows)
    return made


def deliveries(world: World, *conditions: Any) -> list[Delivery]:
    """The deliveries, the oldest first."""
    found = select(Delivery).where(*conditions).order_by(Delivery.created_at, Delivery.id)
    with world.session() as session:
        return list(session.execute(found).scalars())


def of_people(world: World, users: Iterable[UUID]) -> list[Delivery]:
    """The deliveries to these people, the oldest first."""
    return deliveries(world, Delivery.user_id.in_(list(users)))


def states(world: World, made: Campaign) -> dict[DeliveryState, int]:
    """How many deliveries of a campaign are in which state."""
    found = select(Delivery.state, func.count()).where(Delivery.campaign_id == made.id)
    with world.session() as session:
        return {row[0]: row[1] for row in session.execute(found.group_by(Delivery.state))}


def settled(world: World, made: Campaign) -> bool:
    """Whether every recipient of a campaign by one channel has an outcome."""
    found = states(world, made)
    return sum(found.values()) == made.recipients and found.keys() <= set(TERMINAL)
