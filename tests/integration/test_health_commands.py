"""`check-health`, `problems` and `untold`: through the command line."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import HttpUrl

from local.stand_ins.http_server import Answer
from tests.support.api_process import AWAY, Running, running
from tests.support.command_line import Ended, cli
from tests.support.data import in_days
from tests.support.health_scene import HealthScene
from tests.support.scene import Scene
from tests.support.worker_process import environment


async def operate(scene: Scene, *arguments: str) -> Ended:
    return await cli(*arguments, environment=environment(scene.client, scene.settings))


async def test_a_check_that_is_waited_for_says_what_is_wrong(health: HealthScene) -> None:
    health.pages.answers["/readyz"] = Answer(404)
    async with health.worker():
        wrong = await operate(health.scene, "check-health", "--wait", "--json")
        said = await operate(health.scene, "check-health", "--wait")
        listed = await operate(health.scene, "problems", "--json")
        health.pages.answers.clear()
        well = await operate(health.scene, "check-health", "--wait")
        nothing = await operate(health.scene, "problems", "--json")
        await health.scene.children_end()

    assert (wrong.status, wrong.json["problems"], wrong.json["raised"]) == (1, ["api_away"], ["api_away"]), wrong.err
    assert (said.status, said.out) == (1, "api_away\n")
    [problem] = listed.json["items"]
    assert (problem["code"], problem["subject"]) == ("api_away", "The API does not answer")
    assert datetime.fromisoformat(problem["since"]) <= datetime.fromisoformat(problem["alerted_at"])
    assert (well.status, well.out) == (0, "No problems found.\nOver: api_away\n")
    assert (nothing.status, nothing.json) == (0, {"items": []})


async def test_a_check_that_is_not_waited_for_is_only_started(health: HealthScene) -> None:
    started = await operate(health.scene, "check-health", "--json")
    assert (started.status, started.json["workflow_id"]) == (0, "check-health"), started.err
    async with health.worker():
        await health.scene.client.get_workflow_handle("check-health").result()


async def test_a_check_that_no_worker_runs_says_so_instead_of_waiting(health: HealthScene) -> None:
    ended = await operate(health.scene, "check-health", "--wait", "--json")
    assert (ended.status, ended.out) == (1, "")
    queue = f"{health.scene.settings.task_queue_prefix}workflows"
    assert ended.err.splitlines()[-1] == (
        f"cli: no worker polls the task queue {queue}, so the check cannot run: start `python worker.py`"
    )
    await health.scene.client.get_workflow_handle("check-health").terminate()


async def test_the_api_itself_not_ready_then_away_then_well(health: HealthScene) -> None:
    scene = health.scene
    found: list[list[str]] = []

    async def check(api: Running) -> None:
        async with health.with_settings(health_api_url=HttpUrl(api.url)).worker():
            found.append((await health.check()).problems)

    async with running(**AWAY, API_AUTH="off") as api:
        await check(api)
    await check(api)
    async with running(**environment(scene.client, scene.settings) | {"API_PORT": "0"}) as api:
        await check(api)
    assert found == [["api_not_ready"], ["api_away"], []]
    assert "database, temporal" in await health.message("The API is not ready")


async def test_problems_as_people_read_them(scene: Scene) -> None:
    await scene.platform.execute("INSERT INTO problems (code, subject) VALUES ('disk.host-1', 'The disk is full')")
    ended = await operate(scene, "problems")
    assert ended.status == 0
    assert "disk.host-1" in ended.out
    assert "The disk is full" in ended.out


async def test_the_untold_are_listed_with_the_reasons_on_the_companys_clock(scene: Scene) -> None:
    platform = scene.platform
    company = await platform.company(slug="museum", timezone="Asia/Tokyo")
    end = in_days(1.5).replace(microsecond=0)
    expected: dict[str, tuple[dict[str, Any], str]] = {
        "due": ({}, "no notification opened"),
        "later": ({"notify_before_expiry_days": [0], "expires_at": in_days(2.5)}, "not due yet"),
        "never": ({"notify_before_expiry_days": []}, "never to be told"),
        "over": ({"expires_at": in_days(-1)}, "no notification opened"),
        "tried": ({}, "open"),
    }
    for slug, (values, _) in expected.items():
        project = await platform.project(company, slug=slug, **({"expires_at": end} | values))
    await platform.notification(project)
    await platform.project(company, expires_at=in_days(8))

    ended = await operate(scene, "untold", "--json")
    assert ended.status == 0, ended.err
    items = {each["item"]: each for each in ended.json["items"]}
    assert {slug: each["why"] for slug, each in items.items()} == {slug: why for slug, (_, why) in expected.items()}
    assert {each["company"] for each in items.values()} == {"museum"}
    told = datetime.fromisoformat(items["due"]["ends_at"])
    assert told.astimezone(UTC) == end
    assert told.utcoffset() == end.astimezone(ZoneInfo("Asia/Tokyo")).utcoffset()
    assert (items["tried"]["email"], items["tried"]["telegram"]) == ("pending", "pending")

    sooner = await operate(scene, "untold", "--within", "12h", "--json")
    assert [each["item"] for each in sooner.json["items"]] == ["over"]
    shown = await operate(scene, "untold")
    assert f"{end.astimezone(ZoneInfo('Asia/Tokyo')):%Y-%m-%d %H:%M UTC+09:00}" in shown.out


@pytest.mark.parametrize("duration", ["3", "3x", "", "-3d", "2026-01-01T00:00:00Z"])
async def test_a_duration_that_is_none_is_named(duration: str) -> None:
    ended = await cli("untold", "--within", duration)
    assert ended.status == 2
    assert "is not a duration: write 3d, 12h or 30m" in ended.err
