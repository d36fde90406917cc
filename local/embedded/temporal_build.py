"""Temporal's real server, which containers run: the programs built with Go, once for this machine."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from local.embedded.getting import Progress, WayFailed, cache_directory, empty, say_nothing, sole_getter
from local.embedded.go import WAYS, Go
from local.embedded.process import EmbeddedServerError

VERSION: Final = "1.32.1"
"""That of docker-compose.yml."""
_MODULE: Final = "go.temporal.io/server"
_PACKAGES: Final = {"temporal-server": f"{_MODULE}/cmd/server", "temporal-sql-tool": f"{_MODULE}/cmd/tools/sql"}


@dataclass(frozen=True)
class TemporalPrograms:
    """A folder with `temporal-server`, `temporal-sql-tool` and the schemas."""

    folder: Path

    @property
    def server(self) -> Path:
        return self.folder / "temporal-server"

    @property
    def schemas(self) -> Path:
        return self.folder / "schema"


async def find_or_build_programs(progress: Progress = say_nothing) -> TemporalPrograms:
    """The programs from our cache, else built. Many processes may call it at once: one builds, the others wait.

    Raises EmbeddedServerError if every way fails: the message says what was tried.
    """
    cached = cache_directory() / f"temporal-server-{VERSION}"
    async with sole_getter(cached.with_name(f"{cached.name}.lock"), "Temporal's server", progress):
        if not cached.exists():
            await _build_any_way(cached, progress)
    return TemporalPrograms(cached)


async def _build_any_way(cached: Path, progress: Progress) -> None:
    workshop = cached.with_name(f"{cached.name}.unfinished")
    failures: list[str] = []
    try:
        for name, toolchain in WAYS.items():
            await asyncio.to_thread(empty, workshop)
            try:
                go = await toolchain(workshop, progress)
                (await _build(go, workshop, progress)).replace(cached)
            except WayFailed as error:
                failures.append(f"- {name}: {error}")
                continue
            return
    finally:
        await asyncio.to_thread(shutil.rmtree, workshop, True)
    raise EmbeddedServerError("Temporal's server has to be built, and every way failed:\n" + "\n".join(failures))


async def _build(go: Go, workshop: Path, progress: Progress) -> Path:
    """A module of our own that requires the server: `go install` refuses one whose go.mod replaces modules."""
    progress(
        f"Building Temporal's server {VERSION}, once for this machine: about 4 minutes and 4 GB of disk; 270 MB stay."
    )
    module, target = workshop / "module", workshop / "programs"
    for folder in (module, target):
        folder.mkdir()
    (module / "go.mod").write_text("module production\n\ngo 1.26\n", encoding="utf-8")
    inside = ["-C", str(module)]
    await go.run([*inside, "get", *(f"{each}@v{VERSION}" for each in _PACKAGES.values())], workshop, {}, progress)
    for name, package in _PACKAGES.items():
        build = ["build", "-mod=mod", "-ldflags=-s -w", "-o", str(target / name), package]
        await go.run([*inside, *build], workshop, {}, progress)
    await _copy_schemas(go, module, workshop, target, progress)
    return target


async def _copy_schemas(go: Go, module: Path, workshop: Path, target: Path, progress: Progress) -> None:
    """From the module's own folder, which Go names in its log."""
    await go.run(["-C", str(module), "list", "-mod=mod", "-m", "-f", "{{.Dir}}", _MODULE], workshop, {}, progress)
    sources = (workshop / "log").read_text(encoding="utf-8").splitlines()[-1].strip()
    await asyncio.to_thread(shutil.copytree, f"{sources}/schema/postgresql", target / "schema" / "postgresql")
