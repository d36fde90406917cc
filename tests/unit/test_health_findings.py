"""What the health check makes of its probes' findings."""

from __future__ import annotations

import asyncio

import pytest

from activities.health.check import is_over
from activities.health.findings import Findings, Problem, found, run_probe


async def test_a_probe_that_raises_is_a_problem_that_tells_its_error_and_no_more() -> None:
    async def raises() -> Findings:
        raise RuntimeError("postgresql://user:secret@host")

    findings = await run_probe("unchecked.queues", raises, 60)
    [problem] = findings.problems
    assert problem.code == "unchecked.queues"
    assert "RuntimeError" in problem.message
    assert "secret" not in problem.message


async def test_a_probe_that_does_not_end_is_a_problem() -> None:
    async def hangs() -> Findings:
        await asyncio.Event().wait()
        return Findings()

    findings = await run_probe("unchecked.host", hangs, 0.01)
    assert [problem.code for problem in findings.problems] == ["unchecked.host"]


async def test_a_probe_that_ends_was_looked_at_after_all() -> None:
    async def looks() -> Findings:
        return found(["paused"])

    assert await run_probe("unchecked.host", looks, 60) == Findings(frozenset({"paused", "unchecked.host"}))


@pytest.mark.parametrize(
    ("code", "channel", "problems", "examined", "over"),
    [
        ("paused", None, set(), {"paused"}, True),
        ("paused", None, {"paused"}, {"paused"}, False),
        ("disk.elsewhere", None, set(), {"disk.here"}, False),
        ("deactivated_untold.project-7", None, set(), {"paused"}, False),
        ("smtp_auth_535", "email", set(), {"smtp_auth_535", "smtp_away"}, True),
        ("smtp_auth_535", "email", {"smtp_away"}, {"smtp_auth_535", "smtp_away"}, False),
        ("smtp_auth_535", "email", {"unchecked.email"}, {"smtp_auth_535"}, False),
        ("smtp_auth_535", "email", {"telegram_away"}, {"smtp_auth_535"}, True),
        ("smtp_away", "email", {"smtp_auth_535"}, {"smtp_away"}, True),
        ("telegram_401", "telegram", {"telegram_away"}, {"telegram_401", "telegram_away"}, False),
    ],
)
def test_what_is_over(code: str, channel: str | None, problems: set[str], examined: set[str], over: bool) -> None:
    channels = {"smtp_auth_535": "email", "smtp_away": "email", "telegram_away": "telegram"}
    there = {each: Problem(each, "x", "x", channels.get(each)) for each in problems}
    assert is_over(code, channel, there, frozenset(examined)) is over
