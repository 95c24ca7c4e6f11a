"""messages: templates, routes, deliveries, subscriptions, followers, campaigns, reminders"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "followers",
        sa.Column("openid", sa.Text(), nullable=False, comment="公众号 openid"),
        sa.Column("unionid", sa.String(length=64), nullable=True, comment="开放平台 unionid；未绑定时为空"),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True, comment="最近一次向平台核对"),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("openid", name=op.f("pk_followers")),
    )
    op.create_index("ix_followers_unionid", "followers", ["unionid"], unique=False)
    op.create_table(
        "message_templates",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "channel",
            sa.Enum(
                "subscribe", "template", name="channel", native_enum=False, create_constraint=True, length=24
            ),
            nullable=False,
            comment="渠道",
        ),
        sa.Column("platform_id", sa.String(length=64), nullable=False, comment="平台上的模板编号"),
        sa.Column("title", sa.String(length=64), nullable=False, comment="标题"),
        sa.Column(
            "type",
            sa.Enum(
                "one_time",
                "lasting",
                "official_account",
                name="templatetype",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
            comment="类型",
        ),
        sa.Column("content", sa.String(length=1000), nullable=False, comment="平台上的内容"),
        sa.Column("example", sa.String(length=1000), nullable=False, comment="平台上的示例"),
        sa.Column("fields", postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment="字段"),
        sa.Column("version", sa.Integer(), nullable=False, comment="第几版"),
        sa.Column(
            "state",
            sa.Enum(
                "active",
                "changed",
                "gone",
                name="templatestate",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
            comment="状态",
        ),
        sa.Column("synced_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message_templates")),
        sa.UniqueConstraint("channel", "platform_id", name=op.f("uq_message_templates_channel_platform_id")),
    )
    op.create_table(
        "notice_routes",
        sa.Column("kind", sa.Text(), nullable=False, comment="消息类别"),
        sa.Column("channels", sa.ARRAY(sa.Text()), nullable=False, comment="渠道，按先后；空为仅站内"),
        sa.Column("next_when_refused", sa.Boolean(), nullable=False, comment="未被接收时是否改用下一渠道"),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("kind", name=op.f("pk_notice_routes")),
    )
    op.create_table(
        "campaigns",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("division_id", sa.Text(), nullable=False, comment="发起辖区"),
        sa.Column("name", sa.String(length=60), nullable=False, comment="名称，仅工作人员可见"),
        sa.Column("title", sa.String(length=60), nullable=False, comment="站内消息标题"),
        sa.Column("body", sa.String(length=500), nullable=False, comment="站内消息正文"),
        sa.Column("page", sa.String(length=200), nullable=False, comment="点击后打开的小程序页面"),
        sa.Column("channels", sa.ARRAY(sa.Text()), nullable=False, comment="渠道，按先后；空为仅站内"),
        sa.Column("next_when_refused", sa.Boolean(), nullable=False, comment="未被接收时是否改用下一渠道"),
        sa.Column(
            "templates",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="渠道 → 模板编号与字段取值",
        ),
        sa.Column("audience", postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment="受众条件"),
        sa.Column("credit_codes", sa.ARRAY(sa.Text()), nullable=False, comment="上传的名单；空为按条件"),
        sa.Column(
            "state",
            sa.Enum(
                "draft",
                "approving",
                "scheduled",
                "preparing",
                "running",
                "paused",
                "done",
                "cancelled",
                name="campaignstate",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
            comment="状态",
        ),
        sa.Column("state_reason", sa.String(length=200), nullable=True, comment="退回、取消或又须复核的原因"),
        sa.Column("recipients", sa.Integer(), nullable=False, comment="收件人数"),
        sa.Column(
            "scheduled_at", sa.DateTime(timezone=True), nullable=True, comment="定时发送；空为复核后即发"
        ),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("approved_by", sa.Uuid(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint("recipients >= 0", name=op.f("ck_campaigns_recipients")),
        sa.ForeignKeyConstraint(["approved_by"], ["users.id"], name=op.f("fk_campaigns_approved_by")),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name=op.f("fk_campaigns_created_by")),
        sa.ForeignKeyConstraint(["division_id"], ["divisions.id"], name=op.f("fk_campaigns_division_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_campaigns")),
    )
    op.create_index("ix_campaigns_division", "campaigns", ["division_id", "id"], unique=False)
    op.create_index("ix_campaigns_state", "campaigns", ["state", "scheduled_at"], unique=False)
    op.create_table(
        "message_template_versions",
        sa.Column("template_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(length=64), nullable=False, comment="标题"),
        sa.Column("content", sa.String(length=1000), nullable=False, comment="内容"),
        sa.Column("fields", postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment="字段"),
        sa.Column(
            "seen_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["template_id"], ["message_templates.id"], name=op.f("fk_message_template_versions_template_id")
        ),
        sa.PrimaryKeyConstraint("template_id", "version", name=op.f("pk_message_template_versions")),
    )
    op.create_table(
        "sending_pauses",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "channel",
            sa.Enum(
                "subscribe", "template", name="channel", native_enum=False, create_constraint=True, length=24
            ),
            nullable=False,
            comment="渠道",
        ),
        sa.Column("template_id", sa.Uuid(), nullable=True, comment="空为整个渠道"),
        sa.Column("errcode", sa.Integer(), nullable=True, comment="平台的错误码"),
        sa.Column("reason", sa.String(length=200), nullable=False, comment="原因"),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True, comment="到时自动恢复；空为人工恢复"),
        sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=True, comment="恢复时间"),
        sa.Column("lifted_by", sa.Uuid(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(["lifted_by"], ["users.id"], name=op.f("fk_sending_pauses_lifted_by")),
        sa.ForeignKeyConstraint(
            ["template_id"], ["message_templates.id"], name=op.f("fk_sending_pauses_template_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sending_pauses")),
    )
    op.create_index(
        "uq_sending_pauses_open",
        "sending_pauses",
        ["channel", sa.literal_column("coalesce(template_id, '00000000-0000-0000-0000-000000000000'::uuid)")],
        unique=True,
        postgresql_where=sa.text("lifted_at IS NULL"),
    )
    op.create_table(
        "subscription_answers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("template_id", sa.Uuid(), nullable=False),
        sa.Column(
            "source",
            sa.Enum(
                "client", "event", name="answersource", native_enum=False, create_constraint=True, length=24
            ),
            nullable=False,
            comment="来源",
        ),
        sa.Column(
            "answer", sa.String(length=24), nullable=False, comment="accept / reject / ban / filter / revoke"
        ),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=False, comment="回答的时间"),
        sa.Column("paired", sa.Boolean(), nullable=False, comment="另一来源也报告了同一次回答"),
        sa.Column("dedupe_key", sa.String(length=160), nullable=False, comment="去重键"),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["template_id"], ["message_templates.id"], name=op.f("fk_subscription_answers_template_id")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_subscription_answers_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscription_answers")),
        sa.UniqueConstraint("dedupe_key", name=op.f("uq_subscription_answers_dedupe_key")),
    )
    op.create_index(
        "ix_subscription_answers_pairing",
        "subscription_answers",
        ["user_id", "template_id", "answered_at"],
        unique=False,
    )
    op.create_table(
        "subscriptions",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("template_id", sa.Uuid(), nullable=False),
        sa.Column("credits", sa.Integer(), nullable=False, comment="剩余的一次性订阅次数"),
        sa.Column("lasting", sa.Boolean(), nullable=False, comment="是否长期订阅"),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint("credits >= 0", name=op.f("ck_subscriptions_credits")),
        sa.ForeignKeyConstraint(
            ["template_id"], ["message_templates.id"], name=op.f("fk_subscriptions_template_id")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_subscriptions_user_id")),
        sa.PrimaryKeyConstraint("user_id", "template_id", name=op.f("pk_subscriptions")),
    )
    op.create_table(
        "template_uses",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column(
            "channel",
            sa.Enum(
                "subscribe", "template", name="channel", native_enum=False, create_constraint=True, length=24
            ),
            nullable=False,
            comment="渠道",
        ),
        sa.Column("template_id", sa.Uuid(), nullable=False),
        sa.Column("fields", postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment="字段的取值"),
        sa.ForeignKeyConstraint(["kind"], ["notice_routes.kind"], name=op.f("fk_template_uses_kind")),
        sa.ForeignKeyConstraint(
            ["template_id"], ["message_templates.id"], name=op.f("fk_template_uses_template_id")
        ),
        sa.PrimaryKeyConstraint("kind", "channel", name=op.f("pk_template_uses")),
    )
    op.create_table(
        "deliveries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("notice_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=48), nullable=False, comment="消息类别"),
        sa.Column(
            "channel",
            sa.Enum(
                "subscribe", "template", name="channel", native_enum=False, create_constraint=True, length=24
            ),
            nullable=False,
            comment="渠道",
        ),
        sa.Column("template_id", sa.Uuid(), nullable=False),
        sa.Column("campaign_id", sa.Uuid(), nullable=True),
        sa.Column(
            "division_id",
            sa.String(length=64),
            nullable=True,
            comment="所属辖区；自动通知属于运行本服务的辖区",
        ),
        sa.Column(
            "state",
            sa.Enum(
                "waiting",
                "claimed",
                "sending",
                "sent",
                "delivered",
                "refused",
                "failed",
                "unknown",
                "skipped",
                "cancelled",
                name="deliverystate",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
            comment="状态",
        ),
        sa.Column("superseded", sa.Boolean(), nullable=False, comment="未被接收后已改用下一渠道"),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False, comment="不早于此时发送"),
        sa.Column("attempts", sa.Integer(), nullable=False, comment="已尝试次数"),
        sa.Column("anew", sa.Integer(), nullable=False, comment="由工作人员重发的次数"),
        sa.Column("first_tried_at", sa.DateTime(timezone=True), nullable=True, comment="首次尝试"),
        sa.Column("worker", sa.String(length=64), nullable=True, comment="领取者"),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True, comment="领取至"),
        sa.Column("message_id", sa.BigInteger(), nullable=True, comment="平台的 msgid"),
        sa.Column("errcode", sa.Integer(), nullable=True, comment="平台的错误码"),
        sa.Column("reason", sa.String(length=200), nullable=True, comment="说明"),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True, comment="有结果的时间"),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name=op.f("fk_deliveries_campaign_id")),
        sa.ForeignKeyConstraint(["notice_id"], ["notices.id"], name=op.f("fk_deliveries_notice_id")),
        sa.ForeignKeyConstraint(
            ["template_id"], ["message_templates.id"], name=op.f("fk_deliveries_template_id")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_deliveries_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint("notice_id", "channel", name=op.f("uq_deliveries_notice_id_channel")),
    )
    op.create_index(
        "ix_deliveries_busy",
        "deliveries",
        ["user_id"],
        unique=False,
        postgresql_where=sa.text("state IN ('claimed', 'sending')"),
    )
    op.create_index("ix_deliveries_campaign", "deliveries", ["campaign_id", "state", "id"], unique=False)
    op.create_index(
        "ix_deliveries_due",
        "deliveries",
        ["due_at", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_index(
        "ix_deliveries_held",
        "deliveries",
        ["lease_until"],
        unique=False,
        postgresql_where=sa.text("state IN ('claimed', 'sending')"),
    )
    op.create_index(
        "ix_deliveries_kind",
        "deliveries",
        ["kind", "id"],
        unique=False,
        postgresql_where=sa.text("campaign_id IS NULL"),
    )
    op.create_index(
        "ix_deliveries_message",
        "deliveries",
        ["channel", "message_id"],
        unique=False,
        postgresql_where=sa.text("message_id IS NOT NULL"),
    )
    op.create_index("ix_deliveries_state", "deliveries", ["state", "id"], unique=False)
    op.add_column(
        "notices", sa.Column("facts", sa.LargeBinary(), nullable=True, comment="模板变量的取值（JSON）")
    )
    op.add_column(
        "notices", sa.Column("campaign_id", sa.Uuid(), nullable=True, comment="所属群发；空为自动通知")
    )
    op.add_column(
        "notices",
        sa.Column("dispatched_at", sa.DateTime(timezone=True), nullable=True, comment="转为各渠道投递的时间"),
    )
    op.create_index(
        "ix_notices_campaign",
        "notices",
        ["campaign_id", "id"],
        unique=False,
        postgresql_where=sa.text("campaign_id IS NOT NULL"),
    )
    op.create_index(
        "ix_notices_undispatched",
        "notices",
        ["id"],
        unique=False,
        postgresql_where=sa.text("dispatched_at IS NULL"),
    )
    op.create_foreign_key(op.f("fk_notices_campaign_id"), "notices", "campaigns", ["campaign_id"], ["id"])
    op.add_column(
        "trainings",
        sa.Column(
            "remind_before",
            sa.ARRAY(sa.Integer()),
            server_default="{1440,60}",
            nullable=False,
            comment="各场次开始前多少分钟提醒",
        ),
    )
    # What was told before there were deliveries stays in the inbox, where it has been read.
    op.execute("UPDATE notices SET dispatched_at = created_at")


def downgrade() -> None:
    raise NotImplementedError("restore a backup: what was sent, and to whom, would be forgotten")
