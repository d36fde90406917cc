"""On Temporal's real server with mTLS and JWTs: `write` on the namespace is enough, and a new JWT needs no restart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from temporalio.client import Client
from temporalio.service import RPCError

from local.embedded.postgres import EmbeddedPostgres
from local.embedded.temporal_build import TemporalPrograms
from local.stand_ins.smtp_sink import SmtpSink
from local.stand_ins.telegram_api import TelegramApi
from settings import Settings
from tests.production.secured_server import NAMESPACE, SecuredServer
from tests.support.api_process import running
from tests.support.command_line import cli, operate
from tests.support.data import Platform
from tests.support.scene import PATIENCE, Scene
from tests.support.serving import serving
from tests.support.settings_for import API_KEY
from tests.support.worker_process import environment, worker_process

WRITE, ADMIN, SYSTEM = f"{NAMESPACE}:write", f"{NAMESPACE}:admin", "temporal-system:admin"


@dataclass(frozen=True)
class Secured:
    """A scene on the secured server. Its own client is the server's admin; programs have `variables`."""

    server: SecuredServer
    scene: Scene
    jwt: Path
    variables: dict[str, str]

    async def ends(self, token: str) -> None:
        """Waits until the server refuses the token."""
        accepted = True
        async with asyncio.timeout(PATIENCE):
            while accepted:
                try:
                    client = await self.server.connect(token)
                    await client.count_workflows()
                    await asyncio.sleep(0.5)  # its time passes
                except (RPCError, RuntimeError):
                    accepted = False


@pytest.fixture
async def server(programs: TemporalPrograms, tmp_path: Path) -> AsyncIterator[SecuredServer]:
    async with SecuredServer(programs, tmp_path) as server:
        yield server


@pytest.fixture
async def secured(
    server: SecuredServer,
    tmp_path: Path,
    settings: Settings,
    platform: Platform,
    smtp_sink: SmtpSink,
    telegram_api: TelegramApi,
    postgres: EmbeddedPostgres,
) -> Secured:
    client: Client = await server.connect(server.token(SYSTEM, ADMIN))
    scene = Scene(client, settings, platform, smtp_sink, telegram_api, postgres, serving(client))
    jwt = tmp_path / "jwt"
    variables = {
        "TEMPORAL_API_KEY_FILE": str(jwt),
        "TEMPORAL_TLS_CLIENT_CERT_PATH": str(server.certificate),
        "TEMPORAL_TLS_CLIENT_KEY_PATH": str(server.key),
        "TEMPORAL_TLS_SERVER_CA_CERT_PATH": str(server.trusted),
    }
    return Secured(server, scene, jwt, variables)


async def test_write_is_enough_and_a_new_jwt_and_certificate_need_no_restart(secured: Secured) -> None:
    server, scene, variables = secured.server, secured.scene, secured.variables
    with pytest.raises(RuntimeError):
        await server.connect(server.token(WRITE), certificate=False)
    secured.jwt.write_text(server.token(WRITE))
    assert (await operate(scene, "migrate")).status == 0

    refused = await operate(scene, "schedules", "apply", **variables)
    assert (refused.status, refused.out) == (2, "")
    assert f"{NAMESPACE} lacks search attributes, and these credentials may not add them." in refused.err
    worker = await cli(program=("worker.py",), environment=environment(scene.client, scene.settings) | variables)
    assert worker.status == 2
    assert f"temporal operator search-attribute create --namespace {NAMESPACE} --name " in worker.err
    secured.jwt.write_text(server.token(ADMIN))
    assert (await operate(scene, "schedules", "apply", **variables)).status == 0

    short = server.token(WRITE, seconds=50)
    secured.jwt.write_text(short)
    assert (await operate(scene, "schedules", "apply", **variables)).status == 0
    for_api = environment(scene.client, scene.settings) | variables | {"API_PORT": "0"}
    async with worker_process(scene, **variables) as worker_runs, running(**for_api) as api:
        async with httpx.AsyncClient(base_url=api.url) as http:
            assert (await http.get("/readyz")).json()["checks"] == {"database": "ok", "temporal": "ok"}
        await scene.due_project()
        scanned = await operate(scene, "scan", "--wait", **variables)
        assert scanned.status == 0, scanned.err
        await scene.children_end()
        secured.jwt.write_text(server.token(WRITE))
        server.renew_certificate()
        await worker_runs.says("temporal_credentials_renewed")
        await secured.ends(short)
        async with httpx.AsyncClient(base_url=api.url) as http:
            assert (await http.get("/readyz")).json()["checks"] == {"database": "ok", "temporal": "ok"}
            test = {"email": "test@customer.example"}
            answer = await http.post("/notifications/test", json=test, headers={"X-API-Key": API_KEY})
            assert answer.status_code == 202, answer.text
        await scene.due_project(slug="later", contact_email="later@customer.example", telegram_chat_id=78)
        scanned = await operate(scene, "scan", "--wait", **variables)
        assert scanned.status == 0, scanned.err
        await scene.children_end()
        examined = await operate(scene, "doctor", **variables)

    sent = [each for each in await scene.platform.deliveries() if each.status != "skipped"]
    assert [(each.status, each.attempts) for each in sent] == [("accepted", 1)] * 5
    assert (len(scene.sink.messages), len(scene.telegram.messages)) == (3, 2)
    found = {check["name"]: check["state"] for check in examined.json["checks"]}
    assert {name for name, state in found.items() if state == "failed"} == set(), examined.out
    assert found["temporal"] == found["search_attributes"] == "ok"
