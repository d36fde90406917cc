"""Resumes a channel once its provider takes messages again."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from temporalio import activity

from contracts.stopping import ResumeChannelInput, ResumeChannelResult


class ChannelStops(Protocol):
    """Stops a channel in Temporal and in the database. Both raise `SQLAlchemyError`, `OSError` and `RPCError`."""

    async def stop(self, channel: str, until: datetime) -> None:
        """Stops the channel for all workers until this time. May run twice; if a later end is recorded, it stays."""

    async def resume(self, channel: str) -> datetime | None:
        """Lets the channel send again, unless it is stopped. Returns the end of its stop. May run twice."""


class StopActivities:
    """The step of `ResumeChannelWorkflow`."""

    def __init__(self, stops: ChannelStops) -> None:
        self._stops = stops

    @activity.defn
    async def resume_channel(self, input: ResumeChannelInput) -> ResumeChannelResult:
        """Lets the channel send again, unless it is to be stopped for longer. May run twice."""
        return ResumeChannelResult(await self._stops.resume(input.channel))
