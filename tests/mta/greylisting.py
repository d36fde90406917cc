"""postgrey(8): whoever is new is asked to come again."""

from __future__ import annotations

import asyncio
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from local.embedded.postgres_install import open_way
from local.embedded.process import ChildProcess
from tests.mta.guarded import guarded
from tests.mta.postfix import ENVIRONMENT, PATH, POLL_SECONDS
from tests.support.reserved import HOST, ReservedPort
from tests.support.scene import PATIENCE

DELAY = 2
"""Seconds."""


@asynccontextmanager
async def greylisting(folder: Path) -> AsyncIterator[dict[str, str]]:
    """Parameters of a Postfix that asks it; its memory is in the folder."""
    folder.mkdir()
    shutil.chown(folder, "postgrey", "postgrey")
    open_way(folder)
    port = ReservedPort()
    process = ChildProcess(
        guarded(
            str(shutil.which("postgrey", path=PATH)),
            f"--inet={HOST}:{port.number}",
            f"--dbdir={folder}",
            f"--delay={DELAY}",
            "--auto-whitelist-clients=0",
        ),
        log_file=folder.with_suffix(".log"),
        death_signal=signal.SIGTERM,
        environment=ENVIRONMENT,
    )
    try:
        await _answers(process, port.number)
        yield {"smtpd_recipient_restrictions": f"check_policy_service inet:{HOST}:{port.number}"}
    finally:
        await process.end((signal.SIGTERM, PATIENCE))
        port.release()


async def _answers(process: ChildProcess, port: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            assert process.exit_code is None, f"postgrey ended:\n{process.log_tail()}"
            try:
                _, writer = await asyncio.open_connection(HOST, port)
            except ConnectionRefusedError:
                await asyncio.sleep(POLL_SECONDS)
            else:
                writer.close()
                return
