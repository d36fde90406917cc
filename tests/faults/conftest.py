"""The faults' ledger, and the table at the end of a run."""

from __future__ import annotations

import sys

import pytest

from tests.faults.ledger import Ledger, Observed, rows

_observed: list[Observed] = []


@pytest.fixture
def ledger(request: pytest.FixtureRequest) -> Ledger:
    return Ledger(request.node)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--faults-line", action="store_true", help="end with one line that counts the faults")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The matrix: fault, channel, moment; outcome, copies that the receiving server saw, time to the outcome."""
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, [])]
    _observed.extend(sorted(rows(reports), key=lambda row: (row.channel, row.moment, row.fault)))
    if not _observed:
        return
    terminalreporter.section("faults")
    terminalreporter.line(f"{'channel':9} {'moment':34} {'fault':44} {'outcome':16} copies  seconds")
    for row in _observed:
        terminalreporter.line(
            f"{row.channel:9} {row.moment:34} {row.fault:44} {row.outcome:16} {row.copies:6} {row.seconds:8.1f}"
        )
    terminalreporter.line(_line())


def pytest_unconfigure(config: pytest.Config) -> None:
    if config.getoption("--faults-line", default=False) and not hasattr(config, "workerinput"):
        sys.stdout.write(_line() + "\n")


def _line() -> str:
    return (
        f"faults: {len(_observed)} run, lost {sum(row.lost for row in _observed)}, "
        f"unmarked doubles {sum(row.unmarked_doubles for row in _observed)}, "
        f"in doubt {sum(row.in_doubt for row in _observed)}"
    )
