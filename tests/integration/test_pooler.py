"""What a pooler such as PgBouncer asks of its clients. tests/mta runs the application behind a real one."""

from __future__ import annotations

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from db.engine import autocommit, create_engine
from local.embedded.postgres import EmbeddedPostgres
from settings import Settings
from tests.support.failover import Switch

TRACKED = {"user", "database", "client_encoding", "datestyle", "timezone", "standard_conforming_strings"} | {
    "application_name"
}
"""PgBouncer refuses a connection with any other parameter, unless it is told to ignore it."""


async def test_no_parameter_is_asked_for_that_pgbouncer_refuses(settings: Settings, postgres: EmbeddedPostgres) -> None:
    async with Switch(postgres).listening() as switch:
        url = switch.url("postgres")
        engine = create_engine(settings.model_copy(update={"database_url": SecretStr(url)}), "test")
        async with engine.connect() as connection:
            assert await connection.scalar(text("SHOW timezone")) == "UTC"
        await engine.dispose()
    [asked] = switch.startup
    assert asked["application_name"] == "test"
    assert {name.lower() for name in asked} <= TRACKED


@pytest.mark.parametrize(("size", "named"), [(0, False), (100, True)])
async def test_without_a_cache_no_statement_stays_on_the_server(settings: Settings, size: int, *, named: bool) -> None:
    engine = create_engine(settings.model_copy(update={"database_statement_cache_size": size}), "test")
    for transactions in (engine, autocommit(engine)):
        async with transactions.connect() as connection:
            for number in range(3):
                await connection.execute(text("SELECT CAST(:number AS bigint), ARRAY[1]"), {"number": number})
            kept = await connection.scalar(text("SELECT count(*) FROM pg_prepared_statements WHERE name <> ''"))
            assert bool(kept) is named
    await engine.dispose()
