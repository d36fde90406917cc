"""Who asked for which test notification: what limits the tests, and answers a repeated request with the same one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "requested_tests",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("api_key", sa.Text, nullable=False),
        sa.Column("idempotency_key", sa.Text),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("notification_id", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_requested_tests"),
        sa.UniqueConstraint("api_key", "idempotency_key", name="uq_requested_tests_api_key_idempotency_key"),
        sa.ForeignKeyConstraint(
            ["notification_id"],
            ["notifications.id"],
            ondelete="CASCADE",
            name="fk_requested_tests_notification_id",
        ),
    )
    op.create_index("ix_requested_tests_notification_id", "requested_tests", ["notification_id"])
    op.create_index("ix_requested_tests_created_at", "requested_tests", ["created_at"])


def downgrade() -> None:
    op.drop_table("requested_tests")
