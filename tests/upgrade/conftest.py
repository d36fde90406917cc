"""Servers as an installation has them before its first release is started: nothing is migrated or registered."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from temporalio.client import Client

from local.embedded.postgres import EmbeddedPostgres
from tests.support.release import REVISIONS, Release, earlier_release

_numbers = itertools.count(1)


@pytest.fixture
async def database_url(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """A database without tables."""
    name = f"upgrade_{next(_numbers)}"
    await postgres.create_database(name)
    yield postgres.database_url(name)
    await postgres.drop_database(name)


@pytest.fixture
def temporal(new_namespace: Client) -> Client:
    """A client in a namespace without our search attributes."""
    return new_namespace


@pytest.fixture(scope="session", params=REVISIONS)
def last(request: pytest.FixtureRequest) -> Iterator[Release]:
    """An earlier release's programs."""
    with tempfile.TemporaryDirectory(prefix="last-release-") as folder:
        yield earlier_release(request.param, Path(folder))
