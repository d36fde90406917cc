"""On which revisions of a database this release's code works."""

from __future__ import annotations

import pytest

from db.revision import WrongRevision, is_newer, newest_revision, said

NEWEST = newest_revision()
BEFORE = f"{int(NEWEST) - 1:04}"


def promise(revision: str, oldest: str) -> str:
    return f"revision {revision} works with code of revision {oldest} or newer"


def test_its_own_revision_needs_no_promise() -> None:
    assert is_newer(NEWEST, None) is False
    assert is_newer(NEWEST, said(NEWEST)) is False


@pytest.mark.parametrize("oldest", [BEFORE, NEWEST])
def test_a_newer_one_that_promises_it_is_worked_on(oldest: str) -> None:
    assert is_newer("9001", promise("9001", oldest)) is True


@pytest.mark.parametrize(
    ("comment", "why"),
    [
        (None, "nothing is said"),
        ("", "nothing is said"),
        ("a table of ours", "somebody else's words"),
        (promise("9001", "9000"), "a contraction"),
        (promise("9000", NEWEST), "of the revision before"),
        (f"{promise('9001', NEWEST)}, they say", "not our words only"),
    ],
)
def test_a_newer_one_without_a_promise_is_not(comment: str | None, why: str) -> None:
    with pytest.raises(WrongRevision, match=rf"at revision 9001 of a newer release.*migrate --down-to {NEWEST}"):
        is_newer("9001", comment)


@pytest.mark.parametrize("found", [None, BEFORE])
def test_an_older_one_is_migrated_first(found: str | None) -> None:
    with pytest.raises(WrongRevision, match=f"at revision {found or 'none'}, and this release needs {NEWEST}: run"):
        is_newer(found, said(NEWEST))
