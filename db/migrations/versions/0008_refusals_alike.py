"""Deliveries keep what the refusals of several recipients have in common, so that a refusal about us is recognised.

Both columns are null in all existing rows, so nothing is rewritten and the index is empty.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("deliveries", sa.Column("refusal", sa.Text(), nullable=True))
    op.add_column("deliveries", sa.Column("refused_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_deliveries_refused",
        "deliveries",
        ["channel", sa.text("md5(refusal)"), "refused_at"],
        postgresql_where=sa.text("refusal IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_deliveries_refused", "deliveries")
    op.drop_column("deliveries", "refused_at")
    op.drop_column("deliveries", "refusal")
