"""Templates of messages, as the platform has them: asked for every hour, compared, and never forgotten."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from flask import current_app
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from app import audit
from app.access import SYSTEM, Actor
from app.errors import DomainError
from app.notices import KINDS
from app.registers import Register, choice, contains
from app.services import sending_alerts
from app.transactions import outside_transaction, session, transaction
from app.workbooks import Column
from app.workbooks.columns import Kind
from models.base import new_id, now
from models.columns import as_text
from models.lifecycle import IllegalMove, move
from models.message_templates import (
    Channel,
    MessageTemplate,
    MessageTemplateVersion,
    TemplateState,
    TemplateType,
    TemplateUse,
)
from wechat.client import MiniProgram
from wechat.errors import WeChatError
from wechat.official_account import OfficialAccount
from wechat.templates import MessageTemplate as Listed

_TYPES = {
    "one_time": TemplateType.one_time,
    "long_term": TemplateType.lasting,
    "none": TemplateType.official_account,
}


@dataclass(frozen=True)
class Synchronised:
    """What a synchronisation of one channel found; `problem` says why the platform was not heard."""

    channel: Channel
    added: int = 0
    changed: int = 0
    gone: int = 0
    back: int = 0
    problem: str = ""


def synchronise(actor: Actor) -> list[Synchronised]:
    """Asks the platform for the templates of each account and takes over what is new, changed or gone.

    A channel that does not answer leaves the other, and its own templates, as they are.
    """
    actor = actor.acting("messages.templates")
    outside_transaction()
    found = []
    for channel, account in _accounts():
        asked_at = now()
        try:
            listed = account.templates()
        except WeChatError as error:
            found.append(Synchronised(channel, problem=str(error)))
        else:
            found.append(_take_over(actor, channel, listed, asked_at))
    return found


def _accounts() -> Iterator[tuple[Channel, MiniProgram | OfficialAccount]]:
    yield Channel.subscribe, current_app.extensions["mini_program"]
    account = current_app.extensions.get("official_account")
    if account is not None:
        yield Channel.template, account


@transaction("messages.templates")
def _take_over(actor: Actor, channel: Channel, listed: list[Listed], asked_at: datetime) -> Synchronised:
    known = {one.platform_id: one for one in session().execute(_held(channel)).scalars()}
    if any(one.synced_at > asked_at for one in known.values()):
        return Synchronised(channel)  # somebody asked after us and was quicker
    given = {one.id: _columns(one) for one in listed}
    added = _add(channel, {key: row for key, row in given.items() if key not in known}, asked_at)
    before = {template.id: template.state for template in known.values()}
    changed = gone = back = 0
    for key, template in known.items():
        if key not in given:
            gone += template.state != TemplateState.gone
            _end(template)
        elif _differs(template, given[key]):
            changed += 1
            _change(template, given[key])
        else:
            back += template.state == TemplateState.gone
            _keep(template, given[key])
        template.synced_at = asked_at
    _alert([one for one in known.values() if one.state != before[one.id]], asked_at)
    if actor.user_id or added or changed or gone or back:
        subject = ("message_templates", channel.value)
        audit.record(
            actor, "template.synchronised", subject, added=added, changed=changed, gone=gone, back=back
        )
    return Synchronised(channel, added, changed, gone, back)


def _alert(turned: Sequence[MessageTemplate], asked_at: datetime) -> None:
    """Tells staff of each template in use that changed, vanished or came back."""
    in_use = sending_alerts.used(SYSTEM, [one.id for one in turned])
    for one in turned:
        if one.id in in_use:
            said = f"“{one.title}”（{one.channel.label}）{one.state.label}，用它发送的消息在等待，不会丢失。"
            sending_alerts.tell(
                "template.held",
                one,
                "消息模板须处理",
                f"{said}请在管理后台核对，或改用其他模板。",
                {"template": one.title, "state": one.state.label},
                once=f"{one.state}:{asked_at.timestamp():.0f}",
            )


def _held(channel: Channel) -> Any:
    return (
        select(MessageTemplate)
        .where(MessageTemplate.channel == channel)
        .order_by(MessageTemplate.id)
        .with_for_update()
    )


def _columns(listed: Listed) -> dict[str, Any]:
    return {
        "title": listed.title[:64],
        "type": _TYPES[listed.subscription],
        "content": listed.content[:1000],
        "example": listed.example[:1000],
        "fields": [{**asdict(one), "choices": list(one.choices)} for one in listed.fields],
    }


def _add(channel: Channel, given: dict[str, dict[str, Any]], asked_at: datetime) -> int:
    rows = [
        {"id": new_id(), "channel": channel, "platform_id": key, "synced_at": asked_at, **columns}
        for key, columns in given.items()
    ]
    if not rows:
        return 0
    fresh = insert(MessageTemplate).values(rows).on_conflict_do_nothing().returning(MessageTemplate.id)
    return len(session().execute(fresh).all())


def _end(template: MessageTemplate) -> None:
    if template.state != TemplateState.gone:
        move(template, TemplateState.gone)


def _differs(template: MessageTemplate, given: dict[str, Any]) -> bool:
    return any(getattr(template, name) != given[name] for name in ("title", "type", "content", "fields"))


def _change(template: MessageTemplate, given: dict[str, Any]) -> None:
    """Keeps the version of before, and holds what goes out by it until staff have looked at it."""
    kept = {name: getattr(template, name) for name in ("version", "title", "content", "fields")}
    session().add(MessageTemplateVersion(template_id=template.id, **kept))
    for name, value in given.items():
        setattr(template, name, value)
    template.version += 1
    if template.state != TemplateState.changed:
        move(template, TemplateState.changed)


def _keep(template: MessageTemplate, given: dict[str, Any]) -> None:
    template.example = given["example"]
    if template.state == TemplateState.gone:
        # It may have been waiting for staff before it went.
        move(template, TemplateState.changed)


# --- what staff see


@dataclass(frozen=True)
class Dossier:
    """A template, as it once was (the newest first), and the kinds of notice that go out by it."""

    template: MessageTemplate
    versions: list[MessageTemplateVersion]
    uses: list[TemplateUse]


@transaction("messages.desk")
def dossier(_actor: Actor, template_id: UUID) -> Dossier:
    """Returns all about a template; raises DomainError `not_found`."""
    template = session().get(MessageTemplate, template_id)
    if template is None:
        raise DomainError("not_found")
    versions = (
        select(MessageTemplateVersion)
        .where(MessageTemplateVersion.template_id == template_id)
        .order_by(MessageTemplateVersion.version.desc())
    )
    uses = select(TemplateUse).where(TemplateUse.template_id == template_id).order_by(TemplateUse.kind)
    return Dossier(
        template,
        list(session().execute(versions).scalars()),
        list(session().execute(uses).scalars()),
    )


@transaction("messages.desk")
def usable(_actor: Actor, channel: Channel) -> list[MessageTemplate]:
    """Returns the templates of a channel that are on the platform, by title."""
    there = MessageTemplate.state != TemplateState.gone
    found = select(MessageTemplate).where(MessageTemplate.channel == channel, there)
    return list(session().execute(found.order_by(MessageTemplate.title, MessageTemplate.id)).scalars())


@transaction("messages.templates")
def confirm(actor: Actor, template_id: UUID) -> MessageTemplate:
    """Puts a template that changed to use again: staff have compared each mapping with what it is now.

    Raises DomainError `not_found`, `template_mapping_incomplete` (naming the kinds of notice whose mapping
    lacks a field or has one too many); IllegalMove unless it has changed.
    """
    template = session().get(MessageTemplate, template_id, with_for_update=True)
    if template is None:
        raise DomainError("not_found")
    if template.state != TemplateState.changed:
        raise IllegalMove(template.state, TemplateState.active)
    uses = session().execute(select(TemplateUse).where(TemplateUse.template_id == template_id)).scalars()
    wrong = [KINDS[use.kind].label for use in uses if use.kind in KINDS and not fits(template, use.fields)]
    if wrong:
        raise DomainError("template_mapping_incomplete", kinds="、".join(wrong))
    move(template, TemplateState.active)
    audit.record(actor, "template.confirmed", template, version=template.version)
    return template


def fits(template: MessageTemplate, fields: Iterable[str]) -> bool:
    """Returns whether a mapping fills every field of the template and no other."""
    return {one["key"] for one in template.fields} == set(fields)


_USES = (
    select(func.count())
    .where(TemplateUse.template_id == MessageTemplate.id)
    .correlate(MessageTemplate)
    .scalar_subquery()
)

TEMPLATES = Register(
    "messages.templates",
    "消息模板",
    "messages.desk",
    select(
        MessageTemplate.id,
        MessageTemplate.title,
        MessageTemplate.channel,
        MessageTemplate.type,
        MessageTemplate.state,
        MessageTemplate.version,
        MessageTemplate.synced_at,
        _USES.label("uses"),
    ),
    [
        Column("标题", "title", width=26),
        Column("渠道", "channel"),
        Column("类型", "type"),
        Column("状态", "state"),
        Column("版本", "version", kind=Kind.INTEGER, width=8),
        Column("用于自动通知", "uses", kind=Kind.INTEGER, width=12),
        Column("最近同步", "synced_at", kind=Kind.DATETIME),
    ],
    key=MessageTemplate.id,
    sorts={"title": MessageTemplate.title, "state": as_text(MessageTemplate.state), "uses": _USES},
    default="title",
    filters=[
        contains("title", "标题", MessageTemplate.title),
        choice("channel", "渠道", MessageTemplate.channel, Channel),
        choice("state", "状态", MessageTemplate.state, TemplateState),
    ],
)
