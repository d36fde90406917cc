"""Migrates the database to the newest revision, and back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text

from db.engine import create_engine
from settings import Settings

MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = text("SELECT pg_advisory_xact_lock(4215907)")  # two migrations run one after the other


async def upgrade(settings: Settings, revision: str = "head") -> tuple[str | None, str | None]:
    """Migrates up to `revision`; returns the revision before and after. May run twice."""
    return await _migrate(settings, lambda config: command.upgrade(config, revision))


async def downgrade(settings: Settings, revision: str = "base") -> tuple[str | None, str | None]:
    """Migrates down to `revision`; returns the revision before and after. The data of dropped tables is lost."""
    return await _migrate(settings, lambda config: command.downgrade(config, revision))


async def _migrate(settings: Settings, run: Callable[[Config], None]) -> tuple[str | None, str | None]:
    engine = create_engine(settings, "migrate")
    try:
        async with engine.begin() as connection:
            await connection.execute(_LOCK)
            return await connection.run_sync(_migrate_over, run)
    finally:
        await engine.dispose()


def _migrate_over(connection: Connection, run: Callable[[Config], None]) -> tuple[str | None, str | None]:
    before = MigrationContext.configure(connection).get_current_revision()
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    run(config)
    return before, MigrationContext.configure(connection).get_current_revision()
