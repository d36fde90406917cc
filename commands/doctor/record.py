"""Checks of the record: what is open, in doubt, stuck, and what the health check has found."""

from __future__ import annotations

from datetime import UTC, datetime

from activities.health.ledger import find_unsettled
from activities.health.time_zones import look_at_time_zones
from commands.doctor.installation import Installation
from commands.doctor.result import Result, State, of_findings, ok, warning
from db.operators.problems import find_lasting
from db.record.stuck import count_in_doubt, count_open


async def look_at_record(installation: Installation) -> Result:
    """Counts what is open and in doubt, and says whether sending is paused or something is stuck."""
    async with installation.connection() as connection:
        findings = await find_unsettled(connection, installation.settings)
        is_open, in_doubt = await count_open(connection), await count_in_doubt(connection)
    counts = {"open": is_open.started + is_open.not_started, "not_started": is_open.not_started, "in_doubt": in_doubt}
    says = f"{counts['open']} open ({counts['not_started']} not started), {in_doubt} in doubt"
    found = of_findings(findings, says, State.WARNING, **counts)
    return found if found.state is State.OK else Result(found.state, f"{says}; {found.says}", found.todo, found.details)


async def look_at_problems(installation: Installation) -> Result:
    """Lists the problems that the health check has alerted of and that are not over."""
    async with installation.connection() as connection:
        problems = await find_lasting(connection)
    codes = [str(row["code"]) for row in problems]
    if codes:
        return warning(
            f"the health check has found: {', '.join(codes)}",
            "Run `cli.py problems`; docs/operations.md explains each code.",
            problems=codes,
        )
    return ok("none is open", problems=codes)


async def look_at_time_zone_rules(installation: Installation) -> Result:
    """Compares PostgreSQL's rules with this machine's, for the companies' time zones."""
    async with installation.connection() as connection:
        findings = await look_at_time_zones(connection, datetime.now(UTC))
    return of_findings(findings, "PostgreSQL and this machine agree on the zones of all companies")
