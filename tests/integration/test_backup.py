"""A backup, what proves it, and the drill: after a restore nobody is told twice."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import make_url
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest

from contracts.scanning import ScanExpiringResult
from contracts.sending import DeliveryStatus
from db.engine import create_engine
from db.revision import newest_revision
from deploy.backup import Manifest, remove_old
from deploy.dumps import asyncpg_url
from local.embedded.postgres import EmbeddedPostgres
from local.embedded.postgres_install import find_programs
from local.stand_ins.smtp_actions import Reply
from tests.support.command_line import Ended, cli
from tests.support.data import Platform
from tests.support.losing import lose_the_child
from tests.support.scene import Scene

BACKUP = ("-m", "deploy.backup")
Backup = Callable[..., Awaitable[Ended]]
_numbers = itertools.count(1)


async def backup(url: str, *arguments: str) -> Ended:
    return await cli("--programs", str(find_programs()), *arguments, program=BACKUP, environment={"DATABASE_URL": url})


@pytest.fixture
async def empty_database(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    name = f"restored_{next(_numbers)}"
    await postgres.create_database(name, template="template0")
    yield postgres.database_url(name)
    await postgres.drop_database(name)


def url_of(scene: Scene) -> str:
    assert scene.settings.database_url
    return scene.settings.database_url.get_secret_value()


async def made(scene: Scene, folder: Path) -> Path:
    """The file of a backup of the scene's database."""
    ended = await backup(url_of(scene), "create", str(folder))
    assert ended.status == 0, ended.err
    assert ": verified, taken " in ended.out
    [file] = folder.glob("*.dump")
    return file


async def restored(scene: Scene, file: Path, url: str) -> AsyncIterator[Scene]:
    """The scene on the restored database; its Temporal is what it was."""
    ended = await backup(url, "restore", str(file))
    assert ended.status == 0, ended.err
    scene = scene.with_settings(database_url=SecretStr(url))
    engine = create_engine(scene.settings, "test")
    try:
        yield replace(scene, platform=Platform(engine))
    finally:
        await engine.dispose()


async def test_a_backup_holds_what_the_database_held(scene: Scene, tmp_path: Path, empty_database: str) -> None:
    await scene.due_project()
    await scene.scan_and_send()
    file = await made(scene, tmp_path / "backups")
    assert {each.name for each in (tmp_path / "backups").iterdir()} == {file.name, file.with_suffix(".json").name}
    assert file.stat().st_mode & 0o077 == 0
    manifest = Manifest.read(file)
    assert manifest.contents.revision == newest_revision()
    assert (manifest.contents.rows["notifications"], manifest.contents.rows["deliveries"]) == (1, 2)
    verified = await backup(url_of(scene), "verify", str(file))
    assert (verified.status, f"{file}: verified, " in verified.out) == (0, True)
    async for other in restored(scene, file, empty_database):
        assert await other.platform.deliveries() == await scene.platform.deliveries()
    again = await backup(empty_database, "restore", str(file))
    assert again.status == 1
    assert "restore into an empty database" in again.err


async def test_what_was_changed_or_is_unfinished_is_not_a_backup(scene: Scene, tmp_path: Path) -> None:
    await scene.due_project()
    file = await made(scene, tmp_path / "backups")
    whole = file.read_bytes()
    file.write_bytes(whole[:-100])
    cut = await backup(url_of(scene), "verify", str(file))
    assert (cut.status, "its checksum is not the one" in cut.err) == (1, True)
    file.write_bytes(whole)
    manifest = file.with_suffix(".json")
    text = manifest.read_text()
    manifest.write_text(text.replace('"projects": 1', '"projects": 2'))
    other = await backup(url_of(scene), "verify", str(file))
    assert (other.status, "restored, it differs" in other.err, "('projects', 1)" in other.err) == (1, True, True)
    manifest.unlink()
    unfinished = await backup(url_of(scene), "verify", str(file))
    assert (unfinished.status, "the backup is unfinished" in unfinished.err) == (1, True)
    assert "Traceback" not in cut.err + other.err + unfinished.err
    names = await scene.platform.rows("SELECT datname FROM pg_database WHERE datname LIKE 'expiry_backup_check%'")
    assert names == []


async def test_what_cannot_be_made_leaves_nothing(scene: Scene, tmp_path: Path) -> None:
    elsewhere = make_url(url_of(scene)).set(database="nowhere").render_as_string(hide_password=False)
    for arguments, words in (
        (["create", str(tmp_path / "a"), "--server", elsewhere], 'database "nowhere" does not exist'),
        (["--programs", str(tmp_path), "create", str(tmp_path / "b")], f"pg_dump is not in {tmp_path}"),
    ):
        ended = await backup(url_of(scene), *arguments)
        assert (ended.status, words in ended.err, "Traceback" in ended.err) == (1, True, False), ended.err
    assert [each for folder in ("a", "b") for each in (tmp_path / folder).iterdir()] == []


async def test_without_verifying_it_says_so(scene: Scene, tmp_path: Path) -> None:
    ended = await backup(url_of(scene), "create", str(tmp_path), "--no-verify")
    assert (ended.status, ": NOT VERIFIED, taken " in ended.out) == (0, True)


def test_old_backups_go_and_the_newest_stays(tmp_path: Path) -> None:
    now = datetime(2026, 11, 25, tzinfo=UTC)
    for days in (1, 10, 40):
        taken = now - timedelta(days=days)
        file = tmp_path / f"expiry-{taken:%Y%m%dT%H%M%SZ}.dump"
        file.touch()
        file.with_suffix(".json").write_text(
            f'{{"taken_at": "{taken.isoformat()}", "sha256": "", "contents": {{"revision": null, "rows": {{}}}}}}'
        )
    (tmp_path / "expiry-20200101T000000Z.dump").touch()  # unfinished, or somebody else's
    (tmp_path / "expiry-20200102T000000Z.dump").touch()
    (tmp_path / "expiry-20200102T000000Z.json").touch()  # the disk was full
    assert [each.name for each in remove_old(tmp_path, timedelta(days=30), now)] == ["expiry-20261016T000000Z.dump"]
    assert [each.name for each in remove_old(tmp_path, timedelta(0), now)] == ["expiry-20261115T000000Z.dump"]
    assert remove_old(tmp_path, timedelta(0), now) == []


def test_a_url_that_demands_tls_is_read_by_all_programs() -> None:
    """Whatever the application takes: asyncpg's own parser knows `sslmode` only, SQLAlchemy `ssl` only."""
    url = make_url("postgresql+asyncpg://user:secret@db.example/expiry?ssl=require")
    assert asyncpg_url(url) == "postgresql://user:secret@db.example/expiry?sslmode=require"


async def told_once(scene: Scene, *, lost: bool = False) -> None:
    """Two scans later, nobody has been told twice. `lost`: Temporal does not know the workflow."""
    async with scene.worker():
        for _ in range(2):
            await scene.scan()
            if not lost:
                await scene.children_end()
        assert await scene.scan() == ScanExpiringResult(found=0, opened=0, started=0)
    assert (len(scene.sink.messages), len(scene.telegram.messages)) == (1, 1)
    assert await scene.ends() == ("delivered", "accepted", "accepted")


async def test_a_database_that_is_older_than_temporal_tells_nobody_twice(
    scene: Scene, tmp_path: Path, empty_database: str
) -> None:
    """The backup is older than the scan. What Temporal knows goes into the record, marked as reconstructed."""
    await scene.due_project()
    file = await made(scene, tmp_path)
    await scene.scan_and_send()
    async for other in restored(scene, file, empty_database):
        assert await other.platform.notifications() == []
        await told_once(other)
        assert "reconstructed_at" in (await other.notification()).metadata


async def test_a_database_of_mid_send_and_a_temporal_that_went_on_tell_nobody_twice(
    scene: Scene, tmp_path: Path, empty_database: str
) -> None:
    """The mail waits when the backup is made, and is sent after it."""
    scene.sink.always("rcpt", Reply(451, "4.3.0 not now"))
    await scene.due_project()
    async with scene.worker():
        await scene.scan()
        await scene.put_off("email", "smtp_rcpt_451")
        await scene.delivery_becomes("telegram", DeliveryStatus.ACCEPTED)
        file = await made(scene, tmp_path)
        scene.sink.clear()
        await scene.children_end()
    async for other in restored(scene, file, empty_database):
        assert (await other.notification()).status == "open"
        await told_once(other)


async def test_a_temporal_that_has_lost_everything_tells_nobody_twice(
    scene: Scene, tmp_path: Path, empty_database: str
) -> None:
    await scene.due_project()
    await scene.scan_and_send()
    file = await made(scene, tmp_path)
    await lose_the_child(scene)
    async for other in restored(scene, file, empty_database):
        await told_once(other, lost=True)


async def test_a_temporal_that_is_older_than_the_database_tells_nobody_twice(
    scene: Scene, tmp_path: Path, empty_database: str
) -> None:
    """Its workflow stands before the sends again, as in a restored Temporal, and does all of it once more."""
    await scene.due_project()
    await scene.scan_and_send()
    file = await made(scene, tmp_path)
    child = await scene.child()
    completed = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    first = next(event.event_id for event in (await child.fetch_history()).events if event.event_type == completed)
    await scene.client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=scene.client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=child.id),
            reason="Temporal was restored from an older backup",
            request_id="restored",
            workflow_task_finish_event_id=first,
        )
    )
    async for other in restored(scene, file, empty_database):
        async with other.worker():
            await other.children_end()
        await told_once(other)
