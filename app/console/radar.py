"""A radar chart of scores, drawn on the server: without a script, and beside a table that says the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, pi, sin

from app.console.frame import blp
from app.services.case_work import Compared

WIDTH, HEIGHT = 440, 300
RADIUS = 100
RINGS = (20, 40, 60, 80, 100)

Point = tuple[float, float]


@dataclass(frozen=True)
class Axis:
    """A spoke, and where its label stands: `anchor` as SVG's text-anchor."""

    end: Point
    label: str
    at: Point
    anchor: str


@dataclass(frozen=True)
class Radar:
    """Where everything stands; a series is empty where not all of it is known."""

    centre: Point
    rings: list[str]
    axes: list[Axis]
    before: list[Point]
    after: list[Point]


@blp.app_template_global()
def radar(scores: Sequence[Compared]) -> Radar:
    """Returns the chart of scores of 0–100 points, the first of them at the top."""
    count = len(scores)
    axes = []
    for place, one in enumerate(scores):
        x, y = _at(place, count, RADIUS + 16)
        side = round(x - WIDTH / 2)
        anchor = "middle" if side == 0 else "start" if side > 0 else "end"
        axes.append(Axis(_at(place, count, RADIUS), one.label, (x, y + 4), anchor))
    return Radar(
        _at(0, count, 0),
        [points([_at(place, count, RADIUS * ring / 100) for place in range(count)]) for ring in RINGS],
        axes,
        _series([one.before for one in scores]),
        _series([one.after for one in scores]),
    )


def _series(values: Sequence[int | None]) -> list[Point]:
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return []
    return [_at(place, len(known), RADIUS * value / 100) for place, value in enumerate(known)]


def _at(place: int, count: int, distance: float) -> Point:
    angle = 2 * pi * place / count - pi / 2
    return round(WIDTH / 2 + distance * cos(angle), 1), round(HEIGHT / 2 + distance * sin(angle), 1)


@blp.app_template_filter()
def points(corners: Sequence[Point]) -> str:
    """Returns the corners of a polygon as SVG writes them."""
    return " ".join(f"{x},{y}" for x, y in corners)
