"""Figures of assistance: what was asked for, worked on and finished in a year, and how long steps take."""

from __future__ import annotations

from typing import Any

from flask import Response, request, url_for

from app.access import Actor
from app.console.frame import page, render, require
from app.services import case_figures
from app.services.case_figures import FIGURES, Group, Grouping
from models.base import now

_ROWS = {"county": "division", "agency": "agency", "strategy": "strategy", "aspect": "aspect"}
"""The filter of the register that shows the rows of a line."""
_STATES: dict[str, dict[str, Any]] = {"closed": {"state": "closed"}, "overdue": {"overdue": "yes"}}
"""What the register filters by besides, for the figures that it can show row by row."""


@page("/cases/figures", endpoint="case_figures")
@require("cases.desk")
def index(actor: Actor) -> Response:
    """The figures of a year."""
    year, by = _year(), _grouping()
    return render(
        "cases/figures.html",
        found=case_figures.breakdown(actor, year, by),
        durations=case_figures.durations(actor, year),
        years=case_figures.years(actor),
        groupings=[(one.value, one.label) for one in Grouping],
        figures=FIGURES,
        rows=_rows_url,
    )


def _year() -> int:
    asked = request.args.get("year", "")
    return int(asked) if asked.isascii() and asked.isdigit() and len(asked) == 4 else now().year


def _grouping() -> Grouping:
    asked = request.args.get("by", "")
    return next((one for one in Grouping if one.value == asked), Grouping.county)


def _rows_url(year: int, by: Grouping, group: Group, figure: str) -> str | None:
    """Returns where the rows behind a number are listed, if the register can list just those."""
    if figure not in ("requested", *_STATES) or (group.label != "合计" and not group.key):
        return None
    if group.key and by not in _ROWS:
        return None
    # The register finds agencies by their names.
    wanted = group.label if by == Grouping.agency else group.key
    which: dict[str, Any] = {_ROWS[by]: wanted} if group.key else {}
    return url_for("console.cases_list", **{"year": year, **which, **_STATES.get(figure, {})})
