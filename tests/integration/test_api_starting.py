"""POST /notifications/test: what it starts, and that nothing is left when it cannot."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client, Interceptor, OutboundInterceptor, StartWorkflowInput, WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode

from contracts.keys import NotificationType
from db.record.claim import claim_delivery
from db.record.open import AddressedNotification, open_addressed, withdraw
from local.embedded.postgres import EmbeddedPostgres
from local.stand_ins.smtp_sink import SmtpSink
from local.stand_ins.telegram_api import TelegramApi
from settings import Settings
from tests.support.calling_api import NOBODY_LISTENS, black_hole, calling, is_problem, temporal_at
from tests.support.data import Platform
from tests.support.scanning import finished
from tests.support.serving import RunWorker
from tests.support.settings_for import MakeSettings
from workflows import search_attributes

EMAIL = "anna@customer.example"
CHAT = -1001234567890
TEST = {"email": EMAIL, "chat_id": CHAT}

Start = Callable[[StartWorkflowInput], Awaitable[WorkflowHandle[Any, Any]]]


class StartsThrough(Interceptor, OutboundInterceptor):
    """Stands in the way of a client's starts."""

    def __init__(self, way: Callable[[StartWorkflowInput, Start], Awaitable[WorkflowHandle[Any, Any]]]) -> None:
        self._way = way

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        self.next = next
        return self

    async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:
        return await self._way(input, self.next.start_workflow)


def client_through(
    client: Client, way: Callable[[StartWorkflowInput, Start], Awaitable[WorkflowHandle[Any, Any]]]
) -> Client:
    return Client(client.service_client, namespace=client.namespace, interceptors=[StartsThrough(way)])


@pytest.fixture
async def http(settings: Settings, engine: AsyncEngine, temporal: Client) -> AsyncIterator[httpx.AsyncClient]:
    async with calling(settings, engine, temporal) as http:
        yield http


async def post(http: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    response = await http.post("/notifications/test", json=body)
    assert response.status_code == 202, response.text
    started: dict[str, Any] = response.json()
    return started


async def test_a_test_goes_the_way_of_every_notification(
    http: httpx.AsyncClient,
    settings: Settings,
    temporal: Client,
    run_worker: RunWorker,
    smtp_sink: SmtpSink,
    telegram_api: TelegramApi,
) -> None:
    async with run_worker(settings):
        response = await http.post(
            "/notifications/test", json={**TEST, "subject": "Grüße", "message": "Hello", "html": "<p>Hello</p>"}
        )
        assert response.status_code == 202
        started = response.json()
        await finished(temporal, started["workflow_id"])

    [mail] = smtp_sink.messages
    assert (mail.recipients, mail.subject) == ((EMAIL,), "Grüße")
    assert mail.notification_id == str(started["notification_id"])
    assert b"<p>Hello</p>" in mail.raw
    [message] = telegram_api.messages
    assert message.chat_id == CHAT
    assert "Hello" in message.text

    assert started["web_ui_url"] == (
        f"{settings.temporal_ui_url}/namespaces/{temporal.namespace}/workflows/{started['workflow_id']}"
    )
    shown = (await http.get(response.headers["Location"])).json()
    assert shown["id"] == started["notification_id"]
    assert (shown["notification_type"], shown["status"], shown["subject"]) == ("test", "delivered", "Grüße")
    assert (shown["email_sent"], shown["telegram_sent"]) == (True, True)
    assert [each["recipient"] for each in shown["deliveries"]] == [EMAIL, str(CHAT)]


async def test_the_web_ui_tells_a_test_from_the_rest(http: httpx.AsyncClient, temporal: Client) -> None:
    started = await post(http, **TEST)
    handle = temporal.get_workflow_handle(started["workflow_id"])
    description = await handle.describe()
    assert description.typed_search_attributes[search_attributes.NOTIFICATION_TYPE] == "test"
    assert await description.static_summary() == f"Test notification {started['notification_id']}"
    assert f"/notifications/{started['notification_id']}" in (await description.static_details() or "")
    await handle.terminate()


async def test_a_channel_not_asked_for_is_skipped(
    http: httpx.AsyncClient, settings: Settings, temporal: Client, run_worker: RunWorker, telegram_api: TelegramApi
) -> None:
    async with run_worker(settings):
        started = await post(http, email=EMAIL)
        await finished(temporal, started["workflow_id"])
    shown = (await http.get(f"/notifications/{started['notification_id']}")).json()
    assert [(each["status"], each["reason"]) for each in shown["deliveries"]] == [
        ("accepted", None),
        ("skipped", "not_requested"),
    ]
    assert (shown["status"], telegram_api.messages) == ("delivered", [])


async def test_a_channel_that_is_not_configured_is_skipped(
    make_settings: MakeSettings, engine: AsyncEngine, temporal: Client, run_worker: RunWorker
) -> None:
    settings = make_settings(smtp_host=None)
    async with calling(settings, engine, temporal) as http, run_worker(settings):
        started = await post(http, email=EMAIL)
        await finished(temporal, started["workflow_id"])
        shown = (await http.get(f"/notifications/{started['notification_id']}")).json()
    assert [each["reason"] for each in shown["deliveries"]] == ["channel_not_configured", "not_requested"]
    assert (shown["status"], shown["email_error"]) == ("undelivered", "channel_not_configured")


async def test_a_started_test_is_marked_so_that_no_scan_starts_it(
    http: httpx.AsyncClient, engine: AsyncEngine, temporal: Client, platform: Platform
) -> None:
    statements: list[str] = []
    event.listen(engine.sync_engine, "before_cursor_execute", lambda *call: statements.append(call[2]))
    started = await post(http, **TEST)
    assert len(statements) == 7, "six that limit and open it, in one transaction, and one that marks it"
    assert "started_at" in statements[-1]
    [notification] = await platform.notifications()
    assert notification.started_at is not None
    assert notification.workflow_id == notification.dedupe_key == started["workflow_id"]
    await temporal.get_workflow_handle(started["workflow_id"]).terminate()


@pytest.mark.parametrize(
    ("give_up_after", "seconds"),
    [(None, 900), (60, 60), (3600, 900)],
)
async def test_a_test_is_given_up_after_15_minutes_or_sooner(
    make_settings: MakeSettings,
    engine: AsyncEngine,
    temporal: Client,
    platform: Platform,
    give_up_after: float | None,
    seconds: float,
) -> None:
    async with calling(make_settings(give_up_after=give_up_after), engine, temporal) as http:
        started = await post(http, **TEST)
    [notification] = await platform.notifications()
    assert abs(notification.give_up_at - notification.created_at - timedelta(seconds=seconds)) < timedelta(seconds=5)
    await temporal.get_workflow_handle(started["workflow_id"]).terminate()


async def test_the_longest_texts_are_taken(http: httpx.AsyncClient, temporal: Client, platform: Platform) -> None:
    longest = {"subject": "😀" * 200, "message": "😀" * 3800, "html": "ü" * 50_000, "chat_id": -(2**63), "email": EMAIL}
    started = await post(http, **longest)
    [notification] = await platform.notifications()
    assert (notification.subject, notification.message) == (longest["subject"], longest["message"])
    assert notification.metadata == {
        "email_recipient": EMAIL,
        "telegram_recipient": str(-(2**63)),
        "html": longest["html"],
    }
    await temporal.get_workflow_handle(started["workflow_id"]).terminate()


async def test_with_temporal_away_nothing_is_left(settings: Settings, engine: AsyncEngine, platform: Platform) -> None:
    async with calling(settings, engine, await temporal_at(NOBODY_LISTENS)) as http:
        response = await http.post("/notifications/test", json=TEST)
    assert is_problem(response, 503)
    assert response.json()["detail"] == "Temporal cannot be reached. Nothing is sent."
    assert await platform.notifications() == []
    assert await platform.deliveries() == []


async def test_a_temporal_that_never_answers_holds_nobody_for_long(
    settings: Settings, engine: AsyncEngine, platform: Platform
) -> None:
    with black_hole() as nowhere:
        async with calling(settings, engine, await temporal_at(nowhere)) as http:
            asked = time.monotonic()
            assert is_problem(await http.post("/notifications/test", json=TEST), 503)
            assert time.monotonic() - asked < 8
    assert await platform.notifications() == []


async def test_a_start_that_temporal_refuses_leaves_nothing(
    settings: Settings, engine: AsyncEngine, temporal: Client, platform: Platform
) -> None:
    async with calling(settings, engine, Client(temporal.service_client, namespace="nowhere")) as http:
        response = await http.post("/notifications/test", json=TEST)
    assert is_problem(response, 503)
    assert "NOT_FOUND" in response.json()["detail"]
    assert await platform.notifications() == []


async def test_when_only_the_answer_was_lost_the_workflow_finds_nothing_to_send(
    settings: Settings,
    engine: AsyncEngine,
    temporal: Client,
    platform: Platform,
    run_worker: RunWorker,
    smtp_sink: SmtpSink,
) -> None:
    started: list[str] = []

    async def loses_the_answer(input: StartWorkflowInput, start: Start) -> WorkflowHandle[Any, Any]:
        started.append((await start(input)).id)
        raise RPCError("connection reset", RPCStatusCode.UNAVAILABLE, b"")

    async with calling(settings, engine, client_through(temporal, loses_the_answer)) as http:
        assert is_problem(await http.post("/notifications/test", json=TEST), 503)
    assert await platform.notifications() == []
    async with run_worker(settings):
        await finished(temporal, *started)
    assert smtp_sink.messages == []


async def test_when_the_answer_was_lost_and_sending_has_begun_the_test_was_started(
    settings: Settings,
    engine: AsyncEngine,
    temporal: Client,
    run_worker: RunWorker,
    smtp_sink: SmtpSink,
) -> None:
    async def loses_the_answer_late(input: StartWorkflowInput, start: Start) -> WorkflowHandle[Any, Any]:
        await start(input)
        await smtp_sink.wait_for(1)
        raise RPCError("connection reset", RPCStatusCode.UNAVAILABLE, b"")

    async with (
        run_worker(settings),
        calling(settings, engine, client_through(temporal, loses_the_answer_late)) as http,
    ):
        started = await post(http, email=EMAIL)
        await finished(temporal, started["workflow_id"])
        shown = (await http.get(f"/notifications/{started['notification_id']}")).json()
    assert shown["status"] == "delivered"
    assert len(smtp_sink.messages) == 1


async def test_when_the_database_goes_as_well_the_answer_says_that_the_test_may_be_sent(
    settings: Settings, engine: AsyncEngine, temporal: Client, postgres: EmbeddedPostgres
) -> None:
    async def loses_the_database(input: StartWorkflowInput, start: Start) -> WorkflowHandle[Any, Any]:
        await postgres.drop_database(str(engine.url.database))
        raise RPCError("no connection", RPCStatusCode.UNAVAILABLE, b"")

    async with calling(settings, engine, client_through(temporal, loses_the_database)) as http:
        response = await http.post("/notifications/test", json=TEST)
    assert is_problem(response, 503)
    assert "Notification 1 may still be sent" in response.json()["detail"]


async def test_a_test_that_cannot_be_marked_was_started(
    settings: Settings, engine: AsyncEngine, temporal: Client, postgres: EmbeddedPostgres
) -> None:
    async def loses_the_database(input: StartWorkflowInput, start: Start) -> WorkflowHandle[Any, Any]:
        handle = await start(input)
        await postgres.drop_database(str(engine.url.database))
        return handle

    async with calling(settings, engine, client_through(temporal, loses_the_database)) as http:
        started = await post(http, **TEST)
    await temporal.get_workflow_handle(started["workflow_id"]).terminate()


async def test_a_test_that_a_scan_started_first_was_started(
    settings: Settings, engine: AsyncEngine, temporal: Client, platform: Platform
) -> None:
    async def comes_second(input: StartWorkflowInput, start: Start) -> WorkflowHandle[Any, Any]:
        await start(input)
        return await start(input)

    async with calling(settings, engine, client_through(temporal, comes_second)) as http:
        started = await post(http, **TEST)
    [notification] = await platform.notifications()
    assert notification.started_at is not None
    await temporal.get_workflow_handle(started["workflow_id"]).terminate()


async def test_a_caller_that_goes_away_leaves_no_test_half_started(
    settings: Settings, engine: AsyncEngine, temporal: Client, platform: Platform
) -> None:
    reached, released = asyncio.Event(), asyncio.Event()

    async def waits(input: StartWorkflowInput, start: Start) -> WorkflowHandle[Any, Any]:
        reached.set()
        await released.wait()
        return await start(input)

    async with calling(settings, engine, client_through(temporal, waits)) as http:
        request = asyncio.create_task(http.post("/notifications/test", json=TEST))
        await reached.wait()
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        released.set()
        async with asyncio.timeout(10):
            while not (await platform.notifications())[0].started_at:
                await asyncio.sleep(0.05)
    [notification] = await platform.notifications()
    await temporal.get_workflow_handle(notification.workflow_id).terminate()


async def new_test(engine: AsyncEngine) -> int:
    test = AddressedNotification(
        notification_type=NotificationType.TEST,
        dedupe_key="test.1",
        give_up_at=datetime.now(UTC) + timedelta(minutes=1),
        recipients={"email": EMAIL},
    )
    async with engine.begin() as connection:
        return (await open_addressed(connection, test)).notification_id


async def test_a_claim_that_is_being_made_is_not_withdrawn(engine: AsyncEngine, platform: Platform) -> None:
    notification_id = await new_test(engine)
    async with engine.connect() as claiming, engine.connect() as withdrawing:
        claim = await claim_delivery(
            claiming,
            notification_id,
            "email",
            delivery_id=None,
            run_id="run",
            attempt=1,
            configured=True,
            resend_in_doubt=True,
        )
        assert claim is not None
        withdrawal = asyncio.create_task(withdraw(withdrawing, notification_id))
        async with asyncio.timeout(10):
            while not await platform.scalar(
                "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() "
                "AND wait_event_type = 'Lock')"
            ):
                await asyncio.sleep(0.02)
        await claiming.commit()
        assert await withdrawal is False
        await withdrawing.commit()
    assert len(await platform.deliveries()) == 2


async def test_a_notification_that_has_ended_is_not_withdrawn(engine: AsyncEngine, platform: Platform) -> None:
    notification_id = await new_test(engine)
    await platform.execute("UPDATE notifications SET status = 'undelivered', finished_at = now()")
    async with engine.begin() as connection:
        assert await withdraw(connection, notification_id) is False
