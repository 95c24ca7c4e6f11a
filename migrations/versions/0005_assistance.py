"""assistance: agencies, bookings, cases, evidence"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "step_deadlines",
        sa.Column("state", sa.Text(), nullable=False, comment="环节，帮扶项目的状态"),
        sa.Column("working_days", sa.Integer(), nullable=False, comment="时限，工作日"),
        sa.Column("city_after", sa.Integer(), nullable=False, comment="逾期多少个工作日后报市局"),
        sa.PrimaryKeyConstraint("state", name=op.f("pk_step_deadlines")),
    )
    op.create_table(
        "stored_files",
        sa.Column("digest", sa.Text(), nullable=False, comment="SHA-256，十六进制"),
        sa.Column("object_name", sa.String(length=100), nullable=False, comment="在文件库中的名称"),
        sa.Column("size", sa.BigInteger(), nullable=False, comment="字节"),
        sa.Column("media_type", sa.String(length=100), nullable=False, comment="按内容判定的类型"),
        sa.Column("key_id", sa.String(length=8), nullable=False, comment="封存所用数据密钥的编号"),
        sa.Column("has_thumbnail", sa.Boolean(), nullable=False, comment="是否有缩略图"),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint("size > 0", name=op.f("ck_stored_files_size")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_stored_files")),
        sa.UniqueConstraint("object_name", name=op.f("uq_stored_files_object_name")),
    )
    op.create_table(
        "agency_assessments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False, comment="考核年度"),
        sa.Column("rank", sa.Integer(), nullable=True, comment="考核位次"),
        sa.Column(
            "score", sa.Numeric(precision=5, scale=2, asdecimal=False), nullable=True, comment="考核得分"
        ),
        sa.ForeignKeyConstraint(["agency_id"], ["agencies.id"], name=op.f("fk_agency_assessments_agency_id")),
        sa.CheckConstraint(
            "rank IS NOT NULL OR score IS NOT NULL", name=op.f("ck_agency_assessments_says_something")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agency_assessments")),
        sa.UniqueConstraint("agency_id", "year", name=op.f("uq_agency_assessments_agency_id_year")),
    )
    op.create_table(
        "agency_selections",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("division_id", sa.Text(), nullable=False, comment="县（市）区"),
        sa.Column("year", sa.Integer(), nullable=False, comment="年度"),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("reasons", sa.ARRAY(sa.Text()), nullable=False, comment="选定理由"),
        sa.Column("note", sa.String(length=500), nullable=False, comment="理由说明"),
        sa.Column("selected_by", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(["agency_id"], ["agencies.id"], name=op.f("fk_agency_selections_agency_id")),
        sa.ForeignKeyConstraint(
            ["division_id"], ["divisions.id"], name=op.f("fk_agency_selections_division_id")
        ),
        sa.ForeignKeyConstraint(["selected_by"], ["users.id"], name=op.f("fk_agency_selections_selected_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agency_selections")),
        sa.UniqueConstraint(
            "division_id", "year", "agency_id", name=op.f("uq_agency_selections_division_id_year_agency_id")
        ),
    )
    op.create_index("ix_agency_selections_agency", "agency_selections", ["agency_id", "year"], unique=False)
    op.create_table(
        "experts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.LargeBinary(), nullable=False, comment="姓名"),
        sa.Column("title", sa.String(length=64), nullable=False, comment="职务或资格"),
        sa.Column("fields", sa.ARRAY(sa.Text()), nullable=False, comment="专长：提升方面"),
        sa.Column("user_id", sa.Uuid(), nullable=True, comment="在小程序中办理时的用户；一人只是一名专家"),
        sa.Column("active", sa.Boolean(), nullable=False, comment="是否在岗"),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(["agency_id"], ["agencies.id"], name=op.f("fk_experts_agency_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_experts_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_experts")),
        sa.UniqueConstraint("number", name=op.f("uq_experts_number")),
        sa.UniqueConstraint("user_id", name=op.f("uq_experts_user_id")),
    )
    op.create_index(op.f("ix_experts_agency_id"), "experts", ["agency_id"], unique=False)
    op.create_table(
        "absences",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("expert_id", sa.Uuid(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False, comment="原因"),
        sa.CheckConstraint("starts_at < ends_at", name=op.f("ck_absences_times")),
        sa.ForeignKeyConstraint(["agency_id"], ["agencies.id"], name=op.f("fk_absences_agency_id")),
        sa.ForeignKeyConstraint(["expert_id"], ["experts.id"], name=op.f("fk_absences_expert_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_absences")),
    )
    op.create_index("ix_absences_expert", "absences", ["expert_id", "starts_at"], unique=False)
    op.create_table(
        "availabilities",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("expert_id", sa.Uuid(), nullable=False),
        sa.Column("expert_no", sa.BigInteger(), nullable=False, comment="专家序号"),
        sa.Column("weekday", sa.Integer(), nullable=False, comment="星期几，0 为星期一"),
        sa.Column(
            "from_minute", sa.Integer(), nullable=False, comment="开始，当日零点起的分钟数（北京时间）"
        ),
        sa.Column("until_minute", sa.Integer(), nullable=False, comment="结束，同上"),
        sa.Column("valid_from", sa.Date(), nullable=False, comment="自何日起"),
        sa.Column("valid_until", sa.Date(), nullable=True, comment="至何日止，含当日；空为长期"),
        sa.Column(
            "meeting",
            sa.Enum(
                "onsite",
                "agency",
                "phone",
                "video",
                name="meeting",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
            comment="方式",
        ),
        sa.Column("place", sa.String(length=200), nullable=False, comment="地点或会议号"),
        sa.Column("minutes", sa.Integer(), nullable=False, comment="每次时长，分钟"),
        sa.Column("buffer_before", sa.Integer(), nullable=False, comment="之前留空，分钟"),
        sa.Column("buffer_after", sa.Integer(), nullable=False, comment="之后留空，分钟"),
        sa.Column("lead_hours", sa.Integer(), nullable=False, comment="至少提前，小时"),
        sa.Column("lead_days", sa.Integer(), nullable=False, comment="至多提前，天"),
        sa.Column("cancel_hours", sa.Integer(), nullable=False, comment="取消或改约须提前，小时"),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        postgresql.ExcludeConstraint(
            (sa.text("int8range(expert_no, expert_no, '[]')"), "&&"),
            (sa.text("int4range(weekday * 1440 + from_minute, weekday * 1440 + until_minute)"), "&&"),
            (sa.text("daterange(valid_from, valid_until, '[]')"), "&&"),
            using="gist",
            name="ex_availabilities_overlap",
        ),
        sa.CheckConstraint("from_minute + minutes <= until_minute", name=op.f("ck_availabilities_room")),
        sa.CheckConstraint(
            "from_minute >= 0 AND from_minute < until_minute AND until_minute <= 1440",
            name=op.f("ck_availabilities_times"),
        ),
        sa.CheckConstraint(
            "valid_until IS NULL OR valid_from <= valid_until", name=op.f("ck_availabilities_validity")
        ),
        sa.CheckConstraint("weekday BETWEEN 0 AND 6", name=op.f("ck_availabilities_weekday")),
        sa.ForeignKeyConstraint(["agency_id"], ["agencies.id"], name=op.f("fk_availabilities_agency_id")),
        sa.ForeignKeyConstraint(["expert_id"], ["experts.id"], name=op.f("fk_availabilities_expert_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_availabilities")),
    )
    op.create_index(op.f("ix_availabilities_expert_id"), "availabilities", ["expert_id"], unique=False)
    op.create_table(
        "cases",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.String(length=10), nullable=False, comment="项目编号"),
        sa.Column("division_id", sa.Text(), nullable=False, comment="企业所属辖区"),
        sa.Column("enterprise_id", sa.Uuid(), nullable=False),
        sa.Column("enterprise_name", sa.String(length=128), nullable=False, comment="申请时的企业名称"),
        sa.Column("agency_id", sa.Uuid(), nullable=True, comment="承接机构"),
        sa.Column("expert_id", sa.Uuid(), nullable=True, comment="负责专家"),
        sa.Column("year", sa.Integer(), nullable=False, comment="提升行动年度"),
        sa.Column("need", sa.String(length=2000), nullable=False, comment="需求说明"),
        sa.Column("wanted", sa.ARRAY(sa.Text()), nullable=False, comment="希望提升的方面"),
        sa.Column("scheme", sa.Text(), nullable=True, comment="意向认证类别"),
        sa.Column("contact_name", sa.LargeBinary(), nullable=False, comment="联系人"),
        sa.Column("contact_phone", sa.LargeBinary(), nullable=False, comment="联系电话"),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "requested",
                "refused",
                "routing",
                "offered",
                "diagnosis",
                "planning",
                "training",
                "improvement",
                "evaluation",
                "rectification",
                "revisit",
                "closed",
                "withdrawn",
                "terminated",
                name="casestate",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
            comment="状态",
        ),
        sa.Column("state_reason", sa.String(length=500), nullable=True, comment="不予受理、撤回、终止的原因"),
        sa.Column("state_since", sa.DateTime(timezone=True), nullable=False, comment="进入当前环节的时间"),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True, comment="当前环节的时限"),
        sa.Column("paused_at", sa.DateTime(timezone=True), nullable=True, comment="因补正停止计时的时间"),
        sa.Column("paused_seconds", sa.BigInteger(), nullable=False, comment="本环节已停止计时的秒数"),
        sa.Column("escalated", sa.Integer(), nullable=False, comment="逾期提醒到：0 未提醒，1 县局，2 市局"),
        sa.Column(
            "strategy",
            sa.Enum(
                "guidance",
                "management",
                "foundation",
                name="strategy",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=True,
            comment="策略",
        ),
        sa.Column("aspects", sa.ARRAY(sa.Text()), nullable=False, comment="提升方面"),
        sa.Column("strategy_reason", sa.String(length=1000), nullable=True, comment="选策略和提升方面的理由"),
        sa.Column("diagnosis", postgresql.JSONB(astext_type=sa.Text()), nullable=True, comment="诊断表"),
        sa.Column("diagnosis_version", sa.String(length=16), nullable=True, comment="诊断表版本"),
        sa.Column("plan", sa.String(length=4000), nullable=True, comment="提升方案"),
        sa.Column("summary", sa.String(length=4000), nullable=True, comment="提升小结"),
        sa.Column("rectification", sa.String(length=2000), nullable=True, comment="整改情况"),
        sa.Column(
            "rating",
            sa.Enum(
                "very_satisfied",
                "satisfied",
                "fair",
                "dissatisfied",
                "very_dissatisfied",
                name="rating",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=True,
            comment="企业评价",
        ),
        sa.Column("rating_comment", sa.String(length=1000), nullable=True, comment="评价说明"),
        sa.Column("rated_at", sa.DateTime(timezone=True), nullable=True, comment="评价时间"),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True, comment="办结时间"),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(["agency_id"], ["agencies.id"], name=op.f("fk_cases_agency_id")),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name=op.f("fk_cases_created_by")),
        sa.ForeignKeyConstraint(["division_id"], ["divisions.id"], name=op.f("fk_cases_division_id")),
        sa.ForeignKeyConstraint(["enterprise_id"], ["enterprises.id"], name=op.f("fk_cases_enterprise_id")),
        sa.ForeignKeyConstraint(["expert_id"], ["experts.id"], name=op.f("fk_cases_expert_id")),
        sa.ForeignKeyConstraint(["scheme"], ["schemes.code"], name=op.f("fk_cases_scheme")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cases")),
        sa.UniqueConstraint("number", name=op.f("uq_cases_number")),
    )
    op.create_index("ix_cases_agency_state", "cases", ["agency_id", "state", "due_at"], unique=False)
    op.create_index("ix_cases_division_state", "cases", ["division_id", "state", "due_at"], unique=False)
    op.create_index(
        "ix_cases_due",
        "cases",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text(
            "state IN ('requested', 'routing', 'offered', 'diagnosis', 'planning', 'training', 'improvement', 'evaluation', 'rectification', 'revisit') AND paused_at IS NULL"
        ),
    )
    op.create_index(op.f("ix_cases_enterprise_id"), "cases", ["enterprise_id"], unique=False)
    op.create_index(
        "uq_cases_open",
        "cases",
        ["enterprise_id"],
        unique=True,
        postgresql_where=sa.text(
            "state IN ('requested', 'routing', 'offered', 'diagnosis', 'planning', 'training', 'improvement', 'evaluation', 'rectification', 'revisit')"
        ),
    )
    op.create_table(
        "bookings",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("expert_id", sa.Uuid(), nullable=False),
        sa.Column("expert_no", sa.BigInteger(), nullable=False, comment="专家序号"),
        sa.Column("enterprise_id", sa.Uuid(), nullable=False),
        sa.Column("enterprise_name", sa.String(length=128), nullable=False, comment="预约时的企业名称"),
        sa.Column("division_id", sa.Text(), nullable=False, comment="企业所属辖区"),
        sa.Column("case_id", sa.Uuid(), nullable=True, comment="所属帮扶项目"),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("blocked_from", sa.DateTime(timezone=True), nullable=False, comment="含之前留空"),
        sa.Column("blocked_until", sa.DateTime(timezone=True), nullable=False, comment="含之后留空"),
        sa.Column(
            "meeting",
            sa.Enum(
                "onsite",
                "agency",
                "phone",
                "video",
                name="meeting",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
            comment="方式",
        ),
        sa.Column("place", sa.String(length=200), nullable=False, comment="地点或会议号"),
        sa.Column("need", sa.String(length=1000), nullable=False, comment="需求说明"),
        sa.Column("contact_name", sa.LargeBinary(), nullable=True, comment="联系人"),
        sa.Column("contact_phone", sa.LargeBinary(), nullable=True, comment="联系电话"),
        sa.Column(
            "state",
            sa.Enum(
                "held",
                "lapsed",
                "booked",
                "cancelled",
                "revoked",
                "excused",
                "seen",
                "no_show",
                name="bookingstate",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
            comment="状态",
        ),
        sa.Column("state_reason", sa.String(length=500), nullable=True, comment="取消、请假的原因"),
        sa.Column("hold_expires_at", sa.DateTime(timezone=True), nullable=True, comment="为填写保留至"),
        sa.Column("cancel_deadline", sa.DateTime(timezone=True), nullable=False, comment="取消或改约截止"),
        sa.Column("revision", sa.Integer(), nullable=False, comment="改约次数（iCalendar SEQUENCE）"),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        postgresql.ExcludeConstraint(
            (sa.text("int8range(expert_no, expert_no, '[]')"), "&&"),
            (sa.text("tstzrange(blocked_from, blocked_until)"), "&&"),
            where=sa.text("state IN ('held', 'booked', 'seen', 'no_show')"),
            using="gist",
            name="ex_bookings_expert",
        ),
        sa.CheckConstraint("(state = 'held') = (hold_expires_at IS NOT NULL)", name=op.f("ck_bookings_hold")),
        sa.CheckConstraint(
            "blocked_from <= starts_at AND ends_at <= blocked_until", name=op.f("ck_bookings_blocked")
        ),
        sa.CheckConstraint("starts_at < ends_at", name=op.f("ck_bookings_times")),
        sa.ForeignKeyConstraint(["agency_id"], ["agencies.id"], name=op.f("fk_bookings_agency_id")),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_bookings_case_id")),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name=op.f("fk_bookings_created_by")),
        sa.ForeignKeyConstraint(["division_id"], ["divisions.id"], name=op.f("fk_bookings_division_id")),
        sa.ForeignKeyConstraint(
            ["enterprise_id"], ["enterprises.id"], name=op.f("fk_bookings_enterprise_id")
        ),
        sa.ForeignKeyConstraint(["expert_id"], ["experts.id"], name=op.f("fk_bookings_expert_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bookings")),
    )
    op.create_index("ix_bookings_agency", "bookings", ["agency_id", "starts_at"], unique=False)
    op.create_index(op.f("ix_bookings_case_id"), "bookings", ["case_id"], unique=False)
    op.create_index(
        "ix_bookings_coming",
        "bookings",
        ["starts_at"],
        unique=False,
        postgresql_where=sa.text("state = 'booked'"),
    )
    op.create_index("ix_bookings_division", "bookings", ["division_id", "starts_at"], unique=False)
    op.create_index("ix_bookings_enterprise", "bookings", ["enterprise_id", "starts_at"], unique=False)
    op.create_index(
        "ix_bookings_holds",
        "bookings",
        ["hold_expires_at"],
        unique=False,
        postgresql_where=sa.text("state = 'held'"),
    )
    op.create_index(
        "uq_bookings_held",
        "bookings",
        ["enterprise_id"],
        unique=True,
        postgresql_where=sa.text("state = 'held'"),
    )
    op.create_table(
        "case_effects",
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column(
            "phase",
            sa.Enum("before", "after", name="phase", native_enum=False, create_constraint=True, length=24),
            nullable=False,
            comment="帮扶前 / 后",
        ),
        sa.Column("revenue", sa.BigInteger(), nullable=True, comment="营业收入，元"),
        sa.Column("profit_margin", sa.Integer(), nullable=True, comment="利润率，万分之一"),
        sa.Column("quality_cost", sa.BigInteger(), nullable=True, comment="质量成本，元"),
        sa.CheckConstraint("revenue >= 0 AND quality_cost >= 0", name=op.f("ck_case_effects_figures")),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_case_effects_case_id")),
        sa.PrimaryKeyConstraint("case_id", "phase", name=op.f("pk_case_effects")),
    )
    op.create_table(
        "case_offers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "waiting",
                "accepted",
                "declined",
                "expired",
                "closed",
                name="offerstate",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
            comment="状态",
        ),
        sa.Column("reason", sa.String(length=500), nullable=True, comment="拒单原因"),
        sa.Column("offered_by", sa.Uuid(), nullable=False),
        sa.Column("offered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answer_by", sa.DateTime(timezone=True), nullable=False, comment="须在此前答复"),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["agency_id"], ["agencies.id"], name=op.f("fk_case_offers_agency_id")),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_case_offers_case_id")),
        sa.ForeignKeyConstraint(["offered_by"], ["users.id"], name=op.f("fk_case_offers_offered_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_offers")),
    )
    op.create_index("ix_case_offers_agency", "case_offers", ["agency_id", "state", "answer_by"], unique=False)
    op.create_index(
        "ix_case_offers_waiting",
        "case_offers",
        ["answer_by"],
        unique=False,
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_index(
        "uq_case_offers_open",
        "case_offers",
        ["case_id", "agency_id"],
        unique=True,
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_table(
        "case_scores",
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column(
            "phase",
            sa.Enum("before", "after", name="phase", native_enum=False, create_constraint=True, length=24),
            nullable=False,
            comment="帮扶前 / 后",
        ),
        sa.Column(
            "aspect",
            sa.Enum(
                "awareness",
                "innovation",
                "people",
                "digital",
                "energy",
                "standards",
                name="aspect",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
            comment="方面",
        ),
        sa.Column("score", sa.Integer(), nullable=False, comment="得分"),
        sa.CheckConstraint("score BETWEEN 0 AND 100", name=op.f("ck_case_scores_score")),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_case_scores_case_id")),
        sa.PrimaryKeyConstraint("case_id", "phase", "aspect", name=op.f("pk_case_scores")),
    )
    op.create_table(
        "case_trainings",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
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
        sa.Column("title", sa.String(length=120), nullable=False, comment="内容"),
        sa.Column("trainer", sa.LargeBinary(), nullable=False, comment="主讲"),
        sa.Column("place", sa.String(length=200), nullable=False, comment="地点"),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint("starts_at < ends_at", name=op.f("ck_case_trainings_times")),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_case_trainings_case_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_trainings")),
    )
    op.create_index("ix_case_trainings_case", "case_trainings", ["case_id", "starts_at"], unique=False)
    op.create_table(
        "case_transitions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("from_state", sa.String(length=24), nullable=True, comment="之前的状态；空为申请"),
        sa.Column(
            "to_state",
            sa.Enum(
                "requested",
                "refused",
                "routing",
                "offered",
                "diagnosis",
                "planning",
                "training",
                "improvement",
                "evaluation",
                "rectification",
                "revisit",
                "closed",
                "withdrawn",
                "terminated",
                name="casestate",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
            comment="之后的状态",
        ),
        sa.Column("by_user_id", sa.Uuid(), nullable=True, comment="空为系统"),
        sa.Column("reason", sa.String(length=500), nullable=True, comment="原因"),
        sa.Column("paused_seconds", sa.BigInteger(), nullable=False, comment="本环节停止计时的秒数"),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False, comment="时间"),
        sa.ForeignKeyConstraint(["by_user_id"], ["users.id"], name=op.f("fk_case_transitions_by_user_id")),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_case_transitions_case_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_transitions")),
    )
    op.create_index("ix_case_transitions_case", "case_transitions", ["case_id", "id"], unique=False)
    op.create_table(
        "corrections",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("asked", sa.String(length=1000), nullable=False, comment="要求补正的内容"),
        sa.Column("asked_by", sa.Uuid(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answer", sa.String(length=2000), nullable=True, comment="企业的答复；空为收回"),
        sa.Column("ended_by", sa.Uuid(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["asked_by"], ["users.id"], name=op.f("fk_corrections_asked_by")),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_corrections_case_id")),
        sa.ForeignKeyConstraint(["ended_by"], ["users.id"], name=op.f("fk_corrections_ended_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_corrections")),
    )
    op.create_index(
        "uq_corrections_open",
        "corrections",
        ["case_id"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "findings",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column(
            "aspect",
            sa.Enum(
                "awareness",
                "innovation",
                "people",
                "digital",
                "energy",
                "standards",
                name="aspect",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
            comment="方面",
        ),
        sa.Column("problem", sa.String(length=500), nullable=False, comment="问题"),
        sa.Column("measure", sa.String(length=1000), nullable=False, comment="措施"),
        sa.Column("owner", sa.LargeBinary(), nullable=False, comment="责任人"),
        sa.Column("due_on", sa.Date(), nullable=False, comment="完成期限"),
        sa.Column(
            "state",
            sa.Enum(
                "open",
                "under_way",
                "done",
                "verified",
                name="findingstate",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
            comment="状态",
        ),
        sa.Column("result", sa.String(length=1000), nullable=True, comment="完成情况"),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_findings_case_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_findings")),
    )
    op.create_index("ix_findings_case", "findings", ["case_id", "id"], unique=False)
    op.create_table(
        "case_attendees",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("training_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.LargeBinary(), nullable=False, comment="姓名"),
        sa.Column("post", sa.String(length=32), nullable=False, comment="职务"),
        sa.Column("attended", sa.Boolean(), nullable=True, comment="是否到场；空为尚未登记"),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_case_attendees_case_id")),
        sa.ForeignKeyConstraint(
            ["training_id"], ["case_trainings.id"], name=op.f("fk_case_attendees_training_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_attendees")),
    )
    op.create_index("ix_case_attendees_training", "case_attendees", ["training_id", "id"], unique=False)
    op.create_table(
        "visits",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("booking_id", sa.Uuid(), nullable=True, comment="由预约而来"),
        sa.Column(
            "purpose",
            sa.Enum(
                "diagnosis",
                "training",
                "improvement",
                "evaluation",
                "revisit",
                name="purpose",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
            comment="事由",
        ),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("place", sa.String(length=200), nullable=False, comment="地点"),
        sa.Column("expert_id", sa.Uuid(), nullable=False, comment="到场专家"),
        sa.Column("officer_id", sa.Uuid(), nullable=False, comment="参与的县局人员"),
        sa.Column(
            "confirmed_at", sa.DateTime(timezone=True), nullable=True, comment="县局人员确认参与的时间"
        ),
        sa.Column("notes", sa.String(length=2000), nullable=False, comment="情况记录"),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint("starts_at < ends_at", name=op.f("ck_visits_times")),
        sa.ForeignKeyConstraint(["booking_id"], ["bookings.id"], name=op.f("fk_visits_booking_id")),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_visits_case_id")),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name=op.f("fk_visits_created_by")),
        sa.ForeignKeyConstraint(["expert_id"], ["experts.id"], name=op.f("fk_visits_expert_id")),
        sa.ForeignKeyConstraint(["officer_id"], ["users.id"], name=op.f("fk_visits_officer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_visits")),
    )
    op.create_index("ix_visits_case", "visits", ["case_id", "starts_at"], unique=False)
    op.create_index(
        "ix_visits_officer",
        "visits",
        ["officer_id"],
        unique=False,
        postgresql_where=sa.text("confirmed_at IS NULL"),
    )
    op.create_table(
        "evidence",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "diagnosis",
                "training",
                "improvement",
                "effect",
                "other",
                name="evidencekind",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
            comment="类别",
        ),
        sa.Column("name", sa.String(length=120), nullable=False, comment="文件名"),
        sa.Column("finding_id", sa.Uuid(), nullable=True),
        sa.Column("visit_id", sa.Uuid(), nullable=True),
        sa.Column("training_id", sa.Uuid(), nullable=True),
        sa.Column("uploaded_by", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_evidence_case_id")),
        sa.ForeignKeyConstraint(["digest"], ["stored_files.digest"], name=op.f("fk_evidence_digest")),
        sa.ForeignKeyConstraint(["finding_id"], ["findings.id"], name=op.f("fk_evidence_finding_id")),
        sa.ForeignKeyConstraint(["training_id"], ["case_trainings.id"], name=op.f("fk_evidence_training_id")),
        sa.ForeignKeyConstraint(["uploaded_by"], ["users.id"], name=op.f("fk_evidence_uploaded_by")),
        sa.ForeignKeyConstraint(["visit_id"], ["visits.id"], name=op.f("fk_evidence_visit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evidence")),
        sa.UniqueConstraint("case_id", "digest", name=op.f("uq_evidence_case_id_digest")),
    )
    op.create_index("ix_evidence_digest", "evidence", ["digest"], unique=False)
    op.add_column(
        "agencies",
        sa.Column("profile", sa.String(length=2000), server_default="", nullable=False, comment="简介"),
    )
    op.add_column(
        "agencies", sa.Column("telephone", sa.String(length=32), nullable=True, comment="对外联系电话")
    )
    op.add_column("agencies", sa.Column("address", sa.String(length=200), nullable=True, comment="地址"))
    op.add_column(
        "agencies",
        sa.Column(
            "schemes",
            sa.ARRAY(sa.Text()),
            server_default="{}",
            nullable=False,
            comment="认证领域，认证类别的编号",
        ),
    )
    op.add_column(
        "agencies",
        sa.Column(
            "counties", sa.ARRAY(sa.Text()), server_default="{}", nullable=False, comment="服务的县（市）区"
        ),
    )
    op.add_column(
        "agencies",
        sa.Column(
            "capacity", sa.Integer(), server_default="10", nullable=False, comment="同时承接的帮扶项目数"
        ),
    )
    op.add_column(
        "agencies",
        sa.Column(
            "under_way",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="已承接、未办结的帮扶项目数",
        ),
    )
    op.add_column(
        "agencies",
        sa.Column(
            "fee_waiver",
            sa.String(length=500),
            server_default="",
            nullable=False,
            comment="认证费用减免承诺（notice 四 3）",
        ),
    )
    op.add_column(
        "agencies",
        sa.Column("active", sa.Boolean(), server_default="true", nullable=False, comment="是否参与帮扶"),
    )
    op.create_check_constraint(op.f("ck_agencies_capacity"), "agencies", "capacity > 0")
    op.create_check_constraint(
        op.f("ck_agencies_under_way"), "agencies", "under_way >= 0 AND under_way <= capacity"
    )


def downgrade() -> None:
    raise NotImplementedError("restore a backup: cases and their evidence would be forgotten")
