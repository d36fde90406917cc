"""A database that is not at the code's revision: nothing says that all is well."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from db.revision import newest_revision
from deploy import check_worker
from local.programs import run_to_end
from settings import Settings
from tests.support.calling_api import calling, is_problem
from tests.support.data import Platform
from tests.support.health_scene import HealthScene
from tests.support.scene import Scene
from tests.support.worker_process import environment, worker_process

OTHERS = ("UPDATE alembic_version SET version_num = '0003'", "UPDATE alembic_version SET version_num = '9999'")
NONE = "DROP TABLE alembic_version"


async def test_the_newest_revision_is_that_of_the_newest_file() -> None:
    files = Path(check_worker.__file__).parents[1] / "db" / "migrations" / "versions"
    assert newest_revision() == max(file.name[:4] for file in files.glob("[0-9]*.py"))


@pytest.mark.parametrize("change", [*OTHERS, NONE])
async def test_the_api_is_not_ready(
    settings: Settings, engine: AsyncEngine, temporal: Client, platform: Platform, change: str
) -> None:
    async with calling(settings, engine, temporal, key=None) as http:
        assert (await http.get("/readyz")).status_code == 200
        await platform.execute(change)
        answer = await http.get("/readyz")
    assert is_problem(answer, 503)
    assert answer.json()["checks"] == {"database": "other_revision", "temporal": "ok"}


@pytest.mark.parametrize("change", [*OTHERS, NONE])
async def test_a_worker_does_not_start(scene: Scene, change: str) -> None:
    await scene.platform.execute(change)
    ended = await run_to_end(["worker.py"], environment=environment(scene.client, scene.settings))
    assert ended.status == 1
    assert "worker_ready" not in ended.err
    assert "cli.py migrate" in ended.err


@pytest.mark.parametrize("change", [*OTHERS, NONE])
async def test_a_running_worker_is_not_healthy(scene: Scene, change: str) -> None:
    async def check() -> tuple[int, str]:
        ended = await run_to_end(["-m", "deploy.check_worker"], environment=environment(scene.client, scene.settings))
        return ended.status, ended.err

    async with worker_process(scene):
        assert await check() == (0, "")
        await scene.platform.execute(change)
        status, error = await check()
    assert status == 1
    assert error.startswith("PostgreSQL: the database is at revision ")


async def test_the_check_of_a_worker_says_that_the_database_is_away(scene: Scene) -> None:
    unreachable = environment(scene.client, scene.settings) | {"DATABASE_URL": "postgresql://u:p@127.0.0.1:1/x"}
    async with scene.worker():
        ended = await run_to_end(["-m", "deploy.check_worker"], environment=unreachable)
    assert (ended.status, ended.err) == (1, "PostgreSQL is away: ConnectionRefusedError\n")


async def test_the_health_check_finds_it(health: HealthScene) -> None:
    async with health.worker():
        assert (await health.check()).problems == []
        await health.scene.platform.execute(OTHERS[0])
        assert (await health.check()).raised == ["schema_revision"]
        await health.scene.platform.execute(
            "UPDATE alembic_version SET version_num = :newest", newest=newest_revision()
        )
        assert (await health.check()).over == ["schema_revision"]
        await health.scene.children_end()
    assert "at revision 0003" in await health.message("The code does not work on the database's revision")
