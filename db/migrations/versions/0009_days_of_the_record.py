"""A day's deliveries and notifications are found without reading the whole record.

A BRIN index has a few bytes for each megabyte of the table, and costs a write next to nothing: rows are written about
in the order of these times. Building it reads the table once, and writes wait meanwhile. If that is too long, build it
before the migration, which then finds it.
"""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None
works_with = "0008"


def upgrade() -> None:
    for index, table, column in (
        ("ix_deliveries_finished", "deliveries", "finished_at"),
        ("ix_notifications_created", "notifications", "created_at"),
    ):
        op.execute(f"CREATE INDEX IF NOT EXISTS {index} ON {table} USING brin ({column}) WITH (autosummarize = true)")


def downgrade() -> None:
    op.drop_index("ix_notifications_created", "notifications")
    op.drop_index("ix_deliveries_finished", "deliveries")
