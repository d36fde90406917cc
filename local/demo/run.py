"""The steps of the demo."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from socket import create_server
from typing import NamedTuple
from urllib.parse import quote

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table
from rich.text import Text
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from temporalio.client import Client, ScheduleActionExecutionStartWorkflow, ScheduleOverlapPolicy

from contracts.scanning import ScanExpiringResult
from local.demo import comparison
from local.demo.environment import ADMIN_CHAT, ADMIN_EMAIL, MAIL, STATE, environment, external
from local.embedded.servers import EmbeddedServers
from local.programs import CHECKOUT, Program
from runtime.http_client import new_http_client
from runtime.names import shown
from temporal.schedules import CHECK_HEALTH, DEACTIVATE_EXPIRED, SCAN_EXPIRING
from temporal.web_ui import workflow_url, workflows_url

LOGS = STATE / "logs"
SCAN_SECONDS = 60.0
FINISH_SECONDS = 300.0
"""Longer than GIVE_UP_AFTER and the last attempts take on a slow machine."""
BAD_LINES = 1
"""The exit status of an import that loaded the good lines only."""
STYLES = {"accepted": "green", "rejected": "red", "failed": "red", "unknown": "yellow", "skipped": "dim"}

_TESTED = text("SELECT EXISTS (SELECT FROM notifications WHERE notification_type = 'test')")
_PROGRESS = text("SELECT count(*) AS total, count(*) FILTER (WHERE status <> 'open') AS ended FROM notifications")


class DemoFailedError(Exception):
    """A step of the demo failed. The message says which one and why."""


class _Counted(NamedTuple):
    """How many notifications there are, and how many of them have ended."""

    total: int
    ended: int


class Demo:
    """One run: `start`, then `run`, then `report`."""

    def __init__(self, console: Console, data: Path) -> None:
        self._console = console
        self._data = data
        self._programs: dict[str, Program] = {}
        self._scan_link = ""

    async def start(self, stack: AsyncExitStack) -> None:
        """Starts everything. `stack` stops it again, in reverse order."""
        say = self._console.print
        say("Starting PostgreSQL, Temporal and the stand-ins for mail and Telegram ...")
        servers = EmbeddedServers(STATE, progress=lambda line: say(line, style="dim", markup=False))
        await stack.enter_async_context(servers)
        self._endpoints = servers.endpoints()
        stand_ins = await self._start_stand_ins(stack)
        self._api_url = f"http://127.0.0.1:{(port := _free_port())}"
        self._environment = environment(self._endpoints, stand_ins, port)
        self._engine: AsyncEngine = create_async_engine(self._endpoints["database_url"])
        stack.push_async_callback(self._engine.dispose)
        self._client = await Client.connect(
            self._endpoints["temporal_address"], namespace=self._endpoints["temporal_namespace"]
        )
        await self._command("migrate")
        say("Starting the API and the worker ...")
        async with asyncio.TaskGroup() as group:
            group.create_task(self.import_data())
            group.create_task(self._command("schedules", "apply"))
            group.create_task(self._start_program(stack, "api", ["-m", "api"], self._environment, "api_ready"))
        # Last, because its first task may be the health check of all the others.
        await self._start_program(stack, "worker", ["worker.py"], self._environment, "worker_ready")

    async def _start_stand_ins(self, stack: AsyncExitStack) -> dict[str, object]:
        arguments = ["-m", "local.stand_ins", "--dir", str(STATE), "--mail-dir", str(MAIL)]
        if (script := self._data / "stand_ins.json").exists():
            arguments += ["--script", str(script)]
        await self._start_program(stack, "stand_ins", arguments, os.environ, '"smtp_port"')
        stand_ins: dict[str, object] = json.loads((STATE / "stand_ins.json").read_bytes())
        return stand_ins

    async def _start_program(
        self, stack: AsyncExitStack, name: str, arguments: list[str], environment: Mapping[str, str], ready: str
    ) -> None:
        """Starts a program with a log of its own and waits for the line that holds `ready`."""
        LOGS.mkdir(exist_ok=True)
        program = Program(
            arguments, log_file=LOGS / f"{name}.log", environment=environment, death_signal=signal.SIGTERM
        )
        self._programs[name] = await stack.enter_async_context(program)
        await program.wait_for_line(ready)

    def _require_programs(self) -> None:
        """Raises `DemoFailedError` if a program of the demo has ended."""
        for name, program in self._programs.items():
            if program.exit_code is not None:
                raise DemoFailedError(f"the {name} ended with status {program.exit_code}: see {LOGS / name}.log")

    async def import_data(self) -> None:
        """Imports the data. Bad lines are shown and left out."""
        if await self._status_of("import", str(self._data), passing=(0, BAD_LINES)) == BAD_LINES:
            self._console.print("The demo goes on without the bad lines.", style="yellow")

    async def _command(self, *arguments: str) -> None:
        """Runs a command of `cli.py`, which has to succeed, and shows its output."""
        await self._status_of(*arguments)

    async def _status_of(self, *arguments: str, passing: Sequence[int] = (0,)) -> int:
        """Runs a command of `cli.py` and shows its output. Raises `DemoFailedError` for any other exit status."""
        self._console.print(f"$ python cli.py {' '.join(arguments)}", style="bold", markup=False, highlight=False)
        command = await asyncio.create_subprocess_exec(
            sys.executable, "cli.py", *arguments, cwd=CHECKOUT, env=self._environment, stdin=asyncio.subprocess.DEVNULL
        )
        try:
            status = await command.wait()
        except asyncio.CancelledError:
            command.terminate()
            await command.wait()
            raise
        if status not in passing:
            raise DemoFailedError(f"python cli.py {' '.join(arguments)}: exit status {status}")
        return status

    async def run(self) -> int:
        """Sends a test notification, then runs the scan, the deactivation and the health check once each.

        Triggers each Schedule and waits for everything that it starts. Returns the number of new notifications.
        """
        before = await self._count()
        await self._send_test()
        scan, deactivation = await self._trigger(SCAN_EXPIRING), await self._trigger(DEACTIVATE_EXPIRED)
        self._scan_link = self._workflow_link(scan)
        self._console.print(f"Scanning: {self._scan_link}", highlight=False, markup=False)
        await self._wait_for_end(scan, deactivation)
        check = await self._trigger(CHECK_HEALTH)
        await self._wait_for_end(check)
        handle = self._client.get_workflow_handle(scan, result_type=ScanExpiringResult)
        result = await handle.result()
        self._console.print(f"The scan found {result.found}, opened {result.opened}, started {result.started}.")
        return (await self._count()).total - before.total

    async def _send_test(self) -> None:
        """Sends one test notification through the API, unless an earlier run has sent one."""
        async with self._engine.connect() as connection:
            if await connection.scalar(_TESTED):
                return
        async with new_http_client(SCAN_SECONDS, base_url=self._api_url) as api:
            answer = await api.post("/notifications/test", json={"email": ADMIN_EMAIL, "chat_id": int(ADMIN_CHAT)})
            answer.raise_for_status()

    async def _count(self) -> _Counted:
        async with self._engine.connect() as connection:
            return _Counted(*(await connection.execute(_PROGRESS)).one())

    async def _wait_for_end(self, *workflow_ids: str) -> None:
        """Waits until these workflows and all notifications have ended."""
        running = asyncio.gather(*(self._client.get_workflow_handle(each).result() for each in workflow_ids))
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        try:
            async with asyncio.timeout(FINISH_SECONDS):
                with Progress(*columns, console=self._console) as progress:
                    task = progress.add_task("notifications ended", total=None)
                    while True:
                        counted = await self._count()
                        progress.update(task, completed=counted.ended, total=counted.total or None)
                        if running.done() and counted.ended == counted.total:
                            break
                        self._require_programs()
                        await asyncio.sleep(0.2)
        except TimeoutError:
            raise DemoFailedError(
                f"some notifications have not ended after {FINISH_SECONDS:.0f} s: see {self._scan_link}"
            ) from None
        finally:
            running.cancel()
        await running

    async def _trigger(self, schedule_id: str) -> str:
        """Triggers the Schedule and returns the id of the workflow that it starts."""
        schedule = self._client.get_schedule_handle(schedule_id)
        before = (await schedule.describe()).info.num_actions
        await schedule.trigger(overlap=ScheduleOverlapPolicy.ALLOW_ALL)
        async with asyncio.timeout(SCAN_SECONDS):
            while (info := (await schedule.describe()).info).num_actions == before:  # noqa: ASYNC110 - the server knows
                await asyncio.sleep(0.1)
        action = info.recent_actions[-1].action
        if not isinstance(action, ScheduleActionExecutionStartWorkflow):
            raise DemoFailedError(f"the Schedule {schedule_id} did not start a workflow")
        return action.workflow_id

    async def report(self, new: int) -> tuple[list[str], str]:
        """Shows the table. Returns the differences from what is expected, and the counts."""
        ledger = await comparison.read_ledger(self._engine)
        received = comparison.read_received(STATE / "received.jsonl")
        self._console.print(outcomes(ledger))
        differences = [] if external() else comparison.against_received(ledger, received)
        if (expected := self._data / "expected.csv").exists():
            differences = comparison.against_expected(ledger, expected) + differences
        return differences, comparison.summary(new, ledger)

    def show_links(self) -> None:
        children = quote('NotificationType="expiring"')
        workflows = workflows_url(self._endpoints["temporal_ui_url"], self._endpoints["temporal_namespace"])
        links = {
            "The scan": self._scan_link,
            "Its children": f"{workflows}?query={children}",
            "The API": f"{self._api_url}/docs",
            "The mails": str(MAIL),
            "The logs": str(LOGS),
            "The servers": str(STATE / "endpoints.json"),
        }
        for name, link in links.items():
            self._console.print(f"{name + ':':14}{link}", highlight=False, markup=False)

    async def stay_up(self, stop: asyncio.Event) -> None:
        """Waits for Ctrl-C. Raises `DemoFailedError` if a program of the demo ends by itself."""
        self._console.print("Everything keeps running. Press Ctrl-C to stop.", style="bold")
        while not stop.is_set():
            self._require_programs()
            await asyncio.sleep(0.5)

    def _workflow_link(self, workflow_id: str) -> str:
        return workflow_url(self._endpoints["temporal_ui_url"], self._endpoints["temporal_namespace"], workflow_id)


def outcomes(ledger: list[comparison.LedgerRow]) -> Table:
    table = Table(title="All notifications, with the outcome of each channel")
    for column in ("Item", "Company", "Type", "Days left", "E-mail", "Telegram"):
        table.add_column(column, overflow="fold")
    for email, telegram in zip(ledger[::2], ledger[1::2], strict=True):
        days_left = "" if email.days_left is None else str(email.days_left)
        names = (Text(shown(name)) for name in (email.item, email.company or ""))
        table.add_row(*names, Text(email.type), days_left, _outcome(email), _outcome(telegram))
    return table


def _outcome(row: comparison.LedgerRow) -> Text:
    outcome = Text(row.status, STYLES.get(row.status, "white"))
    detail = [row.reason] if row.reason else []
    if row.attempts > 1:
        detail.append(f"{row.attempts} attempts")
    return outcome.append(f" ({', '.join(detail)})", "dim") if detail else outcome


def _free_port() -> int:
    with create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port
