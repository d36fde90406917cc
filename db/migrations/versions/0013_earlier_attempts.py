"""The record keeps what the provider answered to each attempt, not only to the last one.

A constant default: no row is rewritten.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None
works_with = "0008"


def upgrade() -> None:
    op.add_column("deliveries", sa.Column("earlier_attempts", JSONB(), server_default=sa.text("'[]'"), nullable=False))


def downgrade() -> None:
    op.drop_column("deliveries", "earlier_attempts")
