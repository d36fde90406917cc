"""Which release runs here: in a checkout, in an image, and in a folder without either."""

from __future__ import annotations

import subprocess
import tomllib
from pathlib import Path

import pytest

from runtime.version import ROOT, commit, release, version


def git(folder: Path, *arguments: str) -> str:
    name = ("-c", "user.name=anna", "-c", "user.email=anna@platform.example", "-c", "commit.gpgsign=false")
    ended = subprocess.run(["git", *name, *arguments], cwd=folder, capture_output=True, text=True, check=True)  # noqa: S603, S607
    return ended.stdout.strip()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "1.2.3"\n')
    return tmp_path


@pytest.fixture
def checkout(folder: Path) -> Path:
    git(folder, "init", "--quiet")
    git(folder, "add", "pyproject.toml")
    git(folder, "commit", "--quiet", "--message=First")
    return folder


def test_the_version_is_that_of_the_project() -> None:
    assert version() == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def test_a_checkout_has_its_commit_whatever_its_tags(checkout: Path) -> None:
    git(checkout, "tag", "--annotate", "--message=x", "v1.2.3")
    head = git(checkout, "rev-parse", "--short=12", "HEAD")
    assert (commit(checkout), release(checkout)) == (head, f"1.2.3 (commit {head})")


def test_a_checkout_with_changes_says_so(checkout: Path) -> None:
    with (checkout / "pyproject.toml").open("a") as file:
        file.write("# changed\n")
    assert commit(checkout) == f"{git(checkout, 'rev-parse', '--short=12', 'HEAD')}-dirty"


def test_an_image_has_the_commit_that_it_was_built_with(folder: Path) -> None:
    (folder / "COMMIT").write_text("880c0d3f1a2b\n")
    assert release(folder) == "1.2.3 (commit 880c0d3f1a2b)"


@pytest.mark.parametrize("content", [None, "\n"])
def test_without_either_only_the_version_is_known(folder: Path, content: str | None) -> None:
    if content is not None:
        (folder / "COMMIT").write_text(content)
    assert (commit(folder), release(folder)) == (None, "1.2.3")


def test_a_folder_inside_of_another_repository_does_not_take_its_commit(checkout: Path) -> None:
    inside = checkout / "release"
    inside.mkdir()
    (inside / "pyproject.toml").write_text('[project]\nversion = "1.2.3"\n')
    assert commit(inside) is None
