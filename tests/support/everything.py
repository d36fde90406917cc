"""All that a database holds, as text."""

from __future__ import annotations

from tests.support.data import Platform


async def dump(platform: Platform) -> dict[str, str]:
    """Every row of every table, as PostgreSQL writes it, by table."""
    tables = await platform.rows("SELECT relname AS name FROM pg_stat_user_tables ORDER BY relname")
    return {
        each["name"]: await platform.scalar(
            f"SELECT coalesce(string_agg(t::text, E'\\n'), '') FROM {each['name']} t"  # noqa: S608 - ours
        )
        for each in tables
    }


async def counts(platform: Platform) -> dict[str, int]:
    """How many rows each table has."""
    tables = await platform.rows("SELECT relname AS name FROM pg_stat_user_tables ORDER BY relname")
    return {
        each["name"]: await platform.scalar(f"SELECT count(*) FROM {each['name']}")  # noqa: S608 - ours
        for each in tables
    }
