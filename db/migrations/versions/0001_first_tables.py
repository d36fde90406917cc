"""The first tables, and the flat view that integrators read."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Text
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

NOTIFICATIONS_FLAT = """
CREATE VIEW notifications_flat AS
SELECT n.id, n.notification_type, n.status, n.company_id, c.slug AS company_slug,
       n.project_id, p.slug AS project_slug, n.ar_content_id, coalesce(n.subject, e.subject) AS subject,
       coalesce(n.message, e.body, t.body) AS message, n.days_left, n.item_ends_at, n.threshold_days,
       n.dedupe_key, n.workflow_id, n.created_at, n.finished_at,
       e.status AS email_status, e.status = 'accepted' AS email_sent,
       CASE WHEN e.status = 'accepted' THEN e.finished_at END AS email_sent_at,
       CASE WHEN e.status <> 'accepted' THEN coalesce(e.reason || ': ' || e.provider_reply, e.reason) END
           AS email_error,
       t.status AS telegram_status, t.status = 'accepted' AS telegram_sent,
       CASE WHEN t.status = 'accepted' THEN t.finished_at END AS telegram_sent_at,
       CASE WHEN t.status <> 'accepted' THEN coalesce(t.reason || ': ' || t.provider_reply, t.reason) END
           AS telegram_error
FROM notifications n
LEFT JOIN companies c ON c.id = n.company_id
LEFT JOIN projects p ON p.id = n.project_id
JOIN deliveries e ON e.notification_id = n.id AND e.channel = 'email'
JOIN deliveries t ON t.notification_id = n.id AND t.channel = 'telegram'
"""


def upgrade() -> None:
    op.create_table(
        "companies",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("contact_email", sa.Text(), nullable=True),
        sa.Column("telegram_chat_id", sa.BigInteger(), nullable=True),
        sa.Column("locale", sa.Text(), server_default="en", nullable=False),
        sa.Column("timezone", sa.Text(), server_default="UTC", nullable=False),
        sa.Column("email_enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("telegram_enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "(TIMESTAMPTZ 'epoch' AT TIME ZONE timezone) IS NOT NULL", name=op.f("ck_companies_timezone")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_companies")),
        sa.UniqueConstraint("slug", name=op.f("uq_companies_slug")),
    )
    op.create_table(
        "projects",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("company_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default="active", nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("auto_renew", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("subscription_type", sa.Text(), nullable=True),
        sa.Column("notify_before_expiry_days", sa.ARRAY(sa.Integer()), nullable=True),
        sa.Column("last_notification_sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tags", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("metadata", postgresql.JSONB(astext_type=Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("status IN ('active', 'expired', 'archived')", name=op.f("ck_projects_status")),
        sa.CheckConstraint(
            "0 <= ALL(notify_before_expiry_days) AND 365 >= ALL(notify_before_expiry_days)",
            name=op.f("ck_projects_notify_before_expiry_days"),
        ),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_projects_company_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_projects")),
        sa.UniqueConstraint("slug", name=op.f("uq_projects_slug")),
    )
    op.create_index(op.f("ix_projects_company_id"), "projects", ["company_id"], unique=False)
    op.create_index(
        "ix_projects_ending",
        "projects",
        ["expires_at", "id"],
        unique=False,
        postgresql_where=sa.text("status = 'active' AND NOT auto_renew"),
    )
    op.create_table(
        "ar_contents",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("company_id", sa.BigInteger(), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_ar_contents_company_id")),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_ar_contents_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ar_contents")),
        sa.UniqueConstraint("slug", name=op.f("uq_ar_contents_slug")),
    )
    op.create_index(op.f("ix_ar_contents_project_id"), "ar_contents", ["project_id"], unique=False)
    op.create_table(
        "notifications",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("company_id", sa.BigInteger(), nullable=True),
        sa.Column("project_id", sa.BigInteger(), nullable=True),
        sa.Column("ar_content_id", sa.BigInteger(), nullable=True),
        sa.Column("notification_type", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("metadata", postgresql.JSONB(astext_type=Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("dedupe_key", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default="open", nullable=False),
        sa.Column("item_ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("threshold_days", sa.Integer(), nullable=True),
        sa.Column("days_left", sa.Integer(), nullable=True),
        sa.Column("scan_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("give_up_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("workflow_id", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "notification_type IN ('expiring', 'expired', 'test', 'alert')",
            name=op.f("ck_notifications_notification_type"),
        ),
        sa.CheckConstraint(
            "status IN ('open', 'delivered', 'undelivered', 'in_doubt')", name=op.f("ck_notifications_status")
        ),
        sa.ForeignKeyConstraint(["ar_content_id"], ["ar_contents.id"], name=op.f("fk_notifications_ar_content_id")),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_notifications_company_id")),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_notifications_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notifications")),
        sa.UniqueConstraint("dedupe_key", name=op.f("uq_notifications_dedupe_key")),
    )
    op.create_index("ix_notifications_company", "notifications", ["company_id", "id"], unique=False)
    op.create_index(
        "ix_notifications_not_delivered",
        "notifications",
        ["status", "id"],
        unique=False,
        postgresql_where=sa.text("status IN ('undelivered', 'in_doubt')"),
    )
    op.create_index(
        "ix_notifications_item",
        "notifications",
        ["project_id", "notification_type", "item_ends_at"],
        unique=False,
    )
    op.create_index(
        "ix_notifications_started",
        "notifications",
        ["company_id"],
        unique=False,
        postgresql_where=sa.text("status = 'open' AND started_at IS NOT NULL"),
    )
    op.create_index(
        "ix_notifications_to_start",
        "notifications",
        [sa.literal_column("coalesce(company_id, 0)"), "give_up_at", "id"],
        unique=False,
        postgresql_where=sa.text("status = 'open' AND started_at IS NULL"),
    )
    op.create_table(
        "deliveries",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("notification_id", sa.BigInteger(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default="pending", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("claim_seq", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("claim_run", sa.Text(), nullable=True),
        sa.Column("claim_attempt", sa.Integer(), nullable=True),
        sa.Column("recipient", sa.Text(), nullable=True),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("body_html", sa.Text(), nullable=True),
        sa.Column("provider_id", sa.Text(), nullable=True),
        sa.Column("provider_reply", sa.Text(), nullable=True),
        sa.Column("possible_duplicate", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sending_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("channel IN ('email', 'telegram')", name=op.f("ck_deliveries_channel")),
        sa.CheckConstraint(
            "status IN ('pending', 'sending', 'accepted', 'rejected', 'unknown', 'failed', 'skipped')",
            name=op.f("ck_deliveries_status"),
        ),
        sa.ForeignKeyConstraint(
            ["notification_id"],
            ["notifications.id"],
            name=op.f("fk_deliveries_notification_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint("notification_id", "channel", name=op.f("uq_deliveries_notification_id_channel")),
    )
    op.create_index(
        "ix_deliveries_status",
        "deliveries",
        ["status"],
        unique=False,
        postgresql_where=sa.text("status IN ('sending', 'unknown')"),
    )
    op.execute(NOTIFICATIONS_FLAT)


def downgrade() -> None:
    op.execute("DROP VIEW notifications_flat")
    for table in ("deliveries", "notifications", "ar_contents", "projects", "companies"):
        op.drop_table(table)
