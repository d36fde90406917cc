"""Suppressed addresses, operators' interventions, deliveries reopened, lost workflows, and alerts by problem."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Text
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("notifications", sa.Column("recovered_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("deliveries", sa.Column("reopened_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "suppressions",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("provider_reply", sa.Text(), nullable=True),
        sa.Column("notification_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("channel IN ('email', 'telegram')", name=op.f("ck_suppressions_channel")),
        sa.ForeignKeyConstraint(
            ["notification_id"],
            ["notifications.id"],
            name=op.f("fk_suppressions_notification_id"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("channel", "address", name=op.f("pk_suppressions")),
    )
    op.create_table(
        "interventions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("operator", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("delivery_id", sa.BigInteger(), nullable=True),
        sa.Column("channel", sa.Text(), nullable=True),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("before", postgresql.JSONB(astext_type=Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["delivery_id"], ["deliveries.id"], name=op.f("fk_interventions_delivery_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_interventions")),
    )
    op.create_index(op.f("ix_interventions_delivery_id"), "interventions", ["delivery_id"], unique=False)
    op.create_index(
        "ix_notifications_alerts",
        "notifications",
        [sa.literal_column("(metadata ->> 'problem')"), "created_at"],
        unique=False,
        postgresql_where=sa.text("notification_type = 'alert'"),
    )


def downgrade() -> None:
    op.drop_index("ix_notifications_alerts", table_name="notifications")
    op.drop_table("interventions")
    op.drop_table("suppressions")
    op.drop_column("deliveries", "reopened_at")
    op.drop_column("notifications", "recovered_at")
