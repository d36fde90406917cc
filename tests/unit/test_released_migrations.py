"""A released migration never changes: databases that have run it would differ from those that run it tomorrow."""

from __future__ import annotations

import hashlib

import pytest

from db.revision import MIGRATIONS, newest_revision, said, works_with

CHECKSUMS = MIGRATIONS / "released.sha256"
"""The SHA-256 of each, as it was released last. `make release` says what is missing. A change goes into a new revision.
"""
RELEASED = {name: sha for sha, name in (line.split() for line in CHECKSUMS.read_text(encoding="utf-8").splitlines())}
FILES = sorted(path.relative_to(MIGRATIONS).as_posix() for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))
REVISIONS = [name.removeprefix("versions/")[:4] for name in FILES]
STRICT = "0008"
"""Up to here the code works on its own revision only, and says nothing."""


@pytest.mark.parametrize("name", sorted(RELEASED))
def test_a_released_migration_is_as_it_was_released(name: str) -> None:
    content = (MIGRATIONS / name).read_bytes()
    assert hashlib.sha256(content).hexdigest() == RELEASED[name], f"write a new revision instead of changing {name}"


def test_unreleased_migrations_come_after_the_released_ones() -> None:
    assert FILES[: len(RELEASED)] == sorted(RELEASED)


def test_revisions_are_numbered_without_a_gap() -> None:
    assert [f"{number:04}" for number in range(1, len(FILES) + 1)] == REVISIONS


@pytest.mark.parametrize("revision", REVISIONS)
def test_a_revision_says_which_code_works_on_its_schema(revision: str) -> None:
    """What a schema no longer has, no later one has again: the oldest code never gets older."""
    oldest = works_with(revision)
    assert oldest <= revision
    if revision <= STRICT:
        assert oldest == revision
    else:
        before = f"{int(revision) - 1:04}"
        assert "works_with" in (MIGRATIONS / next(name for name in FILES if name[9:13] == revision)).read_text()
        assert works_with(before) <= oldest


def test_what_is_said_in_the_database() -> None:
    newest = newest_revision()
    assert said(newest) == f"revision {newest} works with code of revision {works_with(newest)} or newer"
