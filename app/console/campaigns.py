"""Pages of campaigns: the list, one campaign as it goes, what is decided about it, and its outcomes."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response, request, url_for

from app.access import SYSTEM, Actor
from app.console.forms import Form
from app.console.frame import back, done, page, render, require
from app.console.lists import list_page
from app.services import (
    audit_trail,
    campaign_audiences,
    campaign_moves,
    campaign_progress,
    campaigns,
    deliveries,
)
from app.services.campaign_audiences import Audience
from models.campaigns import Campaign, CampaignState
from models.deliveries import DeliveryState
from schemas.base import ReasonBody
from schemas.campaigns import NameBody

MOVING = (CampaignState.scheduled, CampaignState.preparing, CampaignState.running)


@page("/campaigns", endpoint="campaigns")
@require("messages.send")
def index(actor: Actor) -> Response:
    """The list of campaigns."""
    links = {"name": lambda row: url_of(row["id"])}
    return list_page(actor, campaigns.CAMPAIGNS, template="campaigns/list.html", links=links)


@page("/campaigns", methods=("POST",), endpoint="campaign_new")
@require("messages.send")
def create(actor: Actor) -> Any:
    """Begins a draft."""
    made = campaigns.create(actor, **Form(NameBody).values())
    return done("草稿已建立，随时可以离开，稍后接着写。", url_for(".campaign_audience", campaign_id=made.id))


@page("/campaigns/<uuid:campaign_id>", endpoint="campaign")
@require("messages.send")
def campaign(actor: Actor, campaign_id: UUID) -> Response:
    """One campaign: what it is, how far it is, and what may be done; as a part of the page while it moves."""
    found = campaigns.get(actor, campaign_id)
    progress = campaign_progress.progress(actor, campaign_id)
    # What may be done follows from these: when they change, the page is drawn anew.
    seen = f"{found.state}{'-retry' if progress.passing else ''}"
    part = request.headers.get("HX-Request") == "true"
    if part and request.args.get("seen", seen) != seen:
        return Response(headers={"HX-Refresh": "true"})
    names = audit_trail.who(SYSTEM, {one for one in (found.created_by, found.approved_by) if one})
    values: dict[str, Any] = {
        "campaign": found,
        "progress": progress,
        "seen": seen,
        "outcomes": tuple(DeliveryState),
        "moving": found.state in MOVING,
        "own": found.created_by == actor.user_id,
        "names": names,
    }
    if part:
        return render("campaigns/_progress.html", **values)
    audience = Audience.load(found.audience)
    return render(
        "campaigns/campaign.html",
        audience=campaign_audiences.said(audience, len(found.credit_codes)),
        preview=_preview(actor, found),
        **phone(actor, found),
        **values,
    )


def _preview(actor: Actor, found: Campaign) -> campaign_audiences.Preview | None:
    """Who would get it, for whoever has to decide about it."""
    before = (CampaignState.approving, CampaignState.scheduled)
    return campaigns.preview(actor, found.id) if found.state in before else None


def phone(actor: Actor, found: Campaign) -> dict[str, Any]:
    """Returns what the phone's cards are drawn from."""
    training = campaigns.training_of(found)
    return {
        "title": found.title,
        "body": found.body,
        "opens": campaign_audiences.training_title(SYSTEM, training) if training else "",
        "said": campaigns.said(actor, found.channels, found.templates),
    }


@page("/campaigns/<uuid:campaign_id>/recipients", endpoint="campaign_recipients")
@require("messages.send")
def recipients(actor: Actor, campaign_id: UUID) -> Response:
    """Who had which outcome."""
    return list_page(
        actor,
        campaign_progress.RECIPIENTS,
        template="campaigns/recipients.html",
        of={"campaign": campaign_id},
        campaign=campaigns.get(actor, campaign_id),
    )


# --- what is decided


@page("/campaigns/<uuid:campaign_id>/approve", methods=("POST",), endpoint="campaign_approve")
@require("messages.send")
def approve(actor: Actor, campaign_id: UUID) -> Any:
    """Approves what somebody else submitted."""
    campaign_moves.approve(actor, campaign_id)
    return done("已复核通过，到时间即开始发送。", url_of(campaign_id))


@page("/campaigns/<uuid:campaign_id>/return", methods=("POST",), endpoint="campaign_return")
@require("messages.send")
def return_(actor: Actor, campaign_id: UUID) -> Any:
    """Gives it back to whoever submitted it."""
    campaigns.get(actor, campaign_id)
    campaign_moves.return_(actor, campaign_id, **Form(ReasonBody).values())
    return done("已退回发起人修改。", url_of(campaign_id))


@page("/campaigns/<uuid:campaign_id>/withdraw", methods=("POST",), endpoint="campaign_withdraw")
@require("messages.send")
def withdraw(actor: Actor, campaign_id: UUID) -> Any:
    """Makes one's own a draft again."""
    campaign_moves.withdraw(actor, campaign_id)
    return done("已撤回为草稿，可以修改后重新提交。", url_of(campaign_id))


@page("/campaigns/<uuid:campaign_id>/start", methods=("POST",), endpoint="campaign_start")
@require("messages.send")
def start(actor: Actor, campaign_id: UUID) -> Any:
    """Lets one start before its time."""
    campaign_moves.start_now(actor, campaign_id)
    return done("马上开始发送。", url_of(campaign_id))


@page("/campaigns/<uuid:campaign_id>/pause", methods=("POST",), endpoint="campaign_pause")
@require("messages.send")
def pause(actor: Actor, campaign_id: UUID) -> Any:
    """Holds what has not been sent."""
    campaign_moves.pause(actor, campaign_id)
    return done("已暂停。正在发送的几条会发完，其余等您点“继续”。", url_of(campaign_id))


@page("/campaigns/<uuid:campaign_id>/resume", methods=("POST",), endpoint="campaign_resume")
@require("messages.send")
def resume(actor: Actor, campaign_id: UUID) -> Any:
    """Goes on."""
    campaign_moves.resume(actor, campaign_id)
    return done("已继续。", url_of(campaign_id))


@page("/campaigns/<uuid:campaign_id>/cancel", methods=("POST",), endpoint="campaign_cancel")
@require("messages.send")
def cancel(actor: Actor, campaign_id: UUID) -> Any:
    """Ends it."""
    campaigns.get(actor, campaign_id)
    campaign_moves.cancel(actor, campaign_id, **Form(ReasonBody).values())
    return done("已取消，没有发出的不再发送。", url_of(campaign_id))


@page("/campaigns/<uuid:campaign_id>/retry", methods=("POST",), endpoint="campaign_retry")
@require("messages.send")
def retry(actor: Actor, campaign_id: UUID) -> Any:
    """Tries again what failed for a passing reason."""
    tried = campaign_progress.retry(actor, campaign_id)
    return done(f"{tried} 条将重新发送。", url_of(campaign_id))


@page("/deliveries/<uuid:delivery_id>/resolve", methods=("POST",), endpoint="campaign_resolve")
@require("messages.send")
def resolve(actor: Actor, delivery_id: UUID) -> Any:
    """Gives a message of unknown outcome the one that was found out."""
    delivered = request.form.get("outcome") == "delivered"
    deliveries.resolve_unknown(actor, delivery_id, delivered)
    said = "已记为送达。" if delivered else "将再发送一次。"
    return done(said, back(url_for(".campaigns")))


def url_of(campaign_id: UUID) -> str:
    """Returns the address of a campaign's page."""
    return url_for("console.campaign", campaign_id=campaign_id)
