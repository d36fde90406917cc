"""With Temporal out of reach every program says why in one line of plain words."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.support.command_line import cli
from tests.support.plain_words import internals_in

SENDS = {
    "DATABASE_URL": "postgresql://u:p@127.0.0.1:1/x",
    "TELEGRAM_BOT_TOKEN": "1:x",
    "RENEW_URL_TEMPLATE": "https://platform.example/projects/{slug}/renew",
    "SUPPORT_EMAIL": "help@platform.example",
}


@pytest.mark.parametrize("address", ["refused", "nosuch.invalid:7233"])
async def test_the_reason_is_the_systems_own(address: str, reserved_port: Callable[[], int]) -> None:
    refused = address == "refused"
    environment = SENDS | {"TEMPORAL_ADDRESS": f"127.0.0.1:{reserved_port()}" if refused else address}
    reason = "Connection refused" if refused else "failed to lookup address information"
    said = f"cannot reach Temporal at TEMPORAL_ADDRESS: {reason}"
    command = await cli("scan", environment=environment)
    assert (command.status, command.out) == (1, "")
    assert command.err.startswith(f"cli: {said}")
    worker = await cli(environment=environment, program=("worker.py",))
    assert worker.status == 1
    event = json.loads(worker.err.splitlines()[-1])
    assert (event["event"], event["error"].startswith(said)) == ("worker_cannot_start", True)
    check = await cli(environment=environment, program=("-m", "deploy.check_worker"))
    assert check.status == 1
    assert check.err.startswith(f"check_worker: {said}")
    for ended in (command, worker, check):
        assert internals_in(ended.err) == []
        assert ended.err.count("\n") == 1


async def test_half_a_certificate_is_not_called_a_wrong_address() -> None:
    ended = await cli("scan", environment=SENDS | {"TEMPORAL_TLS_CLIENT_CERT_DATA": "x"})
    assert (ended.status, ended.err) == (2, "cli: TEMPORAL_*: Must have both client cert and private key or neither\n")
