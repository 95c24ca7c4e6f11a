"""Column shapes that many models share."""

from __future__ import annotations

import secrets
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Enum, String, func, type_coerce
from sqlalchemy.orm import MappedColumn, mapped_column

from models.base import new_id
from models.crypto import Encrypted, EncryptedBytes


def key() -> MappedColumn[UUID]:
    """A primary key made in the application, so that related rows can be written in one go."""
    return mapped_column(primary_key=True, default_factory=new_id, insert_default=new_id)


def made_at() -> MappedColumn[datetime]:
    """When the row was written, by the database's clock."""
    return mapped_column(server_default=func.clock_timestamp(), init=False)


CODE_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: nothing that people misread."""


def new_code_number() -> str:
    """Returns the number of a code that people scan: ten characters, fifty random bits."""
    return "".join(secrets.choice(CODE_ALPHABET) for _ in range(10))


def code_number(comment: str) -> MappedColumn[str]:
    """A column with such a number, made with the row."""
    return text(10, comment, unique=True, default_factory=new_code_number, insert_default=new_code_number)


def choice(kind: type[StrEnum], comment: str, **options: Any) -> MappedColumn[Any]:
    """A column that holds one of the values of `kind`, checked by the database too."""
    column_type = Enum(
        kind,
        native_enum=False,  # a new value is a migration of a CHECK, not of a type
        create_constraint=True,
        length=24,
        name=kind.__name__.lower(),
        values_callable=lambda members: [member.value for member in members],
    )
    return mapped_column(column_type, comment=comment, **options)


def text(length: int, comment: str, **options: Any) -> MappedColumn[Any]:
    """A text column with its limit in the database."""
    return mapped_column(String(length), comment=comment, **options)


def personal(column: str, comment: str, **options: Any) -> MappedColumn[Any]:
    """An encrypted column with personal data; `column` is its own "table.column"."""
    return mapped_column(Encrypted(column), comment=comment, info={"personal": True}, **options)


def personal_bytes(column: str, comment: str, **options: Any) -> MappedColumn[Any]:
    """An encrypted column with a file that holds personal data."""
    return mapped_column(EncryptedBytes(column), comment=comment, info={"personal": True}, **options)


def as_text(column: Any) -> Any:
    """Returns an enumeration's column as the text it is: a list need not look each value up."""
    return type_coerce(column, String).label(column.key)
