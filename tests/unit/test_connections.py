"""The connections to PostgreSQL add up."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from commands.doctor.connections import judge
from commands.doctor.result import State
from db.pools import APPLICATION_NAMES, largest_pool, most_connections
from db.server import Connections
from settings import Settings
from tests.support.product import ROOT, python_files

USABLE_OF_100 = 97
"""PostgreSQL reserves three for superusers."""


def test_two_workers_an_api_and_commands_fit_on_a_server_of_100_with_the_defaults() -> None:
    result = judge(Connections(USABLE_OF_100, 2, 1), 2, Settings())
    assert result.state is State.OK
    assert result.says == ("2 of 97 in use; 2 workers, the API and commands may take 79 (DATABASE_POOL_SIZE=20)")


@pytest.mark.parametrize(
    ("used", "ours", "workers", "todo"),
    [
        (2, 2, 4, "Set DATABASE_POOL_SIZE=13 in every process, or raise max_connections"),
        (42, 2, 2, "Set DATABASE_POOL_SIZE=12 in every process, or raise max_connections"),
        (97, 0, 2, "Run fewer workers, or raise max_connections"),
    ],
)
def test_what_does_not_fit_is_said_with_a_size_that_does(used: int, ours: int, workers: int, todo: str) -> None:
    result = judge(Connections(USABLE_OF_100, used, ours), workers, Settings())
    assert (result.state, result.todo[: len(todo)]) == (State.WARNING, todo)


@pytest.mark.parametrize("workers", [1, 2, 3, 4])
@pytest.mark.parametrize("room", [97, 60, 250])
def test_the_size_that_is_named_fits_and_one_more_does_not(room: int, workers: int) -> None:
    size = largest_pool(room, workers)
    assert most_connections(size, workers) <= room
    assert most_connections(size + 1, workers) > room


def test_every_process_that_connects_is_counted() -> None:
    files = [*python_files("activities", "api", "commands", "db", "temporal"), ROOT / "worker.py"]
    named = {name for file in files for name in _names(file)}
    assert named == set(APPLICATION_NAMES)


def _names(file: Path) -> list[str]:
    return re.findall(r'create_engine\(\w+, "([\w-]+)"', file.read_text(encoding="utf-8"))
