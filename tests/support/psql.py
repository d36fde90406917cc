"""psql of the embedded PostgreSQL, as its superuser."""

from __future__ import annotations

import asyncio

from local.embedded import postgres_install
from local.embedded.postgres import EmbeddedPostgres


async def psql(postgres: EmbeddedPostgres, *arguments: str) -> tuple[int, str, str]:
    """Runs it to its end. Returns the status, stdout and stderr."""
    socket = postgres.database_url().partition("?host=")[2].partition("&")[0]
    process = await asyncio.create_subprocess_exec(
        str(postgres_install.find_programs() / "psql"),
        "--no-psqlrc",
        f"--host={socket}",
        "--username=postgres",
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()
