"""The files of a release are replaced or deleted while its programs run: they need none of them any more."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from contracts.keys import NotificationType
from contracts.queues import WORKFLOWS, task_queue
from settings import Settings
from temporal import schedules
from tests.support.api_process import API, running
from tests.support.data import in_days
from tests.support.product import PRODUCT, ROOT
from tests.support.scene import Scene
from tests.support.worker_process import environment, worker_process
from workflows.check_health import CheckHealthWorkflow

BROKEN = "{% if %} raise RuntimeError('a file of the next release was read')\n"


def _delete(release: Path) -> None:
    for each in release.iterdir():
        shutil.rmtree(each) if each.is_dir() else each.unlink()


def _replace(release: Path) -> None:
    for file in release.rglob("*"):
        if file.is_file():
            file.write_text(BROKEN, encoding="utf-8")


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """A copy of the product, to be changed under its running programs."""
    folder = tmp_path / "release"
    for room in (*PRODUCT, "workflows"):
        shutil.copytree(ROOT / room, folder / room, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ROOT.glob("*.py"):
        shutil.copy(file, folder)
    return folder


@pytest.mark.parametrize("change", [_delete, _replace])
async def test_a_worker_delivers_everything_without_its_files(
    scene: Scene, release: Path, change: Callable[[Path], None]
) -> None:
    platform = scene.platform
    scene = scene.with_settings(admin_email="admin@own.example")
    async with worker_process(scene, ("worker.py",), release):
        change(release)
        for number, locale in enumerate(("en", "ru", "nl")):
            company = await platform.company(
                contact_email=f"anna@{locale}.example", telegram_chat_id=700 + number, locale=locale
            )
            lasting = await platform.project(company, expires_at=in_days(300))
            await platform.content(company, lasting, expires_at=in_days(2))
            await platform.project(company, expires_at=in_days(3))
            await platform.project(company, expires_at=in_days(-1))
            await platform.project(company, expires_at=in_days(-1), auto_renew=True)
        await scene.scan()
        await scene.deactivate()
        await scene.children_end()
        report = await scene.client.execute_workflow(
            CheckHealthWorkflow.run,
            schedules.health_input(scene.settings, once=True),
            id="check-health",
            task_queue=task_queue(scene.settings.task_queue_prefix, WORKFLOWS),
        )
        await scene.children_end()
    looked_wrong = [code for code in report.problems if code.startswith(("unchecked", "database", "schema"))]
    assert (report.database_away, looked_wrong) == (False, [])
    notifications = await platform.notifications()
    assert {each.notification_type for each in notifications} == {
        NotificationType.EXPIRING,
        NotificationType.EXPIRED,
        NotificationType.ALERT,
    }
    assert {each.status for each in notifications} == {"delivered"}
    for number, locale in enumerate(("en", "ru", "nl")):
        assert len(scene.sink.to(f"anna@{locale}.example")) == 3
        assert len(scene.telegram.to(700 + number)) == 3


@pytest.mark.parametrize("change", [_delete, _replace])
async def test_the_api_answers_everything_without_its_files(
    scene: Scene, settings: Settings, release: Path, change: Callable[[Path], None]
) -> None:
    project = await scene.platform.project(await scene.platform.company(), slug="ship")
    await scene.platform.notification(project)
    variables = environment(scene.client, settings) | {
        "API_PORT": "0",
        "API_AUTH": "off",
        "PUBLIC_URL": "http://127.0.0.1:1",
        "UNSUBSCRIBE_SECRET": "a secret of at least thirty-two characters",
    }
    async with running(API, release, **variables) as api, httpx.AsyncClient(base_url=api.url) as http:
        change(release)
        for path, status in {
            "/healthz": 200,
            "/readyz": 200,
            "/notifications": 200,
            "/notifications/0": 422,
            "/openapi.json": 200,
            "/docs": 200,
            "/unsubscribe/of-nobody": 404,
        }.items():
            assert (path, (await http.get(path)).status_code) == (path, status)
        renewal = await http.post("/projects/ship/renew", json={"until": "2999-01-01T00:00:00Z"})
        assert renewal.status_code == 200
        test = await http.post("/notifications/test", json={"email": "anna@customer.example"})
        assert test.status_code == 202
