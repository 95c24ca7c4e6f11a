"""The picture of people arriving: a line that climbs as they are checked in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from app.services.attendance_live import Live

WIDTH, HEIGHT = 600, 140


@dataclass(frozen=True)
class Curve:
    """The line in a box of WIDTH × HEIGHT, where the start stands in it, and the times at its ends."""

    points: str
    start_x: float | None
    begins: datetime
    ends: datetime
    width: int = WIDTH
    height: int = HEIGHT


def curve(seen: Live, moment: datetime) -> Curve | None:
    """Returns the curve from a little before the first arrival until now; None before anybody came."""
    if not seen.arrivals:
        return None
    first, last = seen.arrivals[0][0], seen.arrivals[-1][0] + timedelta(minutes=1)
    begins: datetime = min(first, seen.session.starts_at) - timedelta(minutes=5)
    ends: datetime = max(last, seen.session.starts_at + timedelta(minutes=5))
    if moment < seen.session.checkin_until:
        ends = max(ends, moment)
    span, most = ends - begins, max(seen.expected, seen.checked_in)

    def x(at: datetime) -> float:
        return round((at - begins) / span * WIDTH, 1)

    def y(people: int) -> float:
        return round(HEIGHT - people / most * HEIGHT, 1)

    points, people = [(0.0, y(0))], 0
    for minute, more in seen.arrivals:
        points.append((x(minute), y(people)))
        people += more
        points.append((x(minute + timedelta(minutes=1)), y(people)))
    points.append((x(max(last, min(moment, ends))), y(people)))
    return Curve(
        points=" ".join(f"{px},{py}" for px, py in points),
        start_x=x(seen.session.starts_at),
        begins=begins,
        ends=ends,
    )
