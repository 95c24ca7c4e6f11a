"""Rotation of the data keys: what older keys encrypted is encrypted anew with the last one."""

from __future__ import annotations

from typing import Any

from sqlalchemy import LargeBinary, func, or_, select, type_coerce
from sqlalchemy.orm.attributes import flag_modified

from app import audit
from app.access import SYSTEM, Actor
from app.services import evidence
from app.transactions import session, transaction
from models.base import Base
from models.crypto import EncryptedBytes, keyring
from models.evidence import StoredFile

BATCH = 50  # workbooks are among what is encrypted


def rotate(actor: Actor = SYSTEM) -> dict[str, int]:
    """Encrypts anew, batch by batch, what is not under the current key; returns rows by table.

    It may be interrupted and run again. Raises KeyError for a value whose key is no longer configured,
    StoreUnavailable when the store of files does not answer.
    """
    done: dict[str, int] = {}
    for mapper in Base.registry.mappers:
        names = [column.key for column in mapper.columns if isinstance(column.type, EncryptedBytes)]
        while names and (rows := _rotate_batch(actor, mapper.class_, names)):
            table = mapper.class_.__tablename__
            done[table] = done.get(table, 0) + rows
    if files := evidence.reseal():
        done[StoredFile.__tablename__] = files
    _record(actor, done)
    return done


@transaction(None)
def _rotate_batch(_actor: Actor, model: Any, names: list[str]) -> int:
    prefix = keyring().prefix
    stale = [
        func.substr(type_coerce(getattr(model, name), LargeBinary), 1, len(prefix)) != prefix
        for name in names
    ]
    found = select(model).where(or_(*stale)).limit(BATCH).with_for_update(skip_locked=True)
    rows = session().execute(found).scalars().all()
    for row in rows:
        for name in names:
            flag_modified(row, name)
    return len(rows)


@transaction(None)
def _record(actor: Actor, done: dict[str, int]) -> None:
    audit.record(actor, "keys.rotated", ("keys", keyring().prefix.decode().rstrip(":")), rows=done)
