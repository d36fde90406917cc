"""The release after this one, as an installation would get it: this checkout with one more migration."""

from __future__ import annotations

from pathlib import Path

from db.revision import newest_revision
from tests.support.changed_checkout import changed_checkout
from tests.support.release import Release

REVISION = "9001"
_MIGRATION = """
import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = "{before}"
branch_labels = None
depends_on = None
works_with = "{works_with}"


def upgrade() -> None:
    op.add_column("deliveries", sa.Column("of_the_next_release", sa.Text(), nullable=True))
    op.create_table("of_the_next_release", sa.Column("id", sa.BigInteger(), primary_key=True))


def downgrade() -> None:
    op.drop_table("of_the_next_release")
    op.drop_column("deliveries", "of_the_next_release")
"""


def next_release(folder: Path, works_with: str | None = None) -> Release:
    """Its migration expands the schema. `works_with` is the oldest revision whose code works on it, by default this
    release's."""
    before = newest_revision()
    content = _MIGRATION.format(revision=REVISION, before=before, works_with=works_with or before)
    return changed_checkout(
        folder, {f"db/migrations/versions/{REVISION}_of_the_next_release.py": [("", content)]}, REVISION
    )
