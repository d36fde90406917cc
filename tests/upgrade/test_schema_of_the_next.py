"""A release works on the schema of the next one: it goes on while that migrates, and comes back as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from db.revision import newest_revision
from local.programs import run_to_end
from tests.support.next_release import REVISION, next_release
from tests.support.release import TODAY, Release, earlier_release
from tests.support.scene import Scene
from tests.support.worker_process import WORKER, environment
from tests.upgrade import platform
from tests.upgrade.platform import Company, Stand

WAITS = Company("waits", 1, mail_answers=platform.GREYLISTED)
"""Its mail waits until the test says so: it is in flight through all that happens."""
LATER = (Company("later", 2), Company("last", 3))
STANDS: Stand = {("waits", "email"): ("waiting", "smtp_rcpt_450"), ("waits", "telegram"): ("accepted", None)}
TOLD: Stand = {(each.slug, channel): ("accepted", None) for each in LATER for channel in ("email", "telegram")}


def later(*companies: Company) -> Stand:
    return STANDS | {place: how for place, how in TOLD.items() if place[0] in {each.slug for each in companies}}


async def told_by(scene: Scene, release: Release, folder: Path, *companies: Company) -> None:
    """Its commands bring in the last of the companies, and its worker, which runs, tells it."""
    await platform.import_companies(scene, release, folder, companies[-1:])
    await release.well(scene, "scan", "--wait")
    await platform.becomes(scene, later(*companies))


async def started(scene: Scene, release: Release) -> tuple[int, str]:
    """How its worker ends that does not start."""
    ended = await run_to_end(WORKER, environment=environment(scene.client, scene.settings), checkout=release.checkout)
    return ended.status, ended.err


async def assert_each_was_told_once(scene: Scene, *companies: Company) -> None:
    await platform.all_end(scene)
    assert platform.mails(scene) == {each.slug: 1 for each in companies}
    assert platform.messages(scene) == {each.chat: 1 for each in companies}
    assert not await scene.platform.scalar("SELECT count(*) FROM deliveries WHERE possible_duplicate")
    assert await platform.troubles(scene) == []


async def test_this_release_goes_on_under_the_next_one_and_comes_back(scene: Scene, tmp_path: Path) -> None:
    following = next_release(tmp_path / "next")
    newest = newest_revision()
    scene.sink.always("rcpt", platform.GREYLISTED, recipient=WAITS.address)
    await TODAY.well(scene, "migrate")
    async with TODAY.worker(scene) as worker:
        await platform.import_companies(scene, TODAY, tmp_path, (WAITS,))
        await TODAY.well(scene, "scan", "--wait")
        await platform.becomes(scene, STANDS)

        status, error = await started(scene, following)
        assert status == 1
        assert f"the database is at revision {newest}, and this release needs {REVISION}: run `python cli.py" in error

        assert f"from revision {newest} to revision {REVISION}" in await following.well(scene, "migrate")
        await told_by(scene, TODAY, tmp_path, LATER[0])
        worker.tell_to_stop()
        assert await worker.exit_status() == 0
    async with following.worker(scene) as worker:  # and is taken back at once
        worker.tell_to_stop()
        assert await worker.exit_status() == 0

    assert await TODAY.well(scene, "migrate") == (
        f"The database is at revision {REVISION} of a newer release, on which this release (revision {newest}) works: "
        "nothing to do.\n"
    )
    async with TODAY.worker(scene) as worker:
        assert f'"database": "{REVISION}", "code": "{newest}"' in worker.output()
        assert worker.output().count("schema_of_a_newer_release") == 1
        await told_by(scene, TODAY, tmp_path, *LATER)
        platform.answer_well(scene)
        await assert_each_was_told_once(scene, WAITS, *LATER)

    assert f"from revision {REVISION} to revision {newest}" in await following.well(
        scene, "migrate", "--down-to", newest
    )
    assert await TODAY.well(scene, "migrate") == f"The database is already at revision {newest}.\n"


async def test_a_contraction_names_what_to_do(scene: Scene, tmp_path: Path) -> None:
    newest = newest_revision()
    following = next_release(tmp_path, works_with=REVISION)
    await following.well(scene, "migrate")
    wrong = (
        f"the database is at revision {REVISION} of a newer release, on which this release (revision {newest}) does "
        f"not work: start the newer release, or go back with it first: `python cli.py migrate --down-to {newest}`"
    )
    refused = await TODAY.cli(scene, "migrate")
    assert (refused.status, refused.out, refused.err) == (1, "", f"cli: {wrong}\n")
    down = await TODAY.cli(scene, "migrate", "--down-to", newest)
    assert (down.status, down.out) == (1, "")
    assert "run `migrate --down-to` with the newer release" in down.err
    status, error = await started(scene, TODAY)
    assert (status, wrong in error) == (1, True)
    assert await scene.platform.scalar("SELECT version_num FROM alembic_version") == REVISION


@pytest.mark.parametrize("version", ["0.5.0"])
async def test_the_last_releases_worker_goes_on_under_this_one(scene: Scene, tmp_path: Path, version: str) -> None:
    """It was written before a schema could say so: it goes on, but does not start again on a newer revision."""
    last = earlier_release(version, tmp_path / "last")
    scene.sink.always("rcpt", platform.GREYLISTED, recipient=WAITS.address)
    await last.well(scene, "migrate")
    async with last.worker(scene) as worker:
        await platform.import_companies(scene, last, tmp_path, (WAITS,))
        await last.well(scene, "scan", "--wait")
        await platform.becomes(scene, STANDS)
        await TODAY.well(scene, "migrate")
        await told_by(scene, last, tmp_path, LATER[0])
        async with TODAY.worker(scene):  # both, side by side
            await told_by(scene, TODAY, tmp_path, *LATER)
            worker.tell_to_stop()
            assert await worker.exit_status() == 0
            platform.answer_well(scene)
            await assert_each_was_told_once(scene, WAITS, *LATER)
