"""Asks the PostgreSQL server about itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ARRAY, Text, bindparam, text
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


_CONNECTIONS = text("""
SELECT CAST(current_setting(:max) AS integer) - CAST(current_setting(:superuser_reserved) AS integer)
           - CAST(coalesce(current_setting(:reserved, true), :none) AS integer) AS usable,
       (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user) AS of_role,
       (SELECT datconnlimit FROM pg_database WHERE datname = current_database()) AS of_database,
       (SELECT CAST(sum(numbackends) AS integer) FROM pg_stat_database) AS used,
       (SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = ANY(:names)) AS ours
""").bindparams(
    bindparam("max", "max_connections", type_=Text),
    bindparam("superuser_reserved", "superuser_reserved_connections", type_=Text),
    bindparam("reserved", "reserved_connections", type_=Text),
    bindparam("none", "0", type_=Text),
    bindparam("names", type_=ARRAY(Text)),
)


@dataclass(frozen=True)
class Connections:
    limit: int
    """Most connections that we may have: the server's limit without what it reserves, or the role's or the database's
    if that is lower."""
    used: int
    """Connections to the server now, by anybody."""
    ours: int
    """Those of them that this application has to its database."""


async def read_connections(connection: AsyncConnection, application_names: Sequence[str]) -> Connections:
    """Counts the connections; ours have these names. Raises the database's errors."""
    row = (await connection.execute(_CONNECTIONS, {"names": list(application_names)})).one()
    limits = [row.usable, *(limit for limit in (row.of_role, row.of_database) if limit >= 0)]
    return Connections(min(limits), row.used, row.ours)


_CLOCK = text("SELECT clock_timestamp()")


async def read_clock(connection: AsyncConnection) -> datetime:
    """Returns the server's time, with its fractions of a second."""
    clock: datetime = (await connection.execute(_CLOCK)).scalar_one()
    return clock
