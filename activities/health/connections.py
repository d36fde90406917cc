"""Tests the connections that the other activities use: after a failover they may lead to a read-only server."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncEngine

from activities.health.findings import DATABASE, Findings, Problem, found
from db.engine import only_reads

ANSWER_WITHIN = 5.0
"""Seconds for each of the two tests."""


async def look_through_connections(work: AsyncEngine) -> Findings:
    """Replaces read-only connections of the pool. If new ones are read-only too, the database is away.

    A database that does not answer is the finding of another probe, which opens connections of its own.
    """
    if await only_reads(work, ANSWER_WITHIN):
        return found([], Problem(DATABASE, "The database is read-only", ""))
    return Findings()
