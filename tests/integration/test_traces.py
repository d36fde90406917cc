"""One trace leads from the API's request to SMTP, Telegram and SQL, and holds nobody's data."""

from __future__ import annotations

import httpx
import pytest
from temporalio.client import WorkflowHistory

from local.programs import run_to_end
from local.stand_ins.smtp_actions import Reply
from temporal.traces import ATTRIBUTES, EXCEPTION_ATTRIBUTES
from tests.support.api_process import AWAY, PATH, running
from tests.support.calling_api import NOBODY_LISTENS
from tests.support.collector import TRACES_PATH, Collector, collecting
from tests.support.scanning import all_finished
from tests.support.scene import Scene
from tests.support.settings_for import API_KEY
from tests.support.worker_process import environment, worker_process

ADDRESS = "anna.secret@customer.example"
GONE = "gone.secret@customer.example"
CHAT = 471100000815
SUBJECT = "A subject for nobody else"
TEXT = "A text for nobody else"
LINK = "link-in-a-path"
PEOPLE = ("customer.example", "anna", str(CHAT), SUBJECT, TEXT, API_KEY, LINK, "no such user", "in-a-query")


@pytest.fixture
async def traced(scene: Scene) -> tuple[Collector, Scene]:
    """What arrived of a test to both channels, of one that is refused, and of requests with secrets in their URLs."""
    scene.sink.always("rcpt", Reply(550, f"5.1.1 <{GONE}>: no such user"), recipient=GONE)
    async with collecting() as collector:
        more = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
        variables = environment(scene.client, scene.settings) | {"API_PORT": "0"} | more
        async with worker_process(scene, **more) as worker:
            async with (
                running(**variables) as api,
                httpx.AsyncClient(base_url=api.url, headers={"X-API-Key": API_KEY}, timeout=30) as http,
            ):
                for body in ({"email": ADDRESS, "chat_id": CHAT}, {"email": GONE}):
                    test = body | {"subject": SUBJECT, "message": TEXT}
                    baggage = {"baggage": "enduser.email=anna%40customer.example"}
                    assert (await http.post("/notifications/test", json=test, headers=baggage)).status_code == 202
                await all_finished(scene.client, [each.workflow_id for each in await scene.platform.notifications()])
                await http.get(f"/unsubscribe/{LINK}")
                await http.get(f"/nowhere/{LINK}?email={ADDRESS}&q=in-a-query")
                assert (await http.get("/healthz")).status_code == 200
            worker.tell_to_stop()
            assert await worker.exit_status() == 0
    return collector, scene


async def test_one_trace_leads_from_the_request_to_what_was_sent(traced: tuple[Collector, Scene]) -> None:
    collector, scene = traced
    assert collector.paths == {TRACES_PATH}
    assert len(scene.sink.to(ADDRESS)) == len(scene.telegram.to(CHAT)) == 1
    first, second = sorted(collector.named("POST /notifications/test"), key=lambda each: each.span.start_time_unix_nano)
    trace = collector.of_trace(first.span.trace_id)
    names = {(each.service, each.span.name) for each in trace}
    assert {
        ("expiry-api", "POST /notifications/test"),
        ("expiry-api", "StartWorkflow:SendNotificationWorkflow"),
    } < names
    for name in (
        *("RunWorkflow:SendNotificationWorkflow", "CompleteWorkflow:SendNotificationWorkflow"),
        *("StartActivity:send_email", "RunActivity:send_email", "HandOver:email"),
        *("StartActivity:send_telegram", "RunActivity:send_telegram", "HandOver:telegram"),
        "RunActivity:record_outcome",
    ):
        assert ("expiry-worker", name) in names
    statements = {
        (each.service, str(each.attributes["db.statement"]).split()[0])
        for each in trace
        if "db.statement" in each.attributes
    }
    assert {("expiry-api", "WITH"), ("expiry-worker", "WITH"), ("expiry-worker", "UPDATE")} <= statements

    by_id = {each.span.span_id: each for each in trace}
    for channel in ("email", "telegram"):
        [handed] = [each for each in trace if each.span.name == f"HandOver:{channel}"]
        assert by_id[handed.span.parent_span_id].span.name == f"RunActivity:send_{channel}"
        assert handed.attributes["outcome"] == "accepted"
    [mail] = [each for each in trace if each.span.name == "HandOver:email"]
    assert mail.attributes["status_code"] == 250
    marked = [each for each in trace if each.span.parent_span_id == mail.span.span_id]
    assert any("sending_at" in str(each.attributes.get("db.statement")) for each in marked)

    [refused] = [each for each in collector.of_trace(second.span.trace_id) if each.span.name == "HandOver:email"]
    assert refused.attributes["outcome"] == "RecipientGone"
    assert (refused.attributes["reason"], refused.attributes["status_code"]) == ("smtp_rcpt_550", 550)
    assert not [each for each in collector.spans if "healthz" in each.span.name]


async def test_no_span_holds_an_address_a_text_a_token_or_a_key(traced: tuple[Collector, Scene]) -> None:
    collector, scene = traced
    assert collector.spans
    raw = collector.raw.decode("utf-8", "replace")
    secrets = (*PEOPLE, scene.telegram.token, "127.0.0.1")
    assert [secret for secret in secrets if secret.lower() in raw.lower()] == []
    for each in collector.spans:
        assert each.attributes.keys() <= ATTRIBUTES
        assert not each.span.status.message
        for event in each.span.events:
            assert {attribute.key for attribute in event.attributes} <= EXCEPTION_ATTRIBUTES


async def test_no_history_holds_what_a_caller_sent_as_baggage(traced: tuple[Collector, Scene]) -> None:
    _, scene = traced
    histories = [await scene.history(each.workflow_id) for each in await scene.platform.notifications()]
    assert [history.workflow_id for history in histories if b"traceparent" not in serialized(history)] == []
    assert [history.workflow_id for history in histories if b"enduser" in serialized(history)] == []


def serialized(history: WorkflowHistory) -> bytes:
    return b"".join(event.SerializeToString() for event in history.events)


async def test_a_collector_that_is_away_keeps_nobody_from_working_or_leaving() -> None:
    away = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"http://{NOBODY_LISTENS}/v1/traces"}
    async with running(**AWAY, **away, API_KEYS=API_KEY) as api, httpx.AsyncClient(base_url=api.url) as http:
        headers = {"X-API-Key": API_KEY}
        assert (await http.get("/notifications", headers=headers)).status_code == 503  # so is the database


@pytest.mark.parametrize(
    ("program", "left_out"),
    [
        ("worker, cli", ["opentelemetry"]),
        # FastAPI imports OpenTelemetry's API, which does nothing without these.
        ("api.__main__", [f"opentelemetry.{part}" for part in ("sdk", "exporter", "instrumentation")]),
    ],
)
async def test_without_a_collector_nothing_about_tracing_is_imported(program: str, left_out: list[str]) -> None:
    code = f"import sys, {program}; print([name for name in sys.modules if name.startswith({tuple(left_out)})])"
    ended = await run_to_end(["-c", code], environment=PATH)
    assert (ended.status, ended.out) == (0, "[]\n"), ended.err
