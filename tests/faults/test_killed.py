"""Workers that are killed or frozen at every step: nothing is lost, and no copy goes out unmarked."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress

import psutil
import pytest
from sqlalchemy import text
from temporalio.service import RPCError

from channels.registry import names
from contracts.queues import WORKFLOWS
from tests.faults.ledger import Ledger
from tests.support.scanning import start_scan
from tests.support.scene import PATIENCE, Scene
from tests.support.worker_process import CRASHING_WORKER, WORKER, WorkerProcess, notice_the_death_soon, worker_process

ACCEPTED_ONCE = ("accepted", 1, False)
SENDS = ("send_email", "send_telegram")


async def another_worker_goes_on(scene: Scene, *queues: str) -> None:
    """Until the notice has ended. What the dead worker left is noticed by its missing heartbeat."""
    child = await scene.child()
    async with scene.worker(*queues):
        for activity in SENDS:
            with suppress(RPCError):  # it is not under way
                await notice_the_death_soon(scene, child.id, activity)
        await scene.children_end()


async def ends(scene: Scene, ledger: Ledger, fault: str, moment: str) -> list[tuple[str, int, bool]]:
    """Of both channels: status, copies that the server took, whether a duplicate is marked."""
    found = []
    for channel in names():
        observed = await ledger.observe(scene, fault, channel, moment)
        assert (observed.lost, observed.unmarked_doubles) == (0, 0)
        found.append((observed.outcome, observed.copies, (await scene.delivery(channel)).possible_duplicate))
    return found


@pytest.mark.parametrize("step", ["before-claim", "after-claim", "before-record", "after-record"])
async def test_killed_at_a_step_of_its_own(scene: Scene, ledger: Ledger, step: str) -> None:
    await scene.due_project()
    async with worker_process(scene, (*CRASHING_WORKER, step)) as dying:
        await start_scan(scene.client, scene.settings)
        assert await dying.exit_status() == -signal.SIGKILL
    await another_worker_goes_on(scene)
    found = await ends(scene, ledger, "worker killed", step)
    # The other channel may have been anywhere when the worker died: then a copy is marked or the end is unknown.
    assert ACCEPTED_ONCE in found
    assert {status for status, _, _ in found} <= {"accepted", "unknown"}
    if step.endswith("record"):
        assert found == [ACCEPTED_ONCE, ACCEPTED_ONCE]


@pytest.mark.parametrize("step", ["page-committed", "children-not-started"])
async def test_killed_between_insert_and_start(scene: Scene, ledger: Ledger, step: str) -> None:
    await scene.due_project()
    async with worker_process(scene, (*CRASHING_WORKER, step)) as dying:
        scan = await start_scan(scene.client, scene.settings)
        assert await dying.exit_status() == -signal.SIGKILL
    async with scene.worker():
        activity = "open_due_notifications" if step == "page-committed" else "take_startable"
        await notice_the_death_soon(scene, scan.id, activity)
        await scan.result()
        await scene.children_end()
    assert await ends(scene, ledger, "worker killed", f"scan, {step}") == [ACCEPTED_ONCE, ACCEPTED_ONCE]


async def test_killed_before_the_text_of_the_mail(scene: Scene, ledger: Ledger) -> None:
    """The server waits for the DATA command; Telegram has been reached and has not read the request."""
    data = scene.sink.hold("data")
    await scene.due_project()
    async with worker_process(scene) as dying:
        await start_scan(scene.client, scene.settings)
        await asyncio.wait_for(data.reached.wait(), PATIENCE)
        await scene.delivery_becomes("telegram", "accepted")
        dying.kill()
        await dying.exit_status()
    scene.sink.clear()
    await another_worker_goes_on(scene)
    assert await ends(scene, ledger, "worker killed", "before the text") == [ACCEPTED_ONCE, ACCEPTED_ONCE]


@pytest.mark.parametrize(
    ("moment", "mail", "message", "expected"),
    [
        ("in mid-text", "dot", "request", [("accepted", 1, True), ("unknown", 0, False)]),
        ("accepted, not reported", "reply", "reply", [("accepted", 2, True), ("unknown", 1, False)]),
    ],
)
async def test_killed_while_the_server_has_the_message(
    scene: Scene, ledger: Ledger, moment: str, mail: str, message: str, expected: list[tuple[str, int, bool]]
) -> None:
    gates = [scene.sink.hold(mail), scene.telegram.hold(message)]  # type: ignore[arg-type]  # stages, by their names
    await scene.due_project()
    async with worker_process(scene) as dying:
        await start_scan(scene.client, scene.settings)
        for gate in gates:
            await asyncio.wait_for(gate.reached.wait(), PATIENCE)
        dying.kill()
        await dying.exit_status()
        await scene.disconnected()
    scene.sink.clear()
    scene.telegram.clear()
    await another_worker_goes_on(scene)
    assert await ends(scene, ledger, "worker killed", moment) == expected


async def test_killed_during_the_record(scene: Scene, ledger: Ledger) -> None:
    """Its statement waits for a row that somebody else holds, and is carried out after its worker's death."""
    gates = [scene.sink.hold("reply"), scene.telegram.hold("reply")]
    await scene.due_project()
    async with worker_process(scene) as dying, scene.platform.engine.connect() as holder:
        await start_scan(scene.client, scene.settings)
        for gate in gates:
            await asyncio.wait_for(gate.reached.wait(), PATIENCE)
        await holder.execute(text("SELECT FROM notifications FOR UPDATE"))
        scene.sink.clear()
        scene.telegram.clear()
        for channel in names():
            await scene.delivery_becomes(channel, "accepted")
        async with asyncio.timeout(PATIENCE):
            while not await scene.platform.scalar("SELECT count(*) FROM pg_locks WHERE NOT granted"):
                await asyncio.sleep(0.02)  # the database tells nobody
        dying.kill()
        await dying.exit_status()
        await holder.rollback()
    await another_worker_goes_on(scene)
    assert await ends(scene, ledger, "worker killed", "during the record") == [ACCEPTED_ONCE, ACCEPTED_ONCE]
    assert (await scene.notification()).status == "delivered"


CHANNELS = ("--queues", "email,telegram")
"""What a worker serves that is to be frozen: a poll of its would swallow the workflow's next task too."""


def sleepers(scene: Scene) -> Scene:
    """Its settings: with its only slots taken no poll of its swallows a retry."""
    return scene.with_settings(worker_concurrency=1)


async def frozen(worker: WorkerProcess) -> None:
    async with asyncio.timeout(PATIENCE):
        while psutil.Process(worker.pid).status() != psutil.STATUS_STOPPED:
            await asyncio.sleep(0.02)  # the kernel tells nobody


async def test_frozen_after_the_claim_it_stops_before_it_sends(scene: Scene, ledger: Ledger) -> None:
    """Another worker has sent both when it wakes up. Its attempt is called off, or its mark finds a newer claim: which
    of the two comes first, nobody can say."""
    await scene.due_project()
    command = (*CRASHING_WORKER, *CHANNELS, "frozen-after-claim")
    async with scene.worker(WORKFLOWS), worker_process(sleepers(scene), command) as sleeper:
        await start_scan(scene.client, scene.settings)
        await frozen(sleeper)
        await another_worker_goes_on(scene, "email", "telegram")
        sleeper.wake()
        await sleeper.says("activity_cancelled", "superseded")
        sleeper.kill()
        await sleeper.exit_status()
    assert await ends(scene, ledger, "worker frozen, wakes up later", "after the claim") == [
        ACCEPTED_ONCE,
        ACCEPTED_ONCE,
    ]


async def test_frozen_in_mid_text_its_late_answers_count(scene: Scene, ledger: Ledger) -> None:
    """The mail was sent again meanwhile and is marked; Telegram's had ended unknown, and is accepted after all."""
    gates = [scene.sink.hold("dot"), scene.telegram.hold("request")]
    await scene.due_project()
    async with scene.worker(WORKFLOWS), worker_process(sleepers(scene), (*WORKER, *CHANNELS)) as sleeper:
        await start_scan(scene.client, scene.settings)
        for gate in gates:
            await asyncio.wait_for(gate.reached.wait(), PATIENCE)
        sleeper.freeze()
        await frozen(sleeper)
        scene.sink.clear()
        scene.telegram.clear()
        await scene.sink.wait_for(1, PATIENCE)
        await scene.telegram.wait_for(1, PATIENCE)
        await another_worker_goes_on(scene, "email", "telegram")
        assert await scene.ends() == ("delivered", "accepted", "unknown")
        sleeper.wake()
        await scene.delivery_becomes("telegram", "accepted")
        sleeper.kill()
        await sleeper.exit_status()
    assert await ends(scene, ledger, "worker frozen, wakes up later", "in mid-text") == [
        ("accepted", 2, True),
        ("accepted", 1, True),
    ]
