"""Temporal's real server, run natively as docker-compose.yml runs it in containers."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import yaml
from temporalio.api.workflowservice.v1 import GetSystemInfoRequest
from temporalio.client import Client
from temporalio.service import RPCError

from local.embedded.process import ChildProcess, EmbeddedServerError
from local.embedded.temporal_build import TemporalPrograms
from local.running import Running
from tests.support.product import ROOT
from tests.support.reserved import HOST, ReservedPort

SERVICES: Final = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
DYNAMIC_CONFIG: Final = ROOT / "deploy" / "temporal" / "dynamic-config.yaml"
PORTS: Final = (
    *("FRONTEND_GRPC_PORT", "FRONTEND_HTTP_PORT", "FRONTEND_MEMBERSHIP_PORT"),
    *("MATCHING_GRPC_PORT", "MATCHING_MEMBERSHIP_PORT", "HISTORY_GRPC_PORT", "HISTORY_MEMBERSHIP_PORT"),
    *("WORKER_GRPC_PORT", "WORKER_MEMBERSHIP_PORT"),
)
SMALL_PORTS: Final = range(15_000, 32_000)
"""Temporal's table of members has a smallint for the port: PostgreSQL refuses one over 32767."""
START_SECONDS: Final = 120.0
STOP_SECONDS: Final = 60.0


def environment_of(service: str, **other: str) -> dict[str, str]:
    """What the container has in its environment, with the values that differ here, and a PATH."""
    declared = {name: str(value) for name, value in SERVICES[service]["environment"].items() if "$" not in str(value)}
    return {"PATH": os.environ["PATH"]} | declared | other


class TemporalServer(Running):
    """All of its services in one process, its data in PostgreSQL. A restart uses the same ports."""

    def __init__(self, programs: TemporalPrograms, log_file: Path, postgres_port: int, password: str) -> None:
        self._programs = programs
        self._log_file = log_file
        self._ports = {name: ReservedPort(SMALL_PORTS) for name in PORTS}
        self._environment = environment_of(
            "temporal",
            POSTGRES_SEEDS=HOST,
            DB_PORT=str(postgres_port),
            POSTGRES_PWD=password,
            BIND_ON_IP=HOST,
            DYNAMIC_CONFIG_FILE_PATH=str(DYNAMIC_CONFIG),
            **{name: str(port.number) for name, port in self._ports.items()},
        )
        self._process: ChildProcess | None = None

    @property
    def address(self) -> str:
        return f"{HOST}:{self._ports['FRONTEND_GRPC_PORT'].number}"

    @property
    def environment(self) -> Mapping[str, str]:
        return self._environment

    async def start(self) -> None:
        """Starts it, and returns once its front end answers. Raises EmbeddedServerError with the end of its log."""
        self._process = ChildProcess(
            [str(self._programs.server), "start"],
            log_file=self._log_file,
            death_signal=signal.SIGKILL,
            environment=self._environment,
        )
        if not await self._process.becomes(self._answers, START_SECONDS):
            why = self._process.why_not_ready()
            await self.stop()
            raise EmbeddedServerError(f"Temporal's server {why}")

    async def _answers(self) -> bool:
        try:
            _, writer = await asyncio.open_connection(*self.address.split(":"))
            writer.close()
            client = await Client.connect(self.address, lazy=True)
            await client.workflow_service.get_system_info(GetSystemInfoRequest())
        except (OSError, RPCError, RuntimeError):
            return False
        return True

    async def kill(self) -> None:
        """SIGKILL, as a crash."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    async def stop(self) -> None:
        if self._process is not None:
            await self._process.end((signal.SIGTERM, STOP_SECONDS))
            self._process = None
        for port in self._ports.values():
            port.release()
