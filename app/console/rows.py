"""Rows of a form that are added and taken away: by a script, or by sending the form without one."""

from __future__ import annotations

from flask import request

from app.console.forms import Form


def rearranged() -> bool:
    """Returns whether the form was sent only to have a row more or less."""
    return "more" in request.form or "less" in request.form


def shown(form: Form, name: str) -> list[str]:
    """Returns the prefixes of the rows to be shown, such as ["sessions-0-"]: at least one."""
    rows = form.rows(name)
    if "less" in request.form:
        rows = [row for row in rows if row != request.form["less"]]
    if "more" in request.form or not rows:
        rows.append(f"{name}-{max((int(row.split('-')[-2]) for row in rows), default=-1) + 1}-")
    return rows
