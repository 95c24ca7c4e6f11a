"""`make shots`: screenshots of every page, for the documentation and for looking at them.

Starts a copy of its own, walks the tour up to the check-ins, and opens the pages in Chromium at 1280
pixels and again with a font twice as large. Those that README and the staff manual show go to
docs/images/.
"""

from __future__ import annotations

import re
import shutil
import sys

from playwright.sync_api import Browser, Page, sync_playwright

from config.settings import ROOT
from tests.tour import Tour, own_copy
from tests.tour_desk import Desk

IMAGES = ROOT / "docs" / "images"
EVERY = ROOT / "instance" / "shots"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
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
    "account",
    "accounts",
    "audit",
}


def main() -> int:
    """Writes the screenshots; returns 0."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        print("需要 Chromium（Debian/Ubuntu：apt-get install chromium fonts-noto-cjk）", file=sys.stderr)
        return 1
    EVERY.mkdir(parents=True, exist_ok=True)
    (IMAGES / "manual").mkdir(parents=True, exist_ok=True)
    with own_copy() as (port, password), sync_playwright() as playwright:
        tour = Tour(port, password)
        for part in (tour.staff, tour.sign_in, tour.enterprise, tour.training, tour.sign_ups, tour.check_ins):
            part()
        auditor = _auditor(tour)
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        for name in SIZES:
            _pages(_window(browser, tour, None, name), tour, PUBLIC, name)
            _pages(_window(browser, tour, tour.county, name), tour, CLERK, name)
            _transfer(_window(browser, tour, tour.county, name), tour, name)
            _pages(_window(browser, tour, tour.admin, name), tour, ADMINISTRATOR, name)
            _pages(_window(browser, tour, auditor, name), tour, AUDITOR, name)
            _phone(_window(browser, tour, None, name), tour, name)
        browser.close()
    print(f"截图在 {EVERY} 与 {IMAGES}")
    return 0


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
    fonts = {"fontSizes": {"standard": SIZES[size], "fixed": SIZES[size]}}
    context.new_cdp_session(page).send("Page.setFontSizes", fonts)
    return page


def _pages(page: Page, tour: Tour, pages: dict[str, str], size: str) -> None:
    made = {
        "enterprise": tour.mine,
        "rival": tour.theirs,
        "training": tour.course,
        "session": tour.sessions[0],
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
    page.screenshot(path=str(path))
    if size == "100" and name in MANUAL:
        shutil.copy(path, IMAGES / "manual" / f"{name}.png")
    print(path.name)


if __name__ == "__main__":
    sys.exit(main())
