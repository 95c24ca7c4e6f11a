"""Agencies that assist enterprises (帮扶机构, notice 二（二）3)."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy.orm import Mapped

from models.base import Base
from models.columns import key, made_at, text


class Agency(Base, kw_only=True):
    """帮扶机构: a certification body whose staff may hold accounts."""

    __tablename__ = "agencies"
    __scope__: ClassVar = None

    id: Mapped[UUID] = key()
    name: Mapped[str] = text(120, "名称", unique=True)
    approval_number: Mapped[str | None] = text(32, "认证机构批准号", default=None)
    created_at: Mapped[datetime] = made_at()
