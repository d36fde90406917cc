"""Checks whether the code works on the database's revision."""

from __future__ import annotations

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from activities.health.findings import Findings, Problem, found
from db.revision import WrongRevision, require_usable

CODE = "schema_revision"


async def look_at_schema(engine: AsyncEngine) -> Findings:
    """Looks at the revision. A database that is away is found by the probe of the record."""
    try:
        async with engine.connect() as connection:
            await require_usable(connection)
    except WrongRevision as error:
        return found(
            [CODE], Problem(CODE, "The code does not work on the database's revision", f"On this worker, {error}.\n")
        )
    except (SQLAlchemyError, OSError, ValueError):
        return Findings()
    return found([CODE])
