"""The documentation says what the code does today."""

from __future__ import annotations

import re

from flask import Flask

from app.cli.reference_pages import LIFECYCLES, pages
from config.settings import ROOT
from models.lifecycle import State


def test_the_generated_pages_are_current() -> None:
    for name, text in pages().items():
        assert (ROOT / "docs" / name).read_text(encoding="utf-8") == text, f"run `flask docs`: {name}"


def test_every_lifecycle_is_drawn() -> None:
    assert set(LIFECYCLES.values()) == set(State.__subclasses__())


def test_every_decision_is_listed_and_every_link_leads_somewhere(app: Flask) -> None:
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            if not target.startswith("http"):
                assert (page.parent / target).exists(), f"{page.name}: {target}"
    index = (ROOT / "docs" / "decisions" / "README.md").read_text(encoding="utf-8")
    for record in (ROOT / "docs" / "decisions").glob("0*.md"):
        assert record.name in index, record.name
