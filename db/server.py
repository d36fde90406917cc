"""Asks the PostgreSQL server about itself."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

_SERVER = text("SELECT version() AS version, CAST(current_setting(:read_only) AS boolean) AS read_only").bindparams(
    bindparam("read_only", "transaction_read_only", type_=Text)
)


@dataclass(frozen=True)
class DatabaseServer:
    version: str
    """Such as `PostgreSQL 18.4`."""
    read_only: bool


async def read_server(connection: AsyncConnection) -> DatabaseServer:
    """Returns what the server says of itself. Raises the database's errors."""
    row = (await connection.execute(_SERVER)).one()
    return DatabaseServer(row.version.partition(" on ")[0], row.read_only)
