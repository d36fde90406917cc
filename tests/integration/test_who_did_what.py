"""`interventions` and the names of API keys: who did what, when and why."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from runtime.named_keys import parse_keys
from settings import Settings
from tests.support.api_process import AWAY, running
from tests.support.calling_api import calling
from tests.support.command_line import cli, operate
from tests.support.data import in_days
from tests.support.scene import Scene
from tests.support.settings_for import API_KEY

KEY = "billing-key-0123456789-abcdefghijkl"
NAMED = f"billing:{KEY}"


async def listed(scene: Scene, *arguments: str) -> list[dict[str, Any]]:
    ended = await operate(scene, "interventions", *arguments)
    assert ended.status == 0, ended.err
    items: list[dict[str, Any]] = ended.json["items"]
    return items


async def test_what_operators_and_callers_did_is_listed_newest_first(scene: Scene) -> None:
    company = await scene.platform.company(slug="acme")
    await scene.platform.project(company, slug="tower")
    environment = ("--by", "anna")
    assert (await operate(scene, "pause", "--why", "maintenance", *environment)).status == 0
    assert (await operate(scene, "resume", "--by", "bob")).status == 0
    assert (await operate(scene, "renew", "tower", "--until", "+30d", "--why", "paid", *environment)).status == 0
    settings = scene.settings.model_copy(update={"api_keys": Settings(api_keys=f"{NAMED},{API_KEY}").api_keys})
    for number, key in enumerate((KEY, NAMED, API_KEY)):
        async with calling(settings, scene.platform.engine, scene.client, key) as http:
            renewal = {"until": in_days(60 + number).isoformat(), "why": "they paid"}
            assert (await http.post("/projects/tower/renew", json=renewal)).status_code == 200
            test = {"recipients": {"email": "anna@customer.example"}}
            assert (await http.post("/notifications/test", json=test)).status_code == 202

    everything = await listed(scene)
    did = [(each["operator"], each["action"], each["why"], each["project_slug"]) for each in reversed(everything)]
    assert did == [
        ("anna", "pause", "maintenance", None),
        ("bob", "resume", None, None),
        ("anna", "renew", "paid", "tower"),
        ("api:billing", "renew", "they paid", "tower"),
        ("api:billing", "test", "a test notification", None),
        ("api:billing", "renew", "they paid", "tower"),
        ("api:billing", "test", "a test notification", None),
        ("api", "renew", "they paid", "tower"),
        ("api", "test", "a test notification", None),
    ]
    assert [each["action"] for each in await listed(scene, "--by", "bob")] == ["resume"]
    assert {each["operator"] for each in await listed(scene, "--action", "test")} == {"api", "api:billing"}
    assert {each["company_slug"] for each in await listed(scene, "--company", "acme")} == {"acme"}
    assert len(await listed(scene, "--project", "tower", "--until=-1h")) == 0
    tests = await listed(scene, "--action", "test")
    assert await listed(scene, "--delivery", str(tests[0]["delivery_id"])) == tests[:1]
    assert all(each["notification_id"] for each in tests)


async def test_the_log_says_which_key_asked_and_never_the_key() -> None:
    async with running(**AWAY, API_KEYS=f"{NAMED},{API_KEY}") as api, httpx.AsyncClient(base_url=api.url) as http:
        for key in (KEY, NAMED, API_KEY, "wrong"):
            await http.get("/notifications/42", headers={"X-API-Key": key})
        await api.process.stop()
        log = api.process.output()
    requests = [event for event in map(json.loads, log.splitlines()) if event["event"] == "request"]
    assert [(each["key"], each["status"]) for each in requests] == [
        ("billing", 503),
        ("billing", 503),
        (None, 503),
        (None, 401),
    ]
    assert KEY not in log


@pytest.mark.parametrize(
    ("written", "name", "key"),
    [
        (NAMED, "billing", KEY),
        (KEY, None, KEY),
        (f"a.b-c_1:{KEY}", "a.b-c_1", KEY),
        (f"anna smith:{KEY}", None, f"anna smith:{KEY}"),
        (f"1st:{KEY}", None, f"1st:{KEY}"),
        ("abcdefghijklmnopqrstuvwxyz0123456789:tail", None, "abcdefghijklmnopqrstuvwxyz0123456789:tail"),
        (f"x:y:{KEY}", "x", f"y:{KEY}"),
    ],
)
def test_a_key_has_a_name_before_the_colon_or_none(written: str, name: str | None, key: str) -> None:
    [read] = parse_keys(written)
    assert (read.name, read.key, read.written) == (name, key, written)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (f"{NAMED},billing:{KEY}x", "two keys have the name billing"),
        ("billing:short", "easy to guess"),
        (f"billing:{'a' * 40}", "easy to guess"),
    ],
)
async def test_wrong_keys_stop_every_program_at_its_start_and_are_not_quoted(keys: str, said: str) -> None:
    ended = await cli("notifications", environment={"API_KEYS": keys})
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith(f"cli: API_KEYS: {said}")
    assert KEY not in ended.err
