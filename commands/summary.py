"""`summary`: shows a day in the words of the daily summary. It only reads."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, date, datetime

from activities.daily_summary import summarise
from commands.dry_run import next_scans
from commands.output import print_json, print_line
from commands.running import OK, database
from settings import Settings, SettingsError
from texts.languages import LanguageError
from texts.summary import SummaryTexts


async def show_summary(day: date | None, *, as_json: bool) -> int:
    """Shows the summary of that day, by default of yesterday, in the language of ADMIN_LOCALE."""
    settings = Settings.load()
    try:
        texts = SummaryTexts(settings.admin_locale)
    except LanguageError as error:
        raise SettingsError(str(error)) from None
    next_scan = await next_scans(settings)
    async with database(settings) as engine:
        reading = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        async with reading.connect() as connection:
            summary = await summarise(connection, settings, next_scan, at=datetime.now(UTC), day=day)
    if summary.day > summary.today:
        raise SettingsError(f"--day {summary.day} is in the future: write {summary.today} or an earlier day")
    subject, text = texts.subject(summary), texts.text(summary)
    if as_json:
        print_json({"subject": subject, "text": text, **asdict(summary)})
    else:
        for line in text.splitlines():
            print_line(line)
    return OK
