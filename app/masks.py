"""How personal data looks in lists and to those who need not see all of it."""

from __future__ import annotations


def phone(number: str | None) -> str | None:
    """Returns 138****8000."""
    return f"{number[:3]}****{number[-4:]}" if number and len(number) >= 8 else number


def name(full: str | None) -> str | None:
    """Returns 张* or 张*强."""
    if not full or len(full) < 2:
        return full
    return full[0] + "*" * max(1, len(full) - 2) + (full[-1] if len(full) > 2 else "")
