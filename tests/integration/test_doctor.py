"""`doctor`: through the command line, on servers that are well, spoiled and away."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.client import Client

from commands.doctor.clocks import distance
from commands.doctor.connections import look_at_connections
from commands.doctor.installation import Installation
from commands.doctor.result import State
from local.stand_ins.http_server import Answer
from local.stand_ins.smtp_actions import Reply
from local.stand_ins.telegram_answers import unauthorized
from tests.support.calling_api import NOBODY_LISTENS
from tests.support.command_line import Ended, cli
from tests.support.health_scene import HealthScene
from tests.support.scene import PATIENCE
from tests.support.worker_process import environment

AWAY = {
    "DATABASE_URL": f"postgresql://me:hidden-word@{NOBODY_LISTENS}/x",
    "TEMPORAL_ADDRESS": NOBODY_LISTENS,
    "TEMPORAL_API_KEY": "hidden-word",
    "SMTP_HOST": "127.0.0.1",
    "SMTP_PORT": NOBODY_LISTENS.rpartition(":")[2],
    "SMTP_TLS": "none",
    "SMTP_FROM_EMAIL": "notices@platform.example",
    "SMTP_FROM_NAME": "N",
    "TELEGRAM_BOT_TOKEN": "12345678:hidden-word-of-the-bot-hidden",
    "TELEGRAM_API_URL": f"http://{NOBODY_LISTENS}",
    "RENEW_URL_TEMPLATE": "https://platform.example/{slug}",
    "SUPPORT_EMAIL": "support@platform.example",
    "HEALTH_API_URL": f"http://{NOBODY_LISTENS}",
}
"""Everything is configured, and nothing answers."""


async def examine(health: HealthScene, *arguments: str, **more: str) -> Ended:
    return await cli("doctor", *arguments, environment=environment(health.scene.client, health.scene.settings) | more)


def by_name(ended: Ended) -> dict[str, Any]:
    return {check["name"]: check for check in ended.json["checks"]}


async def test_each_server_that_is_away_is_a_result_and_no_secret_is_shown() -> None:
    for arguments in ([], ["--json"]):
        ended = await cli("doctor", *arguments, environment=AWAY)
        assert (ended.status, ended.err) == (1, "")
        assert "hidden-word" not in ended.out
        assert "Traceback" not in ended.out
    states = {name: check["state"] for name, check in by_name(ended).items()}
    assert {name for name, state in states.items() if state == "failed"} == {
        "postgresql",
        "temporal",
        "email",
        "telegram",
        "api",
    }
    assert states["schema"] == states["search_attributes"] == "not_checked"
    assert all(check["todo"] for check in ended.json["checks"] if check["state"] == "failed")


async def test_a_wrong_setting_of_one_server_leaves_the_other_checks(health: HealthScene) -> None:
    ended = await examine(health, "--json", DATABASE_URL="mysql://me:hidden-word@localhost/x", SUPPORT_EMAIL="")
    found = by_name(ended)
    assert ended.status == 1
    assert found["settings"]["says"].startswith("SUPPORT_EMAIL: required")
    assert found["postgresql"]["says"] == "DATABASE_URL: must be a PostgreSQL URL, not mysql"
    assert found["temporal"]["state"] == found["api"]["state"] == "ok"


async def test_a_provider_that_refuses_us_fails_its_own_check(health: HealthScene) -> None:
    health.scene.sink.always("ehlo", Reply(550, "5.7.1 go away"))
    health.scene.telegram.always("get_me", unauthorized())
    health.pages.answers["/readyz"] = Answer(503, {"checks": {"database": "away", "temporal": "ok"}})
    found = by_name(await examine(health, "--json"))
    assert {name for name, check in found.items() if check["state"] == "failed"} >= {"email", "telegram", "api"}
    assert "database" in found["api"]["todo"]


async def test_it_says_what_is_well_and_what_is_not(health: HealthScene) -> None:
    scene = health.scene
    async with health.worker():
        well = await examine(health, "--json")
        shown = await examine(health)
        notification = await scene.platform.notification(await scene.platform.project(await scene.platform.company()))
        await scene.platform.execute(
            "UPDATE deliveries SET status = 'unknown', finished_at = now() WHERE notification_id = :id", id=notification
        )
        await scene.platform.execute("INSERT INTO problems (code, subject) VALUES ('disk.host-1', 'The disk is full')")
        await scene.client.get_schedule_handle("check-health").delete()
        await scene.client.get_schedule_handle("scan-expiring").pause(note="moving house")
        before = await scene.platform.rows("SELECT * FROM problems")
        spoiled = await examine(health, "--json")
        assert await scene.platform.rows("SELECT * FROM problems") == before
    found = by_name(well)
    assert {name: check["says"] for name, check in found.items() if check["state"] != "ok"} == {}
    assert (well.status, well.err) == (0, "")
    assert found["temporal"]["details"]["version"]
    assert set(found["schedules"]["details"]["schedules"]) >= {"scan-expiring", "deactivate-expired", "check-health"}
    assert found["queues"]["details"]["queues"].keys() == {
        f"{scene.settings.task_queue_prefix}{name}"
        for name in ("workflows", "email", "email-urgent", "telegram", "telegram-urgent")
    }
    assert all(abs(skew) < 60 for skew in found["clocks"]["details"].values())
    assert len(found["clocks"]["details"]) == 2
    assert max(map(len, shown.out.splitlines())) < 400
    assert not scene.sink.messages
    assert not scene.telegram.messages

    found = by_name(spoiled)
    assert spoiled.status == 1
    assert found["schedules"]["state"] == "failed"
    assert "check-health: missing" in found["schedules"]["says"]
    assert "paused (moving house)" in found["schedules"]["says"]
    assert "cli.py schedules apply" in found["schedules"]["todo"]
    assert (found["record"]["state"], found["record"]["details"]["in_doubt"]) == ("warning", 2)
    assert (found["problems"]["state"], found["problems"]["details"]["problems"]) == ("warning", ["disk.host-1"])


async def test_other_limits_and_queues_without_workers_are_told(health: HealthScene) -> None:
    async with health.worker():
        other = by_name(await examine(health, "--json", EMAIL_RATE="40"))
        alone = by_name(await examine(health, "--json", TASK_QUEUE_PREFIX="other-"))
        strict = await examine(health, "--strict", EMAIL_RATE="40")
        loose = await examine(health, EMAIL_RATE="40")
    assert other["limits"]["state"] == "warning"
    assert "instead of 36/s" in other["limits"]["says"]
    assert alone["queues"]["state"] == "failed"
    assert "other-email" in alone["queues"]["says"]
    assert alone["limits"]["says"].startswith("not set in the server: other-email")
    assert (strict.status, loose.status) == (1, 0)


async def test_schedules_are_listed_with_their_runs_and_why_they_are_paused(health: HealthScene) -> None:
    scene = health.scene
    await scene.client.get_schedule_handle("scan-expiring").pause(note="moving house")
    environment_of = environment(scene.client, scene.settings)
    listed = await cli("schedules", "list", "--json", environment=environment_of)
    states = {each["schedule_id"]: each for each in listed.json["items"]}
    assert listed.status == 0, listed.err
    assert (states["scan-expiring"]["paused"], states["scan-expiring"]["note"]) == (True, "moving house")
    assert states["scan-expiring"]["next_run"] is None
    assert datetime.fromisoformat(states["deactivate-expired"]["next_run"]) > datetime.now(UTC)
    await scene.client.get_schedule_handle("check-health").delete()
    missing = await cli("schedules", "list", environment=environment_of)
    assert (missing.status, missing.err) == (1, "Missing: check-health. Run `cli.py schedules apply`.\n")
    assert "paused: moving house" in missing.out


@pytest.mark.parametrize(
    ("there", "skew"),
    [(-1, -1), (0, 0), (5, 0), (10, 0), (12, 2)],
)
def test_a_clock_that_was_read_between_two_moments_of_ours_may_agree(there: int, skew: int) -> None:
    before = datetime(2027, 1, 1, tzinfo=UTC)
    read = before + timedelta(seconds=there)
    assert distance(read, before, before + timedelta(seconds=10)) == timedelta(seconds=skew)


async def test_the_version_is_shown() -> None:
    ended = await cli("--version")
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.startswith("expiry-notifier ")


async def test_the_connections_in_use_are_counted_with_the_workers_that_poll(health: HealthScene) -> None:
    settings = health.scene.settings
    async with health.worker(), Installation(settings) as installation:
        installation._client = asyncio.create_task(_given(health.scene.client))
        async with asyncio.timeout(PATIENCE):
            while (result := await look_at_connections(installation)).details["ours"] < 2:
                await asyncio.sleep(0.1)  # the worker opens its own when it first needs one
    assert (result.state, result.details["workers"]) == (State.OK, 1)
    assert result.details["limit"] == 197
    assert result.details["most"] == 2 * settings.database_pool_size + 13
    assert result.details["ours"] <= result.details["used"]


async def _given(client: Client) -> Client:
    return client
