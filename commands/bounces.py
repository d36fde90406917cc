"""`bounces`: reads what came back, and corrects the record."""

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
"""No report of a failure: an automatic answer, a report of a delay, spam."""
COUNTED = (Result.BOUNCED, Result.UNCHANGED, Result.UNDER_WAY, IGNORED, Result.UNMATCHED)


async def read_bounces(folder: Path, *, as_json: bool) -> int:
    """Goes through a Maildir. A message is marked after what it says is in the database: may run twice, and be cut
    off."""
    settings = Settings.load()
    maildir = Maildir(folder)
    if not maildir.exists():
        raise SettingsError(f"--maildir: {folder} is no Maildir: it needs the folders new, cur and tmp")
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
            return _leave_to_a_person(maildir, message, "no notice of ours is known that it could be about")
        case Result.BOUNCED | Result.UNCHANGED:
            maildir.mark(message, Flag.SEEN)
        case Result.UNDER_WAY:  # it stays as it is, for the next time
            pass
        case _:
            assert_never(result)
    return result


async def _apply(engine: AsyncEngine, bounce: Bounce) -> Result:
    async with engine.begin() as connection:
        return await apply_bounce(connection, bounce, EMAIL.name)


def _leave_to_a_person(maildir: Maildir, message: Path, why: str) -> Result:
    maildir.mark(message, Flag.FLAGGED)
    complain(f"{message.name}: {why}; it is flagged now. Without the flag it is read again.")
    return Result.UNMATCHED


@contextmanager
def _file_errors() -> Iterator[None]:
    """Turns errors of files into `CommandFailed`; those of the database and its network have no file's name."""
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
        f"Bounced {counts[Result.BOUNCED]}, nothing new {counts[Result.UNCHANGED]}, "
        f"not yet accepted {counts[Result.UNDER_WAY]}, no bounce {counts[IGNORED]}, "
        f"flagged for you {counts[Result.UNMATCHED]}."
    )
