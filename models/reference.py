"""Reference data that an administrator loads and edits: divisions, industries, clusters, rules, notices."""

from __future__ import annotations

from datetime import date
from typing import Any, ClassVar

from sqlalchemy import BigInteger
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base
from models.columns import text


class Division(Base, kw_only=True):
    """辖区. The key is a dotted path ("js.xz.fengxian"), so that a subtree is a prefix."""

    __tablename__ = "divisions"
    __scope__: ClassVar = None

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = text(64, "名称")
    short_name: Mapped[str] = text(16, "简称")
    kind: Mapped[str] = text(16, "省 / 市 / 县（市）区 / 分局")
    gbt2260: Mapped[str | None] = text(12, "行政区划代码（GB/T 2260），仅作属性", default=None)
    position: Mapped[int] = mapped_column(comment="排列次序", default=0)


class Industry(Base, kw_only=True):
    """国民经济行业分类 GB/T 4754-2017, with the size-class industry; the longest prefix of a code decides."""

    __tablename__ = "industries"
    __scope__: ClassVar = None

    code: Mapped[str] = mapped_column(primary_key=True, comment="门类字母，或字母加 2–4 位数字")
    name: Mapped[str] = text(64, "名称")
    level: Mapped[str] = text(16, "门类 / 大类 / 中类 / 小类")
    parent: Mapped[str | None] = text(5, "上级", default=None)
    sector: Mapped[str | None] = text(16, "划型行业；空为不划型", default=None)


class Cluster(Base, kw_only=True):
    """产业集群（链）: one entry of a vocabulary, such as 徐州“343”."""

    __tablename__ = "clusters"
    __scope__: ClassVar = None

    code: Mapped[str] = mapped_column(primary_key=True)
    vocabulary: Mapped[str] = text(32, "体系")
    name: Mapped[str] = text(32, "名称")
    position: Mapped[int] = mapped_column(comment="排列次序", default=0)


class Scheme(Base, kw_only=True):
    """认证类别."""

    __tablename__ = "schemes"
    __scope__: ClassVar = None

    code: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = text(64, "名称")
    position: Mapped[int] = mapped_column(comment="排列次序", default=0)


class SizeRuleRow(Base, kw_only=True):
    """划型标准的一行 (工信部联企业〔2011〕300号): the lower bounds of one class in one industry."""

    __tablename__ = "size_rules"
    __scope__: ClassVar = None

    version: Mapped[str] = mapped_column(primary_key=True)
    sector: Mapped[str] = mapped_column(primary_key=True)
    size_class: Mapped[str] = mapped_column(primary_key=True)
    effective_from: Mapped[date]
    min_headcount: Mapped[int | None] = mapped_column(comment="人", default=None)
    min_revenue: Mapped[int | None] = mapped_column(BigInteger, comment="元", default=None)
    min_assets: Mapped[int | None] = mapped_column(BigInteger, comment="元", default=None)


class Document(Base, kw_only=True):
    """A versioned text that people agree to or answer: privacy notice, needs survey, diagnosis form."""

    __tablename__ = "documents"
    __scope__: ClassVar = None

    kind: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[str] = mapped_column(primary_key=True)
    effective_from: Mapped[date]
    title: Mapped[str] = text(64, "标题")
    content: Mapped[dict[str, Any]] = mapped_column(JSONB)
