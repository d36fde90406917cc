"""Traces by OpenTelemetry: from the API's request through workflow and activity to SMTP, Telegram and SQL.

What a library puts into a span may hold anything: a URL with a token, an error with an address. So only the attributes
listed here leave the process.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import structlog
from fastapi import FastAPI
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.propagate import set_global_textmap
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from sqlalchemy import Engine, ExceptionContext, event
from temporalio.contrib.opentelemetry import TracingInterceptor

from channels.base import InDoubt, MarkSending, NotHandedOver, Receipt, Sender
from db.record.claim import Claim

NOT_TRACED = "healthz,readyz"
"""Parts of URLs of the API: monitors ask for these all the time."""
EXPORT_WITHIN = 5.0
"""Seconds for one batch, and for what is left at the end."""

ATTRIBUTES = frozenset(
    {
        *("temporalWorkflowID", "temporalRunID", "temporalActivityID", "temporalUpdateID"),
        *("http.method", "http.request.method", "http.route", "http.status_code", "http.response.status_code"),
        *("db.system", "db.statement"),
        *("channel", "outcome", "reason", "status_code"),
    }
)
"""What may leave the process. SQL is a statement's text: values are parameters, which no span has."""
EXCEPTION_ATTRIBUTES = frozenset({"exception.type"})

_STATUS_CODE = re.compile(r"\d{3}\b")

log = structlog.get_logger(__name__)


class CleanSpans(SpanExporter):
    """Removes from each span what is not listed, the texts of errors included, before another exporter sends it."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return self._exporter.export([_cleaned(span) for span in spans])

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)


def _cleaned(span: ReadableSpan) -> ReadableSpan:
    events = [
        Event(each.name, _only(each.attributes or {}, EXCEPTION_ATTRIBUTES), each.timestamp) for each in span.events
    ]
    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=_only(span.attributes or {}, ATTRIBUTES),
        events=events,
        links=[],
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _only(attributes: Mapping[str, object], allowed: frozenset[str]) -> dict[str, str | bool | int | float]:
    return {
        name: value
        for name, value in attributes.items()
        if name in allowed and isinstance(value, str | bool | int | float)
    }


class Tracing:
    """The traces of this process."""

    def __init__(self, endpoint: str, service: str) -> None:
        self._provider = TracerProvider(resource=Resource.create({SERVICE_NAME: service}), shutdown_on_exit=False)
        exporter = CleanSpans(OTLPSpanExporter(endpoint=endpoint, timeout=EXPORT_WITHIN))
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("expiry-notifier")
        _trace_statements(self._tracer)
        # Without what a caller sends as baggage: it may name people, and would stand in the workflow's history.
        set_global_textmap(TraceContextTextMapPropagator())
        self.interceptor = TracingInterceptor(self._tracer)
        self.interceptor.text_map_propagator = TraceContextTextMapPropagator()
        """For the client; its workers take it from there."""

    def watch(self, app: FastAPI) -> None:
        """Traces the app's requests."""
        FastAPIInstrumentor.instrument_app(
            app, tracer_provider=self._provider, excluded_urls=NOT_TRACED, exclude_spans=["receive", "send"]
        )

    def sender(self, sender: Sender, channel: str) -> Sender:
        """Returns the sender with a span around each hand-over."""
        return _TracedSender(sender, channel, self._tracer)

    async def stop(self) -> None:
        """Sends what is left. Takes no longer than EXPORT_WITHIN if the collector is away."""
        await asyncio.to_thread(self._provider.shutdown)


def _trace_statements(tracer: Tracer) -> None:
    """Makes a span of each SQL statement of this process. opentelemetry-instrumentation-sqlalchemy refuses SQLAlchemy
    2.1, and makes another span for each use of a connection."""

    @event.listens_for(Engine, "before_cursor_execute")
    def _begin(_connection: Any, _cursor: Any, statement: str, _values: Any, context: Any, _many: bool) -> None:
        name = statement.split(maxsplit=1)[0] if statement.strip() else "SQL"
        attributes = {"db.system": "postgresql", "db.statement": statement}
        context.span_of_statement = tracer.start_span(name, kind=SpanKind.CLIENT, attributes=attributes)

    @event.listens_for(Engine, "after_cursor_execute")
    def _end(_connection: Any, _cursor: Any, _statement: str, _values: Any, context: Any, _many: bool) -> None:
        context.span_of_statement.end()

    @event.listens_for(Engine, "handle_error")
    def _fail(failure: ExceptionContext) -> None:
        span: Span | None = getattr(failure.execution_context, "span_of_statement", None)
        if span is not None:
            span.set_status(StatusCode.ERROR)
            span.end()


class _TracedSender:
    """A sender whose hand-overs are spans, with the channel, the outcome, a stable code and the provider's status."""

    def __init__(self, sender: Sender, channel: str, tracer: Tracer) -> None:
        self._sender = sender
        self._channel = channel
        self._tracer = tracer

    async def hand_over(self, claim: Claim, recipient: str, mark_sending: MarkSending) -> Receipt:
        with self._span("HandOver") as span:
            receipt = await self._sender.hand_over(claim, recipient, mark_sending)
            _note_status(span, receipt.reply)
            return receipt

    async def alert(self, recipient: str, key: str, subject: str, message: str) -> None:
        with self._span("Alert"):
            await self._sender.alert(recipient, key, subject, message)

    async def probe(self) -> None:
        with self._span("Probe"):
            await self._sender.probe()

    @contextmanager
    def _span(self, name: str) -> Iterator[Span]:
        with self._tracer.start_as_current_span(
            f"{name}:{self._channel}",
            kind=SpanKind.CLIENT,
            attributes={"channel": self._channel},
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield span
            except (NotHandedOver, InDoubt) as error:
                span.set_attributes({"outcome": type(error).__name__, "reason": error.reason})
                if isinstance(error, NotHandedOver):
                    _note_status(span, error.reply or "")
                span.set_status(StatusCode.ERROR)
                raise
            except BaseException as error:
                span.set_attribute("outcome", type(error).__name__)
                span.set_status(StatusCode.ERROR)
                raise
            span.set_attribute("outcome", "accepted")


def _note_status(span: Span, reply: str) -> None:
    """Notes the number that a reply begins with. Its text may name a person."""
    if code := _STATUS_CODE.match(reply):
        span.set_attribute("status_code", int(code[0]))
