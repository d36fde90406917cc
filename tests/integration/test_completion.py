"""Completion in the shell, as people call the program. Only bash is on every machine where the tests run."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from commands.completion import Shell
from tests.support.command_line import cli
from tests.support.product import ROOT

PYTHON = Path(sys.executable)


async def completed(*words: str) -> list[str]:
    """What bash would offer for the last word."""
    script = (
        f'. <("{PYTHON}" cli.py completion bash)\n'
        'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))\n'
        "_expiry_notifier_complete\n"
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    process = await asyncio.create_subprocess_exec(
        *("bash", "--norc", "-c", script, "bash"),
        *words,
        cwd=ROOT,
        env={"PATH": f"{PYTHON.parent}:/usr/bin:/bin"},
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    return out.decode().split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("python", "cli.py", "reso"), ["resolve"]),
        ((str(PYTHON), "cli.py", "schedules", ""), ["apply", "list"]),
        (("python3", "cli.py", "deliveries", "--stat"), ["--status"]),
        (("python", "cli.py", "deliveries", "--status", "re"), ["rejected"]),
        (("python", "other.py", "reso"), []),
        (("python", "cl"), []),
    ],
    ids=str,
)
async def test_bash_offers_what_comes_next(words: tuple[str, ...], offered: list[str]) -> None:
    assert await completed(*words) == offered


async def test_each_shell_has_a_script_and_another_is_refused() -> None:
    for shell in Shell:
        ended = await cli("completion", shell)
        assert (ended.status, ended.err) == (0, "")
        assert "_CLI_PY_COMPLETE=complete_bash" in ended.out
    ended = await cli("completion", "tcsh")
    assert (ended.status, ended.out) == (2, "")
