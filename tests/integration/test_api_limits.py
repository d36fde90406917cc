"""POST /notifications/test is no open relay: limits, allowed recipients, one notification for a repeated request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client, StartWorkflowInput, WorkflowHandle

from api.allowed_recipients import AllowedRecipients
from db.engine import create_engine
from settings import Settings, SettingsError
from tests.integration.test_api_starting import Start, client_through
from tests.support.calling_api import NOBODY_LISTENS, calling, is_problem, temporal_at
from tests.support.data import Platform
from tests.support.serving import RunWorker
from tests.support.settings_for import API_KEY, MakeSettings

OTHER_KEY = "another-key-that-is-long-enough-to-start"
BODY = {"email": "anna@customer.example", "subject": "One"}
KEY = {"Idempotency-Key": '"8e03978e-40d5-43dd-bc93-6894a57f9324"'}


@pytest.fixture
async def http(settings: Settings, engine: AsyncEngine, temporal: Client) -> AsyncIterator[httpx.AsyncClient]:
    """No worker runs: every test stays open."""
    async with calling(settings, engine, temporal) as http:
        yield http


async def post(http: httpx.AsyncClient, headers: dict[str, str] | None = None, **body: Any) -> httpx.Response:
    return await http.post("/notifications/test", json=BODY | body, headers=headers)


async def count(platform: Platform) -> int:
    return len(await platform.notifications())


async def time_passes(platform: Platform, interval: str) -> None:
    await platform.execute(
        "UPDATE requested_tests SET created_at = created_at - CAST(:by AS text)::interval", by=interval
    )


def retry_after(answer: httpx.Response) -> int:
    assert is_problem(answer, 429)
    return int(answer.headers["Retry-After"])


async def test_each_key_has_a_limit_an_hour_and_all_together_too(
    make_settings: MakeSettings, engine: AsyncEngine, temporal: Client, platform: Platform
) -> None:
    keys = f"{API_KEY},{OTHER_KEY}"
    settings = make_settings(api_keys=keys, test_limit_per_key=2, test_limit=3)
    first, other = keys.split(",")
    async with calling(settings, engine, temporal, first) as one, calling(settings, engine, temporal, other) as two:
        assert [(await post(one)).status_code for _ in range(2)] == [202, 202]
        refused = await post(one)
        assert "2 test notifications with this API key" in refused.json()["detail"]
        assert 3000 < retry_after(refused) <= 3600
        assert (await post(two)).status_code == 202
        refused = await post(two)
        assert "3 test notifications in all" in refused.json()["detail"]
        assert 3000 < retry_after(refused) <= 3600
        assert await count(platform) == 3
        await time_passes(platform, "1 hour")
        assert (await post(one)).status_code == 202


async def test_the_limits_hold_over_several_processes_at_once(
    make_settings: MakeSettings, temporal: Client, platform: Platform
) -> None:
    settings = make_settings(test_limit_per_key=5)
    engines = [create_engine(settings, "test") for _ in range(3)]

    async def process(engine: AsyncEngine) -> list[int]:
        async with calling(settings, engine, temporal) as http:
            return [answer.status_code for answer in await asyncio.gather(*(post(http) for _ in range(5)))]

    answers = [answer for each in await asyncio.gather(*map(process, engines)) for answer in each]
    for engine in engines:
        await engine.dispose()
    assert sorted(answers) == [202] * 5 + [429] * 10
    assert await count(platform) == 5


async def test_only_so_many_wait(
    make_settings: MakeSettings, engine: AsyncEngine, temporal: Client, platform: Platform
) -> None:
    async with calling(make_settings(test_max_waiting=2), engine, temporal) as http:
        assert [(await post(http)).status_code for _ in range(2)] == [202, 202]
        refused = await post(http)
        assert retry_after(refused) == 30
        assert "2 test notifications wait" in refused.json()["detail"]
        await platform.execute(
            "UPDATE notifications SET status = 'undelivered', finished_at = now()"
            " WHERE id = (SELECT min(id) FROM notifications)"
        )
        assert (await post(http)).status_code == 202


async def test_what_could_not_be_started_does_not_count(
    make_settings: MakeSettings, engine: AsyncEngine, temporal: Client, platform: Platform
) -> None:
    settings = make_settings(test_limit_per_key=1)
    async with calling(settings, engine, await temporal_at(NOBODY_LISTENS)) as away:
        assert is_problem(await post(away, KEY), 503)
    assert await count(platform) == 0
    async with calling(settings, engine, temporal) as http:
        assert (await post(http, KEY)).status_code == 202


@pytest.mark.parametrize(
    ("body", "refused"),
    [
        ({"email": "anna@customer.example"}, []),
        ({"email": "ANNA@Customer.Example"}, []),
        ({"email": "anyone@own.example"}, []),
        ({"recipients": {"email": "anyone@OWN.example", "telegram": "-100123"}}, []),
        ({"chat_id": -100123}, []),
        ({"email": "berta@customer.example"}, ["email"]),
        ({"email": "anyone@sub.own.example"}, ["email"]),
        ({"email": '"a@own.example"@customer.example'}, ["email"]),
        ({"email": "anyone@own.example", "chat_id": 100123}, ["chat_id"]),
        ({"recipients": {"email": "x@own.example.org", "telegram": "5"}}, ["recipients.email", "recipients.telegram"]),
    ],
)
async def test_only_allowed_recipients_get_tests(
    make_settings: MakeSettings,
    engine: AsyncEngine,
    temporal: Client,
    platform: Platform,
    body: dict[str, Any],
    refused: list[str],
) -> None:
    settings = make_settings(test_recipients="Anna@customer.example, @own.example, -100123")
    async with calling(settings, engine, temporal) as http:
        answer = await http.post("/notifications/test", json=body)
    if not refused:
        assert answer.status_code == 202, answer.text
        return
    assert is_problem(answer, 422)
    named = [error["field"] for error in answer.json()["errors"]]
    if named != ["email"] or refused != ["email"]:
        assert named == refused
    assert await count(platform) == 0


def test_an_entry_that_is_nobody_is_named() -> None:
    settings = Settings.load(test_recipients="anna@customer.example,nobody")
    with pytest.raises(SettingsError, match="TEST_RECIPIENTS: 'nobody'"):
        AllowedRecipients(settings)


async def test_a_repeated_request_gets_the_same_answer_and_sends_nothing_more(
    http: httpx.AsyncClient, platform: Platform
) -> None:
    first = await post(http, KEY)
    again = await post(http, KEY)
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json() == first.json()
    assert again.headers["Location"] == first.headers["Location"]
    assert await count(platform) == 1
    bare = await post(http, {"Idempotency-Key": KEY["Idempotency-Key"].strip('"')})
    assert bare.json() == first.json()
    other = await post(http, {"Idempotency-Key": '"another"'})
    assert other.json()["notification_id"] != first.json()["notification_id"]


async def test_the_same_key_with_another_body_is_refused(http: httpx.AsyncClient, platform: Platform) -> None:
    assert (await post(http, KEY)).status_code == 202
    refused = await post(http, KEY, subject="Two")
    assert is_problem(refused, 422)
    assert "Idempotency-Key" in refused.json()["detail"]
    assert await count(platform) == 1


async def test_a_repeated_request_is_answered_at_the_limit(
    make_settings: MakeSettings, engine: AsyncEngine, temporal: Client
) -> None:
    async with calling(make_settings(test_limit_per_key=1, test_max_waiting=1), engine, temporal) as http:
        first = await post(http, KEY)
        assert (await post(http)).status_code == 429
        assert (await post(http, KEY)).json() == first.json()


async def test_a_key_is_its_callers_own(
    make_settings: MakeSettings, engine: AsyncEngine, temporal: Client, platform: Platform
) -> None:
    keys = f"{API_KEY},{OTHER_KEY}"
    settings = make_settings(api_keys=keys)
    first, other = keys.split(",")
    async with calling(settings, engine, temporal, first) as one, calling(settings, engine, temporal, other) as two:
        answers = [(await post(each, KEY)).json() for each in (one, two)]
    assert answers[0] != answers[1]
    stored = await platform.rows("SELECT api_key FROM requested_tests")
    assert len({row["api_key"] for row in stored}) == 2
    assert not any(key in str(stored) for key in keys.split(","))


async def test_a_key_is_forgotten_after_a_day(http: httpx.AsyncClient, platform: Platform) -> None:
    first = await post(http, KEY)
    await time_passes(platform, "23 hours")
    assert (await post(http, KEY)).json() == first.json()
    await time_passes(platform, "1 hour")
    assert (await post(http, KEY)).json() != first.json()
    assert await platform.scalar("SELECT count(*) FROM requested_tests") == 1


async def test_the_same_request_many_times_at_once_is_one_message(
    settings: Settings, temporal: Client, platform: Platform, run_worker: RunWorker, smtp_sink: Any
) -> None:
    engines = [create_engine(settings, "test") for _ in range(2)]

    async def process(engine: AsyncEngine) -> list[httpx.Response]:
        async with calling(settings, engine, temporal) as http:
            return await asyncio.gather(*(post(http, KEY) for _ in range(5)))

    answers = [answer for each in await asyncio.gather(*map(process, engines)) for answer in each]
    assert {answer.status_code for answer in answers} == {202}
    [workflow_id] = {answer.json()["workflow_id"] for answer in answers}
    async with run_worker(settings):
        await temporal.get_workflow_handle(workflow_id).result()
    for engine in engines:
        await engine.dispose()
    assert await count(platform) == 1
    assert len(smtp_sink.messages) == 1


async def test_a_repeated_request_starts_what_a_dead_process_has_left(
    settings: Settings, engine: AsyncEngine, temporal: Client, platform: Platform
) -> None:
    """The first process opened the notification, and has not started it by the time of the second request."""
    opened, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(input: StartWorkflowInput, start: Start) -> WorkflowHandle[Any, Any]:
        opened.set()
        await go_on.wait()
        return await start(input)

    async with (
        calling(settings, engine, client_through(temporal, slowly)) as first,
        calling(settings, engine, temporal) as second,
    ):
        waiting = asyncio.create_task(post(first, KEY))
        await opened.wait()
        again = await post(second, KEY)
        assert again.status_code == 202
        description = await temporal.get_workflow_handle(again.json()["workflow_id"]).describe()
        assert description.status is not None
        go_on.set()
        assert (await waiting).json() == again.json()
    assert await count(platform) == 1


@pytest.mark.parametrize(
    "key", ["", '""', '"a', 'a"', "a b", '"a\\x"', "ä", '"ä"', "a" * 201, f'"{"a" * 201}"', "a" * 60_000, '"\t"']
)
async def test_a_key_that_is_none_is_refused(http: httpx.AsyncClient, platform: Platform, key: str) -> None:
    answer = await http.post("/notifications/test", json=BODY, headers=[(b"Idempotency-Key", key.encode())])
    assert is_problem(answer, 400)
    assert await count(platform) == 0


async def test_two_keys_are_refused(http: httpx.AsyncClient) -> None:
    twice = [("Idempotency-Key", "a"), ("Idempotency-Key", "a")]
    assert is_problem(await http.post("/notifications/test", json=BODY, headers=twice), 400)


@pytest.mark.parametrize("key", ["a", '"a b"', f'"{"a" * 200}"', '"a\\"b\\\\"', "8e03978e-40d5-43dd-bc93-6894a57f9324"])
async def test_a_key_is_any_string(http: httpx.AsyncClient, key: str) -> None:
    answers = [await post(http, {"Idempotency-Key": key}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].json() == answers[1].json()


async def test_it_is_documented(http: httpx.AsyncClient) -> None:
    operation = (await http.get("/openapi.json")).json()["paths"]["/notifications/test"]["post"]
    assert {"202", "400", "422", "429", "503"} <= operation["responses"].keys()
    assert [parameter["name"] for parameter in operation["parameters"]] == ["Idempotency-Key"]
