"""The advisory lock that makes work run one at a time."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_LOCK = text("SELECT pg_advisory_xact_lock(4215908)")


async def lock(connection: AsyncConnection) -> None:
    """Takes the lock of imports, deactivations and renewals until the transaction ends. Waits for it.

    Two of them at once would lock rows in different orders, or overwrite what the other has read.
    """
    await connection.execute(_LOCK)
