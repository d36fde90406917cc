"""The migrations lead from nothing to the tables that the code knows, and back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.engine import create_engine
from db.migrate import downgrade, upgrade
from db.models import Base
from local.embedded.postgres import EmbeddedPostgres
from settings import Settings

NEWEST = "0003"


@pytest.fixture
async def empty(postgres: EmbeddedPostgres) -> AsyncIterator[Settings]:
    await postgres.create_database("empty")
    yield Settings(database_url=postgres.database_url("empty"))
    await postgres.drop_database("empty")


@pytest.fixture
async def connected(empty: Settings) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(empty, "test")
    yield engine
    await engine.dispose()


async def test_up_from_empty_gives_the_tables_of_the_models(empty: Settings, connected: AsyncEngine) -> None:
    assert await upgrade(empty) == (None, NEWEST)
    async with connected.connect() as connection:
        assert await connection.run_sync(_differences) == []


async def test_up_a_second_time_changes_nothing(empty: Settings) -> None:
    await upgrade(empty)
    assert await upgrade(empty) == (NEWEST, NEWEST)


async def test_back_down_leaves_nothing_behind(empty: Settings, connected: AsyncEngine) -> None:
    await upgrade(empty)
    assert await downgrade(empty) == (NEWEST, None)
    async with connected.connect() as connection:
        left = await connection.scalars(
            text("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v')")
        )
        assert list(left) == ["alembic_version"]


async def test_a_migrated_database_takes_the_way_down_and_up_again(empty: Settings) -> None:
    await upgrade(empty)
    await downgrade(empty)
    assert await upgrade(empty) == (None, NEWEST)


def _differences(connection: Connection) -> list[Any]:
    return list(compare_metadata(MigrationContext.configure(connection), Base.metadata))
