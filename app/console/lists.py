"""List pages: a register with its filter bar, orders, pages and export."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from flask import Response, request, url_for

from app import registers
from app.access import SYSTEM, Actor
from app.console.frame import done, page, render, require
from app.errors import DomainError
from app.registers import Listed, Register
from app.services import reference, transfers

Link = Callable[[dict[str, Any]], str]


def list_page(
    actor: Actor,
    register: Register,
    *,
    template: str = "list.html",
    links: Mapping[str, Link] | None = None,
    of: Mapping[str, Any] | None = None,
    **values: Any,
) -> Response:
    """Returns the page of a register for what the address asks.

    Args:
        template: list.html or one that extends it.
        links: where the value of a column leads, by the column's key.
        of: the parameters of the register's statement.
        values: what else the template knows.
    """
    of = of or {}
    listed = register.page(actor, request.args, **of)
    asks_divisions = any(one.kind == "division" for one in register.filters)
    return render(
        template,
        register=register,
        listed=listed,
        links=links or {},
        of=of,
        divisions=reference.divisions(SYSTEM) if asks_divisions else [],
        address=lambda **changes: address(listed, **changes),
        **values,
    )


def address(listed: Listed, **changes: Any) -> str:
    """Returns this page's address with some of the query changed; None takes a part out."""
    query = {**listed.query, "size": listed.size, **changes}
    return f"{request.path}?{urlencode({k: v for k, v in query.items() if v not in (None, '')})}"


@page("/exports/<name>", methods=("POST",))
@require("people.staff")
def export(actor: Actor, name: str) -> Any:
    """Starts the export of a register as it is shown."""
    register = registers.register(name)
    if register is None:
        raise DomainError("not_found")
    asked = {one.name: request.form.get(one.name, "") for one in register.filters}
    try:
        of = {key: read(request.form.get(key, "")) for key, read in register.of.items()}
    except ValueError:
        raise DomainError("not_found") from None
    made = transfers.start_export(actor, register, asked | {"sort": request.form.get("sort", "")}, **of)
    return done("导出已开始，完成后可在此页下载。", url_for("console.transfer", transfer_id=made.id))
