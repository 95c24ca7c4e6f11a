"""Chromium before the application, for journeys as people make them. Without Chromium they are skipped.

Every page is watched: a script error, a refused resource or a breach of the Content-Security-Policy
fails the test.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from flask import Flask
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.console_client import Browser as Client
from tests.phones import served

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 15_000
"""Milliseconds that a page may take to show what is waited for: a limit, not a measure."""

HARMLESS = ("Failed to load resource", "htmx:sendError", "htmx:afterRequest", "htmx:sendAbort")
"""What the browser says of a server that is away, and of a question that its page did not wait for."""

OpenPage = Callable[..., Page]


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the browser."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("needs Chromium (Debian/Ubuntu: apt-get install chromium)")
    return found


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    """The browser."""
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def site(app_with_platform: Flask) -> Iterator[str]:
    """The address of the application, with the simulated platform behind it."""
    with served(app_with_platform) as base:
        yield base


@pytest.fixture
def app(app_with_platform: Flask) -> Flask:
    """Builders and pages work on the application that is served."""
    return app_with_platform


@pytest.fixture
def open_page(browser: Browser, site: str) -> Iterator[OpenPage]:
    """Opens a path in a window of its own, signed in as `desk` if given; more options go to the context."""
    contexts: list[BrowserContext] = []
    problems: list[str] = []

    def open_(path: str, desk: Client | None = None, **options: Any) -> Page:
        settings = {"viewport": {"width": 1280, "height": 900}, "locale": "zh-CN", **options}
        context = browser.new_context(base_url=site, timezone_id="Asia/Shanghai", **settings)
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        if desk:
            where: Any = {"domain": "127.0.0.1", "path": "/console"}
            context.add_cookies([{"name": "tizhitong", "value": cookie_of(desk), **where}])
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(f"script: {error}"))
        page.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
        page.goto(path)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert [problem for problem in problems if not any(said in problem for said in HARMLESS)] == []


def cookie_of(desk: Client) -> str:
    """Returns the session's cookie of somebody at a desk."""
    cookie = desk.client.get_cookie("tizhitong", path="/console")
    assert cookie is not None
    return cookie.value


@pytest.fixture
def work(run_jobs: Callable[[], None]) -> Callable[[], None]:
    """Runs the background jobs that are due; on a thread of its own: the browser's loop runs on this one."""

    def run() -> None:
        with ThreadPoolExecutor(1) as thread:
            thread.submit(run_jobs).result()

    return run


def assert_accessible(page: Page) -> None:
    """Asserts that axe-core finds nothing serious on the page as it stands."""
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    serious = [
        f"{one['id']} ({one['impact']}): {[node['html'][:160] for node in one['nodes'][:3]]}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]
    assert serious == [], "\n".join(serious)
