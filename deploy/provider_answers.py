"""Writes `docs/provider-answers.md` from the tables that the code runs on: `python -m deploy.provider_answers`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from channels.base import (
    InDoubt,
    NotHandedOver,
    OperatorFault,
    Receipt,
    RecipientGone,
    RecipientMoved,
    Rejected,
    TryAgain,
)
from channels.email import smtp_replies
from channels.email.refusals import TABLE as SIGNS
from channels.email.refusals import Fault
from channels.telegram import replies

FILE = Path(__file__).parent.parent / "docs" / "provider-answers.md"

OUTCOMES: dict[type[Receipt | NotHandedOver | InDoubt], tuple[str, str]] = {
    Receipt: ("accepted", "The provider has the message. The delivery keeps its reply."),
    TryAgain: (
        "try again",
        (
            "Nothing was handed over. The retry policy says when (e-mail from `EMAIL_RETRY_INITIAL` up to 30 minutes, "
            "Telegram from `TELEGRAM_RETRY_INITIAL` up to 10), until the notification's deadline."
        ),
    ),
    Rejected: ("rejected", "Refused for good. Other notifications still use the address."),
    RecipientGone: (
        "rejected, suppressed",
        (
            "Refused for good, and the address or chat is suppressed: `cli.py suppressions` lists it, "
            "`cli.py unsuppress` allows it again, `cli.py resend` sends the refused notification again."
        ),
    ),
    RecipientMoved: ("saved, sent there", "The chat's new id is saved and the message sent to it."),
    OperatorFault: (
        "operator's fault",
        (
            "Our credentials or settings are refused. No notification fails: each waits `OPERATOR_FAULT_RETRY`. The "
            "admin gets one alert per reason within `ALERT_COOLDOWN`."
        ),
    ),
    InDoubt: (
        "in doubt",
        (
            "The provider may have accepted it. E-mail is sent again with the same Message-ID and marked "
            "`possible_duplicate`; Telegram ends `unknown`, or is sent again with `TELEGRAM_IN_DOUBT=resend`."
        ),
    ),
}

FAULTS = {
    Fault.US: "our fault",
    Fault.PASSING: "temporary",
    Fault.GONE: "mailbox gone",
    Fault.RECIPIENT: "recipient's",
}

REFUSALS = """\
A permanent refusal (5yz) is about us or about the recipient. `channels/email/refusals.py` decides which, by the
enhanced code and the text. Bounces are read by the same table.

"""

HEADER = """\
# What the providers' answers mean

`python -m deploy.provider_answers` writes this page from `channels/email/smtp_replies.py`,
`channels/email/refusals.py` and `channels/telegram/replies.py`: change it there. In each table the first matching row
counts. A delivery's `reason` is `smtp_<stage>_<code>` or `telegram_<status>`, or the code in brackets.

| Outcome | What happens |
| --- | --- |
"""


def provider_answers() -> str:
    """The text of the page."""
    outcomes = "".join(f"| **{name}** | {meaning} |\n" for name, meaning in OUTCOMES.values())
    smtp = _table(("Stage", "Answer", "Outcome", "Meaning"), _smtp())
    refusals = _table(("Whose fault", "Sign"), ((FAULTS[sign.fault], sign.meaning) for sign in SIGNS))
    telegram = _table(("Answer", "Outcome", "Meaning"), _telegram())
    return f"{HEADER}{outcomes}\n## Mail servers\n{smtp}\n{REFUSALS}{refusals}\n## Telegram\n{telegram}"


def _smtp() -> Iterable[Sequence[str]]:
    for row in smtp_replies.TABLE:
        stages = (
            "any" if row.stages is None else ", ".join(stage for stage in smtp_replies.Stage if stage in row.stages)
        )
        answer = _answer(row.answer)
        if row.fault is not None:
            answer += f", {FAULTS[row.fault]}"
        yield "any" if row.stages is None else stages, answer, OUTCOMES[row.outcome][0], row.meaning


def _telegram() -> Iterable[Sequence[str]]:
    for row in replies.TABLE:
        answer = _answer(row.answer)
        if row.description is not None:
            answer += f" “{row.description}”"
        if row.page:
            answer += " that is not from the Bot API"
        if row.migrates:
            answer += " with migrate_to_chat_id"
        if row.reason is not None:
            answer += f" (`{row.reason}`)"
        yield answer, OUTCOMES[row.outcome][0], row.meaning


def _answer(answer: range | str | None) -> str:
    if isinstance(answer, range):
        return str(answer.start) if len(answer) == 1 else f"{answer.start} to {answer.stop - 1}"
    return "anything else" if answer is None else answer.replace("_", " ")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (head, ["---"] * len(head), *rows))


if __name__ == "__main__":
    FILE.write_text(provider_answers(), encoding="utf-8")
    sys.stdout.write(f"docs/{FILE.name}: {len(smtp_replies.TABLE) + len(replies.TABLE)} answers\n")
