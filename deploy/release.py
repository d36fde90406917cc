"""`make release VERSION=0.6.0`: checks that everything of a release is in place, and says what is missing.

It changes nothing. Run it before you tag a release.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
import tomllib
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NAME = "expiry-notifier"

_VERSION = re.compile(r"\d+\.\d+\.\d+")
_IMAGE = re.compile(rf"{NAME}:(\d[\w.-]*)")
_NEW_TAG = re.compile(r"newTag: *[\"']?(\d[\w.-]*)")
_SECTION = re.compile(r"^## \[(?P<name>[^\]]+)\](?: - (?P<date>\S+))?$", re.MULTILINE)
_WORKFLOW_TYPE = re.compile(r"^    (\w+Workflow),$", re.MULTILINE)


def missing(version: str, root: Path = ROOT) -> list[str]:
    """Returns what the release lacks, each as one line that says what to do."""
    checks = (_version, _images, _changelog, _histories, _migrations, _docs, _release_before)
    return [line for check in checks for line in check(version, root)]


def _version(version: str, root: Path) -> Iterator[str]:
    found = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    if found != version:
        yield f'pyproject.toml has version {found}: write version = "{version}"'


def _images(version: str, root: Path) -> Iterator[str]:
    files = [root / "docker-compose.yml", *sorted((root / "deploy").rglob("*.y*ml"))]
    for file in files:
        content = file.read_text("utf-8")
        for tag in sorted({*_IMAGE.findall(content), *_NEW_TAG.findall(content)} - {version}):
            yield f"{file.relative_to(root)} names the image {NAME}:{tag}: write {NAME}:{version}"
    if not _IMAGE.search(files[0].read_text("utf-8")):
        yield f"docker-compose.yml names no image: write {NAME}:{version}"


def _changelog(version: str, root: Path) -> Iterator[str]:
    sections = _sections(root)
    said, content = sections.get(version, (None, ""))
    if version not in sections:
        yield f"CHANGELOG.md has no section ## [{version}] - {datetime.now(UTC):%Y-%m-%d}: write it"
        return
    try:
        date.fromisoformat(said or "")
    except ValueError:
        yield f"CHANGELOG.md has no date for [{version}]: write ## [{version}] - {datetime.now(UTC):%Y-%m-%d}"
    if "### Upgrade" not in content:
        yield f"CHANGELOG.md has no ### Upgrade in [{version}]: say what an operator must do, or that there is nothing"
    if sections.get("Unreleased", (None, ""))[1].strip():
        yield f"CHANGELOG.md has entries under [Unreleased]: move them to [{version}]"


def _histories(version: str, root: Path) -> Iterator[str]:
    histories = root / "tests" / "replay" / "histories"
    recorded = {file.stem: file for file in (histories / version).glob("*.json")}
    if not recorded:
        yield f"tests/replay/histories/{version} has no histories: run `make histories`"
        return
    before = _release_named_before(version, root)
    shapes = {file.stem for file in (histories / before).glob("*.json")} if before else set()
    for shape in sorted(shapes - recorded.keys()):
        yield f"tests/replay/histories/{version} lacks {shape}, which {before} has: run `make histories`"
    types = set(_WORKFLOW_TYPE.findall((root / "workflows" / "registry.py").read_text("utf-8")))
    for name in sorted(types - {_type_of(file) for file in recorded.values()}):
        yield f"tests/replay/histories/{version} has no history of {name}: add a shape to tests/replay/shapes"


def _migrations(_version: str, root: Path) -> Iterator[str]:
    migrations = root / "db" / "migrations"
    lines = (migrations / "released.sha256").read_text("utf-8").splitlines()
    released = {name: sha for sha, name in (line.split() for line in lines)}
    found = {
        file.relative_to(migrations).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted((migrations / "versions").glob("[0-9]*.py"))
    }
    for name, sha in found.items():
        if name not in released:
            yield f"db/migrations/released.sha256 lacks {name}: add the line `{sha}  {name}`"
        elif released[name] != sha:
            yield f"db/migrations/{name} is not as it was released: restore it, and write a new revision instead"
    for name in sorted(released.keys() - found.keys()):
        yield f"db/migrations/{name} was released and is gone: restore it"


def _docs(version: str, root: Path) -> Iterator[str]:
    if version not in (root / "docs" / "operations.md").read_text("utf-8"):
        yield f"docs/operations.md does not mention {version}: its commands to upgrade name the newest release"


def _release_before(version: str, root: Path) -> Iterator[str]:
    before = _release_named_before(version, root)
    archive = Path("tests") / "upgrade" / "releases" / f"{before}.tar.xz"
    if before and not (root / archive).exists():
        yield f"{archive} is missing: the upgrade from {before} is not tested. Make it by `git archive` of its commit"


def _sections(root: Path) -> dict[str, tuple[str | None, str]]:
    """Returns the date and the content of each section of the changelog, in order, by its name."""
    content = (root / "CHANGELOG.md").read_text("utf-8")
    headings = list(_SECTION.finditer(content))
    ends = [heading.start() for heading in headings[1:]] + [len(content)]
    return {
        heading["name"]: (heading["date"], content[heading.end() : end])
        for heading, end in zip(headings, ends, strict=True)
    }


def _release_named_before(version: str, root: Path) -> str | None:
    names = [name for name in _sections(root) if name != "Unreleased"]
    older = names[names.index(version) + 1 :] if version in names else names
    return older[0] if older else None


def _type_of(history: Path) -> str:
    started = json.loads(history.read_text("utf-8"))["events"][0]["workflowExecutionStartedEventAttributes"]
    return str(started["workflowType"]["name"])


def _number(text: str) -> str:
    if not _VERSION.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a version: write it as 0.6.0")
    return text


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 if the release is complete, 1 if something is missing, 2 for a wrong argument."""
    parser = argparse.ArgumentParser(prog="make release", description=__doc__)
    parser.add_argument("version", type=_number, metavar="VERSION")
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout (default: this one)")
    options = parser.parse_args(arguments)
    lines = missing(options.version, options.root)
    for line in lines:
        sys.stdout.write(f"{line}\n")
    if not lines:
        sys.stdout.write(f"{options.version} is complete.\n")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
