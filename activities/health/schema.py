"""Checks whether the database is at the code's revision."""

from __future__ import annotations

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from activities.health.findings import Findings, Problem, found
from db.revision import WrongRevision, require_newest

CODE = "schema_revision"


async def look_at_schema(engine: AsyncEngine) -> Findings:
    """Looks at the revision. A database that is away is found by the probe of the record."""
    try:
        async with engine.connect() as connection:
            await require_newest(connection)
    except WrongRevision as error:
        return found([CODE], Problem(CODE, "The database is not at the code's revision", f"On this worker, {error}.\n"))
    except (SQLAlchemyError, OSError, ValueError):
        return Findings()
    return found([CODE])
