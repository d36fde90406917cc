"""`bounces`: reads bounced e-mails and corrects the record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import assert_never

from sqlalchemy.ext.asyncio import AsyncEngine

from channels.email.bounce_addresses import SIGNS_BOUNCES, BounceAddresses
from channels.email.bounce_reports import READ_BYTES, Unreadable, read_bounce
from channels.email.plan import EMAIL
from commands.maildir import Flag, Maildir
from commands.output import print_json, print_line
from commands.running import OK, CommandFailed, complain, database
from db.record.bounced import Bounce, Complaint, Proof, Result, apply_bounce, apply_complaint
from settings import Settings, SettingsError

IGNORED = "ignored"
"""Not a report of a failure: an automatic answer, a report of a delay, spam."""
COUNTED = (
    Result.BOUNCED,
    Result.UNPROVEN,
    Result.COMPLAINED,
    Result.UNCHANGED,
    Result.UNDER_WAY,
    IGNORED,
    Result.UNMATCHED,
)


async def read_bounces(folder: Path, *, as_json: bool) -> int:
    """Reads a Maildir and applies each bounce. Marks a message only after its effect is in the database, so it may run
    twice and may be interrupted."""
    settings = Settings.load()
    maildir = Maildir(folder)
    if not maildir.exists():
        raise SettingsError(f"--maildir: {folder} is not a Maildir: it needs the folders new, cur and tmp")
    addresses = _bounce_addresses(settings)
    counts: Counter[str] = Counter()
    async with database(settings) as engine:
        with _file_errors():
            for message in maildir.unseen():
                counts[await _process(engine, addresses, maildir, message)] += 1
    _print(counts, as_json)
    return OK


def _bounce_addresses(settings: Settings) -> BounceAddresses | None:
    """Returns what reads the tags. None: e-mails have none. Raises `SettingsError` if the secret is missing."""
    if settings.smtp_bounce_address is None:
        return None
    return BounceAddresses(settings.smtp_bounce_address, settings.needed_secret("unsubscribe_secret", SIGNS_BOUNCES))


async def _process(engine: AsyncEngine, addresses: BounceAddresses | None, maildir: Maildir, message: Path) -> str:
    content = maildir.read(message, READ_BYTES)
    if content is None:
        return Result.UNCHANGED
    try:
        report = read_bounce(content)
    except Unreadable as error:
        return _leave_to_a_person(maildir, message, str(error))
    if report is None:
        maildir.mark(message, Flag.SEEN)
        return IGNORED
    result = await _apply(engine, report, _proofs(addresses, report))
    match result:
        case Result.UNMATCHED:
            return _leave_to_a_person(maildir, message, _why_unmatched(report))
        case Result.BOUNCED | Result.UNPROVEN | Result.COMPLAINED | Result.UNCHANGED:
            maildir.mark(message, Flag.SEEN)
        case Result.UNDER_WAY:  # it stays unread for the next run
            pass
        case _:
            assert_never(result)
    return result


def _proofs(addresses: BounceAddresses | None, report: Bounce | Complaint) -> list[Proof]:
    if addresses is None:
        return []
    return [Proof(tag.delivery_id, partial(addresses.is_for, tag)) for tag in addresses.tags(report.sent_to)]


async def _apply(engine: AsyncEngine, report: Bounce | Complaint, proofs: list[Proof]) -> Result:
    async with engine.begin() as connection:
        match report:
            case Bounce():
                return await apply_bounce(connection, report, EMAIL.name, proofs)
            case Complaint():
                return await apply_complaint(connection, report, EMAIL.name, proofs)
            case _:
                assert_never(report)


def _why_unmatched(report: Bounce | Complaint) -> str:
    match report:
        case Bounce():
            return "matches no notification in the database"
        case Complaint():
            return "a complaint that no tag of ours proves: no address was suppressed"
        case _:
            assert_never(report)


def _leave_to_a_person(maildir: Maildir, message: Path, why: str) -> Result:
    maildir.mark(message, Flag.FLAGGED)
    complain(f"{message.name}: {why}. It is flagged and will not be read again until you remove the flag.")
    return Result.UNMATCHED


@contextmanager
def _file_errors() -> Iterator[None]:
    """Turns file errors into `CommandFailed`. Errors of the database and its network have no file name."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            raise
        raise CommandFailed(f"{error.filename}: {error.strerror}") from error


def _print(counts: Counter[str], as_json: bool) -> None:
    if as_json:
        print_json({name: counts[name] for name in COUNTED})
        return
    print_line(
        f"{counts[Result.BOUNCED]} bounced, {counts[Result.UNPROVEN]} bounced without proof, "
        f"{counts[Result.COMPLAINED]} complaints, {counts[Result.UNCHANGED]} already known, "
        f"{counts[Result.UNDER_WAY]} not accepted yet, {counts[IGNORED]} not bounces, "
        f"{counts[Result.UNMATCHED]} flagged for you."
    )
