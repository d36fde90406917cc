"""What the documents call required is enough to start, and nothing starts without it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from temporalio.client import Client

from local.programs import Program, run_to_end
from tests.support.api_process import PATH, running
from tests.support.calling_api import NOBODY_LISTENS
from tests.support.scene import EMAIL, PATIENCE, Scene
from tests.support.settings_for import REQUIRED

AWAY = PATH | {"TEMPORAL_ADDRESS": NOBODY_LISTENS}
OF_THE_API = {"DATABASE_URL", "SUPPORT_EMAIL", "API_KEYS"}


@pytest.mark.parametrize("missing", sorted(set(REQUIRED) - {"API_KEYS"}))
async def test_no_worker_starts_without(missing: str) -> None:
    environment = {name: value for name, value in REQUIRED.items() if name != missing}
    ended = await run_to_end(["worker.py"], environment=AWAY | environment)
    assert ended.status == 2
    assert re.match(rf"worker: (set )?{missing}( or TELEGRAM_BOT_TOKEN)?: ", ended.err)
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SMTP_FROM_EMAIL", "jösé@platform.example"),
        ("SUPPORT_EMAIL", "jösé@platform.example"),
        ("SMTP_FROM_NAME", "Platform\r\nBcc: a@evil.example"),
        ("SMTP_EHLO_HOST", "worker"),
    ],
)
async def test_no_worker_starts_with_what_cannot_stand_in_a_mail(name: str, value: str) -> None:
    ended = await run_to_end(["worker.py"], environment=AWAY | REQUIRED | {name: value})
    assert (ended.status, ended.err.count("\n")) == (2, 1)
    assert ended.err.startswith(f"worker: {name}: ")


@pytest.mark.parametrize("missing", sorted(OF_THE_API - {"DATABASE_URL"}))
async def test_no_api_starts_without(missing: str) -> None:
    environment = {name: REQUIRED[name] for name in OF_THE_API if name != missing}
    ended = await run_to_end(["-m", "api"], environment=AWAY | environment)
    assert ended.status == 2
    assert ended.err.startswith(f"api: {missing}: required")
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize(
    ("weak", "value"),
    [
        ("API_KEYS", "change-me"),
        ("UNSUBSCRIBE_SECRET", "x"),
        ("TELEGRAM_API_URL", "http://bot-api.platform.example"),
        ("SUPPORT_EMAIL", "support@example.com"),
    ],
)
@pytest.mark.parametrize("program", [["worker.py"], ["-m", "api"], ["cli.py", "scan"]], ids=" ".join)
async def test_nothing_starts_with_a_weak_setting(program: list[str], weak: str, value: str) -> None:
    ended = await run_to_end(program, environment=AWAY | REQUIRED | {weak: value})
    assert ended.status == 2
    assert re.match(rf"(worker|api|cli): {weak}: ", ended.err)
    assert ended.err.count("\n") == 1


async def test_without_a_database_no_api_starts() -> None:
    environment = {name: REQUIRED[name] for name in OF_THE_API if name != "DATABASE_URL"}
    ended = await run_to_end(["-m", "api"], environment=AWAY | environment)
    assert (ended.status, ended.err) == (
        2,
        "api: DATABASE_URL: required, as postgresql://user:password@host:5432/name\n",
    )


async def test_the_api_starts_with_its_part_of_it() -> None:
    environment = {name: REQUIRED[name] for name in OF_THE_API}
    async with running(**AWAY, **environment, API_PORT="0"):
        pass


async def test_with_exactly_that_mails_bear_what_was_set_and_no_example(
    scene: Scene, temporal: Client, tmp_path: Path
) -> None:
    """Besides it the environment says only where the test's own servers are."""
    servers = {
        "DATABASE_URL": scene.settings.database(),
        "SMTP_HOST": scene.sink.host,
        "SMTP_PORT": str(scene.sink.port),
        "SMTP_TLS": "none",
        "TEMPORAL_ADDRESS": temporal.service_client.config.target_host,
        "TEMPORAL_NAMESPACE": temporal.namespace,
    }
    await scene.due_project()
    async with Program(["worker.py"], log_file=tmp_path / "log", environment=PATH | REQUIRED | servers) as worker:
        await worker.wait_for_line("worker_ready", within=PATIENCE)
        await scene.scan()
        await scene.children_end()
    [mail] = scene.sink.messages
    assert mail.recipients == (EMAIL,)
    assert mail.message["From"] == f"{REQUIRED['SMTP_FROM_NAME']} <{REQUIRED['SMTP_FROM_EMAIL']}>"
    assert mail.message["Reply-To"] == REQUIRED["SUPPORT_EMAIL"]
    text, page = (part.get_content() for part in mail.message.iter_parts())
    link = REQUIRED["RENEW_URL_TEMPLATE"].partition("{")[0]
    for shown in (text, page):
        assert link in shown
        assert REQUIRED["SUPPORT_EMAIL"] in shown
        assert "example.com" not in shown
