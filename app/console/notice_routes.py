"""Pages of automatic notices: by which way each kind goes out, and how it looks on the phone."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response, request, url_for

from app.access import Actor
from app.console.forms import Form
from app.console.frame import done, page, render, require
from app.notices import TRUTHS, NoticeKind
from app.services import message_templates, notice_routes
from app.services.notice_routes import Filling, Route, Use
from models.message_templates import Channel, MessageTemplate
from schemas import messages as shapes

_NOTHING = "没有再能自动设置的通知：其余的没有合适的模板，或已由工作人员设置过。"


@page("/messages/routes", endpoint="notice_routes")
@require("messages.desk")
def index(actor: Actor) -> Response:
    """Every kind of notice with its way."""
    return render("messages/routes.html", routes=notice_routes.every(actor))


@page("/messages/routes/set-up", methods=("POST",), endpoint="notice_routes_set_up")
@require("messages.templates")
def set_up(actor: Actor) -> Any:
    """Sets what nobody has decided, by the templates that suit."""
    made = notice_routes.set_up(actor)
    labels = "、".join(kind.label for kind in made)
    said = f"已为 {len(made)} 类通知选用模板：{labels}。请逐类核对手机上的样子。" if made else _NOTHING
    return done(said, url_for(".notice_routes"))


@page("/messages/routes/<kind>", endpoint="notice_route")
@require("messages.desk")
def route(actor: Actor, kind: str) -> Response:
    """One kind of notice."""
    return render("messages/route.html", route=notice_routes.get(actor, kind), truths=TRUTHS)


@page("/messages/routes/<kind>/change", methods=("GET", "POST"), endpoint="notice_route_change")
@require("messages.templates")
def change(actor: Actor, kind: str) -> Any:
    """Another way, or other texts."""
    held = notice_routes.get(actor, kind)
    offered = {channel: message_templates.usable(actor, channel) for channel in Channel}
    chosen = _chosen(held, offered)
    form = Form(shapes.route_body(_keys(chosen)), _given(held, chosen))
    if "choose" in request.form:
        form.submitted = False  # another template was picked: its fields are shown, and nothing is saved
    if form.submitted:
        with form:
            values = form.values()
            channels, fillings = _read(values)
            notice_routes.change(actor, kind, channels, values["next_when_refused"], fillings)
            return done(f"“{held.kind.label}”的发送方式已保存。", url_for(".notice_route", kind=kind))
    return form.page(
        "messages/route_form.html",
        route=held,
        offered=offered,
        chosen=chosen,
        channels=tuple(Channel),
        uses=_uses(actor, held.kind, form, chosen),
    )


@page("/messages/routes/<kind>/phone", methods=("POST",), endpoint="notice_route_phone")
@require("messages.templates")
def phone(actor: Actor, kind: str) -> Response:
    """How it will look on the phone, while it is being typed."""
    held = notice_routes.get(actor, kind)
    chosen = _chosen(held, {channel: message_templates.usable(actor, channel) for channel in Channel})
    form = Form(shapes.route_body(_keys(chosen)))
    return render("messages/_phone.html", kind=held.kind, uses=_uses(actor, held.kind, form, chosen))


def _chosen(held: Route, offered: dict[Channel, list[MessageTemplate]]) -> dict[Channel, MessageTemplate]:
    """The template of each channel: as posted, else as it is, else what is proposed."""
    found: dict[Channel, MessageTemplate] = {}
    for channel, templates in offered.items():
        use = next((one for one in held.uses if one.channel == channel), None)
        if request.method == "POST":
            wanted = request.form.get(f"{channel}.template_id", "")
        elif held.uses:
            wanted = str(use.template.id) if use else ""
        else:
            suggested = notice_routes.suggest(held.kind, templates)
            wanted = str(suggested.id) if suggested else ""
        found.update((channel, one) for one in templates if str(one.id) == wanted)
    return found


def _keys(chosen: dict[Channel, MessageTemplate]) -> dict[Channel, list[str]]:
    return {channel: [one["key"] for one in template.fields] for channel, template in chosen.items()}


def _given(held: Route, chosen: dict[Channel, MessageTemplate]) -> dict[str, Any]:
    """What stands in the form at first: as posted or as it is, else what is proposed for the field."""
    by_channel = {use.channel: use.fields for use in held.uses}
    given: dict[str, Any] = {
        "first": request.form.get("first") or (held.uses[0].channel if held.uses else Channel.subscribe),
        "next_when_refused": held.next_when_refused,
    }
    for channel, template in chosen.items():
        known = {**notice_routes.propose(held.kind, template), **by_channel.get(channel, {})}
        texts = {
            key: request.form.get(f"{channel}.{key}") or known.get(key, "") for key in _keys(chosen)[channel]
        }
        given[channel.value] = {"template_id": template.id, **texts}
    return given


def _read(values: dict[str, Any]) -> tuple[list[Channel], dict[Channel, Filling]]:
    first: Channel = values["first"]
    fillings = {}
    for channel in sorted(Channel, key=lambda one: one != first):
        texts = dict(values.get(channel.value) or {})
        template_id: UUID | None = texts.pop("template_id", None)
        if template_id is not None:
            fillings[channel] = Filling(template_id, texts)
    return list(fillings), fillings


def _uses(actor: Actor, kind: NoticeKind, form: Form, chosen: dict[Channel, MessageTemplate]) -> list[Use]:
    """The cards on the phone, by what stands in the form."""
    return [
        notice_routes.try_out(
            actor,
            kind.name,
            template.id,
            {one["key"]: form.text(f"{channel}.{one['key']}") for one in template.fields},
        )
        for channel, template in chosen.items()
    ]
