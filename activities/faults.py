"""Faults of this installation that attempts and other activities meet, in words for the operators."""

from __future__ import annotations

from typing import assert_never

from activities.alerts import Alerts, operator_fault_text
from activities.refused_alike import SEVERAL, refused_alike
from channels.base import Channel
from contracts.sending import Reason
from db.errors import Trouble, describe, trouble_of
from settings import Settings

DATABASE_REFUSES = "database_refuses"
"""The problem's code: the database answers, but schema, grants and statement do not match."""

_DATABASE_REFUSES = """\
PostgreSQL refuses a statement: {error}. The schema, the grants and this release do not match.

No notification has failed. What needs this statement waits and is tried again. Run `python cli.py migrate`, check that
all workers and the API run the same release, and check the grants. To find the statement, search the
worker's log for the event activity_failed.
"""
_REFUSED_ALIKE = """\
{provider} gave {several} or more recipients the same refusal within minutes and accepts hardly anything else. So the
refusal is about this installation, whatever its text says.

The deliveries that wait have not failed. They are tried again every {minutes:g} minutes. To see the replies, run
`python cli.py deliveries --channel {channel} --status pending`. The first ones were rejected before this was noticed.
Once you have corrected the cause, send those again:
`python cli.py resend --channel {channel} --status rejected --since TIME --why REASON`.
"""
_INTERNAL_ERROR = """\
{messages} wait because of an error in this application or in a setting.

They are tried again. A delivery that fails like this for {hours:g} hours ends as `failed: internal_error`;
`cli.py resend` opens it again. To find the error, search the worker's log for the event attempt_failed.
"""


async def alert_database_fault(alerts: Alerts, error: BaseException) -> None:
    """Alerts the operators to an error of the database that waiting does not cure. Ignores all others."""
    trouble, what = trouble_of(error), describe(error)
    match trouble:
        case Trouble.OURS:
            text = _DATABASE_REFUSES.format(error=what)
            await alerts.alert(DATABASE_REFUSES, f"PostgreSQL refuses a statement: {what}", text)
        case Trouble.WAIT | Trouble.UNWRITABLE:
            pass
        case _:
            assert_never(trouble)


def refusal_text(settings: Settings, channel: Channel, code: str) -> tuple[str, str]:
    """Returns subject and message about what makes deliveries on a channel wait."""
    if code == refused_alike(channel):
        text = _REFUSED_ALIKE.format(
            provider=channel.words.provider,
            several=SEVERAL,
            minutes=settings.operator_fault_retry / 60,
            channel=channel.name,
        )
        return f"{channel.words.heading}: several recipients are refused alike", text
    if code != Reason.INTERNAL_ERROR:
        return operator_fault_text(settings, channel, code)
    return (
        f"{channel.words.heading}: an error of this application",
        _INTERNAL_ERROR.format(messages=channel.words.messages, hours=settings.internal_error_give_up / 3600),
    )
