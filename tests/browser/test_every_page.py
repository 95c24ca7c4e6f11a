"""Every page of the console, drawn from the URL map: nothing that axe finds serious, nothing cut off."""

from __future__ import annotations

import re

import pytest
from flask import Flask

from models.trainings import TrainingState
from tests.browser.conftest import OpenPage, assert_accessible
from tests.builders import World
from tests.console_client import Desk, desk
from tests.places import place

NO_PAGES = re.compile(
    r"/evidence/<uuid:evidence_id>$|\.(png|pdf|xlsx|ics|docx|zip)$|/files/|/hall-code$|/history$|/next$|/static/"
)
ROLES = {
    "people.manage": "system_administrator",
    "audit.read": "auditor",
    **dict.fromkeys(("agencies.own", "bookings.manage", "cases.work"), "agency_staff"),
}


def pages(app: Flask) -> list[tuple[str, str | None]]:
    """The rules of the pages, each with its permission."""
    return sorted(
        (rule.rule, app.view_functions[rule.endpoint].permission)  # type: ignore[attr-defined]
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("console.")
        and "GET" in (rule.methods or ())
        and not NO_PAGES.search(rule.rule)
    )


@pytest.mark.parametrize("role", ["city_staff", "agency_staff", "system_administrator", "auditor"])
def test_no_page_is_inaccessible_or_cut_off(app: Flask, open_page: OpenPage, world: World, role: str) -> None:
    there = place(world, "js.xz.fengxian", TrainingState.published)
    staff: Desk = desk(world, role, str(there.ids["agency_id"]) if role == "agency_staff" else "js.xz")
    window = open_page("/console/", staff)
    fonts = window.context.new_cdp_session(window)
    seen = 0
    for rule, permission in pages(app):
        if ROLES.get(permission or "", "city_staff") != role:
            continue
        if permission == "people.staff" and "transfer_id" in rule:
            continue  # tested where one is made
        if re.search(r"<uuid:campaign_id>/(audience|list|content|check|submit)$", rule):
            continue  # its author's alone, and tested where one is written
        path = re.sub(r"<(?:\w+:)?(\w+)>", lambda m: str(there.ids[m[1]]), rule)
        answer = window.goto(path)
        assert answer is not None
        if answer.status == 409:
            continue  # a step of the campaign wizard is for who writes the campaign: it has its own journey
        assert answer.status == 200, f"{path}: {answer.status}"
        assert_accessible(window)
        for size in (32, 16):
            fonts.send("Page.setFontSizes", {"fontSizes": {"standard": size, "fixed": size}})
            wider = window.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            assert wider <= 0, f"{path}: {wider} px are cut off with a font of {size}"
        seen += 1
    assert seen >= {"city_staff": 25, "agency_staff": 5, "system_administrator": 6, "auditor": 1}[role]
