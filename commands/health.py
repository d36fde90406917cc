"""`check-health` and `problems`: show what is wrong, and since when."""

from __future__ import annotations

from collections.abc import Iterator

from commands.following import ByHand, start_and_follow
from commands.output import print_json, print_table
from commands.running import FAILED, OK, complain, database
from contracts.health import HealthReport
from db.operators.problems import find_lasting
from settings import Settings
from temporal import schedules
from workflows.check_health import CheckHealthWorkflow


def _sentences(report: HealthReport) -> Iterator[str]:
    yield from report.problems
    if not report.problems:
        yield "No problems found."
    for code in report.over:
        yield f"Over: {code}"


CHECK = ByHand(
    CheckHealthWorkflow.run,
    "check-health",
    noun="check",
    summary="Check the system's health, by hand",
    sentences=_sentences,
    sends=False,
    waits_for_worker=False,
)


async def check_health(*, wait: bool, as_json: bool) -> int:
    """Starts a health check. With `wait`, returns 1 if it found a problem, and fails if no worker runs it."""
    settings = Settings.load()
    input = schedules.health_input(settings, once=True)
    report = await start_and_follow(settings, CHECK, input, wait=wait, as_json=as_json)
    if report is None or not report.problems:
        return OK
    if not report.database_away:
        complain("docs/operations.md explains each code. For the details run `cli.py notifications --type alert`.")
    return FAILED


async def problems(*, as_json: bool) -> int:
    """Lists the problems that were alerted and are not over."""
    settings = Settings.load()
    async with database(settings) as engine, engine.connect() as connection:
        rows = await find_lasting(connection)
    if as_json:
        print_json({"items": [dict(row) for row in rows]})
    else:
        print_table(
            ("problem", "subject", "since (UTC)", "last alert (UTC)"),
            [(row["code"], row["subject"], row["since"], row["alerted_at"]) for row in rows],
        )
    return OK
