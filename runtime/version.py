"""Says which release runs here."""

from __future__ import annotations

import subprocess
import tomllib
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
_COMMIT_FILE = "COMMIT"
"""Has the commit where there is no repository: `docker build` writes its argument there."""


@cache
def version(root: Path = ROOT) -> str:
    """Returns the version in pyproject.toml, such as `0.6.0`. Reads a file."""
    project: dict[str, str] = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project["version"]


@cache
def commit(root: Path = ROOT) -> str | None:
    """Returns the commit of a checkout or an image, such as `880c0d3f1a2b`, with `-dirty` if the checkout has changes.
    None if it is not known. Runs git and reads a file, so call it at the start or in a thread."""
    if (root / ".git").exists():
        return _of_checkout(root)
    try:
        return (root / _COMMIT_FILE).read_text(encoding="utf-8").strip() or None
    except OSError:
        return None


def release(root: Path = ROOT) -> str:
    """Returns both for people, such as `0.6.0 (commit 880c0d3f1a2b)`."""
    of = commit(root)
    return f"{version(root)} (commit {of})" if of else version(root)


def _of_checkout(root: Path) -> str | None:
    # No tag takes the commit's place, and git writes nothing.
    command = ["git", "--no-optional-locks", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        ended = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=5, check=False)  # noqa: S603 - constants
    except (OSError, subprocess.TimeoutExpired):
        return None
    return ended.stdout.strip() or None
