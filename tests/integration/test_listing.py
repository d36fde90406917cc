"""`notifications` and `deliveries`: on a terminal, and what counts as a failure."""

from __future__ import annotations

import asyncio
import os
import pty
import re

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from settings import Settings
from tests.support.calling_api import NOBODY_LISTENS, calling, temporal_at
from tests.support.command_line import ROOT, cli
from tests.support.data import Platform


async def on_terminal(*arguments: str, database_url: str) -> list[str]:
    """The lines that the command shows on a terminal of 80 columns."""
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        ROOT / ".venv" / "bin" / "python",
        "cli.py",
        *arguments,
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "DATABASE_URL": database_url, "COLUMNS": "80", "TERM": "xterm"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=theirs,
    )
    os.close(theirs)
    loop, shown, over = asyncio.get_running_loop(), bytearray(), asyncio.Event()

    def read() -> None:
        try:
            chunk = os.read(ours, 65536)
        except OSError:  # Linux's answer once the other side is closed
            chunk = b""
        shown.extend(chunk)
        if not chunk:
            loop.remove_reader(ours)
            over.set()

    loop.add_reader(ours, read)
    async with asyncio.timeout(60):
        await over.wait()
        assert await process.wait() == 0
    os.close(ours)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", shown.decode()).splitlines()
    return [line for line in lines if line.strip()]


@pytest.fixture
async def warning(platform: Platform) -> int:
    company = await platform.company(slug="harbour-museum")
    project = await platform.project(company, slug="old-harbour-walk")
    notification = await platform.notification(project, subject="Old Harbour Walk ends in 3 days")
    await platform.execute("UPDATE deliveries SET provider_reply = '250 2.0.0 Ok: queued as 4XyZ', status = 'accepted'")
    return notification


@pytest.mark.usefixtures("warning")
@pytest.mark.parametrize("command", ["notifications", "deliveries"])
async def test_a_terminal_of_80_columns_shows_words_in_full(database_url: str, command: str) -> None:
    lines = await on_terminal(command, database_url=database_url)
    assert max(map(len, lines)) <= 80
    for word in ("harbour-museum", *(["expiring", "old-harbour-walk"] if command == "notifications" else ["accepted"])):
        assert any(word in line for line in lines), lines


@pytest.mark.usefixtures("warning")
async def test_wide_shows_every_column_with_each_row_on_one_line(database_url: str) -> None:
    header, _, row = await on_terminal("notifications", "--wide", database_url=database_url)
    for column in ("subject", "days left", "e-mail error", "telegram sent (UTC)", "created (UTC)"):
        assert column in header
    assert "Old Harbour Walk ends in 3 days" in row
    *_, delivery = await on_terminal("deliveries", "--wide", "--limit", "1", database_url=database_url)
    assert "250 2.0.0 Ok: queued as 4XyZ" in delivery


@pytest.mark.usefixtures("warning")
async def test_a_pipe_gets_all_columns_as_before(database_url: str) -> None:
    ended = await cli("deliveries", environment={"DATABASE_URL": database_url})
    assert "250 2.0.0 Ok: queued as 4XyZ" in ended.out


@pytest.mark.parametrize(
    ("ends", "listed"),
    [
        ({"email": ("skipped", "superseded"), "telegram": ("skipped", "superseded")}, False),
        ({"email": ("skipped", "superseded"), "telegram": ("skipped", "no_address")}, False),
        ({"email": ("skipped", "renewed"), "telegram": ("skipped", "renewed")}, False),
        ({"email": ("skipped", "item_not_active"), "telegram": ("skipped", "channel_off")}, False),
        ({"email": ("rejected", "smtp_rcpt_550"), "telegram": ("skipped", "superseded")}, True),
        ({"email": ("failed", "gave_up"), "telegram": ("skipped", "renewed")}, True),
        ({"email": ("rejected", "smtp_rcpt_550"), "telegram": ("rejected", None)}, True),
        ({"email": ("skipped", "no_address"), "telegram": ("skipped", "channel_off")}, True),
    ],
)
async def test_what_nobody_had_to_be_told_any_more_is_no_failure(
    platform: Platform,
    database_url: str,
    settings: Settings,
    engine: AsyncEngine,
    warning: int,
    ends: dict[str, tuple[str, str | None]],
    listed: bool,
) -> None:
    await platform.execute("UPDATE notifications SET status = 'undelivered', finished_at = now()")
    for channel, (status, reason) in ends.items():
        await platform.execute(
            "UPDATE deliveries SET status = :status, reason = :reason WHERE channel = :channel",
            status=status,
            reason=reason,
            channel=channel,
        )
    environment = {"DATABASE_URL": database_url}
    failures = await cli("notifications", "--status", "undelivered", "--json", environment=environment)
    every = await cli("notifications", "--json", environment=environment)
    assert [each["id"] for each in failures.json["items"]] == ([warning] if listed else [])
    assert [(each["id"], each["status"]) for each in every.json["items"]] == [(warning, "undelivered")]
    async with calling(settings, engine, await temporal_at(NOBODY_LISTENS)) as http:
        assert isinstance(http, httpx.AsyncClient)
        answer = (await http.get("/notifications", params={"status": "undelivered"})).json()
    assert [each["id"] for each in answer["items"]] == ([warning] if listed else [])
