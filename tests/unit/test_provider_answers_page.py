"""The page that operators read says what the code does."""

from __future__ import annotations

from channels.email import smtp_replies
from channels.telegram import replies
from deploy.provider_answers import FILE, OUTCOMES, provider_answers


def test_the_page_is_what_the_tables_say() -> None:
    assert FILE.read_text(encoding="utf-8") == provider_answers(), "python -m deploy.provider_answers"


def test_every_outcome_is_explained_and_used() -> None:
    used = {row.outcome for row in smtp_replies.TABLE} | {row.outcome for row in replies.TABLE}
    assert used == set(OUTCOMES)
