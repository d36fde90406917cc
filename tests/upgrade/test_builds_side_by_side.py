"""A changed worker is deployed beside the old one, with work under way: ramped, set back, promoted, left."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from temporalio.api.enums.v1 import WorkflowTaskFailedCause
from temporalio.client import Client

from commands.doctor.deployment import look_at_deployment
from commands.doctor.installation import Installation
from commands.doctor.result import Result, State
from local.embedded.temporal import EmbeddedTemporal
from local.stand_ins.script import Proceed
from temporal.client import DATA_CONVERTER
from tests.support.changed_checkout import Changes, changed_checkout
from tests.support.release import TODAY, Release
from tests.support.scene import PATIENCE, Scene, events
from tests.support.versions import UNVERSIONED, of_build, promote, ramp
from tests.upgrade import platform
from tests.upgrade.platform import Company, Stand

BEGIN = "        while True:\n            recorded ="
BEGIN_ANEW = """\
        if workflow.patched("a-new-step"):
            await workflow.sleep(0.01)
        while True:
            recorded ="""
A_NEW_STEP: Changes = {"workflows/send_notification.py": [(BEGIN, BEGIN_ANEW)]}
OLD, NEW = "old", "new"
BEFORE = Company("before", 1)
"""Begun by the old build, on its way through all that happens."""
PATCHED = Company("patched", 2)
"""Begun by the new build."""
PROMOTED = Company("promoted", 3)
UNVERSIONED_AT_LAST = Company("unversioned", 4)
ALL = (BEFORE, PATCHED, PROMOTED, UNVERSIONED_AT_LAST)
WAITS = ("waiting", "smtp_rcpt_450")


@pytest.fixture
async def temporal(temporal_server: EmbeddedTemporal, unused_namespaces: Iterator[str]) -> Client:
    """A client in a namespace whose workflows are not replayed at the end: this code is not the changed one."""
    return await Client.connect(
        temporal_server.address, namespace=next(unused_namespaces), data_converter=DATA_CONVERTER
    )


async def tell(scene: Scene, release: Release, folder: Path, company: Company, mail: tuple[str, str | None]) -> None:
    """Brings in a company, scans, and waits until its Telegram message is accepted and its mail stands so."""
    expected: Stand = await platform.stand(scene)
    expected |= {(company.slug, "email"): mail, (company.slug, "telegram"): ("accepted", None)}
    await platform.import_companies(scene, release, folder, (company,))
    await release.well(scene, "scan", "--wait")
    await platform.becomes(scene, expected)


async def build_of(scene: Scene, company: Company) -> str:
    """The build that took the last step of the company's workflow."""
    workflow_id = (await platform.workflow_ids(scene))[company.slug]
    described = await scene.client.get_workflow_handle(workflow_id).describe()
    info = described.raw_description.workflow_execution_info.versioning_info
    return info.deployment_version.build_id


async def cannot_go_on(scene: Scene, company: Company) -> None:
    """Waits until a step of its workflow has failed since the code does not follow the history."""
    workflow_id = (await platform.workflow_ids(scene))[company.slug]
    nondeterministic = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR
    async with asyncio.timeout(PATIENCE):
        while True:
            failed = events(await scene.history(workflow_id), "WORKFLOW_TASK_FAILED")
            if any(each.workflow_task_failed_event_attributes.cause == nondeterministic for each in failed):
                return
            await asyncio.sleep(0.05)  # the server tells nobody


async def doctor(scene: Scene) -> Result:
    async with Installation(scene.settings) as installation:
        return await look_at_deployment(installation)


def accept(scene: Scene, company: Company) -> None:
    scene.sink.always("rcpt", Proceed(), recipient=company.address)


async def ends(scene: Scene, company: Company) -> None:
    async with asyncio.timeout(PATIENCE):
        await scene.client.get_workflow_handle((await platform.workflow_ids(scene))[company.slug]).result()


async def test_a_changed_build_is_ramped_set_back_promoted_and_left(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", scene.client.service_client.config.target_host)
    monkeypatch.setenv("TEMPORAL_NAMESPACE", scene.client.namespace)
    old, new = of_build(scene, OLD), of_build(scene, NEW)
    changed = changed_checkout(tmp_path / "changed", A_NEW_STEP)
    for company in (BEFORE, PATCHED):
        scene.sink.always("rcpt", platform.GREYLISTED, recipient=company.address)
    await TODAY.well(scene, "migrate")

    assert (await doctor(old)).says == "no worker of the deployment expiry has polled yet"
    async with TODAY.worker(old) as old_worker:
        await promote(scene.client, OLD)
        await tell(old, TODAY, tmp_path, BEFORE, WAITS)
        assert (await doctor(old)).state is State.OK
        assert (await doctor(scene)).says == (
            "the task queue expiry-workflows belongs to build old of the deployment expiry: a worker without a version "
            "gets no task"
        )

        async with changed.worker(new) as new_worker:
            assert (await doctor(new)).state is State.WARNING
            await ramp(scene.client, NEW, 100)
            await tell(new, changed, tmp_path, PATCHED, WAITS)
            assert await build_of(scene, PATCHED) == NEW
            assert (await doctor(new)).says == (
                "build new of the deployment expiry gets 100 % of the workflows, build old the rest"
            )

            await ramp(scene.client, NEW, 0)
            replayed = await TODAY.cli(old, "replay")
            assert replayed.status == 1
            assert "have passed the patch a-new-step, which this checkout does not know: 1." in replayed.err
            accept(scene, BEFORE)
            accept(scene, PATCHED)
            await ends(scene, BEFORE)
            assert await build_of(scene, BEFORE) == OLD
            await cannot_go_on(scene, PATCHED)

            await promote(scene.client, NEW)
            await ends(scene, PATCHED)
            await tell(new, changed, tmp_path, PROMOTED, ("accepted", None))
            await ends(scene, PROMOTED)
            assert await build_of(scene, PROMOTED) == NEW

            async with TODAY.worker(scene):
                await promote(scene.client, UNVERSIONED)
                assert (await doctor(scene)).state is State.OK
                assert (await doctor(new)).state is State.WARNING
                await tell(scene, TODAY, tmp_path, UNVERSIONED_AT_LAST, ("accepted", None))
                await platform.all_end(scene)
                assert await build_of(scene, UNVERSIONED_AT_LAST) == ""
            for worker in (old_worker, new_worker):
                worker.tell_to_stop()
                assert await worker.exit_status() == 0

    assert platform.mails(scene) == {each.slug: 1 for each in ALL}
    assert platform.messages(scene) == {each.chat: 1 for each in ALL}
    assert not await scene.platform.scalar("SELECT count(*) FROM deliveries WHERE possible_duplicate")
    assert await scene.platform.rows("SELECT DISTINCT status FROM notifications") == [{"status": "delivered"}]
    waited = (await platform.workflow_ids(scene))[PATCHED.slug]
    assert {each.partition(": ")[0] for each in await platform.troubles(scene)} == {waited}
