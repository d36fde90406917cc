"""`make release`: what a release lacks is named, each as one line that says what to do."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.release import main, missing
from runtime.version import version
from tests.support.product import ROOT

NEXT = "99.0.0"
COPIED = (
    *("pyproject.toml", "docker-compose.yml", "deploy", "docs/operations.md", "workflows/registry.py", "db/migrations"),
    *("tests/replay/histories", "tests/upgrade/releases"),
)
CHANGELOG = """# Changelog

## [Unreleased]

## [99.0.0] - 2026-12-01

### Upgrade
- There is nothing to do.

## [{before}] - 2026-11-25

### Upgrade
"""


@pytest.fixture
def complete(tmp_path: Path) -> Path:
    """A checkout in which everything of the next release is in place."""
    for name in COPIED:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    before = version()
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG.format(before=before))
    histories = tmp_path / "tests" / "replay" / "histories"
    newest = max(histories.iterdir(), key=lambda folder: [int(part) for part in folder.name.split(".")])
    shutil.copytree(newest, histories / NEXT)
    (tmp_path / "workflows" / "registry.py").write_text("WORKFLOW_TYPES = [\n    SendNotificationWorkflow,\n]\n")
    (tmp_path / "tests" / "upgrade" / "releases" / f"{before}.tar.xz").touch()
    for file in [tmp_path / "pyproject.toml", tmp_path / "docker-compose.yml", *(tmp_path / "deploy").rglob("*.y*ml")]:
        text = file.read_text("utf-8").replace(f'version = "{before}"', f'version = "{NEXT}"')
        text = text.replace(f"expiry-notifier:{before}", f"expiry-notifier:{NEXT}")
        file.write_text(re.sub(rf"(newTag: *[\"']?){re.escape(before)}", rf"\g<1>{NEXT}", text))
    operations = tmp_path / "docs" / "operations.md"
    operations.write_text(f"{operations.read_text('utf-8')}\n{NEXT}\n")
    migrations = tmp_path / "db" / "migrations"
    released = (migrations / "released.sha256").read_text("utf-8")
    for line in missing(NEXT, tmp_path):
        if found := re.search(r"add the line `(.*)`", line):
            released += f"{found[1]}\n"
    (migrations / "released.sha256").write_text(released)
    return tmp_path


def replaced(name: str, old: str, new: str) -> Callable[[Path], object]:
    def change(root: Path) -> None:
        content = (root / name).read_text("utf-8")
        assert old in content
        (root / name).write_text(content.replace(old, new))

    return change


def without(name: str) -> Callable[[Path], object]:
    def change(root: Path) -> None:
        (root / name).unlink()

    return change


def appended(name: str, text: str) -> Callable[[Path], object]:
    return lambda root: (root / name).write_text((root / name).read_text("utf-8") + text)


def test_a_complete_release_lacks_nothing(complete: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([NEXT, "--root", str(complete)]) == 0
    assert capsys.readouterr().out == f"{NEXT} is complete.\n"


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (replaced("pyproject.toml", f'"{NEXT}"', '"1.2.3"'), "pyproject.toml has version 1.2.3"),
        (
            replaced("docker-compose.yml", f"expiry-notifier:{NEXT}", "expiry-notifier:1.2.3"),
            "docker-compose.yml names the image expiry-notifier:1.2.3",
        ),
        (replaced("CHANGELOG.md", f"[{NEXT}]", "[98.0.0]"), f"CHANGELOG.md has no section ## [{NEXT}] - "),
        (replaced("CHANGELOG.md", "2026-12-01", "soon"), f"CHANGELOG.md has no date for [{NEXT}]"),
        (
            replaced("CHANGELOG.md", "### Upgrade\n- There is", "### Fixed\n- There is"),
            "CHANGELOG.md has no ### Upgrade",
        ),
        (
            replaced("CHANGELOG.md", "## [Unreleased]\n", "## [Unreleased]\n\n### Added\n- A thing.\n"),
            "CHANGELOG.md has entries under [Unreleased]",
        ),
        (
            lambda root: shutil.rmtree(root / "tests" / "replay" / "histories" / NEXT),
            f"tests/replay/histories/{NEXT} has no histories: run `make histories`",
        ),
        (
            replaced("workflows/registry.py", "    SendNotificationWorkflow,\n", "    UnseenWorkflow,\n"),
            f"tests/replay/histories/{NEXT} has no history of UnseenWorkflow",
        ),
        (
            without(f"tests/replay/histories/{NEXT}/send-both-accepted.json"),
            f"tests/replay/histories/{NEXT} lacks send-both-accepted",
        ),
        (
            appended("db/migrations/versions/0001_first_tables.py", "# changed\n"),
            "db/migrations/versions/0001_first_tables.py is not as it was released",
        ),
        (
            without("db/migrations/versions/0001_first_tables.py"),
            "db/migrations/versions/0001_first_tables.py was released and is gone",
        ),
        (
            lambda root: (root / "db" / "migrations" / "versions" / "9002_new.py").touch(),
            "db/migrations/released.sha256 lacks versions/9002_new.py: add the line `e3b0c44298fc",
        ),
        (replaced("docs/operations.md", NEXT, ""), f"docs/operations.md does not mention {NEXT}"),
        (
            without(f"tests/upgrade/releases/{version()}.tar.xz"),
            f"tests/upgrade/releases/{version()}.tar.xz is missing",
        ),
    ],
)
def test_what_is_missing_is_named(
    complete: Path, capsys: pytest.CaptureFixture[str], change: Callable[[Path], object], line: str
) -> None:
    change(complete)
    assert main([NEXT, "--root", str(complete)]) == 1
    assert any(each.startswith(line) for each in capsys.readouterr().out.splitlines())


@pytest.mark.parametrize("wrong", ["v0.6.0", "0.6", "next"])
def test_a_wrong_version_is_an_argument_error(capsys: pytest.CaptureFixture[str], wrong: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([wrong])
    assert f"'{wrong}' is not a version: write it as 0.6.0" in capsys.readouterr().err
