"""`preview`: renders a notification with sample data. Sends nothing and needs no server."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import assert_never

import typer
from jinja2 import TemplateError

from channels.base import Channel
from channels.configured import new_renderer
from channels.registry import find_channel
from commands.output import print_json, print_line
from commands.running import OK, CommandFailed
from contracts.keys import NotificationType
from contracts.sending import ALWAYS_DELIVERED, DeliveryStatus
from db.clocks import LocalTime
from db.record.claim import Claim
from settings import Settings, SettingsError
from texts.languages import LanguageError, match


class Item(StrEnum):
    """The kind of item that ends."""

    PROJECT = "project"
    CONTENT = "content"


class Part(StrEnum):
    """A part of an e-mail."""

    SUBJECT = "subject"
    TEXT = "text"
    HTML = "html"


SAMPLE = Claim(
    delivery_id=1,
    notification_id=1,
    channel=ALWAYS_DELIVERED[0],
    contact_id=1,
    recipient_key="anna@harbour-museum.example",
    claim_seq=1,
    status=DeliveryStatus.PENDING,
    reason=None,
    obstacle=None,
    in_doubt=False,
    notification_type=NotificationType.EXPIRING,
    dedupe_key="sample",
    subject=None,
    message=None,
    metadata={},
    recipient="anna@harbour-museum.example",
    ends=LocalTime(
        clock=datetime(2026, 11, 27, 23, 59),  # noqa: DTZ001 - as the clock shows it
        utc_offset=timedelta(hours=1),
        is_summer=False,
        day=date(2026, 11, 27),
    ),
    days_left=7,
    company_id=7,
    company_name="Harbour Museum",
    locale="en",
    timezone="Europe/Berlin",
    project_name="Old Harbour Walk",
    project_slug="old-harbour-walk",
    contents=["Ferry <animated>", "Ships of 1890", "The lighthouse keeper & his dog"],
)
ALERT_SUBJECT = "E-mail is refused: smtp_auth_535"
ALERT_MESSAGE = (
    "The mail server refuses this installation's credentials.\n\nNo notification has failed. All of them wait."
)


def sample(notification_type: NotificationType, locale: str, item: Item) -> Claim:
    """Returns a claim with everything that the text may name."""
    claim = replace(SAMPLE, notification_type=notification_type, locale=locale)
    match notification_type:
        case NotificationType.EXPIRING | NotificationType.EXPIRED:
            return _about(item, claim)
        case NotificationType.ALERT:
            return replace(claim, subject=ALERT_SUBJECT, message=ALERT_MESSAGE)
        case NotificationType.TEST:
            return claim
        case _:
            assert_never(notification_type)


def _about(item: Item, claim: Claim) -> Claim:
    match item:
        case Item.PROJECT:
            return claim
        case Item.CONTENT:
            return replace(claim, content="The lighthouse keeper", content_slug="lighthouse-keeper", contents=[])
        case _:
            assert_never(item)


async def preview(
    notification_type: NotificationType,
    locale: str,
    channel: str,
    item: Item,
    part: Part | None,
    output: Path | None,
    *,
    as_json: bool,
) -> int:
    """Prints the parts, or writes each to a file in `output`."""
    settings = Settings.load()
    try:
        renderer = new_renderer(settings)
        if match(locale, renderer.languages) is None:
            raise SettingsError(f"--locale: {locale!r} has no templates: choose from {', '.join(renderer.languages)}")
        parts = _known(channel).preview(renderer, sample(notification_type, locale, item))
    except (LanguageError, TemplateError) as error:
        raise CommandFailed(" ".join(str(error).split())) from error
    if part is not None:
        parts = _only(part, parts)
    if output is not None:
        _write(parts, output, as_json)
    elif as_json:
        print_json({name.partition(".")[0]: text for name, text in parts.items()})
    else:
        sys.stdout.write("\n".join(f"{text.rstrip()}\n" for text in parts.values()))
    return OK


def _file_of(part: Part) -> str:
    match part:
        case Part.SUBJECT:
            return "subject.txt"
        case Part.TEXT:
            return "text.txt"
        case Part.HTML:
            return "html.html"
        case _:
            assert_never(part)


def _known(name: str) -> Channel:
    channel = find_channel(name)
    if channel is None:
        raise SettingsError(f"--channel: {name!r} is not a channel")
    return channel


def _only(part: Part, parts: dict[str, str]) -> dict[str, str]:
    file = _file_of(part)
    if file not in parts:
        raise typer.BadParameter(f"--part {part}: this channel has no {file}, only {', '.join(parts)}")
    return {file: parts[file]}


def _write(parts: dict[str, str], folder: Path, as_json: bool) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in parts.items():
            (folder / name).write_text(f"{text.rstrip()}\n", encoding="utf-8")
    except OSError as error:
        raise CommandFailed(f"{folder}: {error.strerror}") from error
    files = [str(folder / name) for name in parts]
    if as_json:
        print_json({"files": files})
    else:
        for file in files:
            print_line(file)
