"""The application behind a real PgBouncer in transaction mode."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from db.engine import autocommit, create_engine
from db.errors import sqlstate_of
from settings import Settings
from tests.mta.pgbouncer import CONNECTIONS, pgbouncer
from tests.support.calling_api import calling
from tests.support.databases import OWN_DATABASE
from tests.support.failover import Switch
from tests.support.scene import Scene

CLIENTS = 20
ROUNDS = 20
STATEMENTS = 7
"""Several, so that one that went to another connection gives another answer; and each comes often."""


@pytest.fixture
async def scene(scene_on_own_postgres: Scene, tmp_path: Path) -> AsyncIterator[Scene]:
    """The application reaches the database by PgBouncer; the test reaches it directly."""
    async with (
        Switch(scene_on_own_postgres.postgres).listening() as switch,
        pgbouncer(switch, tmp_path / "pgbouncer") as port,
    ):
        url = f"postgresql://postgres@127.0.0.1:{port}/{OWN_DATABASE}"
        yield scene_on_own_postgres.with_settings(database_url=SecretStr(url), database_statement_cache_size=0)


async def test_a_scan_its_sends_and_the_api_work(scene: Scene) -> None:
    scene = scene.with_settings(api_auth="off", api_keys=None)
    for _ in range(CLIENTS):
        await scene.due_project()
    await scene.scan_and_send()

    assert len(scene.sink.messages) == len(scene.telegram.messages) == CLIENTS
    assert {each.status for each in await scene.platform.notifications()} == {"delivered"}
    assert {each.attempts for each in await scene.platform.deliveries()} == {1}
    engine = create_engine(scene.settings, "api")
    async with calling(scene.settings, engine, scene.client, key=None) as http:
        answers = await asyncio.gather(*(http.get("/notifications") for _ in range(CLIENTS)))
        assert {each.status_code for each in answers} == {200}
        assert (await http.get("/readyz")).status_code == 200
    await engine.dispose()


async def test_statements_stay_on_one_connection_with_more_clients_than_connections(scene: Scene) -> None:
    answers = await statements_side_by_side(scene.settings)
    assert answers == [None] * CLIENTS * ROUNDS


async def test_with_prepared_statements_it_does_not_work(scene: Scene) -> None:
    """Why the setting is needed: PgBouncer before 1.21 does not know them."""
    answers = await statements_side_by_side(scene.settings.model_copy(update={"database_statement_cache_size": 100}))
    assert "26000" in answers


async def statements_side_by_side(settings: Settings) -> list[str | None]:
    """Runs statements in autocommit and in transactions. Returns what each failed with."""
    assert CLIENTS > CONNECTIONS
    engine = create_engine(settings.model_copy(update={"database_pool_size": CLIENTS}), "test")

    async def client(number: int) -> list[str | None]:
        return [await statement(number * ROUNDS + each) for each in range(ROUNDS)]

    async def statement(number: int) -> str | None:
        which = number % STATEMENTS
        asked = text(f"SELECT :number || ' {which}'")
        try:
            async with (autocommit(engine) if number % 2 else engine).connect() as connection:
                answer = await connection.scalar(asked, {"number": str(number)})
        except DBAPIError as error:
            return sqlstate_of(error) or type(error).__name__
        return None if answer == f"{number} {which}" else f"wrong: {answer}"

    answers = [each for answers in await asyncio.gather(*map(client, range(CLIENTS))) for each in answers]
    await engine.dispose()
    return answers
