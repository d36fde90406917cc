"""A terminal in a copy of the checkout: it runs a page's blocks one after the other, as a person types them."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from local.embedded.postgres_install import find_programs
from local.embedded.process import ChildProcess
from tests.docs.kinds import SESSION
from tests.docs.pages import Block
from tests.support.product import ROOT

SECONDS = 120.0
"""That a block may take, however busy the machine is."""
LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv", ".demo", "tests", "images", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis"
)
PROGRAMS = Path(__file__).parent / "programs"
READY = {
    "worker.py": "worker_ready",
    "-m api": "api_ready",
}
"""What stays, and what it writes when it is ready. A block stops it then, unless its mark says that it stays."""
WORD = re.compile(r"^\$ (.*)$")


class BlockError(AssertionError):
    """A block did not end or print as its page says. The message begins with file and line."""


@dataclass
class Terminal:
    """`folder` gets the copy. `environment` is what the commands get besides PATH; each block finds the variables and
    the folder that the block before has left."""

    folder: Path
    environment: Mapping[str, str]
    temporal: Path
    """The executable that is `temporal`."""
    _staying: list[ChildProcess] = field(default_factory=list)
    _last: str = ""

    def __post_init__(self) -> None:
        shutil.copytree(ROOT, self.folder / "checkout", ignore=LEFT_OUT)
        self.checkout = self.folder / "checkout"
        self._programs = self.folder / "bin"
        self._ask = f'exec "{sys.executable}" -I -S "{PROGRAMS / "ask.py"}" "{self.folder / "forking"}"'
        for place in (self._programs, self.checkout / ".venv" / "bin"):
            place.mkdir(parents=True)
            for name in ("python", "python3"):
                _write_program(place / name, self._python())
        (self.checkout / ".venv" / ".stamp").touch()
        _write_program(self._programs / "curl", f'{self._ask} curl "$@"')
        _write_program(self._programs / "psql", f'exec "{find_programs() / "psql"}" --no-psqlrc "$@"')
        _write_program(self._programs / "temporal", f'exec "{self.temporal}" "$@"')
        self._state = self.folder / "state.sh"
        self._state.write_text("")

    async def start(self) -> None:
        """Loads the commands, for all that are typed."""
        program = ChildProcess(
            [sys.executable, str(PROGRAMS / "forking.py"), str(self.folder / "forking")],
            log_file=self.folder / "forking.log",
            death_signal=signal.SIGKILL,
            environment=self._environment(),
            folder=self.checkout,
        )
        self._forking = program

        async def ready() -> bool:
            return "ready" in program.output()

        assert await program.becomes(ready, SECONDS), program.log_tail()

    async def run(self, block: Block, facts: Mapping[str, str]) -> None:
        """Runs a block. `facts` are what its mark may name. Raises BlockError."""
        if block.mark.is_output:
            require_same(block, block.text, self._last)
        elif block.language in SESSION:
            await self._session(block, facts)
        elif block.mark.stays_until:
            await self._stay(block, facts)
        else:
            self._last = await self._shell(block, replaced(block, facts))

    async def _session(self, block: Block, facts: Mapping[str, str]) -> None:
        command, expected = "", []
        for line in [*replaced(block, facts).splitlines(), "$ "]:
            match = WORD.match(line)
            if match is None and not command:
                raise BlockError(f"{block.place}: a `console` block begins with `$ ` and a command")
            if match is None:
                expected.append(line)
                continue
            if command:
                require_same(block, "\n".join(expected), await self._shell(block, command))
            command, expected = match[1], []

    async def _stay(self, block: Block, facts: Mapping[str, str]) -> None:
        program = ChildProcess(
            [_bash(), "-c", f". '{self._state}'\n{replaced(block, facts)}\n"],
            log_file=self.folder / f"stays-{len(self._staying)}.log",
            death_signal=signal.SIGTERM,
            environment=self._environment() | {"DOCS_STAYS": "1"},
            folder=self.checkout,
        )
        self._staying.append(program)

        async def written() -> bool:
            return block.mark.stays_until in program.output()

        await program.becomes(written, SECONDS)
        if block.mark.stays_until not in program.output():
            raise BlockError(f"{block.place}: never wrote {block.mark.stays_until!r}:\n{program.log_tail()}")

    async def leave(self) -> None:
        """Stops what stays by Ctrl-C, the newest first. Raises BlockError if one does not end by it."""
        self._forking.kill()
        left = []
        for program in reversed(self._staying):
            if program.exit_code is None:
                os.killpg(program.pid, signal.SIGINT)
            if not await program.wait(SECONDS):
                left.append(program.log_tail())
            program.kill()
        if left:
            raise BlockError("Ctrl-C did not end what stays:\n" + "\n".join(left))

    async def _shell(self, block: Block, script: str) -> str:
        """What the script writes on stdout. Its stderr stands in the error."""
        process = await asyncio.create_subprocess_exec(
            *(_bash(), "-c", self._script(script)),
            cwd=self.checkout,
            env=self._environment(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(SECONDS):
                out, err = await process.communicate()
        except TimeoutError:
            os.killpg(process.pid, signal.SIGKILL)
            raise BlockError(f"{block.place}: has not ended after {SECONDS:.0f} s:\n{script}") from None
        if process.returncode != block.mark.status:
            said = f"{out.decode(errors='replace')}\n{err.decode(errors='replace')}"
            raise BlockError(f"{block.place}: ended with status {process.returncode}:\n{script}\n{said}")
        return out.decode(errors="replace")

    def _script(self, commands: str) -> str:
        return (
            f". '{self._state}'\n"
            f'trap \'status=$?; {{ export -p; printf "cd %q\\n" "$PWD"; }} >"{self._state}"; exit $status\' EXIT\n'
            f"set -e -o pipefail\n{commands}\n"
        )

    def _python(self) -> str:
        """The script that plays Python in a block."""
        cases = "\n".join(
            f'  "{words}"*) exec "{sys.executable}" "{PROGRAMS / "until_ready.py"}" {ready} "$@" ;;'
            for words, ready in READY.items()
        )
        return (
            f'[ -z "$DOCS_STAYS" ] && case "$*" in\n  "cli.py servers"*) ;;\n  cli.py*) {self._ask} "$@" ;;\n'
            f'{cases}\nesac\nexec "{sys.executable}" "$@"'
        )

    def _environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME") if name in os.environ}
        path = f"{self._programs}:{os.environ['PATH']}"
        return kept | dict(self.environment) | {"PATH": path}


def replaced(block: Block, facts: Mapping[str, str]) -> str:
    """The block's text with the words of its mark replaced, by `$FACT` if that is what the mark says."""
    text = block.text
    for word, value in block.mark.words.items():
        fact = value.removeprefix("$")
        if fact != value and fact not in facts:
            raise BlockError(f"{block.place}: {value} is none of {', '.join(sorted(facts))}")
        pattern = rf"(?<!\w){re.escape(word)}(?!\w)"
        if not re.search(pattern, text):
            raise BlockError(f"{block.place}: its mark names {word}, which is not in it")
        text = re.sub(pattern, "\0", text).replace("\0", value if fact == value else facts[fact])
    return text


def require_same(block: Block, expected: str, written: str) -> None:
    """Raises BlockError unless the text was written. `...` stands for anything, on a line of its own for any lines;
    the number of spaces does not count."""
    parts = []
    for line in expected.strip("\n").splitlines():
        if line.strip() == "...":
            parts.append(r"(?:.*\n)*?")
        else:
            words = [".*".join(map(re.escape, word.split("..."))) for word in line.split()]
            parts.append("[ \t]*" + "[ \t]+".join(words) + "[ \t]*\n")
    lines = "".join(f"{line}\n" for line in written.strip("\n").splitlines())
    if not re.fullmatch("".join(parts), lines):
        raise BlockError(f"{block.place}: the page shows\n{expected}\nbut this was written:\n{written}")


def _bash() -> str:
    found = shutil.which("bash")
    assert found is not None, "the blocks of the pages are bash's: install it"
    return found


def _write_program(file: Path, script: str) -> None:
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
