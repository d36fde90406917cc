"""The Temporal Schedules, made from the settings."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Literal

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleHandle,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleState,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.service import RPCError, RPCStatusCode

from activities.health.schedule_runs import WatchedSchedule
from channels.configured import require_a_channel, send_options
from contracts.deactivating import DeactivateExpiredInput
from contracts.health import CheckHealthInput
from contracts.queues import WORKFLOWS, task_queue
from contracts.scanning import ScanExpiringInput
from settings import Settings
from temporal.client import register_search_attributes
from workflows.check_health import CheckHealthWorkflow
from workflows.deactivate_expired import DeactivateExpiredWorkflow
from workflows.scan_expiring import ScanExpiringWorkflow

SCAN_EXPIRING = "scan-expiring"
DEACTIVATE_EXPIRED = "deactivate-expired"
CHECK_HEALTH = "check-health"
SENDING = (SCAN_EXPIRING, DEACTIVATE_EXPIRED)
"""Those that a pause of the sending stops. The health check goes on: it sees a pause that was forgotten."""

CATCH_UP = timedelta(days=1)
"""A scan missed for longer is not made up for: the next one finds all that is due anyway."""
CATCH_UP_DEACTIVATION = timedelta(hours=3)
"""Likewise."""
JITTER = timedelta(seconds=30)
CHECK_CATCH_UP = timedelta(minutes=1)
"""Health is a matter of now: a check missed for longer is not made up for."""


def _schedules(settings: Settings) -> dict[str, Schedule]:
    return {
        SCAN_EXPIRING: Schedule(
            action=ScheduleActionStartWorkflow(
                ScanExpiringWorkflow.run,
                scan_input(settings),
                id=SCAN_EXPIRING,
                task_queue=task_queue(settings.task_queue_prefix, WORKFLOWS),
                static_summary="Scan for expiring projects",
            ),
            spec=ScheduleSpec(
                cron_expressions=[settings.expiry_scan_cron],
                time_zone_name=settings.expiry_scan_timezone,
                jitter=JITTER,
            ),
            policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=CATCH_UP),
        ),
        DEACTIVATE_EXPIRED: Schedule(
            action=ScheduleActionStartWorkflow(
                DeactivateExpiredWorkflow.run,
                deactivation_input(settings),
                id=DEACTIVATE_EXPIRED,
                task_queue=task_queue(settings.task_queue_prefix, WORKFLOWS),
                static_summary="Switch off what has ended",
            ),
            spec=ScheduleSpec(cron_expressions=[settings.deactivate_cron], time_zone_name="UTC", jitter=JITTER),
            policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=CATCH_UP_DEACTIVATION),
        ),
        CHECK_HEALTH: _check_health(settings),
    }


def _check_health(settings: Settings) -> Schedule:
    return Schedule(
        action=ScheduleActionStartWorkflow(
            CheckHealthWorkflow.run,
            health_input(settings),
            id=CHECK_HEALTH,
            task_queue=task_queue(settings.task_queue_prefix, WORKFLOWS),
            static_summary="Check the system's health",
        ),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(seconds=settings.health_check_interval))]),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=CHECK_CATCH_UP),
    )


def scan_input(settings: Settings, *, allow_many: bool = False) -> ScanExpiringInput:
    """What a scan starts with, whoever starts it."""
    return ScanExpiringInput(send_options(settings), settings.scan_page_size, allow_many=allow_many)


def deactivation_input(settings: Settings, *, allow_many: bool = False) -> DeactivateExpiredInput:
    """What a deactivation starts with, whoever starts it."""
    return DeactivateExpiredInput(send_options(settings), settings.scan_page_size, allow_many=allow_many)


def health_input(settings: Settings, *, once: bool = False) -> CheckHealthInput:
    """What a health check starts with, whoever starts it."""
    return CheckHealthInput(
        interval=settings.health_check_interval,
        alert_cooldown=settings.alert_cooldown,
        ping=settings.health_ping_url is not None,
        once=once,
    )


def watched(settings: Settings) -> list[WatchedSchedule]:
    """The Schedules as the health check wants to find them."""
    return [
        WatchedSchedule(
            schedule_id,
            schedule.action.workflow,
            next(iter(schedule.spec.cron_expressions), None),
            schedule.spec.time_zone_name or "UTC",
        )
        for schedule_id, schedule in _schedules(settings).items()
        if isinstance(schedule.action, ScheduleActionStartWorkflow)
    ]


async def apply(
    client: Client, settings: Settings, pause_note: str | None = None
) -> list[tuple[str, Literal["created", "updated"]]]:
    """Creates the Schedules or brings them up to the settings. May run twice.

    Whether a Schedule is paused, and why, is the operators' and stays. With `pause_note` the sending is paused, and one
    that is created is so too. Raises `SettingsError` with no channel configured.
    """
    require_a_channel(settings)
    await register_search_attributes(client)
    applied: list[tuple[str, Literal["created", "updated"]]] = []
    for schedule_id, schedule in _schedules(settings).items():
        if pause_note is not None and schedule_id in SENDING:
            schedule.state = ScheduleState(note=pause_note, paused=True)
        try:
            await client.create_schedule(schedule_id, schedule)
            applied.append((schedule_id, "created"))
        except ScheduleAlreadyRunningError:
            await client.get_schedule_handle(schedule_id).update(_brought_up_to(schedule))
            applied.append((schedule_id, "updated"))
    return applied


def _brought_up_to(schedule: Schedule) -> Callable[[ScheduleUpdateInput], ScheduleUpdate]:
    def update(current: ScheduleUpdateInput) -> ScheduleUpdate:
        schedule.state = current.description.schedule.state
        return ScheduleUpdate(schedule=schedule)

    return update


async def pause_sending(client: Client, note: str) -> dict[str, str]:
    """Pauses those that a pause of the sending stops. May run twice.

    Returns the notes of those that somebody else had paused: they stay as they are.
    """
    others: dict[str, str] = {}
    async for schedule_id, handle, state in _sending(client):
        if not state.paused:
            await handle.pause(note=note)
        elif state.note != note:
            others[schedule_id] = state.note or ""
    return others


async def resume_sending(client: Client, note: str, resumed: str) -> dict[str, str]:
    """Lets those go on that bear the pause's `note`, and gives them the note `resumed`. May run twice.

    Returns the notes of those that stay paused, since somebody else had done it.
    """
    others: dict[str, str] = {}
    async for schedule_id, handle, state in _sending(client):
        if state.paused and state.note == note:
            await handle.unpause(note=resumed)
        elif state.paused:
            others[schedule_id] = state.note or ""
    return others


async def _sending(client: Client) -> AsyncIterator[tuple[str, ScheduleHandle, ScheduleState]]:
    """Those that exist."""
    for schedule_id in SENDING:
        handle = client.get_schedule_handle(schedule_id)
        try:
            description = await handle.describe()
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND or "namespace" in error.message.lower():
                raise
            continue
        yield schedule_id, handle, description.schedule.state
