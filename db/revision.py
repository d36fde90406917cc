"""Whether the database is at the revision that this release's code is written for."""

from __future__ import annotations

from functools import cache

from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.migrate import MIGRATIONS

_MIGRATED = text("SELECT to_regclass('alembic_version') IS NOT NULL")
_REVISION = text("SELECT version_num FROM alembic_version")


class WrongRevision(Exception):
    """The database is at another revision than the code. The message says which, and what to do."""


@cache
def newest_revision() -> str:
    """Returns the newest revision that the code knows. The first call reads files, so make it at the start."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    newest = ScriptDirectory.from_config(config).get_current_head()
    if newest is None:
        raise RuntimeError(f"there is no revision in {MIGRATIONS}")
    return newest


async def require_newest(connection: AsyncConnection) -> None:
    """Raises `WrongRevision` unless the database is at the newest revision, and the database's errors."""
    found = await connection.scalar(_REVISION) if await connection.scalar(_MIGRATED) else None
    if found != newest_revision():
        raise WrongRevision(
            f"the database is at revision {found or 'none'}, and this release needs {newest_revision()}: "
            "run `python cli.py migrate` of the newest release in use, and start that release"
        )
