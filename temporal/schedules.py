"""Creates and pauses the Temporal Schedules, as the settings say."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Any, Literal

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
from temporalio.service import RPCError

from activities import schedule_times
from activities.health.schedule_runs import WatchedSchedule
from activities.schedule_times import NextScan
from channels.configured import require_a_channel, send_options
from contracts.deactivating import DeactivateExpiredInput
from contracts.health import CheckHealthInput
from contracts.queues import WORKFLOWS, task_queue
from contracts.retention import ApplyRetentionInput
from contracts.scanning import ScanExpiringInput
from contracts.summarising import DailySummaryInput
from settings import OFF, Settings
from temporal.attributes import register_search_attributes
from temporal.reasons import is_missing
from workflows.apply_retention import ApplyRetentionWorkflow
from workflows.check_health import CheckHealthWorkflow
from workflows.daily_summary import DailySummaryWorkflow
from workflows.deactivate_expired import DeactivateExpiredWorkflow
from workflows.scan_expiring import ScanExpiringWorkflow

SCAN_EXPIRING = "scan-expiring"
DEACTIVATE_EXPIRED = "deactivate-expired"
CHECK_HEALTH = "check-health"
DAILY_SUMMARY = "daily-summary"
APPLY_RETENTION = "apply-retention"
OPTIONAL = (DAILY_SUMMARY, APPLY_RETENTION)
"""The Schedules that exist only if the settings want them: DAILY_SUMMARY_CRON, and TEXTS_KEEP_DAYS or
RECORD_KEEP_DAYS."""
SENDING = (SCAN_EXPIRING, DEACTIVATE_EXPIRED)
"""The Schedules that a pause of sending pauses. The others keep running: the health check and the daily summary report
a forgotten pause."""

CATCH_UP = timedelta(days=1)
"""A scan that was missed longer ago is not made up for: the next one finds everything that is due."""
CATCH_UP_DEACTIVATION = timedelta(hours=3)
"""The same for a deactivation."""
JITTER = timedelta(seconds=30)
CHECK_CATCH_UP = timedelta(minutes=1)
"""A check that was missed longer ago is not made up for: only the current state matters."""


Applied = Literal["created", "updated", "deleted"]


def _schedules(settings: Settings) -> dict[str, Schedule]:
    removes = settings.texts_kept_for is not None or settings.record_kept_for is not None
    return {
        **_sending(settings),
        CHECK_HEALTH: _check_health(settings),
        **({} if settings.daily_summary_cron == OFF else {DAILY_SUMMARY: _daily_summary(settings)}),
        **({APPLY_RETENTION: _apply_retention(settings)} if removes else {}),
    }


def _sending(settings: Settings) -> dict[str, Schedule]:
    return {
        SCAN_EXPIRING: _schedule(
            settings,
            SCAN_EXPIRING,
            (ScanExpiringWorkflow.run, scan_input(settings)),
            "Scan for expiring projects",
            _cron(settings.expiry_scan_cron, settings.expiry_scan_timezone),
        ),
        DEACTIVATE_EXPIRED: _schedule(
            settings,
            DEACTIVATE_EXPIRED,
            (DeactivateExpiredWorkflow.run, deactivation_input(settings)),
            "Deactivate what has ended",
            _cron(settings.deactivate_cron),
            CATCH_UP_DEACTIVATION,
        ),
    }


def _check_health(settings: Settings) -> Schedule:
    return _schedule(
        settings,
        CHECK_HEALTH,
        (CheckHealthWorkflow.run, health_input(settings)),
        "Check the system's health",
        ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(seconds=settings.health_check_interval))]),
        CHECK_CATCH_UP,
    )


def _daily_summary(settings: Settings) -> Schedule:
    return _schedule(
        settings,
        DAILY_SUMMARY,
        (DailySummaryWorkflow.run, DailySummaryInput()),
        "Summarise the day before",
        _cron(settings.daily_summary_cron, settings.expiry_scan_timezone),
    )


def _apply_retention(settings: Settings) -> Schedule:
    return _schedule(
        settings,
        APPLY_RETENTION,
        (ApplyRetentionWorkflow.run, retention_input(settings)),
        "Remove what is not to be kept any longer",
        _cron(settings.retention_cron),
    )


def _cron(expression: str, timezone: str = "UTC") -> ScheduleSpec:
    return ScheduleSpec(cron_expressions=[expression], time_zone_name=timezone, jitter=JITTER)


def _schedule(
    settings: Settings,
    schedule_id: str,
    starts: tuple[Callable[[Any, Any], Awaitable[Any]], object],
    summary: str,
    spec: ScheduleSpec,
    catch_up: timedelta = CATCH_UP,
) -> Schedule:
    """Returns a Schedule that starts a workflow, given by its `run` and its input, unless the last one still runs."""
    run, input = starts
    return Schedule(
        action=ScheduleActionStartWorkflow(
            run,
            input,
            id=schedule_id,
            task_queue=task_queue(settings.task_queue_prefix, WORKFLOWS),
            static_summary=summary,
        ),
        spec=spec,
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=catch_up),
    )


def retention_input(settings: Settings) -> ApplyRetentionInput:
    """Returns the input of a retention, scheduled or manual. It ends long before the health check calls it late."""
    return ApplyRetentionInput(longest=settings.scan_late_after / 2)


def scan_input(settings: Settings, *, allow_many: bool = False) -> ScanExpiringInput:
    """Returns the input of a scan, scheduled or manual."""
    return ScanExpiringInput(send_options(settings), settings.scan_page_size, allow_many=allow_many)


def deactivation_input(settings: Settings, *, allow_many: bool = False) -> DeactivateExpiredInput:
    """Returns the input of a deactivation, scheduled or manual."""
    return DeactivateExpiredInput(send_options(settings), settings.scan_page_size, allow_many=allow_many)


def health_input(settings: Settings, *, once: bool = False) -> CheckHealthInput:
    """Returns the input of a health check, scheduled or manual."""
    return CheckHealthInput(
        interval=settings.health_check_interval,
        alert_cooldown=settings.alert_cooldown,
        ping=settings.health_ping_url is not None,
        once=once,
    )


def watched_schedules(settings: Settings) -> list[WatchedSchedule]:
    """Returns the Schedules as the health check expects them."""
    return [
        WatchedSchedule(schedule_id, schedule.action.workflow, runs=bool(schedule.spec.cron_expressions))
        for schedule_id, schedule in _schedules(settings).items()
        if isinstance(schedule.action, ScheduleActionStartWorkflow)
    ]


def next_scan(client: Client, settings: Settings) -> NextScan:
    """Returns a function that says when the first scan after a time is scheduled."""
    return partial(schedule_times.next_scan, client, SCAN_EXPIRING, settings)


async def apply(client: Client, settings: Settings, pause_note: str | None = None) -> list[tuple[str, Applied]]:
    """Creates the Schedules, or updates them from the settings, and deletes those that the settings do not want. May
    run twice.

    An existing Schedule stays paused or not, with its note. With `pause_note` sending is paused, so a new Schedule is
    created paused. Raises `SettingsError` if no channel is configured.
    """
    require_a_channel(settings)
    await register_search_attributes(client)
    applied: list[tuple[str, Applied]] = []
    wanted = _schedules(settings)
    for schedule_id, schedule in wanted.items():
        if pause_note is not None and schedule_id in SENDING:
            schedule.state = ScheduleState(note=pause_note, paused=True)
        try:
            await client.create_schedule(schedule_id, schedule)
            applied.append((schedule_id, "created"))
        except ScheduleAlreadyRunningError:
            await client.get_schedule_handle(schedule_id).update(_update_to(schedule))
            applied.append((schedule_id, "updated"))
    unwanted = [each for each in OPTIONAL if each not in wanted]
    return applied + [(each, "deleted") for each in unwanted if await _delete(client, each)]


async def _delete(client: Client, schedule_id: str) -> bool:
    """Returns whether there was such a Schedule. A run that has begun goes on."""
    try:
        await client.get_schedule_handle(schedule_id).delete()
    except RPCError as error:
        if not is_missing(error):
            raise
        return False
    return True


def _update_to(schedule: Schedule) -> Callable[[ScheduleUpdateInput], ScheduleUpdate]:
    def update(current: ScheduleUpdateInput) -> ScheduleUpdate:
        schedule.state = current.description.schedule.state
        return ScheduleUpdate(schedule=schedule)

    return update


async def pause_sending(client: Client, note: str) -> dict[str, str]:
    """Pauses the Schedules that send, with the note. May run twice.

    Returns the notes of those that were already paused for another reason. They are not changed.
    """
    others: dict[str, str] = {}
    async for schedule_id, handle, state in _sending_schedules(client):
        if not state.paused:
            await handle.pause(note=note)
        elif state.note != note:
            others[schedule_id] = state.note or ""
    return others


async def resume_sending(client: Client, note: str, resumed: str) -> dict[str, str]:
    """Unpauses the Schedules that have the pause's `note`, and gives them the note `resumed`. May run twice.

    Returns the notes of those that stay paused, because they were paused for another reason.
    """
    others: dict[str, str] = {}
    async for schedule_id, handle, state in _sending_schedules(client):
        if state.paused and state.note == note:
            await handle.unpause(note=resumed)
        elif state.paused:
            others[schedule_id] = state.note or ""
    return others


async def _sending_schedules(client: Client) -> AsyncIterator[tuple[str, ScheduleHandle, ScheduleState]]:
    """Yields the existing Schedules that send."""
    for schedule_id in SENDING:
        handle = client.get_schedule_handle(schedule_id)
        try:
            description = await handle.describe()
        except RPCError as error:
            if not is_missing(error):
                raise
            continue
        yield schedule_id, handle, description.schedule.state
