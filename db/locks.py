"""Advisory locks: what goes one at a time, whoever does it."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_LOCK = text("SELECT pg_advisory_xact_lock(4215908)")


async def lock(connection: AsyncConnection) -> None:
    """Of imports, deactivations and renewals one goes at a time, until its transaction ends.

    Two at once would lock rows in different orders, or write over what the other has read.
    """
    await connection.execute(_LOCK)
