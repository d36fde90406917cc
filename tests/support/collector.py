"""A collector of traces: takes OTLP over HTTP as protobuf, and keeps the spans."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from local.stand_ins.http_server import Answer, HttpServer, Outcome, Request

TRACES_PATH = "/v1/traces"


@dataclass(frozen=True)
class Received:
    """A span, with the name of the service that sent it."""

    service: str
    span: Span

    @property
    def attributes(self) -> dict[str, object]:
        return _values(self.span.attributes)


@dataclass
class Collector:
    url: str = ""
    spans: list[Received] = field(default_factory=list)
    paths: set[str] = field(default_factory=set)
    raw: bytes = b""

    async def answer(self, request: Request) -> Outcome:
        self.paths.add(request.path)
        self.raw += request.body
        for resource in ExportTraceServiceRequest.FromString(request.body).resource_spans:
            service = str(_values(resource.resource.attributes)["service.name"])
            self.spans += [Received(service, span) for scope in resource.scope_spans for span in scope.spans]
        return Answer(200, {})

    def named(self, name: str) -> list[Received]:
        return [each for each in self.spans if each.span.name == name]

    def of_trace(self, trace_id: bytes) -> list[Received]:
        return [each for each in self.spans if each.span.trace_id == trace_id]


def _values(attributes: Iterable[KeyValue]) -> dict[str, object]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value") or "string_value") for each in attributes}


@asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    collector = Collector()
    server = HttpServer(collector.answer)
    collector.url = f"http://127.0.0.1:{await server.start('127.0.0.1', 0)}"
    try:
        yield collector
    finally:
        await server.stop()
