"""`make shots`: screenshots of every page, for the documentation and for looking at them.

Starts a copy of its own, walks the tour up to the sign-ups, and opens the pages in Chromium at 1280
pixels and again at 200 % of the font. The one that the README shows goes to docs/images/.
"""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from config.settings import ROOT
from tests.tour import Tour, own_copy

IMAGES = ROOT / "docs" / "images"
EVERY = ROOT / "instance" / "shots"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]


def main() -> int:
    """Writes the screenshots; returns 0."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    EVERY.mkdir(parents=True, exist_ok=True)
    with own_copy() as (port, password), sync_playwright() as playwright:
        tour = Tour(port, password)
        tour.staff()
        tour.sign_in()
        tour.enterprise()
        tour.training()
        tour.sign_ups()
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        for name, size in (("100", 16), ("200", 32)):
            page = browser.new_page(viewport={"width": 1280, "height": 900}, locale="zh-CN")
            page.add_init_script(
                "document.addEventListener('DOMContentLoaded', () => "
                f"document.documentElement.style.fontSize = '{size}px')"
            )
            for path in ("", "verify/", "verify/0000000000", "api/docs", "nothing-here"):
                page.goto(f"{tour.web}/{path}")
                _shoot(page, EVERY / f"{path.strip('/').replace('/', '-') or 'entrance'}-{name}.png")
            _phone(page, tour, name)
            page.close()
        browser.close()
    print(f"截图在 {EVERY} 与 {IMAGES}")
    return 0


def _phone(page: Page, tour: Tour, name: str) -> None:
    """The attendee's phone, from the first screen to the ticket that the README shows."""
    page.goto(f"{tour.platform}/#{tour.attendee_person['id']}")
    page.get_by_role("button", name="提质通").click()
    page.get_by_text("质量管理体系内审员培训").first.wait_for()
    _shoot(page, EVERY / f"phone-home-{name}.png")
    page.get_by_role("button", name="报名", exact=True).click()
    page.get_by_text("已通过").first.wait_for()
    _shoot(page, EVERY / f"phone-signups-{name}.png")
    page.get_by_text("已通过").first.click()
    page.get_by_role("button", name="出示签到码").click()
    page.locator("img.mp-qr[src]").wait_for()
    page.wait_for_timeout(300)
    _shoot(page, EVERY / f"phone-ticket-{name}.png")
    if name == "100":
        _shoot(page, IMAGES / "phone.png")


def _shoot(page: Page, path: Path) -> None:
    page.screenshot(path=str(path))
    print(path.name)


if __name__ == "__main__":
    sys.exit(main())
