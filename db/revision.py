"""Whether the database is at a revision on which this release's code works.

Each revision from 0009 on says in its file which code works on its schema: `works_with` is the oldest revision whose
code does. A migration writes that into the database, as a comment on `alembic_version`. So the code of an older release
knows whether it works on the schema of a newer one, whose file it does not have.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

MIGRATIONS = Path(__file__).parent / "migrations"
WORKS_WITH = text("SELECT obj_description('alembic_version'::regclass, 'pg_class')")
"""What the newest migration has said in the database."""

_MIGRATED = text("SELECT to_regclass('alembic_version') IS NOT NULL")
_REVISION = text("SELECT version_num FROM alembic_version")
_SAID = re.compile(r"revision (\d{4}) works with code of revision (\d{4}) or newer")


class WrongRevision(Exception):
    """This code does not work on the database's revision. The message says which it is, and what to do."""


def alembic_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config


@cache
def _script() -> ScriptDirectory:
    return ScriptDirectory.from_config(alembic_config())


@cache
def newest_revision() -> str:
    """Returns the newest revision that the code knows. The first call reads files, so make it at the start."""
    newest = _script().get_current_head()
    if newest is None:
        raise RuntimeError(f"there is no revision in {MIGRATIONS}")
    return newest


@cache
def known_revisions() -> frozenset[str]:
    """Returns the revisions that the code knows. The first call reads files."""
    return frozenset(each.revision for each in _script().walk_revisions())


def works_with(revision: str) -> str:
    """Returns the oldest revision whose code works on the schema of a known one. Up to 0008 only its own code does."""
    declared: str = getattr(_script().get_revision(revision).module, "works_with", revision)
    return declared


def said(revision: str) -> str:
    """Returns what a migration to this revision says in the database."""
    return f"revision {revision} works with code of revision {works_with(revision)} or newer"


def is_newer(found: str | None, comment: str | None) -> bool:
    """Returns whether the database's revision is a newer release's on which this code works; False if it is the code's
    own. `comment` is what is said in the database. Raises `WrongRevision` if the code does not work on it."""
    newest = newest_revision()
    if found == newest:
        return False
    if found is None or found in known_revisions():
        raise WrongRevision(
            f"the database is at revision {found or 'none'}, and this release needs {newest}: "
            "run `python cli.py migrate` of the newest release in use, and start that release"
        )
    promise = _SAID.fullmatch(comment or "")
    if promise and promise[1] == found and promise[2] <= newest:
        return True
    raise WrongRevision(
        f"the database is at revision {found} of a newer release, on which this release (revision {newest}) does not "
        f"work: start the newer release, or go back with it first: `python cli.py migrate --down-to {newest}`"
    )


async def find_revision(connection: AsyncConnection) -> str | None:
    """Returns the database's revision, or None if it was never migrated."""
    found: str | None = await connection.scalar(_REVISION) if await connection.scalar(_MIGRATED) else None
    return found


async def require_usable(connection: AsyncConnection) -> str | None:
    """Returns the database's revision if it is a newer release's on which this code works, None if it is the code's
    own. Raises `WrongRevision` if the code does not work on it, and the database's errors."""
    found = await find_revision(connection)
    if found == newest_revision():
        return None
    comment = await connection.scalar(WORKS_WITH) if found else None
    return found if is_newer(found, comment) else None
