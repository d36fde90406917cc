"""What PostgreSQL's errors mean, and that none of them quotes a value: against a real server."""

from __future__ import annotations

import asyncio
import traceback

import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine

from db.engine import autocommit, create_engine
from db.errors import DATABASE_ERRORS, Trouble, sqlstate_of, trouble_of
from settings import Settings
from tests.support.calling_api import NOBODY_LISTENS
from tests.support.data import Platform

PERSON = "anna.smith@customer.example"
SUPPRESS = "INSERT INTO suppressions (channel, address, reason) VALUES ('email', :value, 'x')"
COMPANIES = "INSERT INTO companies (slug, name) VALUES (:value, 'x'), (:value, 'x')"
ITS_ZONE = "INSERT INTO companies (slug, name, timezone) VALUES ('x', 'x', :value)"
ITS_HOURS = "INSERT INTO companies (slug, name, quiet_from) VALUES (:value, 'x', '01:00')"


@pytest.mark.parametrize("committing", ["each", "none"])
@pytest.mark.parametrize(
    ("statement", "value", "state", "trouble"),
    [
        (SUPPRESS, f"{PERSON}\0", "22021", Trouble.UNWRITABLE),
        (SUPPRESS, f"{PERSON}\ud83d", "22000", Trouble.UNWRITABLE),
        ("SELECT CAST(:value AS jsonb)", f'{{"a": "{PERSON}\\u0000"}}', "22P05", Trouble.UNWRITABLE),
        ("SELECT CAST(:value AS jsonb)", f'{{"a": "{PERSON}\\ud83d"}}', "22P02", Trouble.UNWRITABLE),
        ("SELECT CAST(CAST(:value AS text) AS integer)", PERSON, "22P02", Trouble.UNWRITABLE),
        ("SELECT CAST(:value AS bigint)", PERSON, "22000", Trouble.UNWRITABLE),
        (ITS_ZONE, PERSON, "22023", Trouble.UNWRITABLE),
        (COMPANIES, PERSON, "23505", Trouble.UNWRITABLE),
        (ITS_HOURS, PERSON, "23514", Trouble.UNWRITABLE),
        ("SELECT CAST(:value AS text) FROM no_such_table", PERSON, "42P01", Trouble.OURS),
        ("SELECT CAST(:value AS text), no_such_column FROM companies", PERSON, "42703", Trouble.OURS),
        ("SELECT no_such_function(CAST(:value AS text))", PERSON, "42883", Trouble.OURS),
        ("DELETE FROM companies WHERE slug = :value", PERSON, "42501", Trouble.OURS),
        ("UPDATE companies SET name = name WHERE slug = :value", PERSON, "25006", Trouble.WAIT),
    ],
)
async def test_an_error_is_told_by_its_state_and_quotes_no_value(
    engine: AsyncEngine,
    platform: Platform,
    statement: str,
    value: str,
    state: str,
    trouble: Trouble,
    committing: str,
) -> None:
    database = await platform.scalar("SELECT current_database()")
    if state == "25006":
        await platform.execute(f'ALTER DATABASE "{database}" SET default_transaction_read_only = on')
    if state == "42501":
        await platform.execute("CREATE ROLE reader")
        await platform.execute("GRANT SELECT ON companies TO reader")
        await platform.execute(f'ALTER DATABASE "{database}" SET role = reader')
    await engine.dispose()  # a setting of the database is for new connections
    try:
        with pytest.raises(DBAPIError) as caught:
            async with (autocommit(engine) if committing == "each" else engine).connect() as connection:
                await connection.execute(text(statement), {"value": value})
    finally:
        await engine.dispose()
        if state == "42501":
            await _as_superuser(engine, database)
    assert (sqlstate_of(caught.value), trouble_of(caught.value)) == (state, trouble)
    assert PERSON not in "".join(traceback.format_exception(caught.value))


async def _as_superuser(engine: AsyncEngine, database: str) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("SET ROLE postgres"))
        await connection.execute(text(f'ALTER DATABASE "{database}" RESET role'))
        await connection.execute(text("DROP OWNED BY reader"))
        await connection.execute(text("DROP ROLE reader"))
    await engine.dispose()


async def test_no_answer_no_connection_and_no_room_wait(settings: Settings) -> None:
    away = settings.model_copy(update={"database_url": SecretStr(f"postgresql://u:p@{NOBODY_LISTENS}/x")})
    engine = create_engine(away, "test")
    with pytest.raises(DATABASE_ERRORS) as refused:
        async with engine.connect():
            pass
    assert trouble_of(refused.value) is Trouble.WAIT
    await engine.dispose()

    full = create_engine(settings.model_copy(update={"database_pool_size": 1}), "test", pool_timeout=0.01)
    async with full.connect() as held:
        with pytest.raises(PoolTimeout) as waited:
            async with full.connect():
                pass
        assert trouble_of(waited.value) is Trouble.WAIT
        with pytest.raises(TimeoutError) as slow:
            async with asyncio.timeout(0.01):
                await held.execute(text("SELECT pg_sleep(60)"))
        assert trouble_of(slow.value) is Trouble.WAIT
    await full.dispose()


@pytest.mark.parametrize("state", ["57P01", "53300", "40P01", "55P03", "58030", "08006", "26000", "57014"])
async def test_a_server_that_says_so_is_waited_for(engine: AsyncEngine, state: str) -> None:
    raising = f"DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{state}'; END $$"
    with pytest.raises(DBAPIError) as caught:
        async with engine.connect() as connection:
            await connection.execute(text(raising))
    assert (sqlstate_of(caught.value), trouble_of(caught.value)) == (state, Trouble.WAIT)


@pytest.mark.parametrize("state", ["0A000", "42P18", "P0001", "XX000", "25P02", "28P01"])
async def test_what_does_not_go_away_by_waiting_is_ours(engine: AsyncEngine, state: str) -> None:
    raising = f"DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{state}'; END $$"
    with pytest.raises(DBAPIError) as caught:
        async with engine.connect() as connection:
            await connection.execute(text(raising))
    assert (sqlstate_of(caught.value), trouble_of(caught.value)) == (state, Trouble.OURS)
