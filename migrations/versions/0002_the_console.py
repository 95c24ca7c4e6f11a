"""the console: second factor, scanned sign-ins, transfers, merged enterprises, whose an audit row is"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ENUMS = (
    (
        "enterprises",
        "ck_enterprises_enterprisestate",
        ("state", ("registered", "returned", "refused", "reviewed", "merged")),
    ),
    ("scans", "ck_scans_method", ("method", ("ticket", "hall", "manual", "imported"))),
)

# What a text holds, as the pairs of neighbouring characters: found by a built-in GIN index, without an
# extension that a managed database may refuse.
BIGRAMS = """
CREATE FUNCTION bigrams(text) RETURNS text[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT coalesce(array_agg(DISTINCT substr(lower($1), n, 2)), '{}')
    FROM generate_series(1, char_length($1) - 1) AS n
$$;
CREATE INDEX ix_enterprises_name_bigrams ON enterprises USING gin (bigrams(name));
"""

HAS_OWNER = """
CREATE FUNCTION has_owner(uuid) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT EXISTS (
        SELECT FROM grants WHERE scope_type = 'enterprise' AND role = 'owner' AND scope_id = $1::text
    )
$$;
"""


def upgrade() -> None:
    op.create_table(
        "agencies",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False, comment="名称"),
        sa.Column("approval_number", sa.String(length=32), nullable=True, comment="认证机构批准号"),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agencies")),
        sa.UniqueConstraint("name", name=op.f("uq_agencies_name")),
    )
    op.create_table(
        "banks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False, comment="名称"),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_banks")),
        sa.UniqueConstraint("name", name=op.f("uq_banks_name")),
    )
    op.create_table(
        "recovery_codes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_recovery_codes_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recovery_codes")),
        sa.UniqueConstraint("code_hash", name=op.f("uq_recovery_codes_code_hash")),
    )
    op.create_index(op.f("ix_recovery_codes_user_id"), "recovery_codes", ["user_id"], unique=False)
    op.create_table(
        "transfers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False, comment="种类，如 enterprises.import"),
        sa.Column("title", sa.String(length=120), nullable=False, comment="名称"),
        sa.Column(
            "state",
            sa.Enum(
                "waiting",
                "running",
                "done",
                "failed",
                name="transferstate",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
            comment="状态",
        ),
        sa.Column("parameters", sa.LargeBinary(), nullable=False, comment="参数（JSON）"),
        sa.Column("done", sa.Integer(), nullable=False, comment="已处理行数"),
        sa.Column("total", sa.Integer(), nullable=False, comment="总行数；0 为未知"),
        sa.Column(
            "summary", postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment="各种结果的行数"
        ),
        sa.Column("error", sa.String(length=200), nullable=True, comment="未完成的原因"),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False, comment="文件保留至"),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint("done >= 0 AND total >= 0", name=op.f("ck_transfers_progress")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_transfers_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transfers")),
    )
    op.create_index("ix_transfers_expiry", "transfers", ["expires_at"], unique=False)
    op.create_index("ix_transfers_user", "transfers", ["user_id", "id"], unique=False)
    op.create_table(
        "scan_requests",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.String(length=10), nullable=False, comment="扫码编号"),
        sa.Column("browser_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("digits", sa.String(length=2), nullable=False, comment="屏幕与手机上须一致的两位数"),
        sa.Column("device", sa.String(length=64), nullable=False, comment="设备，如 Chrome · Windows"),
        sa.Column("account_id", sa.Uuid(), nullable=True, comment="待绑定的账号；空为登录"),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed_by", sa.Uuid(), nullable=True),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["staff_accounts.id"], name=op.f("fk_scan_requests_account_id")
        ),
        sa.ForeignKeyConstraint(["confirmed_by"], ["users.id"], name=op.f("fk_scan_requests_confirmed_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scan_requests")),
        sa.UniqueConstraint("browser_hash", name=op.f("uq_scan_requests_browser_hash")),
        sa.UniqueConstraint("number", name=op.f("uq_scan_requests_number")),
    )
    op.create_table(
        "transfer_files",
        sa.Column("transfer_id", sa.Uuid(), nullable=False),
        sa.Column(
            "role",
            sa.Enum(
                "source",
                "result",
                "rejected",
                name="filerole",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
            comment="是什么",
        ),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False, comment="文件名"),
        sa.Column("content", sa.LargeBinary(), nullable=False, comment="内容"),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["transfer_id"], ["transfers.id"], name=op.f("fk_transfer_files_transfer_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_transfer_files_user_id")),
        sa.PrimaryKeyConstraint("transfer_id", "role", name=op.f("pk_transfer_files")),
    )
    op.add_column(
        "audit_events",
        sa.Column("division_id", sa.String(length=64), nullable=True, comment="对象或操作人当时所属的辖区"),
    )
    op.create_index("ix_audit_events_division", "audit_events", ["division_id", "id"], unique=False)
    op.add_column("enterprises", sa.Column("merged_into", sa.Uuid(), nullable=True, comment="并入的企业"))
    op.create_foreign_key(
        op.f("fk_enterprises_merged_into"), "enterprises", "enterprises", ["merged_into"], ["id"]
    )
    op.alter_column(
        "grants",
        "scope_type",
        existing_type=sa.VARCHAR(length=16),
        comment="范围类别：division / enterprise / training / agency / bank",
        existing_comment="范围类别：division / enterprise / training",
        existing_nullable=False,
    )
    op.add_column(
        "sign_ins",
        sa.Column(
            "client",
            sa.String(length=16),
            server_default="mini_program",
            nullable=False,
            comment="从何处登录：mini_program / console",
        ),
    )
    op.add_column(
        "sign_ins",
        sa.Column(
            "device",
            sa.String(length=64),
            server_default="",
            nullable=False,
            comment="设备，如 Chrome · Windows",
        ),
    )
    op.add_column(
        "sign_ins",
        sa.Column(
            "complete", sa.Boolean(), server_default=sa.true(), nullable=False, comment="各道验证是否都已通过"
        ),
    )
    op.add_column(
        "sign_ins",
        sa.Column(
            "second_factor_at", sa.DateTime(timezone=True), nullable=True, comment="第二道验证通过的时间"
        ),
    )
    op.add_column(
        "sign_ins",
        sa.Column(
            "seen_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
    )
    op.add_column(
        "staff_accounts",
        sa.Column("division_id", sa.Text(), nullable=True, comment="所属辖区；机构、银行的账号属于全市"),
    )
    op.execute(
        "UPDATE staff_accounts SET division_id = (SELECT min(scope_id) FROM grants "
        "WHERE grants.user_id = staff_accounts.user_id AND scope_type = 'division')"
    )
    op.alter_column("staff_accounts", "division_id", nullable=False)
    op.create_foreign_key(
        op.f("fk_staff_accounts_division_id"), "staff_accounts", "divisions", ["division_id"], ["id"]
    )
    op.create_index(op.f("ix_staff_accounts_division_id"), "staff_accounts", ["division_id"])
    op.add_column(
        "staff_accounts",
        sa.Column(
            "state",
            sa.Enum(
                "active",
                "disabled",
                name="accountstate",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            server_default="active",
            nullable=False,
            comment="状态",
        ),
    )
    op.add_column(
        "staff_accounts", sa.Column("totp_secret", sa.LargeBinary(), nullable=True, comment="动态口令密钥")
    )
    op.add_column(
        "staff_accounts",
        sa.Column(
            "totp_confirmed_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="动态口令启用时间；空为未启用",
        ),
    )
    op.add_column(
        "staff_accounts",
        sa.Column(
            "totp_last_step",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="最近用过的动态口令的时间步，每步只能用一次",
        ),
    )
    op.add_column(
        "staff_accounts",
        sa.Column("wechat_user_id", sa.Uuid(), nullable=True, comment="可扫码登录此账号的微信用户"),
    )
    op.create_unique_constraint(
        op.f("uq_staff_accounts_wechat_user_id"), "staff_accounts", ["wechat_user_id"]
    )
    op.create_foreign_key(
        op.f("fk_staff_accounts_wechat_user_id"), "staff_accounts", "users", ["wechat_user_id"], ["id"]
    )
    for table, name, values in ENUMS:
        op.drop_constraint(op.f(name), table)
        op.create_check_constraint(op.f(name), table, sa.column(values[0]).in_(values[1]))
    op.create_check_constraint("merged_into", "enterprises", "(state = 'merged') = (merged_into IS NOT NULL)")
    op.execute(BIGRAMS)
    op.execute(HAS_OWNER)


def downgrade() -> None:
    raise NotImplementedError("restore a backup: what people did with the new columns would be lost")
