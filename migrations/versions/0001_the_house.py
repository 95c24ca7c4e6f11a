"""the house"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

QUEUE = Path(__file__).parent.parent / "procrastinate-3.10.sql"

APPEND_ONLY = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
END $$;
CREATE TRIGGER audit_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""


def upgrade() -> None:
    op.get_bind().connection.cursor().execute(QUEUE.read_text())  # without parameters: it holds % signs
    op.create_table(
        "audit_events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("user_id", sa.Uuid(), nullable=True, comment="操作人；空为系统"),
        sa.Column("verb", sa.String(length=48), nullable=False, comment="动作"),
        sa.Column("subject_type", sa.String(length=32), nullable=False, comment="对象类别"),
        sa.Column("subject_id", sa.String(length=64), nullable=False, comment="对象编号"),
        sa.Column("detail", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("request_id", sa.String(length=36), nullable=True, comment="请求编号"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_events")),
    )
    op.create_index(
        "ix_audit_events_subject", "audit_events", ["subject_type", "subject_id", "id"], unique=False
    )
    op.create_table(
        "divisions",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False, comment="名称"),
        sa.Column("short_name", sa.String(length=16), nullable=False, comment="简称"),
        sa.Column("kind", sa.String(length=16), nullable=False, comment="省 / 市 / 县（市）区 / 分局"),
        sa.Column(
            "gbt2260", sa.String(length=12), nullable=True, comment="行政区划代码（GB/T 2260），仅作属性"
        ),
        sa.Column("position", sa.Integer(), nullable=False, comment="排列次序"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_divisions")),
    )
    op.create_table(
        "documents",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("effective_from", sa.Date(), nullable=False),
        sa.Column("title", sa.String(length=64), nullable=False, comment="标题"),
        sa.Column("content", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("kind", "version", name=op.f("pk_documents")),
    )
    op.create_table(
        "industries",
        sa.Column("code", sa.Text(), nullable=False, comment="门类字母，或字母加 2–4 位数字"),
        sa.Column("name", sa.String(length=64), nullable=False, comment="名称"),
        sa.Column("level", sa.String(length=16), nullable=False, comment="门类 / 大类 / 中类 / 小类"),
        sa.Column("parent", sa.String(length=5), nullable=True, comment="上级"),
        sa.Column("sector", sa.String(length=16), nullable=True, comment="划型行业；空为不划型"),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_industries")),
    )
    op.create_table(
        "received_pushes",
        sa.Column("dedupe_key", sa.Text(), nullable=False),
        sa.Column("event", sa.String(length=64), nullable=False, comment="事件"),
        sa.Column(
            "received_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("dedupe_key", name=op.f("pk_received_pushes")),
    )
    op.create_table(
        "size_rules",
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("sector", sa.Text(), nullable=False),
        sa.Column("size_class", sa.Text(), nullable=False),
        sa.Column("effective_from", sa.Date(), nullable=False),
        sa.Column("min_headcount", sa.Integer(), nullable=True, comment="人"),
        sa.Column("min_revenue", sa.BigInteger(), nullable=True, comment="元"),
        sa.Column("min_assets", sa.BigInteger(), nullable=True, comment="元"),
        sa.PrimaryKeyConstraint("version", "sector", "size_class", name=op.f("pk_size_rules")),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "active",
                "closing",
                "closed",
                name="userstate",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
            comment="状态",
        ),
        sa.Column("mp_openid", sa.String(length=64), nullable=True, comment="小程序 openid"),
        sa.Column("unionid", sa.String(length=64), nullable=True, comment="开放平台 unionid"),
        sa.Column("name", sa.LargeBinary(), nullable=True, comment="姓名"),
        sa.Column("phone", sa.LargeBinary(), nullable=True, comment="手机号"),
        sa.Column("phone_index", sa.LargeBinary(length=32), nullable=True),
        sa.Column("closing_at", sa.DateTime(timezone=True), nullable=True, comment="注销完成时间"),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("mp_openid", name=op.f("uq_users_mp_openid")),
        sa.UniqueConstraint("phone_index", name=op.f("uq_users_phone_index")),
    )
    op.create_index(op.f("ix_users_unionid"), "users", ["unionid"], unique=False)
    op.create_table(
        "consents",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False, comment="同意事项：privacy 隐私政策"),
        sa.Column("version", sa.String(length=16), nullable=False, comment="所同意的版本"),
        sa.Column(
            "given_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True, comment="撤回时间"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_consents_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consents")),
        sa.UniqueConstraint("user_id", "kind", "version", name=op.f("uq_consents_user_id_kind_version")),
    )
    op.create_table(
        "enterprises",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "credit_code", sa.String(length=18), nullable=False, comment="统一社会信用代码（GB 32100-2015）"
        ),
        sa.Column(
            "credit_code_override", sa.String(length=200), nullable=True, comment="校验位不符仍予登记的理由"
        ),
        sa.Column("name", sa.String(length=128), nullable=False, comment="企业名称"),
        sa.Column("division_id", sa.Text(), nullable=False, comment="所属辖区，由用户选择"),
        sa.Column(
            "industry_code",
            sa.String(length=5),
            nullable=False,
            comment="行业代码（GB/T 4754-2017），门类字母加 2–4 位数字",
        ),
        sa.Column("headcount", sa.Integer(), nullable=True, comment="从业人员，人"),
        sa.Column("revenue", sa.BigInteger(), nullable=True, comment="营业收入，元"),
        sa.Column("assets", sa.BigInteger(), nullable=True, comment="资产总额，元"),
        sa.Column(
            "size_class",
            sa.Enum(
                "micro",
                "small",
                "medium",
                "large",
                "unclassified",
                name="sizeclass",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=True,
            comment="划型结果",
        ),
        sa.Column("size_rule_version", sa.String(length=16), nullable=True, comment="划型所依据的标准版本"),
        sa.Column("address", sa.LargeBinary(), nullable=True, comment="地址"),
        sa.Column("legal_representative", sa.LargeBinary(), nullable=True, comment="法定代表人"),
        sa.Column(
            "needs_survey", postgresql.JSONB(astext_type=sa.Text()), nullable=True, comment="需求调查答卷"
        ),
        sa.Column("needs_survey_version", sa.String(length=16), nullable=True, comment="问卷版本"),
        sa.Column(
            "state",
            sa.Enum(
                "registered",
                "returned",
                "refused",
                "reviewed",
                name="enterprisestate",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
            comment="状态",
        ),
        sa.Column("state_reason", sa.String(length=500), nullable=True, comment="退回或不予通过的原因"),
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
        sa.CheckConstraint(
            "headcount >= 0 AND revenue >= 0 AND assets >= 0", name=op.f("ck_enterprises_figures")
        ),
        sa.ForeignKeyConstraint(["division_id"], ["divisions.id"], name=op.f("fk_enterprises_division_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_enterprises")),
        sa.UniqueConstraint("credit_code", name=op.f("uq_enterprises_credit_code")),
    )
    op.create_index("ix_enterprises_division_state", "enterprises", ["division_id", "state"], unique=False)
    op.create_table(
        "grants",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.String(length=24), nullable=False, comment="角色"),
        sa.Column(
            "scope_type",
            sa.String(length=16),
            nullable=False,
            comment="范围类别：division / enterprise / training",
        ),
        sa.Column("scope_id", sa.String(length=64), nullable=False, comment="范围编号"),
        sa.Column("granted_by", sa.Uuid(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(["granted_by"], ["users.id"], name=op.f("fk_grants_granted_by")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_grants_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grants")),
        sa.UniqueConstraint("user_id", "role", "scope_id", name=op.f("uq_grants_user_id_role_scope_id")),
    )
    op.create_index("ix_grants_scope", "grants", ["scope_type", "scope_id"], unique=False)
    op.create_index(
        "uq_grants_membership",
        "grants",
        ["user_id", "scope_id"],
        unique=True,
        postgresql_where=sa.text("scope_type = 'enterprise'"),
    )
    op.create_index(
        "uq_grants_owner",
        "grants",
        ["scope_id"],
        unique=True,
        postgresql_where=sa.text("scope_type = 'enterprise' AND role = 'owner'"),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False, comment="客户端给出的 Idempotency-Key"),
        sa.Column("fingerprint", sa.LargeBinary(length=32), nullable=False, comment="方法、路径与内容的摘要"),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("answer", sa.LargeBinary(), nullable=True, comment="答复"),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_idempotency_keys_user_id")),
        sa.PrimaryKeyConstraint("user_id", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_table(
        "notices",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=48), nullable=False, comment="类别"),
        sa.Column("title", sa.String(length=60), nullable=False, comment="标题"),
        sa.Column("body", sa.String(length=500), nullable=False, comment="正文"),
        sa.Column("subject_type", sa.String(length=32), nullable=False, comment="对象类别"),
        sa.Column("subject_id", sa.Uuid(), nullable=False, comment="对象编号"),
        sa.Column("dedupe_key", sa.String(length=120), nullable=False, comment="去重键"),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True, comment="阅读时间"),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_notices_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices")),
        sa.UniqueConstraint("dedupe_key", name=op.f("uq_notices_dedupe_key")),
    )
    op.create_index("ix_notices_inbox", "notices", ["user_id", "id"], unique=False)
    op.create_table(
        "sign_ins",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("access_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("access_expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("refresh_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("refresh_expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "end_reason",
            sa.String(length=24),
            nullable=True,
            comment="结束原因：signed_out / reused / closed / revoked",
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_sign_ins_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_ins")),
        sa.UniqueConstraint("access_hash", name=op.f("uq_sign_ins_access_hash")),
    )
    op.create_index(op.f("ix_sign_ins_user_id"), "sign_ins", ["user_id"], unique=False)
    op.create_table(
        "staff_accounts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("login_name", sa.String(length=32), nullable=False, comment="用户名"),
        sa.Column("password_hash", sa.String(length=128), nullable=False, comment="argon2id"),
        sa.Column(
            "password_set_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="本人设置密码的时间；空为初始密码",
        ),
        sa.Column("failures", sa.Integer(), nullable=False, comment="连续失败次数"),
        sa.Column("locked_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_staff_accounts_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff_accounts")),
        sa.UniqueConstraint("login_name", name=op.f("uq_staff_accounts_login_name")),
        sa.UniqueConstraint("user_id", name=op.f("uq_staff_accounts_user_id")),
    )
    op.create_table(
        "trainings",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("division_id", sa.Text(), nullable=False, comment="主办辖区"),
        sa.Column("title", sa.String(length=120), nullable=False, comment="名称"),
        sa.Column("description", sa.String(length=4000), nullable=False, comment="说明"),
        sa.Column(
            "mode",
            sa.Enum("online", "onsite", name="mode", native_enum=False, create_constraint=True, length=24),
            nullable=False,
            comment="线上 / 线下",
        ),
        sa.Column(
            "provider",
            sa.Enum(
                "national",
                "province",
                "alliance",
                "own",
                name="provider",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
            comment="举办方层级",
        ),
        sa.Column(
            "audience",
            sa.Enum(
                "management",
                "quality_lead",
                "internal_auditor",
                "team",
                name="audience",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
            comment="培训对象",
        ),
        sa.Column("organiser", sa.String(length=120), nullable=False, comment="主办单位"),
        sa.Column("place", sa.String(length=200), nullable=True, comment="地点"),
        sa.Column("online_url", sa.String(length=500), nullable=True, comment="线上地址"),
        sa.Column("open_to", sa.ARRAY(sa.Text()), nullable=False, comment="面向的辖区"),
        sa.Column("capacity", sa.Integer(), nullable=False, comment="名额"),
        sa.Column("seats_per_enterprise", sa.Integer(), nullable=False, comment="每家企业最多人数"),
        sa.Column("opens_at", sa.DateTime(timezone=True), nullable=False, comment="报名开始"),
        sa.Column("closes_at", sa.DateTime(timezone=True), nullable=False, comment="报名截止"),
        sa.Column("change_deadline", sa.DateTime(timezone=True), nullable=False, comment="更换参训人截止"),
        sa.Column("cancel_deadline", sa.DateTime(timezone=True), nullable=False, comment="取消报名截止"),
        sa.Column("needs_approval", sa.Boolean(), nullable=False, comment="是否需审核"),
        sa.Column(
            "offer_minutes", sa.Integer(), nullable=True, comment="候补名额确认时限，分钟；空为自动确认"
        ),
        sa.Column("certificate_percent", sa.Integer(), nullable=False, comment="发证所需出勤比例，%"),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False, comment="第一场开始"),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False, comment="最后一场结束"),
        sa.Column(
            "state",
            sa.Enum(
                "draft",
                "published",
                "cancelled",
                "discarded",
                name="trainingstate",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
            comment="状态",
        ),
        sa.Column("state_reason", sa.String(length=500), nullable=True, comment="取消原因"),
        sa.Column("import_key", sa.String(length=64), nullable=True, comment="导入批次中的唯一标识"),
        sa.Column("taken", sa.Integer(), nullable=False, comment="已占名额"),
        sa.Column("waiting", sa.Integer(), nullable=False, comment="候补人数"),
        sa.Column("waiting_seq", sa.Integer(), nullable=False, comment="候补号序列"),
        sa.Column("revision", sa.Integer(), nullable=False, comment="日程版本（iCalendar SEQUENCE）"),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint("capacity > 0", name=op.f("ck_trainings_capacity")),
        sa.CheckConstraint(
            "certificate_percent BETWEEN 1 AND 100", name=op.f("ck_trainings_certificate_percent")
        ),
        sa.CheckConstraint("opens_at < closes_at", name=op.f("ck_trainings_window")),
        sa.CheckConstraint("taken >= 0 AND taken <= capacity", name=op.f("ck_trainings_taken")),
        sa.CheckConstraint("waiting >= 0", name=op.f("ck_trainings_waiting")),
        sa.ForeignKeyConstraint(["division_id"], ["divisions.id"], name=op.f("fk_trainings_division_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trainings")),
        sa.UniqueConstraint("import_key", name=op.f("uq_trainings_import_key")),
    )
    op.create_index("ix_trainings_open", "trainings", ["state", "starts_at", "id"], unique=False)
    op.create_table(
        "enterprise_seats",
        sa.Column("training_id", sa.Uuid(), nullable=False),
        sa.Column("enterprise_id", sa.Uuid(), nullable=False),
        sa.Column("division_id", sa.Text(), nullable=False),
        sa.Column("taken", sa.Integer(), nullable=False),
        sa.CheckConstraint("taken >= 0", name=op.f("ck_enterprise_seats_taken")),
        sa.ForeignKeyConstraint(
            ["division_id"], ["divisions.id"], name=op.f("fk_enterprise_seats_division_id")
        ),
        sa.ForeignKeyConstraint(
            ["enterprise_id"], ["enterprises.id"], name=op.f("fk_enterprise_seats_enterprise_id")
        ),
        sa.ForeignKeyConstraint(
            ["training_id"], ["trainings.id"], name=op.f("fk_enterprise_seats_training_id")
        ),
        sa.PrimaryKeyConstraint("training_id", "enterprise_id", name=op.f("pk_enterprise_seats")),
    )
    op.create_table(
        "invitations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("enterprise_id", sa.Uuid(), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("used_by", sa.Uuid(), nullable=True),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name=op.f("fk_invitations_created_by")),
        sa.ForeignKeyConstraint(
            ["enterprise_id"], ["enterprises.id"], name=op.f("fk_invitations_enterprise_id")
        ),
        sa.ForeignKeyConstraint(["used_by"], ["users.id"], name=op.f("fk_invitations_used_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitations")),
        sa.UniqueConstraint("code_hash", name=op.f("uq_invitations_code_hash")),
    )
    op.create_index(op.f("ix_invitations_enterprise_id"), "invitations", ["enterprise_id"], unique=False)
    op.create_table(
        "membership_requests",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("enterprise_id", sa.Uuid(), nullable=False),
        sa.Column("division_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("note", sa.String(length=200), nullable=True, comment="申请说明"),
        sa.Column(
            "state",
            sa.Enum(
                "pending",
                "approved",
                "refused",
                name="membershipstate",
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
        sa.ForeignKeyConstraint(
            ["division_id"], ["divisions.id"], name=op.f("fk_membership_requests_division_id")
        ),
        sa.ForeignKeyConstraint(
            ["enterprise_id"], ["enterprises.id"], name=op.f("fk_membership_requests_enterprise_id")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_membership_requests_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_membership_requests")),
    )
    op.create_index(
        "uq_membership_requests_pending",
        "membership_requests",
        ["enterprise_id", "user_id"],
        unique=True,
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_table(
        "signups",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("training_id", sa.Uuid(), nullable=False),
        sa.Column("division_id", sa.Text(), nullable=False, comment="培训的主办辖区"),
        sa.Column("enterprise_id", sa.Uuid(), nullable=False),
        sa.Column("enterprise_name", sa.String(length=128), nullable=False, comment="报名时的企业名称"),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("attendee_name", sa.LargeBinary(), nullable=False, comment="参训人姓名"),
        sa.Column("attendee_phone", sa.LargeBinary(), nullable=False, comment="参训人手机号"),
        sa.Column("attendee_phone_index", sa.LargeBinary(length=32), nullable=False),
        sa.Column("attendee_post", sa.String(length=32), nullable=True, comment="职务"),
        sa.Column("attendee_user_id", sa.Uuid(), nullable=True),
        sa.Column("ticket_no", sa.String(length=10), nullable=False, comment="票号"),
        sa.Column(
            "state",
            sa.Enum(
                "pending",
                "confirmed",
                "returned",
                "refused",
                "waiting",
                "offered",
                "expired",
                "cancelled",
                name="signupstate",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
            comment="状态",
        ),
        sa.Column("state_reason", sa.String(length=500), nullable=True, comment="退回、未通过或取消的原因"),
        sa.Column("waiting_no", sa.Integer(), nullable=True, comment="候补号"),
        sa.Column("offer_expires_at", sa.DateTime(timezone=True), nullable=True, comment="候补名额确认时限"),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(["attendee_user_id"], ["users.id"], name=op.f("fk_signups_attendee_user_id")),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name=op.f("fk_signups_created_by")),
        sa.ForeignKeyConstraint(["division_id"], ["divisions.id"], name=op.f("fk_signups_division_id")),
        sa.ForeignKeyConstraint(["enterprise_id"], ["enterprises.id"], name=op.f("fk_signups_enterprise_id")),
        sa.ForeignKeyConstraint(["training_id"], ["trainings.id"], name=op.f("fk_signups_training_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signups")),
        sa.UniqueConstraint("ticket_no", name=op.f("uq_signups_ticket_no")),
    )
    op.create_index(
        op.f("ix_signups_attendee_phone_index"), "signups", ["attendee_phone_index"], unique=False
    )
    op.create_index(op.f("ix_signups_attendee_user_id"), "signups", ["attendee_user_id"], unique=False)
    op.create_index(op.f("ix_signups_enterprise_id"), "signups", ["enterprise_id"], unique=False)
    op.create_index(
        "ix_signups_offers",
        "signups",
        ["offer_expires_at"],
        unique=False,
        postgresql_where=sa.text("state = 'offered'"),
    )
    op.create_index("ix_signups_roster", "signups", ["training_id", "id"], unique=False)
    op.create_index(
        "ix_signups_waiting",
        "signups",
        ["training_id", "waiting_no"],
        unique=False,
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_index(
        "uq_signups_attendee",
        "signups",
        ["training_id", "attendee_phone_index"],
        unique=True,
        postgresql_where=sa.text("state IN ('pending', 'confirmed', 'returned', 'offered', 'waiting')"),
    )
    op.create_table(
        "training_sessions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("training_id", sa.Uuid(), nullable=False),
        sa.Column("division_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False, comment="第几场"),
        sa.Column("title", sa.String(length=120), nullable=False, comment="场次名称"),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("checkin_from", sa.DateTime(timezone=True), nullable=False, comment="签到开始"),
        sa.Column("checkin_until", sa.DateTime(timezone=True), nullable=False, comment="签到结束"),
        sa.Column("hall_no", sa.String(length=10), nullable=False, comment="现场码编号"),
        sa.CheckConstraint("starts_at < ends_at", name=op.f("ck_training_sessions_times")),
        sa.ForeignKeyConstraint(
            ["division_id"], ["divisions.id"], name=op.f("fk_training_sessions_division_id")
        ),
        sa.ForeignKeyConstraint(
            ["training_id"], ["trainings.id"], name=op.f("fk_training_sessions_training_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_training_sessions")),
        sa.UniqueConstraint("hall_no", name=op.f("uq_training_sessions_hall_no")),
        sa.UniqueConstraint("training_id", "number", name=op.f("uq_training_sessions_training_id_number")),
    )
    op.create_table(
        "attendance_certificates",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("signup_id", sa.Uuid(), nullable=False),
        sa.Column("training_id", sa.Uuid(), nullable=False),
        sa.Column("division_id", sa.Text(), nullable=False),
        sa.Column("enterprise_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("number", sa.String(length=32), nullable=False, comment="证明编号"),
        sa.Column("verification_code", sa.String(length=16), nullable=False, comment="验证码"),
        sa.Column("facts", sa.LargeBinary(), nullable=False, comment="证明内容（JSON）"),
        sa.Column(
            "issued_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["division_id"], ["divisions.id"], name=op.f("fk_attendance_certificates_division_id")
        ),
        sa.ForeignKeyConstraint(
            ["enterprise_id"], ["enterprises.id"], name=op.f("fk_attendance_certificates_enterprise_id")
        ),
        sa.ForeignKeyConstraint(
            ["signup_id"], ["signups.id"], name=op.f("fk_attendance_certificates_signup_id")
        ),
        sa.ForeignKeyConstraint(
            ["training_id"], ["trainings.id"], name=op.f("fk_attendance_certificates_training_id")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_attendance_certificates_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attendance_certificates")),
        sa.UniqueConstraint("number", name=op.f("uq_attendance_certificates_number")),
        sa.UniqueConstraint("signup_id", name=op.f("uq_attendance_certificates_signup_id")),
        sa.UniqueConstraint("verification_code", name=op.f("uq_attendance_certificates_verification_code")),
    )
    op.create_table(
        "scans",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("training_id", sa.Uuid(), nullable=False),
        sa.Column("division_id", sa.Text(), nullable=False),
        sa.Column("signup_id", sa.Uuid(), nullable=True),
        sa.Column("by_user_id", sa.Uuid(), nullable=False),
        sa.Column(
            "nonce",
            sa.String(length=64),
            nullable=False,
            comment="设备生成的一次性编号，重复提交时返回原结果",
        ),
        sa.Column(
            "method",
            sa.Enum(
                "ticket",
                "hall",
                "manual",
                name="method",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
            comment="方式",
        ),
        sa.Column(
            "outcome",
            sa.Enum(
                "accepted",
                "duplicate",
                "unknown_ticket",
                "code_expired",
                "wrong_training",
                "cancelled",
                "not_confirmed",
                "too_early",
                "late",
                "clock_skewed",
                name="outcome",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
            comment="结果",
        ),
        sa.Column("reason", sa.String(length=200), nullable=True, comment="补签原因"),
        sa.Column(
            "scanned_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="扫码时间（离线上传时按设备时差校正）",
        ),
        sa.Column("device_time", sa.DateTime(timezone=True), nullable=True, comment="设备所报时间，仅离线"),
        sa.Column(
            "received_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(["by_user_id"], ["users.id"], name=op.f("fk_scans_by_user_id")),
        sa.ForeignKeyConstraint(["division_id"], ["divisions.id"], name=op.f("fk_scans_division_id")),
        sa.ForeignKeyConstraint(["session_id"], ["training_sessions.id"], name=op.f("fk_scans_session_id")),
        sa.ForeignKeyConstraint(["signup_id"], ["signups.id"], name=op.f("fk_scans_signup_id")),
        sa.ForeignKeyConstraint(["training_id"], ["trainings.id"], name=op.f("fk_scans_training_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scans")),
        sa.UniqueConstraint("by_user_id", "nonce", name=op.f("uq_scans_by_user_id_nonce")),
    )
    op.create_index("ix_scans_signup", "scans", ["signup_id"], unique=False)
    op.create_index(
        "uq_scans_accepted",
        "scans",
        ["session_id", "signup_id"],
        unique=True,
        postgresql_where=sa.text("outcome = 'accepted'"),
    )

    op.execute(APPEND_ONLY)


def downgrade() -> None:
    raise NotImplementedError("the first migration is taken back by dropping the database")
