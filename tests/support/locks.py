"""Waiting for a lock to be waited for."""

from __future__ import annotations

import asyncio

from tests.support.data import Platform

PATIENCE = 60
"""Seconds."""


async def somebody_waits(platform: Platform) -> None:
    """Returns once a session of this test's database waits for a lock."""
    async with asyncio.timeout(PATIENCE):
        while not await platform.scalar(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()"
            " AND wait_event_type = 'Lock')"
        ):
            await asyncio.sleep(0.02)
