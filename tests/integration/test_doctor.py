"""`doctor`: through the command line, on servers that are well, spoiled and away."""

from __future__ import annotations

import asyncio
from typing import Any

from temporalio.client import Client

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
