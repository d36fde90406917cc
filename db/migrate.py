"""Migrates the database to the newest revision, and back."""

from __future__ import annotations

from collections.abc import Callable

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text

from db.engine import create_engine
from db.revision import WORKS_WITH, WrongRevision, alembic_config, is_newer, known_revisions, newest_revision, said
from settings import Settings

_LOCK = text("SELECT pg_advisory_xact_lock(4215907)")  # two migrations run one after the other


async def upgrade(settings: Settings, revision: str = "head") -> tuple[str | None, str | None]:
    """Migrates up to `revision`; returns the revision before and after. May run twice.

    Changes nothing if a newer release has migrated the database and this code works on it. Raises `WrongRevision` if it
    does not.
    """

    def up(config: Config, before: str | None, comment: str | None) -> None:
        if before is None or before in known_revisions() or not is_newer(before, comment):
            command.upgrade(config, revision)

    return await _migrate(settings, up)


async def downgrade(settings: Settings, revision: str = "base") -> tuple[str | None, str | None]:
    """Migrates down to `revision`; returns the revision before and after. The data of dropped tables is lost.

    Raises `WrongRevision` if a newer release has migrated the database: only its code knows the way down.
    """

    def down(config: Config, before: str | None, _comment: str | None) -> None:
        if before is not None and before not in known_revisions():
            raise WrongRevision(
                f"the database is at revision {before} of a newer release, and this release knows the way down from "
                f"{newest_revision()} only: run `migrate --down-to` with the newer release"
            )
        command.downgrade(config, revision)

    return await _migrate(settings, down)


Step = Callable[[Config, str | None, str | None], None]
"""Gets the revision before, and what is said of it in the database."""


async def _migrate(settings: Settings, step: Step) -> tuple[str | None, str | None]:
    engine = create_engine(settings, "migrate")
    try:
        async with engine.begin() as connection:
            await connection.execute(_LOCK)
            return await connection.run_sync(_migrate_over, step)
    finally:
        await engine.dispose()


def _migrate_over(connection: Connection, step: Step) -> tuple[str | None, str | None]:
    before = _revision(connection)
    comment = connection.scalar(WORKS_WITH) if before else None
    config = alembic_config()
    config.attributes["connection"] = connection
    step(config, before, comment)
    after = _revision(connection)
    if after in known_revisions():
        _say(connection, after)
    return before, after


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _say(connection: Connection, revision: str) -> None:
    """Says in the database which code works on it. Only the table's owner may, so it asks first."""
    promise = said(revision)
    if connection.scalar(WORKS_WITH) != promise:
        connection.execute(text(f"COMMENT ON TABLE alembic_version IS '{promise}'"))
