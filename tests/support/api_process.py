"""`python -m api` as a process."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from local.programs import CHECKOUT, Program
from tests.support.calling_api import NOBODY_LISTENS
from tests.support.settings_for import SUPPORT_EMAIL

PATH = {"PATH": os.environ["PATH"]}
AWAY = {
    "DATABASE_URL": f"postgresql://u:p@{NOBODY_LISTENS}/x",
    "TEMPORAL_ADDRESS": NOBODY_LISTENS,
    "SUPPORT_EMAIL": SUPPORT_EMAIL,
    "API_PORT": "0",
}
API = ("-m", "api")


@dataclass(frozen=True)
class Running:
    process: Program
    url: str


@asynccontextmanager
async def running(
    command: Sequence[str] = API, checkout: Path = CHECKOUT, /, **environment: str
) -> AsyncIterator[Running]:
    """The API of that checkout once it is ready. It is stopped by SIGTERM and has to exit 0."""
    with tempfile.TemporaryDirectory(prefix="api-") as folder:
        log_file = Path(folder) / "log"
        variables = PATH | environment
        async with Program(list(command), log_file=log_file, environment=variables, checkout=checkout) as process:
            event = json.loads(await process.wait_for_line('"api_ready"'))
            yield Running(process, f"http://{event['host']}:{event['port']}")
        process.require_success()
