"""Agencies that assist enterprises (帮扶机构): those whose staff may hold accounts."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from app import audit
from app.access import Actor
from app.errors import DomainError
from app.registers import Register, contains
from app.transactions import session, transaction
from app.workbooks import Column
from app.workbooks.columns import Kind
from models.agencies import Agency

AGENCIES = Register(
    "agencies.agencies",
    "帮扶机构",
    "people.manage",
    select(Agency.id, Agency.name, Agency.approval_number, Agency.created_at),
    [
        Column("名称", "name", width=40),
        Column("批准号", "approval_number"),
        Column("添加时间", "created_at", kind=Kind.DATETIME),
    ],
    key=Agency.id,
    sorts={"name": Agency.name, "created_at": Agency.created_at},
    default="name",
    filters=[contains("name", "名称", Agency.name)],
)


@transaction("people.manage")
def add(actor: Actor, name: str, approval_number: str | None) -> Agency:
    """Adds an agency that accounts may belong to; raises DomainError `name_taken`."""
    agency = Agency(name=name, approval_number=approval_number or None)
    session().add(agency)
    try:
        session().flush()
    except IntegrityError:
        message = DomainError("name_taken").message
        raise DomainError("name_taken", fields={"name": [message]}) from None
    audit.record(actor, "agency.added", agency)
    return agency


@transaction("people.manage")
def every(_actor: Actor) -> list[Agency]:
    """Returns all agencies by name."""
    return list(session().scalars(select(Agency).order_by(Agency.name)))
