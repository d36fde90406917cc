"""What an operator names in arguments: it has to exist."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from commands.running import WrongArgument
from db.items.named import Found, find_named
from db.record.filters import RecordFilter


async def named(connection: AsyncConnection, kind: str, name: str) -> Found:
    """Finds a `company`, a `project` or `AR content` by slug or id. Raises `WrongArgument` if there is none."""
    found = await find_named(connection, kind, name)
    if found is None:
        raise WrongArgument(f"there is no {kind} {name!r}: give its slug or its id")
    return found


async def require_named(connection: AsyncConnection, wanted: RecordFilter) -> None:
    """Raises `WrongArgument` if the filter names what does not exist."""
    for kind, name in (("company", wanted.company), ("project", wanted.project), ("AR content", wanted.content)):
        if name is not None:
            await named(connection, kind, name)
