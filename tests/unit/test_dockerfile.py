"""The image holds what its programs import, and nothing else."""

import ast
import re
import tomllib
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
STAGES = re.split(r"^(?=FROM )", DOCKERFILE, flags=re.MULTILINE)[1:]
ENTRY_POINTS = ("worker", "cli", "api.__main__", "deploy.check_worker")
DATA = {"templates", "pyproject.toml"}
"""What the programs read, but do not import."""


def instructions(stage: str, name: str) -> list[str]:
    return [line.removeprefix(f"{name} ").strip() for line in stage.splitlines() if line.startswith(f"{name} ")]


def copied(stage: str) -> list[Path]:
    """The sources that come from the checkout."""
    return [
        Path(source)
        for words in (line.split() for line in instructions(stage, "COPY"))
        if not words[0].startswith("--from=")
        for source in words[:-1]
    ]


def imported_modules(tree: ast.Module) -> Iterator[str]:
    """Names of all modules that importing this one imports: not those that a function imports when it is called."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "the layout is flat: imports are absolute"
            assert node.module
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        waiting.extend(ast.iter_child_nodes(node))


def files_of(module: str) -> list[Path]:
    """The files of our own that importing the module reads: it, and the packages above it."""
    parts = module.split(".")
    prefixes = [Path(*parts[:length]) for length in range(1, len(parts) + 1)]
    candidates = [file for path in prefixes for file in (path / "__init__.py", path.with_suffix(".py"))]
    return [file for file in candidates if (ROOT / file).is_file()]


def needed() -> set[Path]:
    """Every file of our own that the entry points import, on whatever way."""
    found: set[Path] = set()
    waiting = [file for module in ENTRY_POINTS for file in files_of(module)]
    while waiting:
        if (file := waiting.pop()) in found:
            continue
        found.add(file)
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        waiting.extend(path for module in imported_modules(tree) for path in files_of(module))
    return found


def is_covered(file: Path, sources: Iterable[Path]) -> bool:
    return any(file == source or source in file.parents for source in sources)


def test_every_source_exists_and_reaches_the_build() -> None:
    ignored = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    for source in (path for stage in STAGES for path in copied(stage)):
        assert (ROOT / source).exists(), source
        for path in (source, *source.parents):
            assert not any(fnmatch(path.as_posix(), pattern.rstrip("/")) for pattern in ignored if path.name), path


def test_all_that_the_programs_import_is_there() -> None:
    sources = copied(STAGES[-1])
    assert [str(file) for file in sorted(needed()) if not is_covered(file, sources)] == []


@pytest.mark.parametrize("source", copied(STAGES[-1]), ids=str)
def test_nothing_is_there_that_no_program_needs(source: Path) -> None:
    assert source.name in DATA or any(is_covered(file, [source]) for file in needed())


def test_the_packages_are_the_locked_ones() -> None:
    assert copied(STAGES[0]) == [Path("requirements/app.txt")]
    assert all("--require-hashes" in run for run in instructions(STAGES[0], "RUN") if " install " in run)
    assert not any(" install " in run for run in instructions(STAGES[-1], "RUN"))


def test_the_python_is_pinned_and_new_enough() -> None:
    (image,) = {stage.split()[1] for stage in STAGES}
    match = re.fullmatch(r"python:(\d+)\.(\d+)\.\d+-slim-[a-z]+", image)
    assert match
    required = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert (int(match[1]), int(match[2])) >= tuple(int(part) for part in required.removeprefix(">=").split("."))


def test_it_runs_without_root_and_hears_sigterm() -> None:
    final = STAGES[-1]
    assert instructions(final, "USER") == ["app"]
    assert instructions(final, "STOPSIGNAL") == ["SIGTERM"]
    assert instructions(final, "CMD") == ['["python", "worker.py"]']
    assert "PYTHONUNBUFFERED=1" in final
