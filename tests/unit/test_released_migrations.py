"""A released migration never changes: databases that have run it would differ from those that run it tomorrow."""

from __future__ import annotations

import hashlib

import pytest

from db.migrate import MIGRATIONS

RELEASED = {
    "0001_first_tables.py": "6a942707c82f9154941f4b9e40731247114f225aad117a3bee7e91b402f66947",
    "0002_trusted_deliveries.py": "8ff9c259caf7731738e1b66d7d5c68688b76035a844855ec6ecffbb778aa2382",
    "0003_whole_life.py": "55eac2b0147da8b1bb7f1c9545f1b3cb548dd8226da5c3a3f9626d27254a2821",
    "0004_contacts.py": "80cedc079859bb2516303516fed96842aceee96cea11bf70a35dc678222e583d",
}
"""The SHA-256 of each, as it was released last. A change goes into a new revision."""


@pytest.mark.parametrize("name", sorted(RELEASED))
def test_a_released_migration_is_as_it_was_released(name: str) -> None:
    content = (MIGRATIONS / "versions" / name).read_bytes()
    assert hashlib.sha256(content).hexdigest() == RELEASED[name], f"write a new revision instead of changing {name}"


def test_unreleased_migrations_come_after_the_released_ones() -> None:
    names = sorted(path.name for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))
    assert names[: len(RELEASED)] == sorted(RELEASED)
