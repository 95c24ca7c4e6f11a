"""Banks that enterprises are pointed to (苏质贷, notice 四3)."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy.orm import Mapped

from models.base import Base
from models.columns import key, made_at, text


class Bank(Base, kw_only=True):
    """合作银行: one whose officers may hold accounts."""

    __tablename__ = "banks"
    __scope__: ClassVar = None

    id: Mapped[UUID] = key()
    name: Mapped[str] = text(120, "名称", unique=True)
    created_at: Mapped[datetime] = made_at()
