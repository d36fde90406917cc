"""`make histories`: records the histories that the replay tests hold the code to.

Every workflow in every shape the code takes, from real runs: real worker, real servers, made-up data. A recorded
file is never written again: a change that cannot replay it goes behind `workflow.patched`.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import tempfile
import tomllib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from temporalio.client import Client, WorkflowFailureError, WorkflowHistory

import process
from contracts import Channel, TaskQueue
from db.engine import create_engine
from db.migrate import upgrade
from embedded.postgres import NOT_DURABLE, EmbeddedPostgres
from embedded.temporal import EmbeddedTemporal
from settings import Settings
from stand_ins.smtp_actions import Reply
from stand_ins.smtp_sink import SmtpSink
from stand_ins.telegram_answers import blocked, server_error
from stand_ins.telegram_api import TelegramApi
from temporal_connection import DATA_CONVERTER, register_search_attributes
from tests.data import Platform, in_days
from tests.scanning import finished, scan, start_scan
from tests.settings_for import settings_for
from worker import run_worker
from workflows.send_notification import SendNotificationWorkflow

ROOT = Path(__file__).resolve().parents[2]
HISTORIES = Path(__file__).parent / "histories"


@dataclass(frozen=True)
class Scene:
    """The servers a shape is played on; each has a database and a namespace of its own."""

    client: Client
    settings: Settings
    platform: Platform
    sink: SmtpSink
    telegram: TelegramApi
    postgres: EmbeddedPostgres

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[None]:
        stop = asyncio.Event()
        serving = asyncio.create_task(run_worker(self.settings, self.client, list(TaskQueue), stop))
        try:
            yield
        finally:
            stop.set()
            await serving

    async def history(self, workflow_id: str, run_id: str | None = None) -> WorkflowHistory:
        return await self.client.get_workflow_handle(workflow_id, run_id=run_id).fetch_history()

    async def sent(self) -> WorkflowHistory:
        """Scans and returns the history of the only notification's workflow."""
        async with self.worker():
            await scan(self.client, self.settings)
            [notification] = await self.platform.notifications()
            await finished(self.client, notification.workflow_id)
        return await self.history(notification.workflow_id)


async def both_accepted(scene: Scene) -> list[WorkflowHistory]:
    await scene.platform.project(await scene.platform.company())
    return [await scene.sent()]


async def one_rejected(scene: Scene) -> list[WorkflowHistory]:
    await scene.platform.project(await scene.platform.company(telegram_chat_id=5))
    scene.telegram.always("request", blocked(), recipient=5)
    return [await scene.sent()]


async def retried(scene: Scene) -> list[WorkflowHistory]:
    await scene.platform.project(await scene.platform.company())
    scene.sink.on("rcpt", Reply(450, "4.2.0 greylisted"))
    return [await scene.sent()]


async def skipped(scene: Scene) -> list[WorkflowHistory]:
    await scene.platform.project(await scene.platform.company(contact_email=None, telegram_enabled=False))
    return [await scene.sent()]


async def given_up(scene: Scene) -> list[WorkflowHistory]:
    """Both channels are tried until the notice would be pointless."""
    await scene.platform.project(await scene.platform.company(), expires_at=in_days(10 / 86400))
    scene.sink.always("rcpt", Reply(451, "4.3.0 try later"))
    scene.telegram.always("request", server_error())
    return [await scene.sent()]


async def too_late(scene: Scene) -> list[WorkflowHistory]:
    """Opened in time, started after the item's end: nothing is tried."""
    await scene.platform.project(await scene.platform.company())
    async with scene.worker():
        start = await start_scan(scene.client, scene.settings, batch_size=0)
        while not (opened := await scene.platform.notifications()):
            await asyncio.sleep(0.05)
        await scene.platform.execute("UPDATE notifications SET give_up_at = now() - interval '1 hour'")
        await start.terminate()
        await scan(scene.client, scene.settings)
        await finished(scene.client, opened[0].workflow_id)
    return [await scene.history(opened[0].workflow_id)]


async def cancelled(scene: Scene) -> list[WorkflowHistory]:
    """An operator cancels it while the mail waits for a retry."""
    await scene.platform.project(await scene.platform.company())
    scene.sink.always("rcpt", Reply(451, "4.3.0 try later"))
    async with scene.worker():
        await scan(scene.client, scene.settings)
        await scene.sink.wait_for_stage("rcpt", count=2)
        [notification] = await scene.platform.notifications()
        handle = scene.client.get_workflow_handle(notification.workflow_id)
        await handle.cancel()
        with suppress(WorkflowFailureError):
            await handle.result()
    return [await scene.history(notification.workflow_id)]


async def recorded_after_an_outage(scene: Scene) -> list[WorkflowHistory]:
    """The database goes away after the mail was accepted and stays away for longer than the local record waits."""
    await scene.platform.project(await scene.platform.company(telegram_enabled=False))
    held = scene.sink.hold("dot")
    async with scene.worker():
        await scan(scene.client, scene.settings)
        await asyncio.wait_for(held.reached.wait(), 30)
        [notification] = await scene.platform.notifications()
        await scene.postgres.stop()
        held.release()
        handle = scene.client.get_workflow_handle(notification.workflow_id)
        while not _has_fallen_back(await handle.fetch_history()):
            await asyncio.sleep(0.2)  # the server tells nobody
        await scene.postgres.start()
        await handle.result()
    return [await scene.history(notification.workflow_id)]


def _has_fallen_back(history: WorkflowHistory) -> bool:
    """Whether the record became an activity of its own, for as long as the database is away."""
    scheduled = (event.activity_task_scheduled_event_attributes for event in history.events)
    return any(attributes.activity_type.name == "record_outcome" for attributes in scheduled)


async def reopened(scene: Scene) -> list[WorkflowHistory]:
    """An operator has the rejected mail sent again while Telegram is still being tried."""
    return await _reopened(scene, told=True)


async def reopened_and_not_told(scene: Scene) -> list[WorkflowHistory]:
    """The same, and the command died before it told the workflow, which finds out at its record."""
    return await _reopened(scene, told=False)


async def _reopened(scene: Scene, *, told: bool) -> list[WorkflowHistory]:
    await scene.platform.project(await scene.platform.company())
    scene.sink.on("rcpt", Reply(550, "5.7.1 not from you"))
    scene.telegram.always("request", server_error())
    async with scene.worker():
        await scan(scene.client, scene.settings)
        while (await scene.platform.deliveries("email"))[0].status != "rejected":
            await asyncio.sleep(0.05)  # the database tells nobody
        await scene.platform.reopen_email(started=False)
        [notification] = await scene.platform.notifications()
        handle = scene.client.get_workflow_handle(notification.workflow_id)
        if told:
            await handle.signal(SendNotificationWorkflow.reopened, Channel.EMAIL)
            await scene.sink.wait_for(1, 30)
        scene.telegram.clear()
        await handle.result()
    return [await scene.history(notification.workflow_id)]


async def lost_child_recovered(scene: Scene) -> list[WorkflowHistory]:
    """The workflow of an earlier scan's notice was terminated: the sweep settles it."""
    await scene.platform.project(await scene.platform.company())
    held = scene.sink.hold("rcpt")
    async with scene.worker():
        await scan(scene.client, scene.settings)
        await asyncio.wait_for(held.reached.wait(), 30)
        [notification] = await scene.platform.notifications()
        await scene.client.get_workflow_handle(notification.workflow_id).terminate()
        held.release()
        second = await start_scan(scene.client, scene.settings)
        await second.result()
    return await _runs(scene, second.id, second.first_execution_run_id)


async def nothing_due(scene: Scene) -> list[WorkflowHistory]:
    return await _scanned(scene)


async def pages_and_batches(scene: Scene) -> list[WorkflowHistory]:
    """Three pages over two runs, five children in batches of two, each run continued as new."""
    for _ in range(5):
        await scene.platform.project(await scene.platform.company())
    return await _scanned(scene, page_size=2, batch_size=2, pages_per_run=2)


async def waited_for_room(scene: Scene) -> list[WorkflowHistory]:
    """One notice may be in flight; the second waits until the first has been attempted."""
    company = await scene.platform.company()
    for _ in range(2):
        await scene.platform.project(company)
    settings = scene.settings.model_copy(update={"scan_max_in_flight": 1})
    return await _scanned(replace(scene, settings=settings), batch_size=1)


async def child_running_already(scene: Scene) -> list[WorkflowHistory]:
    """Two scans hand over the same notice: the second finds its workflow running."""
    await scene.platform.project(await scene.platform.company())
    held = scene.sink.hold("rcpt")
    async with scene.worker():
        await scan(scene.client, scene.settings)
        await asyncio.wait_for(held.reached.wait(), 30)
        await scene.platform.execute("UPDATE notifications SET started_at = NULL")
        second = await start_scan(scene.client, scene.settings)
        await second.result()
        held.release()
        [notification] = await scene.platform.notifications()
        await finished(scene.client, notification.workflow_id)
    return await _runs(scene, second.id, second.first_execution_run_id)


async def _scanned(scene: Scene, **input_fields: object) -> list[WorkflowHistory]:
    async with scene.worker():
        handle = await start_scan(scene.client, scene.settings, **input_fields)
        await handle.result()
        for notification in await scene.platform.notifications():
            await finished(scene.client, notification.workflow_id)
    return await _runs(scene, handle.id, handle.first_execution_run_id)


async def _runs(scene: Scene, workflow_id: str, first_run_id: str | None) -> list[WorkflowHistory]:
    """The histories of a workflow's runs, in the order in which each continued the one before."""
    histories = []
    run_id = first_run_id
    while run_id:
        history = await scene.history(workflow_id, run_id)
        histories.append(history)
        run_id = history.events[-1].workflow_execution_continued_as_new_event_attributes.new_execution_run_id
    return histories


SHAPES: tuple[tuple[str, Callable[[Scene], Awaitable[list[WorkflowHistory]]]], ...] = tuple(
    (f"{kind}-{shape.__name__.replace('_', '-')}", shape)
    for kind, shapes in (
        (
            "send",
            (
                both_accepted,
                one_rejected,
                retried,
                skipped,
                given_up,
                too_late,
                cancelled,
                recorded_after_an_outage,
                reopened,
                reopened_and_not_told,
            ),
        ),
        (
            "scan",
            (nothing_due, pages_and_batches, waited_for_room, child_running_already, lost_child_recovered),
        ),
    )
    for shape in shapes
)


async def main() -> int:
    folder = HISTORIES / _version()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="histories-") as state:
        async with (
            EmbeddedPostgres(Path(state) / "postgres", settings=NOT_DURABLE) as postgres,
            EmbeddedTemporal(Path(state) / "temporal.log", extra_namespaces=[name for name, _ in SHAPES]) as temporal,
        ):
            for name, shape in SHAPES:
                if list(folder.glob(f"{name}*.json")):
                    sys.stdout.write(f"kept     {name}\n")
                    continue
                async with _scene(name, postgres, temporal) as scene:
                    histories = await shape(scene)
                for number, history in enumerate(histories, start=1):
                    suffix = f"-run-{number}" if len(histories) > 1 else ""
                    (folder / f"{name}{suffix}.json").write_text(_anonymous(history), encoding="utf-8")
                sys.stdout.write(f"recorded {name}: {len(histories)}\n")
    return 0


@asynccontextmanager
async def _scene(name: str, postgres: EmbeddedPostgres, temporal: EmbeddedTemporal) -> AsyncIterator[Scene]:
    database = name.replace("-", "_")
    await postgres.create_database(database)
    client = await Client.connect(temporal.address, namespace=name, identity="worker", data_converter=DATA_CONVERTER)
    await register_search_attributes(client)
    async with SmtpSink() as sink, TelegramApi() as telegram:
        settings = settings_for(postgres.database_url(database), sink, telegram)
        await upgrade(settings)
        engine = create_engine(settings, "histories")
        try:
            yield Scene(client, settings, Platform(engine), sink, telegram, postgres)
        finally:
            await engine.dispose()


def _version() -> str:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return str(project["project"]["version"])


def _anonymous(history: WorkflowHistory) -> str:
    """The history without the paths of the machine that recorded it, which stack traces hold."""
    content = re.sub(rf'(?:{re.escape(str(ROOT))}|/[^"\\]*/site-packages)/', "", history.to_json())
    return json.dumps({"workflowId": history.workflow_id, **json.loads(content)}, indent=1) + "\n"


if __name__ == "__main__":
    process.run(main)
