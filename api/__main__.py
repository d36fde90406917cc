"""Serves the API until SIGTERM or SIGINT: `python -m api`."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import structlog
import uvicorn
from temporalio.client import Client
from temporalio.service import RetryConfig

from activities.metrics import meter_of, start_metrics
from api.access_log import LogRequests
from api.app import create_app
from api.authentication import require_keys
from api.protocol import ConnectionLimits, bounded_protocol
from channels.configured import scrub
from db.engine import create_engine
from runtime import leaving, signals
from runtime.logs import configure_logging
from settings import Settings, SettingsError
from temporal.client import connect
from temporal.rotation import current_credentials
from temporal.tracing import start_tracing
from texts.languages import LanguageError

if TYPE_CHECKING:
    from temporal.traces import Tracing

DRAIN_SECONDS = 20
"""How long a running request may still take after SIGTERM."""

RETRIES = RetryConfig(max_elapsed_time_millis=2000)
"""Bridges a short outage. After a longer one the caller is told that Temporal is away."""

log = structlog.get_logger(__name__)


class _Server(uvicorn.Server):
    """Logs where it listens, and leaves signals to `runtime.signals`."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or []:
            host, port = listener.getsockname()[:2]
            log.info("api_ready", host=host, port=port)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def main() -> int:
    """Runs the API. Exit status: 0 after SIGTERM or SIGINT, 2 for a wrong setting or a language that lacks a text.

    It starts even if PostgreSQL or Temporal is away; `/readyz` reports that.
    """
    stop = signals.stop_on_signals()
    try:
        settings = Settings.load()
        configure_logging(settings.log_format, settings.log_level, scrub)
        require_keys(settings)
        tracing = start_tracing(settings, "expiry-api")
        engine = create_engine(settings, "api")
        client = await _client(settings, tracing)
        app = create_app(settings, engine, client)
        if tracing is not None:
            tracing.watch(app)
        listener = _listen(settings)
    except (SettingsError, LanguageError) as error:
        sys.stderr.write(f"api: {error}\n")
        return 2
    if settings.api_auth == "off":
        log.warning("api_auth_off")
    server = _Server(
        uvicorn.Config(
            LogRequests(app, meter_of(client)),
            http=bounded_protocol(ConnectionLimits(settings.api_max_connections, settings.api_request_timeout)),
            log_config=None,
            access_log=False,
            lifespan="on",
            ws="none",
            server_header=False,
            timeout_graceful_shutdown=DRAIN_SECONDS,
        )
    )
    stopping = asyncio.create_task(_stop_server(server, stop))
    try:
        async with current_credentials(client):
            await server.serve([listener])
    finally:
        stopping.cancel()
        await engine.dispose()
        if tracing is not None:
            await tracing.stop()
    log.info("api_stopped")
    return 0


async def _stop_server(server: uvicorn.Server, stop: asyncio.Event) -> None:
    await stop.wait()
    server.should_exit = True


async def _client(settings: Settings, tracing: Tracing | None) -> Client:
    """Creates a client that connects on first use. Raises `SettingsError`."""
    runtime = start_metrics("API_METRICS_ADDRESS", settings.api_metrics_address)
    try:
        interceptors = [] if tracing is None else [tracing.interceptor]
        return await connect(lazy=True, retry_config=RETRIES, runtime=runtime, interceptors=interceptors)
    except (OSError, RuntimeError, TypeError, ValueError) as error:
        raise SettingsError(f"TEMPORAL_*: {' '.join(str(error).split())}") from None


def _listen(settings: Settings) -> socket.socket:
    """Opens a socket that listens on API_HOST and API_PORT. Raises `SettingsError`."""
    address = (settings.api_host, settings.api_port)
    family = socket.AF_INET6 if ":" in settings.api_host else socket.AF_INET
    try:
        return socket.create_server(address, family=family, backlog=2048)
    except OSError as error:
        raise SettingsError(
            f"API_HOST, API_PORT: cannot listen on {address[0]}, port {address[1]}: {error.strerror}"
        ) from None


if __name__ == "__main__":
    leaving.run(main)
