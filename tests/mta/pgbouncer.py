"""PgBouncer in transaction mode between the application and a PostgreSQL, with fewer connections than clients."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

from tests.mta.postfix import PATH
from tests.support.failover import Switch
from tests.support.reserved import ReservedPort
from tests.support.scene import PATIENCE

CONNECTIONS = 3
"""To the server, for all clients together: a client seldom gets the same one twice."""

_CONFIGURATION = """\
[databases]
* = host=127.0.0.1 port={server}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {users}
pool_mode = transaction
default_pool_size = {connections}
server_round_robin = 1
"""


@asynccontextmanager
async def pgbouncer(switch: Switch, folder: Path) -> AsyncIterator[int]:
    """Runs it before the server that the switch leads to, and gives its port."""
    folder.mkdir(parents=True)
    users, configuration = folder / "users", folder / "pgbouncer.ini"
    users.write_text('"postgres" ""\n')
    reserved = ReservedPort()
    port = reserved.number
    configuration.write_text(_CONFIGURATION.format(server=switch.port, port=port, users=users, connections=CONNECTIONS))
    for each in (users, configuration):
        each.chmod(0o644)
    for each in (folder, *folder.parents):  # the program gives up root's rights
        if not each.stat().st_mode & 0o001:
            each.chmod(each.stat().st_mode | 0o001)
    program = shutil.which("pgbouncer", path=PATH) or "pgbouncer"
    process = await asyncio.create_subprocess_exec(program, "-q", "-u", "nobody", configuration)
    try:
        async with asyncio.timeout(PATIENCE):
            await _listens(port)
        yield port
    finally:
        process.terminate()
        await process.wait()
        reserved.release()


async def _listens(port: int) -> None:
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)  # the program tells nobody
        else:
            with closing(writer):
                return
