"""Campaigns: writing one, and who may see and change it. Its moves are in campaign_moves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select, update

from app import audit, notices
from app import registers as find
from app.access import SYSTEM, Actor
from app.errors import DomainError
from app.registers import Register
from app.services import audit_trail, campaign_audiences, template_rendering
from app.services.campaign_audiences import Audience, Preview
from app.transactions import session, transaction
from app.workbooks import Column
from app.workbooks.columns import Kind
from config.settings import settings
from models.campaigns import By, Campaign, CampaignState
from models.message_templates import Channel, MessageTemplate, TemplateState

NOTICE = notices.kind("campaign", "群发", {})
TRAINING_PAGE = notices.KINDS["training.changed"].page


def _show(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    names = audit_trail.who(SYSTEM, {row["created_by"] for row in rows})
    for row in rows:
        row["by"] = names.get(row["created_by"], "")
    return rows


CAMPAIGNS = Register(
    "campaigns",
    "群发",
    "messages.send",
    select(
        Campaign.id,
        Campaign.name,
        Campaign.state,
        Campaign.division_id,
        Campaign.recipients,
        Campaign.created_by,
        Campaign.created_at,
        Campaign.scheduled_at,
        Campaign.started_at,
        Campaign.finished_at,
    ),
    [
        Column("名称", "name", width=32),
        Column("状态", "state", width=10),
        Column("发起辖区", "division", width=12),
        Column("发起人", "by", width=12),
        Column("收件人数", "recipients", kind=Kind.INTEGER, width=10),
        Column("建立时间", "created_at", kind=Kind.DATETIME, width=18),
        Column("定时", "scheduled_at", kind=Kind.DATETIME, width=18),
        Column("开始发送", "started_at", kind=Kind.DATETIME, width=18),
        Column("完成", "finished_at", kind=Kind.DATETIME, width=18),
    ],
    key=Campaign.id,
    sorts={"created_at": Campaign.created_at, "recipients": Campaign.recipients, "name": Campaign.name},
    default="-created_at",
    filters=(
        find.contains("q", "名称", Campaign.name),
        find.choice("state", "状态", Campaign.state, CampaignState),
        find.division("division", "发起辖区", Campaign.division_id),
        find.since("from", "建立不早于", Campaign.created_at),
    ),
    show=_show,
)


# --- reading


def require(campaign_id: UUID) -> Campaign:
    """Returns a campaign in reach, within the act under way; raises DomainError `not_found`."""
    found = session().get(Campaign, campaign_id, populate_existing=True)
    if found is None:
        raise DomainError("not_found")
    return found


@transaction("messages.send")
def get(_actor: Actor, campaign_id: UUID) -> Campaign:
    """Returns a campaign; raises DomainError `not_found`."""
    return require(campaign_id)


@transaction("messages.send")
def draft(actor: Actor, campaign_id: UUID) -> Campaign:
    """Returns one's own draft; raises `not_found`, `campaign_not_yours` or `campaign_not_draft`."""
    return _own_draft(actor, campaign_id)


def hold_draft(actor: Actor, campaign_id: UUID) -> Campaign:
    """Returns one's own draft as `draft` does, held against changes, within the act under way."""
    held = select(Campaign.id).where(Campaign.id == campaign_id).with_for_update()
    session().execute(held)
    return _own_draft(actor, campaign_id)


def _own_draft(actor: Actor, campaign_id: UUID) -> Campaign:
    campaign = require(campaign_id)
    if campaign.created_by != actor.user_id:
        raise DomainError("campaign_not_yours")
    if campaign.state != CampaignState.draft:
        raise DomainError("campaign_not_draft", state=campaign.state.label)
    return campaign


@transaction("messages.send")
def preview(_actor: Actor, campaign_id: UUID, audience: Audience | None = None) -> Preview:
    """Returns who would get a campaign, with another audience if one is given; raises `not_found`."""
    campaign = require(campaign_id)
    return campaign_audiences.preview(SYSTEM, campaign, audience or Audience.load(campaign.audience))


@transaction(None)
def count(_system: Actor, campaign: Campaign) -> int:
    """Returns how many people would get a campaign now."""
    return campaign_audiences.preview(SYSTEM, campaign, Audience.load(campaign.audience)).people


@transaction("messages.send")
def audience_typed(_actor: Actor, campaign_id: UUID, values: Mapping[str, Any]) -> Audience:
    """Returns the audience that is being typed in for a campaign.

    Raises DomainError `not_found`, or `validation_failed` as `campaign_audiences.checked` says.
    """
    return campaign_audiences.checked(require(campaign_id).division_id, values)


# --- writing


@transaction("messages.send")
def create(actor: Actor, name: str) -> Campaign:
    """Begins a draft of the actor's division."""
    assert actor.user_id is not None
    campaign = Campaign(
        division_id=actor.reach["reach_divisions"][0],
        name=name,
        title="",
        body="",
        channels=[],
        audience=Audience().dump(),
        created_by=actor.user_id,
    )
    session().add(campaign)
    session().flush()
    audit.record(actor, "campaign.created", campaign)
    return campaign


@transaction("messages.send")
def set_audience(actor: Actor, campaign_id: UUID, name: str, values: Mapping[str, Any]) -> Campaign:
    """Changes who a draft is for.

    Raises DomainError `not_found`, `campaign_not_yours`, `campaign_not_draft` or `validation_failed`.
    """
    campaign = _own_draft(actor, campaign_id)
    audience = campaign_audiences.checked(campaign.division_id, values)
    _change(campaign, name=name, audience=audience.dump())
    audit.record(actor, "campaign.changed", campaign, fields=["受众"])
    return require(campaign_id)


@transaction("messages.send")
def set_content(
    actor: Actor,
    campaign_id: UUID,
    title: str,
    body: str,
    training: UUID | None,
    templates: Mapping[str, Mapping[str, Any]],
    first: Channel = Channel.subscribe,
    next_when_refused: bool = True,
) -> Campaign:
    """Changes what a draft says. A draft may be incomplete; `problems` tells what is missing.

    Args:
        training: what the message opens, if anything.
        templates: channel → `template_id` (a UUID, or None: not by that channel) and `fields`, the text of
            each of the template's keys, the same for everybody.
        first: which channel is tried first when there are two.

    Raises DomainError `not_found`, `campaign_not_yours`, `campaign_not_draft` or `validation_failed`.
    """
    campaign = _own_draft(actor, campaign_id)
    page = TRAINING_PAGE.format(subject=training) if training else ""
    if training and not campaign_audiences.training_title(SYSTEM, training):
        raise DomainError("validation_failed", fields={"training": ["没有这场培训，或还没有发布"]})
    chosen: dict[str, Any] = {}
    for channel, template in _chosen(templates).items():
        said = templates[channel.value].get("fields") or {}
        fields = {one["key"]: str(said.get(one["key"], "")).strip() for one in template.fields}
        chosen[channel.value] = {"template_id": str(template.id), "fields": fields}
    order = sorted(Channel, key=lambda one: one is not first)
    _change(
        campaign,
        title=title,
        body=body,
        page=page,
        templates=chosen,
        channels=[one.value for one in order if one.value in chosen],
        next_when_refused=next_when_refused,
    )
    audit.record(actor, "campaign.changed", campaign, fields=["内容"])
    return require(campaign_id)


def _chosen(templates: Mapping[str, Mapping[str, Any]]) -> dict[Channel, MessageTemplate]:
    ids = {
        Channel[name]: given["template_id"] for name, given in templates.items() if given.get("template_id")
    }
    found = {one.id: one for one in _templates(MessageTemplate.id.in_(list(ids.values())))}
    wrong = {
        f"templates.{channel}.template_id": ["没有这个模板"]
        for channel, template_id in ids.items()
        if template_id not in found or found[template_id].channel != channel
    }
    if wrong:
        raise DomainError("validation_failed", fields=wrong)
    return {channel: found[template_id] for channel, template_id in ids.items()}


def _templates(*conditions: Any) -> list[MessageTemplate]:
    wanted = select(MessageTemplate).where(*conditions).order_by(MessageTemplate.title, MessageTemplate.id)
    return list(session().execute(wanted).scalars())


def _change(campaign: Campaign, **values: Any) -> None:
    # A submission may have come between: what was submitted is not changed any more.
    changed = (
        update(Campaign)
        .where(Campaign.id == campaign.id, Campaign.state == CampaignState.draft)
        .values(**values)
        .returning(Campaign.id)
    )
    if session().execute(changed, execution_options={"synchronize_session": False}).scalar() is None:
        raise DomainError("campaign_not_draft", state=require(campaign.id).state.label)


@transaction("messages.send")
def set_credit_codes(actor: Actor, campaign_id: UUID, credit_codes: list[str]) -> None:
    """Replaces the list of a draft; raises as `set_audience` does."""
    campaign = _own_draft(actor, campaign_id)
    by = {"by": By.listed.value}
    _change(campaign, credit_codes=credit_codes, audience=campaign.audience | by)
    audit.record(actor, "campaign.listed", campaign, people=len(credit_codes))


# --- what it says on each channel


@transaction("messages.send")
def templates(_actor: Actor) -> dict[Channel, list[MessageTemplate]]:
    """Returns the templates that can be chosen, by channel."""
    found = _templates(MessageTemplate.state == TemplateState.active)
    return {channel: [one for one in found if one.channel == channel] for channel in Channel}


Said = dict[Channel, tuple[MessageTemplate, list[template_rendering.Line]]]


@transaction("messages.send")
def said(_actor: Actor, channels: list[str], chosen: Mapping[str, Mapping[str, Any]]) -> Said:
    """Returns for each channel the template and its fields as the phone would show them."""
    ids = {Channel[name]: UUID(str(chosen[name]["template_id"])) for name in channels}
    found = {one.id: one for one in _templates(MessageTemplate.id.in_(list(ids.values())))}
    return {
        channel: (
            found[template_id],
            template_rendering.preview(chosen[channel].get("fields") or {}, found[template_id].fields, {}),
        )
        for channel, template_id in ids.items()
        if template_id in found
    }


def problems(actor: Actor, campaign: Campaign) -> dict[str, list[str]]:
    """Returns what keeps a draft from being submitted, by the fields of its form."""
    wrong: dict[str, list[str]] = {}
    if not campaign.title:
        wrong["title"] = ["请填写标题"]
    if not campaign.body:
        wrong["body"] = ["请填写正文"]
    held = said(actor, campaign.channels, campaign.templates)
    for channel, (template, lines) in held.items():
        if template.state != TemplateState.active:
            wrong[f"templates.{channel}.template_id"] = [f"模板{template.state.label}，请改用其他模板"]
        for line in lines:
            if line.problem:
                wrong[f"templates.{channel}.fields.{line.key}"] = [f"{line.label}：{line.problem}"]
    return wrong


def training_of(campaign: Campaign) -> UUID | None:
    """Returns the training that the message opens, if any."""
    return UUID(campaign.page.rsplit("=", 1)[1]) if campaign.page else None


def must_be_approved(people: int) -> bool:
    """Returns whether a second person must approve a campaign to so many."""
    return people > settings().campaign_approval_above
