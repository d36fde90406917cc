"""Asks the PostgreSQL server about itself."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_SERVER = text("""
SELECT split_part(version(), ' on ', 1) AS version,
       current_setting('transaction_read_only') = 'on' AS read_only
""")


@dataclass(frozen=True)
class DatabaseServer:
    version: str
    """Such as `PostgreSQL 18.4`."""
    read_only: bool


async def read_server(connection: AsyncConnection) -> DatabaseServer:
    """Returns what the server says of itself. Raises the database's errors."""
    return DatabaseServer(**(await connection.execute(_SERVER)).mappings().one())
