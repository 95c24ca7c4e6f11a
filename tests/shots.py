"""`make shots`: screenshots of every page, for the documentation and for looking at them.

Starts a copy of its own, walks the tour, and opens the pages in Chromium, each when there is most to be
seen on it, at 1280 pixels and again with a font twice as large. Those that README and the staff manual
show go to docs/images/.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable

from playwright.sync_api import Browser, Page, sync_playwright

from config.settings import ROOT
from tests.tour import Tour
from tests.tour_copy import own_copy
from tests.tour_desk import Desk

IMAGES = ROOT / "docs" / "images"
EVERY = ROOT / "instance" / "shots"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-sync",
    "--lang=zh-CN",
]
CHINESE = {"LANGUAGE": "zh_CN", "LANG": "zh_CN.UTF-8"}  # what stands in an empty date field
SIZES = {"100": 16, "200": 32}

# Opened by anybody, by the county's clerk, and by the administrator; {…} is what the tour made.
PUBLIC = {
    "entrance": "/",
    "verify": "/verify/",
    "verify-unknown": "/verify/0000000000",
    "api-docs": "/api/docs",
    "not-found": "/nothing-here",
    "sign-in": "/console/sign-in",
    "sign-in-scan": "/console/sign-in/scan",
}
CLERK = {
    "home": "/console/",
    "enterprises": "/console/enterprises",
    "enterprise": "/console/enterprises/{enterprise}",
    "enterprises-import": "/console/enterprises/import",
    "enterprise-override": "/console/enterprises/new",
    "enterprise-merge": "/console/enterprises/{enterprise}/merge",
    "enterprise-merge-preview": "/console/enterprises/{enterprise}/merge/{rival}",
    "reviews": "/console/reviews",
    "review": "/console/reviews/{rival}",
    "membership-requests": "/console/membership-requests",
    "calendar": "/console/calendar",
    "trainings": "/console/trainings",
    "training": "/console/trainings/{training}",
    "training-new": "/console/trainings/new",
    "training-edit": "/console/trainings/{training}/edit",
    "signups": "/console/trainings/{training}/signups",
    "signup-new": "/console/trainings/{training}/signups/new",
    "trainers": "/console/trainings/{training}/trainers",
    "live": "/console/sessions/{session}/live",
    "projector": "/console/sessions/{session}/projector",
    "scan": "/console/sessions/{session}/scan",
    "attendance": "/console/trainings/{training}/attendance",
    "attendance-sheet": "/console/trainings/{training}/attendance/sheet",
    "attendance-import": "/console/trainings/{training}/attendance/import",
    "transfers": "/console/transfers",
    "account": "/console/account",
    "account-password": "/console/account/password",
    "account-wechat": "/console/account/wechat",
    "out-of-reach": "/console/enterprises/00000000-0000-7000-8000-000000000000",
}
ADMINISTRATOR = {
    "accounts": "/console/accounts",
    "account-new": "/console/accounts/new",
    "organisations": "/console/organisations",
    "banks": "/console/organisations/banks",
}
AUDITOR = {"audit": "/console/audit"}
# What the tour's chapter of messages comes by: a draft, one to be approved, a channel that paused, the end.
WRITING = {
    "campaign-audience": "/console{campaign}/audience",
    "campaign-list": "/console{campaign}/list",
    "campaign-content": "/console{campaign}/content",
    "campaign-check": "/console{campaign}/check",
    "campaign-submit": "/console{campaign}/submit",
}
APPROVING = {"campaign-approving": "/console{campaign}"}
PAUSED = {
    "sending": "/console/messages/sending",
    "sending-automatic": "/console/messages/sending/automatic",
    "message-templates": "/console/messages/templates",
    "message-template": "/console{template}",
    "notice-routes": "/console/messages/routes",
    "notice-route": "/console/messages/routes/signup.received",
    "notice-route-change": "/console/messages/routes/signup.received/change",
}
RUNNING = {"campaign-running": "/console{campaign}"}
ENDED = {
    "campaigns": "/console/campaigns",
    "campaign": "/console{campaign}",
    "campaign-recipients": "/console{campaign}/recipients",
}
# What the tour's chapter of assistance comes by, each page looked at by whom it is for.
REQUESTED = {"queue": "/console/queue", "route-review": "/console/queue/{case}"}
ROUTED = {"route": "/console/queue/{case}"}
OFFERED = {"own-cases": "/console/own-cases"}
CALENDAR = {
    "agency-home": "/console/",
    "agency-calendar": "/console/agency-calendar",
    "availability": "/console/experts/{expert}/availability",
    "availability-new": "/console/experts/{expert}/availability/new",
    "absence-new": "/console/experts/{expert}/absences/new",
    "bookings": "/console/bookings",
    "booking": "/console/bookings/{booking}",
    "case-agency": "/console/cases/{case}",
    "case-diagnosis": "/console/cases/{case}/diagnosis",
    "case-scores": "/console/cases/{case}/scores",
    "case-finding": "/console/cases/{case}/findings/new",
    "case-visit": "/console/cases/{case}/visits/new?booking={booking}",
    "case-evidence": "/console/cases/{case}/evidence",
    "agency-own": "/console/agency",
    "agency-own-edit": "/console/agency/edit",
    "agency-expert": "/console/agency/experts/new",
    "agency-expert-bind": "/console/agency/experts/{expert}/bind",
}
DIAGNOSED = {"visits": "/console/visits"}
CORRECTED = {"case-plan": "/console/cases/{case}/plan"}
TAUGHT = {
    "case-training": "/console/case-trainings/{case_training}",
    "case-training-new": "/console/cases/{case}/trainings/new",
    "case-finding-done": "/console/findings/{finding}/move",
    "case-effects": "/console/cases/{case}/effects?phase=after",
    "case-summary": "/console/cases/{case}/summary",
}
CLOSED = {
    "home-assistance": "/console/",
    "cases": "/console/cases",
    "cases-list": "/console/cases/list",
    "cases-overdue": "/console/cases/overdue",
    "case": "/console/cases/{case}",
    "case-whole": "/console/cases/{case}",
    "case-figures": "/console/cases/figures",
    "agencies": "/console/agencies",
    "agency": "/console/agencies/{agency}",
    "agencies-experts": "/console/agencies/experts",
    "agencies-assessments": "/console/agencies/assessments",
    "agencies-selections": "/console/agencies/selections",
    "agencies-select": "/console/agencies/selections/new",
}
KEPT = {
    "cases-city": "/console/cases",
    "case-figures-city": "/console/cases/figures?by=agency",
    "agency-new": "/console/agencies/new",
    "agencies-import": "/console/agencies/assessments/import",
}
ASSISTANCE = REQUESTED | ROUTED | OFFERED | CALENDAR | DIAGNOSED | CORRECTED | TAUGHT | CLOSED | KEPT
WHOLE = {*WRITING, *APPROVING, *PAUSED, *RUNNING, *ENDED, *ASSISTANCE}
WHOLE -= {"case", "case-agency", "case-diagnosis"}  # too long for a manual
"""Pages that are taken down to their end, longer than the window."""
MANUAL = {
    "sign-in",
    "home",
    "enterprises",
    "enterprise",
    "review",
    "enterprises-import",
    "enterprise-merge-preview",
    "calendar",
    "training",
    "training-new",
    "signups",
    "live",
    "projector",
    "scan",
    "attendance",
    "transfer",
    "campaign-audience",
    "campaign-content",
    "campaign-check",
    "campaign-approving",
    "campaign-running",
    "campaign-recipients",
    "notice-routes",
    "notice-route-change",
    "message-template",
    "sending",
    "account",
    "accounts",
    "audit",
    "queue",
    "route",
    "own-cases",
    "agency-calendar",
    "availability-new",
    "booking",
    "case-agency",
    "case-diagnosis",
    "case-visit",
    "visits",
    "case-training",
    "cases-city",
    "case",
    "case-figures-city",
    "agencies-select",
    "agencies-import",
    "agency-own",
}


def main() -> int:
    """Writes the screenshots; returns 0."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        print(
            "需要 Chromium（Debian/Ubuntu：apt-get install chromium chromium-l10n fonts-noto-cjk）",
            file=sys.stderr,
        )
        return 1
    EVERY.mkdir(parents=True, exist_ok=True)
    (IMAGES / "manual").mkdir(parents=True, exist_ok=True)
    with own_copy() as (port, password), sync_playwright() as playwright:
        tour = Tour(port, password)
        browser = playwright.chromium.launch(
            executable_path=chromium, args=ARGUMENTS, env={**os.environ, **CHINESE}
        )
        parts = (tour.staff, tour.sign_in, tour.scanning, tour.enterprise, tour.training, tour.sign_ups)
        _walk(*parts, tour.check_ins)
        auditor = _auditor(tour)
        for name in SIZES:
            _pages(_window(browser, tour, None, name), tour, PUBLIC, name)
            _pages(_window(browser, tour, tour.county, name), tour, CLERK, name)
            _transfer(_window(browser, tour, tour.county, name), tour, name)
            _pages(_window(browser, tour, tour.admin, name), tour, ADMINISTRATOR, name)
            _pages(_window(browser, tour, auditor, name), tour, AUDITOR, name)
            _phone(_window(browser, tour, None, name), tour, name)
        _messages(browser, tour)
        _assistance(browser, tour)
        browser.close()
    print(f"截图在 {EVERY} 与 {IMAGES}")
    return 0


def _walk(*parts: Callable[[], None]) -> None:
    for part in parts:
        part()


def _messages(browser: Browser, tour: Tour) -> None:
    """The chapter of messages, with a look at its pages in between."""

    def look(desk: Desk, pages: dict[str, str]) -> None:
        for name in SIZES:
            _pages(_window(browser, tour, desk, name), tour, pages, name)

    _walk(tour.templates_and_routes, tour.reachable, tour.campaign)
    look(tour.county, WRITING)
    _walk(tour.automatic_notices)
    tour.county.post(f"{tour.sending}/submit")
    look(tour.second, APPROVING)
    tour.county.post(f"{tour.sending}/withdraw")
    _walk(tour.approval, tour.quota)
    look(tour.city, PAUSED)
    look(tour.county, RUNNING)
    _walk(tour.pauses, tour.outcomes)
    look(tour.county, ENDED)


def _assistance(browser: Browser, tour: Tour) -> None:
    """The chapter of assistance, with a look at its pages in between."""

    def look(desk: Desk, pages: dict[str, str]) -> None:
        for name in SIZES:
            _pages(_window(browser, tour, desk, name), tour, pages, name)

    _walk(tour.agency_people, tour.request)
    look(tour.county, REQUESTED)
    _walk(tour.routing)
    look(tour.county, ROUTED)
    _walk(tour.offering, tour.booking)
    look(tour.other_agency, OFFERED)
    look(tour.agency, CALENDAR)
    _walk(tour.diagnosing)
    look(tour.county, DIAGNOSED)
    _walk(tour.confirm, tour.correcting)
    look(tour.agency, CORRECTED)
    _walk(tour.planning, tour.teaching)
    look(tour.agency, TAUGHT)
    _walk(tour.improving, tour.rating, tour.closing)
    look(tour.county, CLOSED)
    look(tour.city, KEPT)


def _auditor(tour: Tour) -> Desk:
    body = {"login_name": "shenji", "name": "孙审计", "role": "auditor", "division_id": "js.xz"}
    made = tour.admin.post("/accounts/new", **body)
    found = re.search(r'id="password">([^<]+)<', made.text)
    assert found
    return tour.staff_sign_in("shenji", found[1])


def _window(browser: Browser, tour: Tour, desk: Desk | None, size: str) -> Page:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="zh-CN")
    if desk:
        where = {"domain": "127.0.0.1", "path": "/console"}
        cookie = desk.http.cookies.get("tizhitong", path="/console")
        context.add_cookies([{"name": "tizhitong", "value": str(cookie), **where}])  # type: ignore[list-item]
    page = context.new_page()
    _set_font(page, size)
    return page


def _set_font(page: Page, size: str) -> None:
    fonts = {"fontSizes": {"standard": SIZES[size], "fixed": SIZES[size]}}
    page.context.new_cdp_session(page).send("Page.setFontSizes", fonts)


def _pages(page: Page, tour: Tour, pages: dict[str, str], size: str) -> None:
    made = {
        "enterprise": tour.mine,
        "rival": tour.theirs,
        "training": tour.course,
        "session": tour.sessions[0],
        "campaign": getattr(tour, "sending", ""),
        "template": getattr(tour, "start_template", ""),
        "case": getattr(tour, "case", ""),
        "booking": getattr(tour, "booking_id", ""),
        "expert": getattr(tour, "expert_id", ""),
        "agency": getattr(tour, "agency_id", ""),
        "finding": getattr(tour, "findings", [""])[0],
        "case_training": getattr(tour, "case_training", ""),
    }
    for name, path in pages.items():
        page.goto(tour.web + path.format(**made))
        if name == "projector":
            page.locator("img[data-shown]").wait_for()
        _shoot(page, name, size)
    page.context.close()


def _transfer(page: Page, tour: Tour, size: str) -> None:
    """An export, from the button to the file."""
    page.goto(f"{tour.web}/console/enterprises")
    page.get_by_role("button", name="导出 Excel").click()
    page.get_by_role("link", name="下载导出结果").wait_for()
    _shoot(page, "transfer", size)
    page.context.close()


def _phone(page: Page, tour: Tour, size: str) -> None:
    """The attendee's phone, from the first screen to the ticket that the README shows."""
    page.goto(f"{tour.platform}/#{tour.attendee_person['id']}")
    page.get_by_role("button", name="提质通 小程序").click()
    page.get_by_text("质量管理体系内审员培训").first.wait_for()
    _shoot(page, "phone-home", size)
    page.get_by_role("button", name="报名", exact=True).click()
    page.get_by_text("已通过").first.wait_for()
    _shoot(page, "phone-signups", size)
    page.get_by_text("已通过").first.click()
    page.get_by_role("button", name="出示签到码").click()
    page.locator("img.mp-qr[src]").wait_for()
    page.wait_for_timeout(300)
    _shoot(page, "phone-ticket", size)
    if size == "100":
        page.screenshot(path=str(IMAGES / "phone.png"))
    page.context.close()


def _shoot(page: Page, name: str, size: str) -> None:
    path = EVERY / f"{name}-{size}.png"
    if name in WHOLE:
        height = page.evaluate("Math.max(900, document.documentElement.scrollHeight)")
        page.set_viewport_size({"width": 1280, "height": height})  # which forgets the font
        _set_font(page, size)
    page.screenshot(path=str(path))
    page.set_viewport_size({"width": 1280, "height": 900})
    _set_font(page, size)
    if size == "100" and name in MANUAL:
        shutil.copy(path, IMAGES / "manual" / f"{name}.png")
    print(path.name)


if __name__ == "__main__":
    sys.exit(main())
