"""Looks through the connections that the work uses: after a failover they may lead to a server that only reads."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncEngine

from activities.health.findings import DATABASE, Findings, Problem, found
from db.engine import only_reads

ANSWER_WITHIN = 5.0
"""Seconds for each of two looks."""


async def look_through_connections(work: AsyncEngine) -> Findings:
    """Replaces connections of the pool that only read. If new ones do so too, the database is away.

    A database that does not answer is the finding of another probe, which opens connections of its own.
    """
    if await only_reads(work, ANSWER_WITHIN):
        return found([], Problem(DATABASE, "The database only reads", ""))
    return Findings()
