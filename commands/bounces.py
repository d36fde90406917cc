"""`bounces`: reads bounced e-mails and corrects the record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import assert_never

from sqlalchemy.ext.asyncio import AsyncEngine

from channels.email.bounce_reports import READ_BYTES, Unreadable, read_bounce
from channels.email.plan import EMAIL
from commands.maildir import Flag, Maildir
from commands.output import print_json, print_line
from commands.running import OK, CommandFailed, complain, database
from db.record.bounced import Bounce, Result, apply_bounce
from settings import Settings, SettingsError

IGNORED = "ignored"
"""Not a report of a failure: an automatic reply, a report of a delay, spam."""
COUNTED = (Result.BOUNCED, Result.UNCHANGED, Result.UNDER_WAY, IGNORED, Result.UNMATCHED)


async def read_bounces(folder: Path, *, as_json: bool) -> int:
    """Reads a Maildir and applies each bounce. Marks a message only after its effect is in the database, so it may run
    twice and may be interrupted."""
    settings = Settings.load()
    maildir = Maildir(folder)
    if not maildir.exists():
        raise SettingsError(f"--maildir: {folder} is not a Maildir: it needs the folders new, cur and tmp")
    counts: Counter[str] = Counter()
    async with database(settings) as engine:
        with _file_errors():
            for message in maildir.unseen():
                counts[await _process(engine, maildir, message)] += 1
    _print(counts, as_json)
    return OK


async def _process(engine: AsyncEngine, maildir: Maildir, message: Path) -> str:
    content = maildir.read(message, READ_BYTES)
    if content is None:
        return Result.UNCHANGED
    try:
        bounce = read_bounce(content)
    except Unreadable as error:
        return _leave_to_a_person(maildir, message, str(error))
    if bounce is None:
        maildir.mark(message, Flag.SEEN)
        return IGNORED
    result = await _apply(engine, bounce)
    match result:
        case Result.UNMATCHED:
            return _leave_to_a_person(maildir, message, "matches no notification in the database")
        case Result.BOUNCED | Result.UNCHANGED:
            maildir.mark(message, Flag.SEEN)
        case Result.UNDER_WAY:  # it stays unread for the next run
            pass
        case _:
            assert_never(result)
    return result


async def _apply(engine: AsyncEngine, bounce: Bounce) -> Result:
    async with engine.begin() as connection:
        return await apply_bounce(connection, bounce, EMAIL.name)


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
        f"{counts[Result.BOUNCED]} bounced, {counts[Result.UNCHANGED]} already known, "
        f"{counts[Result.UNDER_WAY]} not accepted yet, {counts[IGNORED]} not bounces, "
        f"{counts[Result.UNMATCHED]} flagged for you."
    )
