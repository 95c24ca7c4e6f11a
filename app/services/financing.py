"""Banks that enterprises are pointed to (苏质贷): those whose officers may hold accounts."""

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
from models.financing import Bank

BANKS = Register(
    "financing.banks",
    "合作银行",
    "people.manage",
    select(Bank.id, Bank.name, Bank.created_at),
    [
        Column("名称", "name", width=40),
        Column("添加时间", "created_at", kind=Kind.DATETIME),
    ],
    key=Bank.id,
    sorts={"name": Bank.name, "created_at": Bank.created_at},
    default="name",
    filters=[contains("name", "名称", Bank.name)],
)


@transaction("people.manage")
def add(actor: Actor, name: str) -> Bank:
    """Adds a bank that accounts may belong to; raises DomainError `name_taken`."""
    bank = Bank(name=name)
    session().add(bank)
    try:
        session().flush()
    except IntegrityError:
        message = DomainError("name_taken").message
        raise DomainError("name_taken", fields={"name": [message]}) from None
    audit.record(actor, "bank.added", bank)
    return bank


@transaction("people.manage")
def every(_actor: Actor) -> list[Bank]:
    """Returns all banks by name."""
    return list(session().scalars(select(Bank).order_by(Bank.name)))
