"""Texts can be removed while the record stays, and a company can be erased.

All new columns are null, so no row is rewritten. The way up reads `notifications` once to build the index on those that
have texts: nothing can write to the table meanwhile, about a second for each million rows. If that is too long, build
the index before the migration, which then finds it (docs/scaling.md has the statements).

The way down loses the digests of removed texts.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None
works_with = "0008"


def upgrade() -> None:
    op.execute("ALTER TABLE notifications ADD COLUMN IF NOT EXISTS texts_removed_at timestamp with time zone")
    op.execute(
        "CREATE INDEX IF NOT EXISTS ix_notifications_with_texts ON notifications (finished_at, id)"
        " WHERE texts_removed_at IS NULL AND finished_at IS NOT NULL OR texts_removed_at < finished_at"
    )
    op.execute("ALTER TABLE deliveries ADD COLUMN text_sha256 bytea, ADD COLUMN html_sha256 bytea")
    op.add_column("companies", sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("interventions", sa.Column("company_id", sa.BigInteger(), nullable=True))
    op.create_foreign_key(
        op.f("fk_interventions_company_id"), "interventions", "companies", ["company_id"], ["id"], ondelete="SET NULL"
    )
    # Without it, the removal of each notification would read all suppressions.
    op.create_index(op.f("ix_suppressions_notification_id"), "suppressions", ["notification_id"])


def downgrade() -> None:
    op.drop_index(op.f("ix_suppressions_notification_id"), "suppressions")
    op.drop_column("interventions", "company_id")
    op.drop_column("companies", "erased_at")
    op.execute("ALTER TABLE deliveries DROP COLUMN text_sha256, DROP COLUMN html_sha256")
    op.drop_index("ix_notifications_with_texts", "notifications")
    op.drop_column("notifications", "texts_removed_at")
