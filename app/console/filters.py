"""How values look on a page: times as people write them, grouped numbers, tones of states."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from app.console.frame import blp
from models.base import BEIJING

# What a state means to whoever reads a list: wait, fine, mind, over. The label says it in words.
TONES = {
    "azure": {"draft", "running", "offered", "online", "earned", "diagnosis", "planning", "training"}
    | {"improvement", "evaluation", "held", "under_way"},
    "yellow": {"pending", "registered", "waiting", "closing", "initial", "changed", "gone"}
    | {"requested", "routing"},
    "green": {"confirmed", "reviewed", "published", "accepted", "active", "done", "approved", "issued"}
    | {"valid", "delivered", "booked", "seen", "verified"},
    "orange": {"returned", "duplicate", "late", "too_early", "code_expired", "not_confirmed"}
    | {"suspended", "unknown", "rectification", "revisit", "excused", "no_show"},
    "red": {"refused", "cancelled", "failed", "disabled", "wrong_training", "unknown_ticket", "clock_skewed"}
    | {"revoked", "terminated"},
}
WEEKDAYS = "一二三四五六日"


@blp.app_template_filter()
def tone(value: Any) -> str:
    """Returns the colour of a state's badge."""
    return next((colour for colour, values in TONES.items() if str(value) in values), "secondary")


@blp.app_template_filter()
def moment(value: datetime | None) -> str:
    """Returns 2026年11月25日 09:00."""
    if value is None:
        return "—"
    return f"{day(value)} {value.astimezone(BEIJING):%H:%M}"


@blp.app_template_filter()
def day(value: date | None) -> str:
    """Returns 2026年11月25日."""
    if value is None:
        return "—"
    on = value.astimezone(BEIJING) if isinstance(value, datetime) else value
    return f"{on.year}年{on.month}月{on.day}日"


@blp.app_template_filter()
def weekday(value: datetime) -> str:
    """Returns 周三."""
    return f"周{WEEKDAYS[value.astimezone(BEIJING).weekday()]}"


@blp.app_template_filter()
def clock(value: datetime) -> str:
    """Returns 09:00."""
    return f"{value.astimezone(BEIJING):%H:%M}"


@blp.app_template_filter()
def grouped(value: int | None) -> str:
    """Returns 1,234,567."""
    return "—" if value is None else f"{value:,}"


@blp.app_template_filter()
def cell(value: Any) -> str:
    """Returns a plain value as a table shows it; states are drawn as badges by the macro of that name."""
    if value is None or value == "":
        return "—"
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, datetime):
        return f"{value.astimezone(BEIJING):%Y-%m-%d %H:%M}"
    if isinstance(value, float):
        return f"{value:,.2f}".rstrip("0").rstrip(".")
    return f"{value:,}" if isinstance(value, int) else str(value)


@blp.app_template_filter()
def size(value: int) -> str:
    """Returns 12 KB."""
    return f"{value / 1024 / 1024:.1f} MB" if value >= 1024 * 1024 else f"{max(1, round(value / 1024))} KB"


@blp.app_template_test()
def labelled(value: Any) -> bool:
    """Tells whether a value has a label of its own: an enumeration's."""
    return hasattr(value, "label")


@blp.app_template_test("number")
def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
