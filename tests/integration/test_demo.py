"""The demo with data of one's own: hostile names, bad lines, and a folder that is nobody else's."""

from __future__ import annotations

import asyncio
import stat
import sys
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.sending import DeliveryStatus
from local.demo.comparison import LedgerRow
from local.demo.run import Demo, DemoFailedError, outcomes
from local.programs import CHECKOUT
from tests.support.api_process import PATH
from tests.support.importing import Import

NAME = "Acme [Berlin] [/]"

MAKE_FOLDER = """
import sys
from pathlib import Path
from local.demo import environment
environment.STATE = Path(sys.argv[1])
environment.own_folder()
(environment.STATE / "received.jsonl").write_text("who was told what")
(environment.STATE / "mail").mkdir()
"""


@pytest.fixture
def written() -> StringIO:
    return StringIO()


@pytest.fixture
def console(written: StringIO) -> Console:
    return Console(file=written, soft_wrap=True, width=140)


def row(channel: str) -> LedgerRow:
    return LedgerRow(
        item="[/]",
        type="expiring",
        channel=channel,
        status=DeliveryStatus.REJECTED,
        notification_id=1,
        workflow_id="expiring.project-1",
        reason="smtp_rcpt_550",
        provider_reply="550 [/bold]",
        provider_id=None,
        attempts=2,
        possible_duplicate=False,
        company=f"\u202e{NAME}\u200b",
        days_left=7,
    )


def test_its_table_shows_names_as_they_are(console: Console, written: StringIO) -> None:
    console.print(outcomes([row("email"), row("telegram")]))
    assert NAME in written.getvalue()
    assert "│ [/] " in written.getvalue()
    assert written.getvalue().count("rejected (smtp_rcpt_550, 2 attempts)") == 2
    assert "\u202e" not in written.getvalue()


async def test_it_imports_the_good_lines_and_goes_on(
    console: Console, written: StringIO, engine: AsyncEngine, database_url: str, tmp_path: Path
) -> None:
    data = Import(engine, tmp_path)
    data.write(companies=[f"acme,{NAME},owner@acme.example,1000,en,UTC,true,true", "bad line,Bad,,,en,UTC,true,true"])
    demo = Demo(console, tmp_path)
    demo._environment = PATH | {"DATABASE_URL": database_url}
    await demo.import_data()
    assert await data.rows("companies", "name") == [(NAME,)]
    assert "The demo goes on without the bad lines." in written.getvalue()


async def test_without_any_file_it_fails(console: Console, database_url: str, tmp_path: Path) -> None:
    demo = Demo(console, tmp_path)
    demo._environment = PATH | {"DATABASE_URL": database_url}
    with pytest.raises(DemoFailedError, match="exit status 2"):
        await demo.import_data()


@pytest.mark.parametrize("existed", [False, True])
async def test_its_folder_is_its_owners(existed: bool, tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    if existed:
        folder.mkdir(mode=0o755)
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", MAKE_FOLDER, folder, cwd=CHECKOUT)
    assert await process.wait() == 0
    assert [stat.S_IMODE(path.stat().st_mode) for path in (folder, folder / "received.jsonl", folder / "mail")] == [
        0o700,
        0o600,
        0o700,
    ]
