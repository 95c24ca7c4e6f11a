"""Agencies: which there are for an enterprise, and what is to be known of one."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from app.access import Actor
from app.api.frame import Blueprint, require
from app.services import agency_catalogue
from schemas import agencies as shapes
from schemas.base import page_of

blp = Blueprint("agencies", __name__, description="帮扶机构：目录、专家、考核")


@blp.route("/agencies")
@require("agencies.read")
@blp.arguments(shapes.AgencyQuery, location="query")
@blp.response(200, page_of(shapes.AgencyItem))
def list_agencies(actor: Actor, query: dict[str, Any]) -> Any:
    """帮扶机构目录：参与帮扶的，按名称排列，含专家、最近考核和费用减免"""
    return agency_catalogue.catalogue(actor, **query)


@blp.route("/agencies/<uuid:agency_id>")
@require("agencies.read")
@blp.response(200, shapes.AgencyOut)
def details(actor: Actor, agency_id: UUID) -> Any:
    """一家帮扶机构，含历年考核和选定情况"""
    return agency_catalogue.details(actor, agency_id)
