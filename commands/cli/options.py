"""Arguments and options that several commands have, and how their values are read."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Annotated

import typer

from channels.recipients import recipients_named
from channels.registry import names
from db.record.filters import Recipient
from runtime.times import parse_day, parse_instant, parse_time
from runtime.users import user_name

MAX_ID = 2**63 - 1

Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON document.")]
Limit = Annotated[int, typer.Option(min=1, max=100_000, help="Most rows to show, newest first.")]
Wide = Annotated[
    bool, typer.Option("--wide", help="Show all columns, each row on one line. A file or a pipe always gets all.")
]


def channel_name(name: str) -> str:
    """Raises `typer.BadParameter` if there is no such channel."""
    if name not in names():
        raise typer.BadParameter(f"{name!r} is not a channel: choose from {', '.join(names())}")
    return name


CHANNELS = "|".join(names())
OneChannel = typer.Option(parser=channel_name, metavar=CHANNELS)


def moment(text: str) -> datetime:
    """Reads a time: ISO 8601 with offset, or relative to now such as `-2h`. Raises `typer.BadParameter`."""
    try:
        return parse_instant(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def day(text: str) -> date:
    """Reads a day such as 2026-11-24. Raises `typer.BadParameter`."""
    try:
        return parse_day(text.strip())
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def duration(text: str) -> timedelta:
    """Reads a duration such as `3d`. Raises `typer.BadParameter`."""
    try:
        read = parse_time(f"+{text.strip().removeprefix('+')}")
    except ValueError:
        read = None
    if not isinstance(read, timedelta):
        raise typer.BadParameter(f"{text!r} is not a duration: write 3d, 12h or 30m")
    return read


def _not_blank(text: str) -> str:
    if not text.strip():
        raise typer.BadParameter("must not be blank: it is recorded")
    return text.strip()


Operator = Annotated[
    str,
    typer.Option(
        "--by",
        default_factory=user_name,
        show_default="your user name",
        help="Who does this; it is recorded.",
        callback=_not_blank,
    ),
]
Why = Annotated[str, typer.Option("--why", help="The reason; it is recorded.", callback=_not_blank)]

OnChannel = Annotated[str | None, OneChannel]
OfCompany = Annotated[str | None, typer.Option("--company", metavar="SLUG|ID", help="Only for this company.")]
OfProject = Annotated[str | None, typer.Option("--project", metavar="SLUG|ID", help="Only about this project.")]
OfContent = Annotated[str | None, typer.Option("--content", metavar="SLUG|ID", help="Only about this AR content.")]
WithReason = Annotated[
    str | None, typer.Option("--reason", metavar="CODE", help="Only with this reason, as `deliveries` shows it.")
]
ToRecipient = Annotated[
    str | None, typer.Option("--recipient", metavar="ADDRESS", help="Only to this e-mail address or chat id.")
]
Since = Annotated[
    datetime | None,
    typer.Option(parser=moment, metavar="TIME", help="At this time or later: ISO 8601 with offset, or -2h."),
]
Until = Annotated[
    datetime | None,
    typer.Option(parser=moment, metavar="TIME", help="Before this time: ISO 8601 with offset, or -2h."),
]


def recipients(address: str | None, channel: str | None) -> list[Recipient] | None:
    """Reads an address. Raises `typer.BadParameter` if no channel, or not the given one, takes it."""
    if address is None:
        return None
    try:
        return recipients_named(address.strip(), channel)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="'--recipient'") from None
