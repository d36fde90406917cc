"""Removes what TEXTS_KEEP_DAYS and RECORD_KEEP_DAYS no longer keep, page by page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from temporalio import activity

from contracts.retention import RemoveRecordsInput, RemoveRecordsResult, RemoveTextsInput, RemoveTextsResult
from db.errors import sqlstate_of
from db.record import retention
from db.record.retention import Page
from settings import Settings

LARGEST_PAGE = 500
"""Notifications that one transaction takes."""
_TOOK_TOO_LONG = ("57014", "55P03")

TakePage = Callable[[AsyncConnection, int], Awaitable[Page]]
"""Takes a page of at most so many rows."""

log = structlog.get_logger(__name__)


class RetentionActivities:
    """The steps of the retention. Safe to run twice: what was removed is not found again.

    The worker's own settings decide. So nothing is removed once a worker runs without them, even if the Schedule is
    still there.
    """

    def __init__(self, engine: AsyncEngine, settings: Settings, page_size: int = LARGEST_PAGE) -> None:
        self._engine = engine
        self._settings = settings
        self._page_size = page_size

    @activity.defn
    async def remove_texts(self, input: RemoveTextsInput) -> RemoveTextsResult:
        """Removes texts, recipients and providers' words that are older than TEXTS_KEEP_DAYS."""
        kept_for = self._settings.texts_kept_for
        if kept_for is None:
            return RemoveTextsResult(0, 0, more=False)
        before = datetime.now(UTC) - kept_for

        async def entries(connection: AsyncConnection, limit: int) -> Page:
            return await retention.empty_entries(connection, before, limit)

        async def texts(connection: AsyncConnection, limit: int) -> Page:
            return await retention.remove_texts(connection, before, limit)

        of_entries, of_texts = await self._take(entries, input.pages), await self._take(texts, input.pages)
        return RemoveTextsResult(of_texts.removed, of_entries.removed, more=of_texts.more or of_entries.more)

    @activity.defn
    async def remove_records(self, input: RemoveRecordsInput) -> RemoveRecordsResult:
        """Removes rows that are older than RECORD_KEEP_DAYS."""
        kept_for = self._settings.record_kept_for
        if kept_for is None:
            return RemoveRecordsResult(0, 0, input.after, more=False)
        before = datetime.now(UTC) - kept_for
        after = input.after

        async def interventions(connection: AsyncConnection, limit: int) -> Page:
            return await retention.remove_interventions(connection, before, limit)

        async def records(connection: AsyncConnection, limit: int) -> Page:
            nonlocal after
            page = await retention.remove_records(connection, before, limit, after)
            after = page.last_id
            return page

        of_entries, of_records = await self._take(interventions, input.pages), await self._take(records, input.pages)
        return RemoveRecordsResult(
            of_records.removed, of_entries.removed, after, more=of_records.more or of_entries.more
        )

    async def _take(self, take: TakePage, pages: int) -> Page:
        """Takes up to so many pages, each in a transaction of its own. Returns their sum.

        A page that takes too long is undone and tried again with half its size. Raises the error if it was one row.
        """
        removed, size = 0, self._page_size
        for _ in range(pages):
            try:
                async with self._engine.begin() as connection:
                    page = await take(connection, size)
            except DBAPIError as error:
                if sqlstate_of(error) not in _TOOK_TOO_LONG or size == 1:
                    raise
                size //= 2
                log.warning("retention_page_halved", page_size=size)
                continue
            removed += page.removed
            if not page.more:
                return Page(removed, more=False)
        return Page(removed, more=True)
