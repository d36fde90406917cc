"""`make histories`: records the histories that the replay tests hold the code to.

Every workflow in every shape the code takes, from real runs: real worker, real servers, made-up data. A recorded
file is never written again: a change that cannot replay it goes behind `workflow.patched`.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from temporalio.client import Client, WorkflowHistory

from db.engine import create_engine
from db.migrate import upgrade
from local.embedded.postgres import NOT_DURABLE, EmbeddedPostgres
from local.embedded.temporal import EmbeddedTemporal
from local.stand_ins.smtp_sink import SmtpSink
from local.stand_ins.telegram_api import TelegramApi
from runtime import leaving
from temporal.attributes import register_search_attributes
from temporal.client import DATA_CONVERTER
from temporal.runners import UNSANDBOXED
from tests.replay.shapes.every import SHAPES
from tests.support.data import Platform
from tests.support.scene import Scene
from tests.support.serving import serving
from tests.support.settings_for import settings_for

ROOT = Path(__file__).resolve().parents[2]
HISTORIES = Path(__file__).parent / "histories"


async def main() -> int:
    folder = HISTORIES / _version()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="histories-") as state:
        async with (
            EmbeddedPostgres(Path(state) / "postgres", settings=NOT_DURABLE) as postgres,
            EmbeddedTemporal(Path(state) / "temporal.log", extra_namespaces=list(SHAPES)) as temporal,
        ):
            for name, shape in SHAPES.items():
                if list(folder.glob(f"{name}*.json")):
                    sys.stdout.write(f"kept     {name}\n")
                    continue
                async with _scene(name, postgres, temporal) as scene:
                    histories = await shape(scene)
                for number, history in enumerate(histories, start=1):
                    suffix = f"-run-{number}" if len(histories) > 1 else ""
                    (folder / f"{name}{suffix}.json").write_text(_anonymous(history), encoding="utf-8")
                sys.stdout.write(f"recorded {name}: {len(histories)}\n")
    return 0


@asynccontextmanager
async def _scene(name: str, postgres: EmbeddedPostgres, temporal: EmbeddedTemporal) -> AsyncIterator[Scene]:
    database = name.replace("-", "_")
    await postgres.create_database(database)
    client = await Client.connect(temporal.address, namespace=name, identity="worker", data_converter=DATA_CONVERTER)
    await register_search_attributes(client)
    async with SmtpSink() as sink, TelegramApi() as telegram:
        settings = settings_for(postgres.database_url(database), sink, telegram)
        await upgrade(settings)
        engine = create_engine(settings, "histories")
        try:
            yield Scene(client, settings, Platform(engine), sink, telegram, postgres, serving(client, UNSANDBOXED))
        finally:
            await engine.dispose()


def _version() -> str:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return str(project["project"]["version"])


def _anonymous(history: WorkflowHistory) -> str:
    """The history without the paths of the machine that recorded it, which stack traces hold."""
    content = re.sub(rf'(?:{re.escape(str(ROOT))}|/[^"\\]*/site-packages)/', "", history.to_json())
    return json.dumps({"workflowId": history.workflow_id, **json.loads(content)}, indent=1) + "\n"


if __name__ == "__main__":
    leaving.run(main)
