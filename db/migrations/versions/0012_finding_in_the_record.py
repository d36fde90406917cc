"""The record is found by recipient, reason and time without walking through it.

Nothing can write to a table while its indexes are built, about a second for each million rows and index. If that is too
long, build them before the migration, which then finds them: the same statements with CREATE INDEX CONCURRENTLY.
"""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None
works_with = "0008"

INDEXES = {
    "ix_notifications_opened": "notifications (created_at, id)",
    "ix_deliveries_not_delivered": "deliveries (status, id) WHERE status IN ('rejected', 'failed')",
    "ix_deliveries_reason": "deliveries (reason, id) WHERE reason IS NOT NULL",
    "ix_deliveries_recipient": "deliveries (channel, lower(recipient)) WHERE recipient IS NOT NULL",
    "ix_deliveries_ended_or_opened": "deliveries (coalesce(finished_at, created_at))",
}


def upgrade() -> None:
    for name, what in INDEXES.items():
        op.execute(f"CREATE INDEX IF NOT EXISTS {name} ON {what}")


def downgrade() -> None:
    for name in INDEXES:
        op.execute(f"DROP INDEX {name}")
