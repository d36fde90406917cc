"""`replay`: whether this checkout's workflow code follows the histories of the live namespace."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from commands.output import print_json, print_line, stderr_console
from commands.running import FAILED, OK, CommandFailed, complain, temporal_client, temporal_errors
from contracts.queues import WORKFLOWS, task_queue
from settings import Settings, SettingsError
from temporal import live_histories
from temporal.live_histories import Found
from temporal.replay import Difference, has_taken_a_step, known_patches, replayer, workflow_type_names


@dataclass
class _Report:
    """What was looked at, and what was found."""

    matched: int
    unknown_types: Counter[str]
    """Of running workflows in our task queue: the types that this checkout lacks."""
    unknown_patches: Counter[str]
    """Patches that running workflows have passed, and this checkout does not know."""
    running: int = 0
    ended: int = 0
    without_a_step: int = 0
    differences: list[tuple[Found, Difference]] = field(default_factory=list)

    @property
    def replayed(self) -> int:
        return self.running + self.ended

    @property
    def failed(self) -> bool:
        return bool(self.differences or self.unknown_types)


async def replay(query: str | None, limit: int, *, verbose: bool, as_json: bool) -> int:
    """Replays at most `limit` workflows that match, what runs first, and reports. Returns 1 if the code does not follow
    one of them, or lacks the type of one that runs. Without a query, takes all of our types in our task queue."""
    settings = Settings.load()
    client = await temporal_client()
    queue, types = task_queue(settings.task_queue_prefix, WORKFLOWS), workflow_type_names()
    wanted = live_histories.ours(queue, types) if query is None else query
    async with temporal_errors():
        try:
            others = live_histories.others_running(queue, types)
            report = _Report(
                matched=await live_histories.count(client, wanted),
                unknown_types=Counter() if query else await live_histories.count_types(client, others),
                unknown_patches=await live_histories.count_patches(
                    client, live_histories.running(wanted), known_patches()
                ),
            )
        except RPCError as error:
            if query is None or error.status is not RPCStatusCode.INVALID_ARGUMENT:
                raise
            raise SettingsError(f"--query: {error.message}") from None
        _announce(report)
        await _replay_all(client, wanted, limit, report)
    _print(report, verbose=verbose, as_json=as_json)
    return FAILED if report.failed else OK


def _announce(report: _Report) -> None:
    """Says before the replay what runs and cannot go on with this checkout."""
    for name, workflows in report.unknown_patches.items():
        complain(
            f"Running workflows that have passed the patch {name}, which this checkout does not know: {workflows}. "
            "With this checkout they wait (TMPRL1100) until a build that knows the patch serves them again."
        )
    for name, workflows in report.unknown_types.items():
        complain(f"Running workflows of the type {name}, which this checkout lacks: {workflows}.")


async def _replay_all(client: Client, query: str, limit: int, report: _Report) -> None:
    console = stderr_console()
    bar = Progress(
        TextColumn("Replaying"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )
    try:
        async with replayer() as replay_one:
            with bar:
                task = bar.add_task("replay", total=min(report.matched, limit))
                async for found in live_histories.find(client, query, limit):
                    if not has_taken_a_step(found.history):
                        report.without_a_step += 1
                    elif difference := await replay_one(found.history):
                        report.differences.append((found, difference))
                    if has_taken_a_step(found.history):
                        report.running += _runs(found)
                        report.ended += not _runs(found)
                    bar.advance(task)
    except RuntimeError as error:
        reason = f"{error}: {error.__cause__}" if error.__cause__ else str(error)
        raise CommandFailed(f"this checkout's workflow code cannot be loaded: {' '.join(reason.split())}") from error


def _runs(found: Found) -> bool:
    return found.execution.status is WorkflowExecutionStatus.RUNNING


def _print(report: _Report, *, verbose: bool, as_json: bool) -> None:
    left = report.matched - report.replayed - report.without_a_step
    if as_json:
        print_json(
            {
                "matched": report.matched,
                "replayed": report.replayed,
                "running": report.running,
                "without_a_step": report.without_a_step,
                "not_replayed": max(left, 0),
                "unknown_patches": report.unknown_patches,
                "unknown_types": report.unknown_types,
                "differences": [_document(*each, verbose=verbose) for each in report.differences],
            }
        )
        return
    for found, difference in report.differences:
        state = "running" if _runs(found) else "ended"
        print_line(
            f"{found.execution.workflow_type} {found.execution.id}, run {found.execution.run_id} ({state}): event "
            f"{difference.event_id} {difference.history}, where this checkout {difference.code}."
        )
        if verbose:
            print_line(f"    {difference.raw}")
    print_line(f"Workflows replayed: {report.replayed}, of them running: {report.running}. {_verdict(report)}")
    if report.without_a_step:
        print_line(f"Left out, since they have not taken a step yet: {report.without_a_step}.")
    if left > 0:
        print_line(f"Not replayed: {left} more. Raise --limit to replay them too.")


def _verdict(report: _Report) -> str:
    if report.differences:
        return f"Cannot go on with this checkout: {len(report.differences)}. Do not deploy it."
    if report.unknown_types:
        return "This checkout lacks the type of other running workflows. Do not deploy it."
    if not report.matched:
        return "No workflow matches. Are TEMPORAL_NAMESPACE and TASK_QUEUE_PREFIX right?"
    return "This checkout follows all of them."


def _document(found: Found, difference: Difference, *, verbose: bool) -> dict[str, Any]:
    execution = found.execution
    return {
        "workflow_id": execution.id,
        "run_id": execution.run_id,
        "workflow_type": execution.workflow_type,
        "running": _runs(found),
        "event_id": difference.event_id,
        "history": difference.history,
        "code": difference.code,
    } | ({"raw": difference.raw} if verbose else {})
