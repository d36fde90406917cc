"""Where the pages' commands run: an installation whose record has each kind of outcome."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
from sqlalchemy import text

from csv_import.loading import import_folder
from local.embedded.temporal_cli import find_or_get_temporal
from local.stand_ins.script import AcceptThenReset
from local.stand_ins.script_file import apply_script
from temporal import schedules
from tests.docs.kinds import SQL
from tests.docs.pages import Block
from tests.docs.terminal import BlockError, Terminal, replaced
from tests.support.api_process import running
from tests.support.data import in_days
from tests.support.product import ROOT
from tests.support.reserved import ReservedPort
from tests.support.scene import PATIENCE, Scene
from tests.support.settings_for import API_KEY
from tests.support.worker_process import environment as environment_of

BARE = {"docs/first-hour-with-temporal.md"}
"""Pages that start everything themselves."""

ADMIN = {"ADMIN_EMAIL": "operators@platform.example", "TELEGRAM_ADMIN_CHAT_ID": "410000"}
LOST_CHATS = (420001, 420002)
"""Chats more than the examples have whose answer is lost: a page decides several deliveries in doubt."""
FULL = "reef-dive"
"""The project whose mail waits: its company's mailbox is full."""

OUTCOMES = text("""
SELECT d.id, d.status, d.notification_id, n.workflow_id, p.slug
FROM deliveries d JOIN notifications n ON n.id = d.notification_id JOIN projects p ON p.id = n.project_id
WHERE n.notification_type = 'expiring' ORDER BY d.id
""")


@dataclass
class Place:
    """A page's terminal, with what runs beside it."""

    terminal: Terminal
    scene: Scene

    async def run(self, block: Block) -> None:
        """Raises BlockError."""
        if block.language in SQL:
            await self._statements(block)
        else:
            await self.terminal.run(block, await facts(self.scene) | {"MAILDIR": str(self._maildir())})

    def _maildir(self) -> Path:
        folder = self.terminal.folder / "Maildir"
        for name in ("new", "cur", "tmp"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        return folder

    async def _statements(self, block: Block) -> None:
        async with self.scene.platform.engine.connect() as connection:
            raw = await connection.get_raw_connection()
            assert raw.driver_connection is not None
            try:
                await raw.driver_connection.execute(replaced(block, await facts(self.scene)))
            except asyncpg.PostgresError as error:
                raise BlockError(f"{block.place}: {error}") from None


async def facts(scene: Scene) -> dict[str, str]:
    """What a page's mark may name. REJECTED is the id of a delivery that was rejected, REJECTED_2 that of another, and
    so on for each status; NOTIFICATION, WORKFLOW and PROJECT are those of a delivery that waits. LATER and LATEST are
    times next year.
    """
    later = in_days(370)
    found = {"LATER": later.isoformat(), "LATEST": (later + timedelta(days=1)).isoformat()}
    seen: Counter[str] = Counter()
    for row in await _outcomes(scene):
        name = str(row.status).upper()
        seen[name] += 1
        found[name if seen[name] == 1 else f"{name}_{seen[name]}"] = str(row.id)
        if row.slug == FULL:
            found |= {"NOTIFICATION": str(row.notification_id), "WORKFLOW": row.workflow_id, "PROJECT": row.slug}
    return found


@asynccontextmanager
async def place_of(page: Path, blocks: list[Block], scene: Scene, folder: Path) -> AsyncIterator[Place]:
    """Where the blocks of a page are run. All that they need runs there, and nothing for a page that starts everything
    itself."""
    port = ReservedPort()
    environment = {"API_PORT": str(port.number), "DOCS_API": f"127.0.0.1:{port.number}", "COLUMNS": "160"}
    async with AsyncExitStack() as stack:
        stack.callback(port.release)
        if page.is_relative_to(ROOT) and str(page.relative_to(ROOT)) not in BARE:
            environment |= environment_of(scene.client, scene.settings) | ADMIN | {"API_PORT": "0", "KEY": API_KEY}
            await schedules.apply(scene.client, scene.settings)
            await _tell_everybody(stack, scene)
            if any("localhost:8000" in block.text for block in blocks):
                api = await stack.enter_async_context(running(**environment))
                environment["DOCS_API"] = api.url.removeprefix("http://")
        terminal = Terminal(folder, environment, await find_or_get_temporal())
        stack.push_async_callback(terminal.leave)
        await terminal.start()
        yield Place(terminal, scene)


async def _tell_everybody(stack: AsyncExitStack, scene: Scene) -> None:
    """The examples, imported and scanned by a worker that stays, until only what is put off still waits."""
    examples = ROOT / "examples"
    apply_script(examples / "stand_ins.json", scene.sink, scene.telegram)
    await import_folder(scene.platform.engine, examples, now=datetime.now(UTC), strict=True)
    for chat in LOST_CHATS:
        scene.telegram.on("request", AcceptThenReset(), recipient=chat)
        company = await scene.platform.company(telegram_chat_id=chat)
        await scene.platform.project(company, expires_at=in_days(2))
    await stack.enter_async_context(scene.worker())
    await scene.scan()
    async with asyncio.timeout(PATIENCE):
        while any(row.status in ("pending", "sending") and row.slug != FULL for row in await _outcomes(scene)):
            await asyncio.sleep(0.05)  # the database tells nobody


async def _outcomes(scene: Scene) -> list[Any]:
    async with scene.platform.engine.connect() as connection:
        return list(await connection.execute(OUTCOMES))
