"""Makes the Temporal SDK download a server: `sdk_download.py dev-server|test-server FOLDER`.

The SDK downloads only when it starts a server, and the download cannot be cancelled, so it gets its own process.
"""

import asyncio
import os
import sys
import traceback

from temporalio.testing import WorkflowEnvironment


async def _download(server: str, folder: str) -> None:
    start = WorkflowEnvironment.start_local if server == "dev-server" else WorkflowEnvironment.start_time_skipping
    environment = await start(download_dest_dir=folder)
    await environment.shutdown()


if __name__ == "__main__":
    status = 0
    try:
        asyncio.run(_download(sys.argv[1], sys.argv[2]))
    except Exception:  # noqa: BLE001 - printed here: the process leaves without the interpreter
        traceback.print_exc()
        status = 1
    sys.stderr.flush()
    # The interpreter sometimes aborts at exit while threads of the SDK live (sdk-python issue 300).
    os._exit(status)
