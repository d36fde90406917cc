"""The hook that sees what runs, set before the servers and their threads start."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.journeys.tracing import Tracer

TRACER = pytest.StashKey[Tracer]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--trace-to", type=Path, metavar="FILE", help="Write the files whose functions ran there.")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[TRACER] = Tracer()
    if _trace_file(config) is not None:
        config.stash[TRACER].install()


@pytest.fixture
def tracer(pytestconfig: pytest.Config) -> Tracer:
    return pytestconfig.stash[TRACER]


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    path = _trace_file(session.config)
    if path is not None and exitstatus == pytest.ExitCode.OK:
        session.config.stash[TRACER].save(path)


def _trace_file(config: pytest.Config) -> Path | None:
    """None also where pytest met this folder too late for its option: when it runs all tests."""
    path: Path | None = config.getoption("--trace-to", default=None)
    return path
