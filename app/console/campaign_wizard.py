"""Writing a campaign in four steps; what is written stands in the draft, so that going back loses nothing."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response, request, url_for

from app.access import SYSTEM, Actor
from app.console import transfers as transfer_pages
from app.console.campaigns import phone, url_of
from app.console.forms import Form
from app.console.frame import done, page, render, require
from app.errors import DomainError
from app.services import (
    campaign_audiences,
    campaign_lists,
    campaign_moves,
    campaign_trials,
    campaigns,
    clusters,
    reference,
    sending_hours,
    transfers,
)
from app.services.campaign_audiences import Audience
from models.campaigns import Assisted, By, Campaign, CampaignState, TookPart, Who
from models.enterprises import EnterpriseState
from models.message_templates import Channel, MessageTemplate
from models.size_class import SizeClass
from schemas import campaigns as shapes
from schemas.base import In

STEPS = (
    ("campaign_audience", "受众"),
    ("campaign_content", "内容"),
    ("campaign_check", "预览与测试"),
    ("campaign_submit", "提交"),
)


def _choices(kind: Any, *without: Any) -> list[tuple[str, str]]:
    return [(one.value, one.label) for one in kind if one not in without]


# --- 1 whom


@page("/campaigns/<uuid:campaign_id>/audience", methods=("GET", "POST"), endpoint="campaign_audience")
@require("messages.send")
def audience(actor: Actor, campaign_id: UUID) -> Any:
    """Who gets it."""
    draft = campaigns.draft(actor, campaign_id)
    held = Audience.load(draft.audience)
    form = Form(
        shapes.AudienceBody, {**draft.audience, "name": draft.name, "industries": "、".join(held.industries)}
    )
    if form.submitted:
        with form:
            values = form.values()
            campaigns.set_audience(actor, campaign_id, values.pop("name"), values)
            listed = values["by"] is By.listed and not draft.credit_codes
            following = ".campaign_list" if listed else ".campaign_content"
            return done("受众已保存。", url_for(following, campaign_id=campaign_id))
        draft = campaigns.get(actor, campaign_id)
    return form.page(
        "campaigns/audience.html",
        step=1,
        steps=STEPS,
        campaign=draft,
        preview=campaigns.preview(actor, campaign_id),
        divisions=_divisions(draft),
        trainings=_trainings(),
        transfer=request.args.get("list", ""),
        choices={
            "by": _choices(By),
            "who": _choices(Who),
            "assisted": _choices(Assisted),
            "took_part": _choices(TookPart),
            "size_classes": _choices(SizeClass),
            "clusters": clusters.choices(),
            "states": _choices(EnterpriseState, EnterpriseState.merged),
        },
    )


def _divisions(draft: Campaign) -> list[tuple[str, str]]:
    """The divisions below the campaign's own, with what is choosable: counties and branches."""
    below = [one for one in reference.divisions(SYSTEM) if one.id.startswith(f"{draft.division_id}.")]
    counties = [one for one in below if one.kind == "county"]
    return [(one.id, one.short_name) for one in counties or below]


def _trainings() -> list[tuple[str, str]]:
    return [
        (str(one.id), f"{one.starts_at:%Y-%m-%d} {one.title}") for one in campaign_audiences.trainings(SYSTEM)
    ]


@page("/campaigns/<uuid:campaign_id>/audience/count", methods=("POST",), endpoint="campaign_count")
@require("messages.send")
def count(actor: Actor, campaign_id: UUID) -> Response:
    """How many they are, while the conditions are being typed."""
    form, preview = Form(shapes.AudienceBody), None
    draft = campaigns.get(actor, campaign_id)
    with form:
        values = {**form.values()}
        values.pop("name")
        preview = campaigns.preview(actor, campaign_id, campaigns.audience_typed(actor, campaign_id, values))
    return render("campaigns/_count.html", form=form, campaign=draft, preview=preview)


@page("/campaigns/<uuid:campaign_id>/list", methods=("GET", "POST"), upload=True, endpoint="campaign_list")
@require("messages.send")
def upload(actor: Actor, campaign_id: UUID) -> Any:
    """A list of enterprises from a workbook."""
    draft = campaigns.draft(actor, campaign_id)
    form = Form(In)
    if form.submitted:
        with form:
            name, content = transfer_pages.uploaded()
            made = transfers.start_import(
                actor, campaign_lists.IMPORT, name, content, campaign=str(campaign_id)
            )
            following = url_for(".campaign_audience", campaign_id=campaign_id, list=made.id)
            return done("名单已收到，正在逐行核对。", following)
        draft = campaigns.get(actor, campaign_id)
    return form.page("campaigns/list_upload.html", step=1, steps=STEPS, campaign=draft)


@page("/campaigns/list/template.xlsx", endpoint="campaign_list_template")
@require("messages.send")
def list_template(_actor: Actor) -> Response:
    """The workbook to fill in."""
    return transfer_pages.template_of(campaign_lists.IMPORT)


# --- 2 what


@page("/campaigns/<uuid:campaign_id>/content", methods=("GET", "POST"), endpoint="campaign_content")
@require("messages.send")
def content(actor: Actor, campaign_id: UUID) -> Any:
    """What it says."""
    draft = campaigns.draft(actor, campaign_id)
    offered = campaigns.templates(actor)
    chosen = _chosen(offered, draft)
    form = Form(_shape(chosen), _content_of(draft))
    if form.submitted and "choose" not in request.form:
        with form:
            values = form.values()
            _set(actor, campaign_id, values)
            return done("内容已保存。", url_for(".campaign_check", campaign_id=campaign_id))
        draft = campaigns.get(actor, campaign_id)
    return form.page(
        "campaigns/content.html",
        step=2,
        steps=STEPS,
        campaign=draft,
        offered=offered,
        chosen=chosen,
        trainings=_trainings(),
        channels=tuple(Channel),
        twice=lambda choices: [(one, one) for one in choices],
        **_typed(actor, form, chosen),
    )


def _set(actor: Actor, campaign_id: UUID, values: dict[str, Any]) -> None:
    campaigns.set_content(actor, campaign_id, **{"templates": {}, **values})


def _content_of(draft: Campaign) -> dict[str, Any]:
    return {
        "title": draft.title,
        "body": draft.body,
        "training": campaigns.training_of(draft),
        "templates": draft.templates,
        "first": draft.channels[0] if draft.channels else Channel.subscribe,
        "next_when_refused": draft.next_when_refused,
    }


def _chosen(offered: dict[Channel, list[MessageTemplate]], draft: Campaign) -> dict[Channel, MessageTemplate]:
    """The template of each channel: as posted, else as the draft has it."""
    found: dict[Channel, MessageTemplate] = {}
    for channel, templates in offered.items():
        held = draft.templates.get(channel.value, {}).get("template_id", "")
        wanted = (
            request.form.get(f"templates.{channel}.template_id", "") if request.method == "POST" else held
        )
        found.update((channel, one) for one in templates if str(one.id) == wanted)
    return found


def _shape(chosen: dict[Channel, MessageTemplate]) -> type[In]:
    return shapes.content_body({channel: [f["key"] for f in one.fields] for channel, one in chosen.items()})


def _typed(actor: Actor, form: Form, chosen: dict[Channel, MessageTemplate]) -> dict[str, Any]:
    """What the phone's cards are drawn from while it is being typed."""
    said = {
        channel.value: {
            "template_id": one.id,
            "fields": {f["key"]: form.text(f"templates.{channel}.fields.{f['key']}") for f in one.fields},
        }
        for channel, one in chosen.items()
    }
    try:
        training = UUID(form.text("training")) if form.text("training") else None
    except ValueError:
        training = None
    return {
        "title": form.text("title"),
        "body": form.text("body"),
        "opens": campaign_audiences.training_title(SYSTEM, training) if training else "",
        "said": campaigns.said(actor, list(said), said),
    }


@page("/campaigns/<uuid:campaign_id>/content/phone", methods=("POST",), endpoint="campaign_phone")
@require("messages.send")
def phone_part(actor: Actor, campaign_id: UUID) -> Response:
    """How it will look on the phone, while it is being typed."""
    draft = campaigns.get(actor, campaign_id)
    chosen = _chosen(campaigns.templates(actor), draft)
    return render("campaigns/_phone.html", live=True, **_typed(actor, Form(_shape(chosen)), chosen))


# --- 3 a look, and a test


@page("/campaigns/<uuid:campaign_id>/check", endpoint="campaign_check")
@require("messages.send")
def check(actor: Actor, campaign_id: UUID) -> Response:
    """The whole before it is submitted."""
    return _check_page(actor, campaigns.draft(actor, campaign_id))


@page("/campaigns/<uuid:campaign_id>/test", methods=("POST",), endpoint="campaign_test")
@require("messages.send")
def test(actor: Actor, campaign_id: UUID) -> Response:
    """Sends it to oneself."""
    trials, refusal = [], None
    try:
        trials = campaign_trials.send_to_oneself(actor, campaign_id)
    except DomainError as error:
        if error.code not in ("campaign_without_wechat", "campaign_incomplete"):
            raise
        refusal = error
    return _check_page(actor, campaigns.draft(actor, campaign_id), trials=trials, refusal=refusal)


def _check_page(actor: Actor, draft: Campaign, **values: Any) -> Response:
    return render(
        "campaigns/check.html",
        step=3,
        steps=STEPS,
        campaign=draft,
        preview=campaigns.preview(actor, draft.id),
        audience=campaign_audiences.said(Audience.load(draft.audience), len(draft.credit_codes)),
        problems=campaigns.problems(actor, draft),
        **phone(actor, draft),
        **values,
    )


# --- 4 away with it


@page("/campaigns/<uuid:campaign_id>/submit", methods=("GET", "POST"), endpoint="campaign_submit")
@require("messages.send")
def submit(actor: Actor, campaign_id: UUID) -> Any:
    """When it goes out, and what happens then."""
    draft = campaigns.draft(actor, campaign_id)
    form = Form(shapes.SubmitBody, {"scheduled_at": draft.scheduled_at})
    if form.submitted:
        with form:
            state = campaign_moves.submit(actor, campaign_id, **form.values())
            approving = state == CampaignState.approving
            said = "已提交，等待另一位工作人员复核。" if approving else "已提交，到时间即开始发送。"
            return done(said, url_of(campaign_id))
        draft = campaigns.get(actor, campaign_id)
    preview = campaigns.preview(actor, campaign_id)
    return form.page(
        "campaigns/submit.html",
        step=4,
        steps=STEPS,
        campaign=draft,
        preview=preview,
        approved=campaigns.must_be_approved(preview.people),
        problems=campaigns.problems(actor, draft),
        rules=sending_hours.rules(),
    )
