"""`retention`: removes now what is not to be kept any longer, or shows how much that is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from commands.following import ByHand, start_and_follow
from commands.output import print_json, print_line
from commands.running import OK, database
from contracts.retention import ApplyRetentionResult
from db.record import retention as old
from settings import Settings, SettingsError
from temporal import schedules
from workflows.apply_retention import ApplyRetentionWorkflow


def _sentences(result: ApplyRetentionResult) -> Iterator[str]:
    yield (
        f"Removed the texts and recipients of {result.texts} notifications, and {result.records} notifications whole. "
        f"Cleared or removed {result.entries} entries about addresses and interventions."
    )
    if not result.done:
        yield "Time ran out before everything was removed: run the command again, or wait for the next run."


RETENTION = ByHand(
    ApplyRetentionWorkflow.run,
    "apply-retention",
    noun="retention",
    summary="Remove what is not to be kept any longer, by hand",
    sentences=_sentences,
    sends=False,
)


async def retention(*, wait: bool, dry_run: bool, as_json: bool) -> int:
    """Starts a retention, or counts what it would remove."""
    settings = Settings.load()
    if settings.texts_kept_for is None and settings.record_kept_for is None:
        raise SettingsError("TEXTS_KEEP_DAYS: set this, RECORD_KEEP_DAYS or both; without them everything is kept")
    if dry_run:
        return await _count(settings, as_json=as_json)
    await start_and_follow(settings, RETENTION, schedules.retention_input(settings), wait=wait, as_json=as_json)
    return OK


async def _count(settings: Settings, *, as_json: bool) -> int:
    now = datetime.now(UTC)
    texts = records = needed = 0
    async with database(settings) as engine, engine.connect() as connection:
        if settings.texts_kept_for is not None:
            texts = await old.count_texts(connection, now - settings.texts_kept_for)
        if settings.record_kept_for is not None:
            records, needed = await old.count_records(connection, now - settings.record_kept_for)
    if as_json:
        print_json({"texts": texts, "records": records, "still_needed": needed})
        return OK
    print_line(f"{texts} notifications would lose their texts and recipients.")
    print_line(
        f"{records} notifications would be removed whole. {needed} of that age stay, because they still prevent "
        "telling somebody twice or are in doubt."
    )
    return OK
