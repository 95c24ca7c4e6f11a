"""Evidence 佐证材料: files that belong to a case, and the content they are addressed by."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Scope
from models.cases import Case
from models.columns import choice, key, made_at, text
from models.labels import Labelled

MOST = 300
"""The most files of one case."""


class EvidenceKind(Labelled):
    diagnosis = "diagnosis", "诊断"
    training = "training", "培训签到与影像"
    improvement = "improvement", "提升过程"
    effect = "effect", "效果证明"
    other = "other", "其他"


class StoredFile(Base, kw_only=True):
    """A content in the file store, addressed by its digest; one however often it was uploaded.

    An object's name is used once: whoever deletes one that no row names can never meet an upload.
    """

    __tablename__ = "stored_files"
    __scope__: ClassVar = None
    __table_args__ = (CheckConstraint("size > 0", name="size"),)

    digest: Mapped[str] = mapped_column(primary_key=True, comment="SHA-256，十六进制")
    object_name: Mapped[str] = text(100, "在文件库中的名称", unique=True)
    size: Mapped[int] = mapped_column(BigInteger, comment="字节")
    media_type: Mapped[str] = text(100, "按内容判定的类型")
    key_id: Mapped[str] = text(8, "封存所用数据密钥的编号")
    has_thumbnail: Mapped[bool] = mapped_column(comment="是否有缩略图", default=False)
    created_at: Mapped[datetime] = made_at()


class Evidence(Base, kw_only=True):
    """佐证材料 of a case, of one of its findings, visits or trainings where it belongs to one."""

    __tablename__ = "evidence"
    __scope__: ClassVar = Scope(through=("case_id", Case))
    __table_args__ = (
        UniqueConstraint("case_id", "digest"),
        Index("ix_evidence_digest", "digest"),
    )

    id: Mapped[UUID] = key()
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"))
    digest: Mapped[str] = mapped_column(ForeignKey("stored_files.digest"))
    kind: Mapped[EvidenceKind] = choice(EvidenceKind, "类别")
    name: Mapped[str] = text(120, "文件名")
    finding_id: Mapped[UUID | None] = mapped_column(ForeignKey("findings.id"), default=None)
    visit_id: Mapped[UUID | None] = mapped_column(ForeignKey("visits.id"), default=None)
    training_id: Mapped[UUID | None] = mapped_column(ForeignKey("case_trainings.id"), default=None)
    uploaded_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[datetime] = made_at()
