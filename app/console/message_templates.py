"""Pages of the templates as the platform has them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response, flash, redirect, url_for

from app.access import Actor
from app.console.frame import done, page, render, require
from app.console.lists import list_page
from app.notices import KINDS
from app.services import message_templates
from app.services.message_templates import TEMPLATES, Synchronised


@page("/messages/templates", endpoint="message_templates")
@require("messages.desk")
def index(actor: Actor) -> Response:
    """The templates of both accounts."""
    links = {"title": lambda row: url_for("console.message_template", template_id=row["id"])}
    return list_page(actor, TEMPLATES, template="messages/templates.html", links=links)


@page("/messages/templates/synchronise", methods=("POST",), endpoint="message_templates_synchronise")
@require("messages.templates")
def synchronise(actor: Actor) -> Any:
    """Asks the platform now."""
    for one in message_templates.synchronise(actor):
        flash(_said(one), "danger" if one.problem else "success")
    return redirect(url_for(".message_templates"), 303)


def _said(found: Synchronised) -> str:
    if found.problem:
        return f"{found.channel.label}没有同步：{found.problem}"
    counts = {"新增": found.added, "更改": found.changed, "消失": found.gone, "恢复": found.back}
    said = "，".join(f"{label} {count} 个" for label, count in counts.items() if count)
    return f"{found.channel.label}已同步：{said or '没有变化'}。"


@page("/messages/templates/<uuid:template_id>", endpoint="message_template")
@require("messages.desk")
def template(actor: Actor, template_id: UUID) -> Response:
    """One template: its fields, what it once was, and what goes out by it."""
    found = message_templates.dossier(actor, template_id)
    return render("messages/template.html", found=found, kinds=KINDS)


@page(
    "/messages/templates/<uuid:template_id>/confirm", methods=("POST",), endpoint="message_template_confirm"
)
@require("messages.templates")
def confirm(actor: Actor, template_id: UUID) -> Any:
    """Puts a template that changed to use again."""
    confirmed = message_templates.confirm(actor, template_id)
    return done(
        f"“{confirmed.title}”已核对，等待中的消息将继续发送。",
        url_for(".message_template", template_id=template_id),
    )
