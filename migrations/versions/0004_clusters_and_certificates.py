"""clusters and chains, schemes, and the certificates that enterprises hold"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "clusters",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("vocabulary", sa.String(length=32), nullable=False, comment="体系"),
        sa.Column("name", sa.String(length=32), nullable=False, comment="名称"),
        sa.Column("position", sa.Integer(), nullable=False, comment="排列次序"),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_clusters")),
    )
    op.create_table(
        "schemes",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False, comment="名称"),
        sa.Column("position", sa.Integer(), nullable=False, comment="排列次序"),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_schemes")),
    )
    op.add_column(
        "enterprises",
        sa.Column(
            "clusters",
            sa.ARRAY(sa.Text()),
            server_default="{}",
            nullable=False,
            comment="产业集群（链）的编号",
        ),
    )
    op.create_index(
        "ix_enterprises_clusters", "enterprises", ["clusters"], unique=False, postgresql_using="gin"
    )
    op.create_unique_constraint(op.f("uq_enterprises_id_division_id"), "enterprises", ["id", "division_id"])
    op.create_table(
        "held_certificates",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("enterprise_id", sa.Uuid(), nullable=False),
        sa.Column("division_id", sa.Text(), nullable=False),
        sa.Column("scheme", sa.Text(), nullable=False, comment="认证类别"),
        sa.Column("agency_name", sa.String(length=128), nullable=False, comment="发证机构"),
        sa.Column("number", sa.String(length=64), nullable=False, comment="证书编号，半角大写，不含空格"),
        sa.Column("issued_on", sa.Date(), nullable=False, comment="发证日期"),
        sa.Column("valid_until", sa.Date(), nullable=False, comment="有效期至，含当日"),
        sa.Column("next_surveillance_on", sa.Date(), nullable=True, comment="下次监督审核不晚于"),
        sa.Column(
            "state",
            sa.Enum(
                "valid",
                "suspended",
                "revoked",
                "cancelled",
                "expired",
                name="heldcertificatestate",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
            comment="状态",
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint("issued_on <= valid_until", name=op.f("ck_held_certificates_validity")),
        sa.CheckConstraint(
            "next_surveillance_on BETWEEN issued_on AND valid_until",
            name=op.f("ck_held_certificates_surveillance"),
        ),
        sa.CheckConstraint("state <> 'expired'", name=op.f("ck_held_certificates_not_expired")),
        sa.ForeignKeyConstraint(
            ["enterprise_id", "division_id"],
            ["enterprises.id", "enterprises.division_id"],
            name=op.f("fk_held_certificates_enterprise_id_division_id"),
            onupdate="CASCADE",
        ),
        sa.ForeignKeyConstraint(["scheme"], ["schemes.code"], name=op.f("fk_held_certificates_scheme")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_held_certificates")),
        sa.UniqueConstraint(
            "enterprise_id", "number", name=op.f("uq_held_certificates_enterprise_id_number")
        ),
    )
    op.create_index("ix_held_certificates_expiry", "held_certificates", ["valid_until"], unique=False)


def downgrade() -> None:
    raise NotImplementedError("restore a backup: tags and certificates would be forgotten")
